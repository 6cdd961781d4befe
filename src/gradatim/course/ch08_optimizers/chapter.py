import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Optimizers")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch08_optimizers import shows
    from gradatim.pages.html_tables import grid

    widgets.beginning(8)
    return grid, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · Two calls for the update

    The update was five lines for two parameters. With a thousand parameters nobody
    wants to write it. An optimizer is given the parameters once, and the learning rate.

    ```python
    optimizer = torch.optim.SGD([a, b], lr=0.1)
    for epoch in range(1000):
        error = y - (a + b * x)
        loss = (error ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    ```

    `step()` moves each parameter by -lr times its `.grad`; `no_grad()` is inside.
    `zero_grad()` clears the gradients.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    cleared = widgets.predict(
        "What is `a.grad` after `optimizer.zero_grad()`?", ["A tensor with 0", "None"]
    )
    cleared
    return (cleared,)


@app.cell(hide_code=True)
def _(cleared, widgets):
    widgets.verdict(
        cleared,
        right="None",
        why={
            "A tensor with 0": "So it is with `zero_grad(set_to_none=False)`, and so it "
            "was in early versions of PyTorch.",
            "None": "PyTorch takes the tensor away. That is cheaper than writing zeros, "
            "and the next backward makes a new one.",
        },
    )
    return


@app.cell(hide_code=True)
def _(cleared, mo, shows, widgets):
    trained = shows.follow("SGD", lr=0.1, updates=1000)
    end = trained.path[-1].tolist()
    apart = shows.apart_from_hand(1000)
    _told = mo.md(f"""
    1,000 epochs end at **a {end[0]:.4f}, b {end[1]:.4f}**. On the whole way chapter 6's loop
    by hand was at most {apart:.1e} apart from this one.
    """)
    widgets.after(cleared, mo.vstack([widgets.picture(grid(shows.clearing())), _told]))
    return apart, end


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 2 · The S in SGD

    SGD means *stochastic* gradient descent. Our loop gives all 80 points to each loss.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    kind = widgets.predict(
        "Which kind of descent is this loop?",
        ["Stochastic: the optimizer is SGD", "Mini-batch", "Batch"],
    )
    kind
    return (kind,)


@app.cell(hide_code=True)
def _(kind, widgets):
    widgets.verdict(
        kind,
        right="Batch",
        why={
            "Stochastic: the optimizer is SGD": "The optimizer sees gradients only. It "
            "cannot know how many points are in them.",
            "Mini-batch": "That is a loss of some of the points. Here it is all of them.",
            "Batch": "All points are in each loss. How many there are is the loop's "
            "choice; the optimizer's name says nothing about it.",
        },
    )
    return


@app.cell(hide_code=True)
def _(kind, mo, shows, widgets):
    _words = mo.md("The same optimizer each time, `SGD([a, b], lr=0.1)`, for 3 epochs. What differs is the loss.")
    widgets.after(kind, mo.vstack([_words, widgets.picture(shows.by_batches())]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Other rules

    Another rule is a change of one line.

    - **SGD** goes lr times the gradient.
    - **SGD with momentum** keeps a speed. Each step is 0.9 of the last one, and the new
      gradient is added: `SGD([a, b], lr=0.1, momentum=0.9)`.
    - **Adam** divides a gradient by its usual size in the last updates, for each parameter
      on its own: `Adam([a, b], lr=0.1)`.
    """)
    return


@app.cell(hide_code=True)
def _(shows, widgets):
    _by_a, _by_b = shows.first_gradients()
    as_sgd = f"{-0.1 * _by_a:.2f} and {-0.1 * _by_b:.2f}"
    shorter = f"{-0.01 * _by_a:.3f} and {-0.01 * _by_b:.3f}"
    first_step = widgets.predict(
        f"The first gradient is {_by_a:.1f} by a and {_by_b:.1f} by b. How far does Adam's "
        "first step with lr 0.1 go?",
        [as_sgd, "0.1 and 0.1", shorter],
    )
    first_step
    return as_sgd, first_step, shorter


@app.cell(hide_code=True)
def _(as_sgd, first_step, shorter, widgets):
    widgets.verdict(
        first_step,
        right="0.1 and 0.1",
        why={
            as_sgd: "That is SGD's: lr times gradient.",
            "0.1 and 0.1": "A gradient divided by its own size is 1 or -1. So lr is the "
            "length of the first step in each direction.",
            shorter: "Nothing makes the step ten times shorter. Adam takes the "
            "size of the gradient away altogether.",
        },
    )
    return


@app.cell(hide_code=True)
def _(first_step, grid, shows, widgets):
    firsts = {rule: shows.first_update(rule) for rule in shows.RULES}
    widgets.after(first_step, widgets.picture(grid(
        [{"first step, lr 0.1": n, "a": f"{a:+.4f}", "b": f"{b:+.4f}"} for n, (a, b) in firsts.items()]
    )))
    return (firsts,)


@app.cell(hide_code=True)
def _(mo):
    lr = mo.ui.slider(
        steps=[0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.82, 1.0, 1.6],
        value=0.1,
        label="learning rate",
        show_value=True,
    )
    updates = mo.ui.slider(steps=[1, 5, 10, 20, 60, 200], value=60, label="updates", show_value=True)
    return lr, updates


@app.cell(hide_code=True)
def _(first_step, lr, mo, updates, widgets):
    widgets.after(first_step, mo.hstack([lr, updates], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(first_step, lr, shows, updates, widgets):
    widgets.after(first_step, widgets.picture(shows.side_by_side(lr=lr.value, updates=updates.value)))
    return


@app.cell(hide_code=True)
def _(first_step, mo, widgets):
    widgets.after(first_step, mo.md("""
    One learning rate does not mean the same to each of them. With 0.1 plain SGD is the
    slowest; with 0.5 it beats both on this small bowl. Momentum and Adam are made for long
    valleys and for gradients of very different size.
    """))
    return


@app.cell(hide_code=True)
def _(mo, shows):
    choice = mo.ui.dropdown(list(shows.CHOICES), value="good: SGD, 0.1", label="a choice")
    return (choice,)


@app.cell(hide_code=True)
def _(choice, first_step, mo, widgets):
    widgets.after(first_step, mo.vstack([mo.md("Good choices and bad ones, after 60 updates. Why is each what it is?"), choice]))
    return


@app.cell(hide_code=True)
def _(choice, first_step, mo, shows, widgets):
    widgets.after(first_step, mo.vstack([widgets.picture(shows.chosen(choice.value)), mo.md(shows.why(choice.value))]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 4 · What goes wrong

    An optimizer is made of tensors. It never looks at the loss.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    copies = widgets.predict(
        "The optimizer was made of *copies* of a and b; the loss is made of a and b. "
        "What does `step()` do?",
        ["It raises an exception", "It moves a and b", "Nothing"],
    )
    copies
    return (copies,)


@app.cell(hide_code=True)
def _(copies, widgets):
    widgets.verdict(
        copies,
        right="Nothing",
        why={
            "It raises an exception": "A parameter without a gradient is no error: it may "
            "be one that this loss does not use. `step()` passes it over.",
            "It moves a and b": "It does not know them. It knows two other tensors, with "
            "the same numbers in them.",
            "Nothing": "An optimizer keeps the **tensors** it was given, not their names. The "
            "gradients arrive at a and b. The copies have none, so `step()` passes them over. "
            "Often a model was made again after its optimizer.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    copied = widgets.button("an optimizer of copies", breaks=True)
    unzeroed = widgets.button("zero_grad() forgotten", breaks=True)
    mo.hstack([copied, unzeroed], justify="start", wrap=True)
    return copied, unzeroed


@app.cell(hide_code=True)
def _(copied, shows, widgets):
    widgets.breaks(
        copied,
        lambda: widgets.picture(shows.spoiled(copied=True)),
        code="optimizer = SGD([a.detach().clone(), b.detach().clone()], lr=0.1)",
        cure="make the optimizer last, of the tensors that the loss is made of. Then look "
        "once whether a parameter moves.",
    )
    return


@app.cell(hide_code=True)
def _(shows, unzeroed, widgets):
    widgets.breaks(
        unzeroed,
        lambda: widgets.picture(shows.spoiled(zeroing=False)),
        code="loss.backward()\noptimizer.step()",
        cure="`optimizer.zero_grad()` once for each `step()`.",
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    mo.md(f"""
    The doctor of this course's package sees what raises nothing. It watches any loop, and
    changes nothing in it:

    ```python
{shows.watched_program(4)}
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    ask = widgets.button("ask the doctor about this loop")
    ask
    return (ask,)


@app.cell(hide_code=True)
def _(ask, shows, widgets):
    found = shows.examined() if ask.value else ""
    widgets.picture(shows.in_full(found))
    return (found,)


@app.cell(hide_code=True)
def _(mo, shows, widgets):
    call = mo.ui.dropdown(
        {f"SGD of {name}": code for name, code in shows.ROTTEN.items()},
        value="SGD of a tensor that was computed",
        label="what PyTorch does refuse",
    )
    refused = widgets.button("make this optimizer", breaks=True)
    mo.hstack([call, refused], justify="start", wrap=True)
    return call, refused


@app.cell(hide_code=True)
def _(call, mo, refused, shows, widgets):
    mo.vstack([
        mo.md(f"`{call.value}`"),
        widgets.breaks(
            refused,
            lambda: shows.make_optimizer(call.value),
            cure="a list of leaves that ask for a gradient: `SGD([a, b], lr=0.1)`. A tensor "
            "that was computed is remade from its parents each time, so moving it is of no use.",
        ),
    ])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 5 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex08_sgd")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex08_sgd")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex08_sgd", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex08_momentum")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_2 = widgets.editor("ex08_momentum")
    answer_2
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, widgets):
    widgets.checked("ex08_momentum", answer_2)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(8)
    return


if __name__ == "__main__":
    app.run()
