import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Parameters")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import leaves, parts
    from gradatim.page import escaped

    parts.beginning(5)
    return escaped, leaves, mo, parts


@app.cell(hide_code=True)
def _(leaves, mo):
    _a, _b = leaves.seeded_start()
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
    numbers: the generators are not the same.) From now on PyTorch records what is computed
    from a and b.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    who = parts.predict(
        "`loss = ((y - (a + b * x)) ** 2).mean()`. Which tensors need requires_grad?",
        ["a and b", "x and y", "All of them"],
    )
    who
    return (who,)


@app.cell(hide_code=True)
def _(parts, who):
    parts.verdict(
        who,
        right="a and b",
        why={
            "a and b": "They are changed by the update, so we must know which way is down "
            "for them.",
            "x and y": "We never change the data. Their gradient would be computed for "
            "nothing.",
            "All of them": "It would work, and cost time and memory for numbers that "
            "nobody reads.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    of_a = mo.ui.switch(value=True, label="a asks")
    of_b = mo.ui.switch(value=True, label="b asks")
    return of_a, of_b


@app.cell(hide_code=True)
def _(mo, of_a, of_b, parts, who):
    parts.after(who, mo.hstack([of_a, of_b], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(leaves, mo, of_a, of_b, parts, who):
    parts.after(who, mo.md(f"""
    {leaves.gradients(of_a=of_a.value, of_b=of_b.value)}
    """))
    return


@app.cell(hide_code=True)
def _(mo, parts, who):
    parts.after(who, mo.md(r"""
    A tensor that does not ask has the gradient None. It stays what it is, however long
    you train. If nobody asks, there is nothing to go back to.
    """))
    return


@app.cell(hide_code=True)
def _(parts):
    whole_numbers = parts.button("a parameter of whole numbers", breaks=True)
    whole_numbers
    return (whole_numbers,)


@app.cell(hide_code=True)
def _(leaves, parts, whole_numbers):
    parts.breaks(
        whole_numbers,
        leaves.integer_parameter,
        cure="`torch.zeros(1)`: float32. A step down is a small part of a number. Between "
        "two whole numbers there is no small step.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Four ways to a device

    A parameter should be made where the data are. There are four ways to write it. All
    four run without an error.
    """)
    return


@app.cell(hide_code=True)
def _(leaves, mo):
    _codes = [leaves.code_of(way, "device cpu").replace('"cpu"', "device") for way in leaves.WAYS]
    mo.md("\n".join(f"{n}. `{code}`" for n, code in enumerate(_codes, 1)))
    return


@app.cell(hide_code=True)
def _(parts):
    wrong_way = parts.predict(
        "The device is a GPU. Which way gives a tensor there that can **not** be trained?",
        ["Way 2", "Way 3", "Way 4"],
    )
    wrong_way
    return (wrong_way,)


@app.cell(hide_code=True)
def _(parts, wrong_way):
    parts.verdict(
        wrong_way,
        right="Way 2",
        why={
            "Way 2": "The marked tensor stays on the CPU. What arrives is a copy of it: the "
            "result of an operation, with a `grad_fn`. It is no **leaf**.",
            "Way 3": "Sent first, then marked. What is sent is not yet recorded, so the "
            "marked tensor is a leaf.",
            "Way 4": "It is made there in the first place. That is the best way.",
        },
    )
    return


@app.cell(hide_code=True)
def _(leaves, mo):
    way = mo.ui.dropdown(list(leaves.WAYS), value="2", label="way")
    target = mo.ui.dropdown(list(leaves.TARGETS), value=next(iter(leaves.TARGETS)), label="wanted:")
    return target, way


@app.cell(hide_code=True)
def _(mo, parts, target, way, wrong_way):
    parts.after(wrong_way, mo.hstack([way, target], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(escaped, leaves, mo, parts, target, way, wrong_way):
    _a = leaves.made(way.value, target.value)
    _code = f"`a = {leaves.code_of(way.value, target.value)}`"
    _printed = f"<pre style='white-space:pre-wrap'>{escaped(_a)}</pre>"
    _graph = parts.picture(leaves.grows_from(_a))
    parts.after(wrong_way, mo.vstack([mo.md(_code), mo.Html(_printed), mo.hstack([_graph, mo.md(leaves.table(_a))], justify="start", wrap=True, gap=2)]))
    return


@app.cell(hide_code=True)
def _(mo, parts, wrong_way):
    parts.after(wrong_way, mo.md(r"""
    The picture shows `2 * a`. Blue is the tensor that gets a gradient. In way 2 a box
    `ToCopy` stands between it and the name a. (Without a GPU the device *meta* plays its
    part. It has shapes, but no numbers, so `...` is printed.)

    Now choose **device cpu** and way 2. On a CPU `to("cpu")` has nothing to do and gives
    the same tensor back. So way 2 works on your laptop and fails on the machine with a
    GPU.
    """))
    return


@app.cell(hide_code=True)
def _(leaves, mo, parts, wrong_way):
    parts.after(wrong_way, mo.md(f"""
    All of it at a glance. Way 1 gives a leaf, but always in float32 on the CPU.

    {leaves.ways_table()}
    """))
    return


@app.cell(hide_code=True)
def _(leaves):
    _elsewhere = next(iter(leaves.TARGETS))
    trainable = {number: leaves.made(number, _elsewhere).is_leaf for number in leaves.WAYS}
    start = leaves.seeded_start()
    return start, trainable


@app.cell(hide_code=True)
def _(mo, parts):
    refused = parts.button("way 2, and an optimizer", breaks=True)
    no_grad_there = parts.button("way 2, and backward()", breaks=True)
    mo.hstack([refused, no_grad_there], justify="start", wrap=True)
    return no_grad_there, refused


@app.cell(hide_code=True)
def _(leaves, parts, refused):
    parts.breaks(
        refused,
        leaves.optimizer_of_copy,
        cure="`torch.randn(1, requires_grad=True, dtype=torch.float64)`, and for a device "
        "`device=device`. (Here a change of dtype makes the copy; a GPU does the same.)",
    )
    return


@app.cell(hide_code=True)
def _(escaped, leaves, mo, no_grad_there, parts):
    parts.breaks(
        no_grad_there,
        lambda: mo.Html(f"<pre style='white-space:pre-wrap'>{escaped(leaves.silent_none())}</pre>"),
        cure="send first, then `requires_grad_()`; better, create it there. No exception "
        "came. The gradient went to the tensor that nobody has a name for.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · What is a leaf?

    A **leaf** is a tensor that no recorded operation has made. Only a leaf gets a `.grad`.
    To be trained a tensor must be a leaf **and** ask for a gradient.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    leaf = parts.predict(
        "a is a parameter. Is `a.detach()` a leaf, and can it be trained?",
        ["A leaf, and trained", "A leaf, and not trained", "No leaf"],
    )
    leaf
    return (leaf,)


@app.cell(hide_code=True)
def _(leaf, parts):
    parts.verdict(
        leaf,
        right="A leaf, and not trained",
        why={
            "A leaf, and trained": "It is a leaf, but it does not ask for a gradient.",
            "A leaf, and not trained": "`detach()` cuts the record off, and with it the "
            "wish for a gradient. `requires_grad_()` would bring that back.",
            "No leaf": "`detach()` is not recorded: that is what it is for.",
        },
    )
    return


@app.cell(hide_code=True)
def _(leaves, mo):
    expression = mo.ui.dropdown(list(leaves.EXPRESSIONS), value="2 * a", label="look at")
    return (expression,)


@app.cell(hide_code=True)
def _(expression, leaf, parts):
    parts.after(leaf, expression)
    return


@app.cell(hide_code=True)
def _(expression, leaf, leaves, mo, parts):
    parts.after(leaf, mo.md(leaves.table(leaves.EXPRESSIONS[expression.value](leaves.made("1", "device cpu")))))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.exercise("ex05_parameter")
    return


@app.cell(hide_code=True)
def _(parts):
    answer = parts.editor("ex05_parameter")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, parts):
    parts.checked("ex05_parameter", answer)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.exercise("ex05_trainable")
    return


@app.cell(hide_code=True)
def _(parts):
    answer_trainable = parts.editor("ex05_trainable")
    answer_trainable
    return (answer_trainable,)


@app.cell(hide_code=True)
def _(answer_trainable, parts):
    parts.checked("ex05_trainable", answer_trainable)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.end(5)
    return


if __name__ == "__main__":
    app.run()
