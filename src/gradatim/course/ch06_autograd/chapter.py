import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Autograd, in three attempts")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch06_autograd import shows
    from gradatim.pages.html_tables import grid

    widgets.beginning(6)
    return grid, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · backward() fills .grad

    So far we worked out two derivatives on paper. Autograd does it for us. It writes
    down each operation on a tensor with `requires_grad=True`. `backward()` then goes
    through its notes and applies the chain rule.

    ```python
    error = y - (a + b * x)
    loss = (error ** 2).mean()
    loss.backward()
    ```

    Nothing comes back. The gradients are left on the parameters: `a.grad` and `b.grad`.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    before = widgets.predict(
        "What is `a.grad` before the first `backward()`?", ["0", "None", "An error"]
    )
    before
    return (before,)


@app.cell(hide_code=True)
def _(before, widgets):
    widgets.verdict(
        before,
        right="None",
        why={
            "0": "A zero would be a gradient. There is no gradient yet.",
            "None": "backward makes the gradient, and has not run. The first mistake of "
            "section 2 shows itself by such a None.",
            "An error": "The attribute is always there. It holds nothing yet.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    _a, _b = (each.item() for each in shows.start())
    a_at = mo.ui.slider(-0.5, 3.0, 0.1, value=round(_a, 1), label="a", show_value=True)
    b_at = mo.ui.slider(-0.5, 3.5, 0.1, value=round(_b, 1), label="b", show_value=True)
    return a_at, b_at


@app.cell(hide_code=True)
def _(a_at, b_at, before, mo, widgets):
    widgets.after(before, mo.hstack([a_at, b_at], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(a_at, b_at, before, grid, mo, shows, widgets):
    both = shows.both_gradients(a_at.value, b_at.value)
    _rows = [{"gradient": n, "by a": f"{a:.4f}", "by b": f"{b:.4f}"} for n, (a, b) in both.items()]
    _words = "They agree, wherever you put the line. The gradient points up, so the update goes the other way."
    widgets.after(before, mo.vstack([widgets.picture(grid(_rows)), widgets.picture(shows.slope(a_at.value, b_at.value)), mo.md(_words)]))
    return (both,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · The update, in three attempts

    With NumPy the update was `a = a - lr * gradient`. Now a is a tensor that autograd
    watches. Here are three ways to write the same arithmetic. After each comes
    `a.grad.zero_()`, for the next epoch; section 3 tells why.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    which = widgets.predict(
        "Which of the three, with `a.grad.zero_()` after it, runs without an exception?",
        ["1 · a = a - lr * a.grad", "2 · a -= lr * a.grad", "3 · as 2, under no_grad()", "All three"],
    )
    which
    return (which,)


@app.cell(hide_code=True)
def _(which, widgets):
    widgets.verdict(
        which,
        right="3 · as 2, under no_grad()",
        why={
            "1 · a = a - lr * a.grad": "It makes a **new** tensor and calls it a. The "
            "new one has no `.grad`, so `zero_()` has nothing to work on.",
            "2 · a -= lr * a.grad": "It changes the parameter itself, while autograd is "
            "taking notes. Autograd refuses.",
            "3 · as 2, under no_grad()": "The parameter stays the same tensor, and only "
            "its value moves. `no_grad()` tells autograd to take no notes.",
            "All three": "The arithmetic is the same. What happens to the tensor is not.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    drawn = mo.ui.dropdown(
        {"a after these lines": False, "a loss computed after them": True},
        value="a after these lines",
        label="draw the graph of",
    )
    return (drawn,)


@app.cell(hide_code=True)
def _(drawn, which, widgets):
    widgets.after(which, drawn)
    return


@app.cell(hide_code=True)
def _(drawn, shows, which, widgets):
    tried = {name: shows.try_update(name) for name in shows.ATTEMPTS}
    widgets.after(which, widgets.picture(shows.cards(list(tried.items()), of_loss=drawn.value)))
    return (tried,)


@app.cell(hide_code=True)
def _(mo, which, widgets):
    widgets.after(which, mo.md(r"""
    Blue is a tensor that gets a gradient, green the operation that backward starts from.
    In the first attempt the name a stands for the result of a subtraction. The parameter
    is still there, but its name is gone. A next loss reaches it only through that
    subtraction. (Chapter 7 reads such graphs box by box.)

    In the other two, a is one blue box: a *leaf*. Only the third has moved it.

    `zero_()` ends in `_`: it changes its tensor in place. `a -= ...` does the same.
    """))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    rebound = widgets.button("attempt 1", breaks=True)
    recorded = widgets.button("attempt 2", breaks=True)
    unrecorded = widgets.button("no_grad() around the whole loop", breaks=True)
    mo.hstack([rebound, recorded, unrecorded], justify="start", wrap=True)
    return rebound, recorded, unrecorded


@app.cell(hide_code=True)
def _(rebound, shows, widgets):
    widgets.breaks(
        rebound,
        lambda: shows.broken("rebinding"),
        code="a = a - lr * a.grad\na.grad.zero_()",
        cure="change the parameter in place, `a -= ...`, so that the name stays with it.",
    )
    return


@app.cell(hide_code=True)
def _(recorded, shows, widgets):
    widgets.breaks(
        recorded,
        lambda: shows.broken("recorded"),
        code="a -= lr * a.grad",
        cure="the update is no part of the loss. Put it under `with torch.no_grad():`.",
    )
    return


@app.cell(hide_code=True)
def _(shows, unrecorded, widgets):
    widgets.breaks(
        unrecorded,
        lambda: shows.broken("too much unrecorded"),
        code="with torch.no_grad():\n    loss = ((y - (a + b * x)) ** 2).mean()\n    loss.backward()",
        cure="only the update goes under `no_grad()`. The loss needs its notes: without "
        "them backward has nothing to go through.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Why zero_()?

    The third attempt ends with `a.grad.zero_()`. What if it is forgotten?
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    second = widgets.predict(
        "We call `backward()` for a second loss and zero nothing. What is in `a.grad`?",
        ["The new gradient", "The sum of both", "The mean of both"],
    )
    second
    return (second,)


@app.cell(hide_code=True)
def _(second, widgets):
    widgets.verdict(
        second,
        right="The sum of both",
        why={
            "The new gradient": "backward never overwrites what it finds in `.grad`.",
            "The sum of both": "backward **adds**. That is useful at times, and wrong in "
            "our loop: old gradients come from places where the line no longer is.",
            "The mean of both": "Nobody counts the calls, so no mean can be formed.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    zeroing = mo.ui.dropdown({"zero": True, "forget": False}, value="zero", label="after each update")
    return (zeroing,)


@app.cell(hide_code=True)
def _(second, widgets, zeroing):
    widgets.after(second, zeroing)
    return


@app.cell(hide_code=True)
def _(second, shows, widgets, zeroing):
    widgets.after(second, widgets.moving(shows.pile(zeroing=zeroing.value)))
    return


@app.cell(hide_code=True)
def _(mo, second, widgets, zeroing):
    _words = "The old gradient is gone each time." if zeroing.value else (
        "The pile pushes on after the bottom is passed. The line circles around it."
    )
    widgets.after(second, mo.md(_words))
    return


@app.cell(hide_code=True)
def _(widgets):
    forgotten = widgets.button("100 updates without zero_()", breaks=True)
    forgotten
    return (forgotten,)


@app.cell(hide_code=True)
def _(forgotten, shows, widgets):
    widgets.breaks(
        forgotten,
        lambda: widgets.picture(shows.unzeroed()),
        code="with torch.no_grad():\n    a -= lr * a.grad\n    b -= lr * b.grad",
        cure="`a.grad.zero_()` and `b.grad.zero_()` after each update. The swinging loss "
        "is the only sign that they are missing.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · The whole program

    ```python
    for epoch in range(1000):
        error = y - (a + b * x)
        loss = (error ** 2).mean()
        loss.backward()
        with torch.no_grad():
            a -= lr * a.grad
            b -= lr * b.grad
        a.grad.zero_()
        b.grad.zero_()
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    ends_where = widgets.predict(
        "It starts elsewhere than NumPy did: seed 42 draws other numbers here. Where does it end?",
        ["On another line", "On the same line", "On the true line, 1 + 2x"],
    )
    ends_where
    return (ends_where,)


@app.cell(hide_code=True)
def _(ends_where, widgets):
    widgets.verdict(
        ends_where,
        right="On the same line",
        why={
            "On another line": "Another start is another way, but the bowl has one bottom only.",
            "On the same line": "The loss depends on the points alone, and it has one lowest "
            "place. All ways that go down lead there.",
            "On the true line, 1 + 2x": "Nobody tells it that line. It sees 80 noisy points.",
        },
    )
    return


@app.cell(hide_code=True)
def _(ends_where, mo, shows, widgets):
    trained = shows.updates(1000, zeroing=True)
    start, end = trained.went.path[0].tolist(), trained.went.path[-1].tolist()
    _told = mo.md(f"""
    With seed 42 it starts at a {start[0]:.4f}, b {start[1]:.4f} and ends at
    **a {end[0]:.4f}, b {end[1]:.4f}**: where NumPy ended, and no derivative by hand.
    """)
    widgets.after(ends_where, mo.vstack([widgets.picture(shows.two_ways(trained.went)), _told]))
    return end, start


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 5 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex06_update")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex06_update")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex06_update", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex06_pieces")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_2 = widgets.editor("ex06_pieces")
    answer_2
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, widgets):
    widgets.checked("ex06_pieces", answer_2)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(6)
    return


if __name__ == "__main__":
    app.run()
