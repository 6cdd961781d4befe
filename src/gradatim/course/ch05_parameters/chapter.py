import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Parameters")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch05_parameters import shows
    from gradatim.pages.page import escaped

    widgets.beginning(5)
    return escaped, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo, shows):
    _a, _b = shows.seeded_start()
    mo.md(f"""
    ## 1 · A tensor that asks for a gradient

    Data are given. **Parameters** are what is learned, here a and b. A parameter says so
    with `requires_grad=True`:

    ```python
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    ```

    With this seed a is {_a:.4f} and b is {_b:.4f} on the CPU. (NumPy's seed 42 gives other
    numbers, and so does a GPU: each has a generator of its own.) From now on PyTorch records
    what is computed from a and b. `loss.backward()` will then compute their gradients and
    leave them in `a.grad` and `b.grad`. Chapter 6 uses them.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    who = widgets.predict(
        "a asks for a gradient, b does not. Then you train. What becomes of b?",
        ["It is trained too", "It stays what it is", "backward() raises an exception"],
    )
    who
    return (who,)


@app.cell(hide_code=True)
def _(who, widgets):
    widgets.verdict(
        who,
        right="It stays what it is",
        why={
            "It is trained too": "Its gradient is None, so no update can be made by it.",
            "It stays what it is": "No gradient is computed for it. x and y do not ask "
            "either: we never change the data.",
            "backward() raises an exception": "Only if nobody asks: switch both off below. "
            "Then there is nothing to go back to.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    of_a = mo.ui.switch(value=True, label="a asks")
    of_b = mo.ui.switch(value=True, label="b asks")
    return of_a, of_b


@app.cell(hide_code=True)
def _(mo, of_a, of_b, who, widgets):
    widgets.after(who, mo.hstack([of_a, of_b], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(mo, of_a, of_b, shows, who, widgets):
    widgets.after(who, mo.md(f"""
    {shows.gradients(of_a=of_a.value, of_b=of_b.value)}
    """))
    return


@app.cell(hide_code=True)
def _(mo, who, widgets):
    widgets.after(who, mo.md(r"""
    The two numbers are those of chapter 2: -2 mean(y - ŷ) and -2 mean(x (y - ŷ)), at this
    start.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    whole_numbers = widgets.button("a parameter of whole numbers", breaks=True)
    whole_numbers
    return (whole_numbers,)


@app.cell(hide_code=True)
def _(shows, whole_numbers, widgets):
    widgets.breaks(
        whole_numbers,
        shows.integer_parameter,
        code="torch.zeros(1, dtype=torch.int64, requires_grad=True)",
        cure="`torch.zeros(1)`: float32. A step down is a small part of a number. Between "
        "two whole numbers there is no small step.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Four ways to a device

    A parameter should be made where the data are. Here are four ways to write it; the first
    forgets the device. All four run without an error. But only a **leaf** can be trained: a
    tensor that no recorded operation has made.
    """)
    return


@app.cell(hide_code=True)
def _(mo, shows):
    _codes = [shows.code_of(way, "the same device (cpu)").replace('"cpu"', "device") for way in shows.WAYS]
    mo.md("\n".join(f"{n}. `{code}`" for n, code in enumerate(_codes, 1)))
    return


@app.cell(hide_code=True)
def _(widgets):
    wrong_way = widgets.predict(
        "The device is a GPU. Which way gives a tensor that can **not** be trained?",
        ["Way 1", "Way 2", "Way 3", "Way 4"],
    )
    wrong_way
    return (wrong_way,)


@app.cell(hide_code=True)
def _(widgets, wrong_way):
    widgets.verdict(
        wrong_way,
        right="Way 2",
        why={
            "Way 1": "It can be trained. But it is on the CPU, and x is not: they cannot meet.",
            "Way 2": "The marked tensor stays on the CPU. What arrives is a copy of it: the "
            "result of an operation, with a `grad_fn`. It is no **leaf**.",
            "Way 3": "Sent first, then marked. What is sent is not yet recorded, so the "
            "marked tensor is a leaf.",
            "Way 4": "It is made there in the first place. That is the best way.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    way = mo.ui.dropdown(list(shows.WAYS), value="2", label="way")
    target = mo.ui.dropdown(list(shows.TARGETS), value=next(iter(shows.TARGETS)), label="wanted:")
    return target, way


@app.cell(hide_code=True)
def _(mo, target, way, widgets, wrong_way):
    widgets.after(wrong_way, mo.hstack([way, target], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(escaped, mo, shows, target, way, widgets, wrong_way):
    _a = shows.made(way.value, target.value)
    _code = f"`a = {shows.code_of(way.value, target.value)}`"
    _printed = f"<pre style='white-space:pre-wrap'>{escaped(_a)}</pre>"
    _graph = widgets.picture(shows.grows_from(_a))
    widgets.after(wrong_way, mo.vstack([mo.md(_code), mo.Html(_printed), mo.hstack([_graph, mo.md(shows.table(_a))], justify="start", wrap=True, gap=2)]))
    return


@app.cell(hide_code=True)
def _(mo, widgets, wrong_way):
    widgets.after(wrong_way, mo.md(r"""
    The picture shows `2 * a`, and (1) is the shape. Blue is the tensor that gets a gradient;
    green is the result. In way 2 the name a stands for the gray box `ToCopy`, and the blue
    tensor is left behind without a name. (Without a GPU the device *meta* plays its part. It
    has shapes, but no numbers, so `...` is printed.)

    Now choose **the same device (cpu)** and way 2. On a CPU `to("cpu")` has nothing to do and gives
    the same tensor back. So way 2 works on your laptop and fails on the machine with a
    GPU.
    """))
    return


@app.cell(hide_code=True)
def _(mo, shows, widgets, wrong_way):
    widgets.after(wrong_way, mo.md(f"""
    All of it at a glance. Way 1 gives a leaf, but always in float32 on the CPU.

    {shows.ways_table()}
    """))
    return


@app.cell(hide_code=True)
def _(shows):
    _elsewhere = next(iter(shows.TARGETS))
    trainable = {number: shows.made(number, _elsewhere).is_leaf for number in shows.WAYS}
    start = shows.seeded_start()
    return start, trainable


@app.cell(hide_code=True)
def _(mo, widgets):
    refused = widgets.button("way 2, and an optimizer", breaks=True)
    no_grad_there = widgets.button("way 2, and backward()", breaks=True)
    mo.hstack([refused, no_grad_there], justify="start", wrap=True)
    return no_grad_there, refused


@app.cell(hide_code=True)
def _(refused, shows, widgets):
    widgets.breaks(
        refused,
        shows.optimizer_of_copy,
        code="a = torch.randn(1, requires_grad=True).to(torch.float64)\n"
        "torch.optim.SGD([a], lr=0.1)",
        cure="`torch.randn(1, requires_grad=True, dtype=torch.float64)`, and for a device "
        "`device=device`. (Here a change of dtype makes the copy; a GPU does the same.)",
    )
    return


@app.cell(hide_code=True)
def _(escaped, mo, no_grad_there, shows, widgets):
    widgets.breaks(
        no_grad_there,
        lambda: mo.Html(f"<pre style='white-space:pre-wrap'>{escaped(shows.silent_none())}</pre>"),
        code="copy = torch.randn(1, requires_grad=True).to(torch.float64)\n"
        "((copy - 1) ** 2).mean().backward()",
        cure="send first, then `requires_grad_()`; better, create it there. No exception "
        "came. The gradient went to the tensor that nobody has a name for.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · What is a leaf?

    A **leaf** is a tensor that no recorded operation has made. backward() leaves a `.grad`
    on leaves only. To be trained a tensor must be a leaf **and** ask for a gradient. An
    **optimizer** makes the update (chapter 8), and it looks at that.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    leaf = widgets.predict(
        "a is a parameter. Is `a.detach()` a leaf, and can it be trained?",
        ["A leaf, and trained", "A leaf, and not trained", "No leaf"],
    )
    leaf
    return (leaf,)


@app.cell(hide_code=True)
def _(leaf, widgets):
    widgets.verdict(
        leaf,
        right="A leaf, and not trained",
        why={
            "A leaf, and trained": "It is a leaf, but it does not ask for a gradient.",
            "A leaf, and not trained": "`detach()` gives the same numbers without the record, "
            "and without requires_grad. `requires_grad_()` would set that again.",
            "No leaf": "`detach()` is not recorded: that is what it is for.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    expression = mo.ui.dropdown(list(shows.EXPRESSIONS), value="2 * a", label="look at")
    return (expression,)


@app.cell(hide_code=True)
def _(expression, leaf, widgets):
    widgets.after(leaf, expression)
    return


@app.cell(hide_code=True)
def _(expression, leaf, mo, shows, widgets):
    widgets.after(leaf, mo.md(shows.table(shows.EXPRESSIONS[expression.value](shows.made("1", "the same device (cpu)")))))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex05_parameter")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex05_parameter")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex05_parameter", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex05_trainable")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_trainable = widgets.editor("ex05_trainable")
    answer_trainable
    return (answer_trainable,)


@app.cell(hide_code=True)
def _(answer_trainable, widgets):
    widgets.checked("ex05_trainable", answer_trainable)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(5)
    return


if __name__ == "__main__":
    app.run()
