import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The train step")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import parts, sources, steps

    parts.beginning(11)
    return mo, parts, sources, steps


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · The body of the loop

    Model, loss and optimizer may change. The body of the loop stays: predict, loss,
    gradients, update, zero. So we put it into a function. A second function around it
    gets the three parts.
    """)
    return


@app.cell(hide_code=True)
def _(sources, steps):
    sources.shown_bare(steps.make_train_step)
    return


@app.cell(hide_code=True)
def _(parts):
    made = parts.predict(
        "`train_step = make_train_step(model, loss_fn, optimizer)` has run. How many "
        "updates were made?",
        ["One", "One for each parameter", "None"],
    )
    made
    return (made,)


@app.cell(hide_code=True)
def _(made, parts):
    parts.verdict(
        made,
        right="None",
        why={
            "None": "The inner `def` makes a function and `return` hands it out, as "
            "`nn.MSELoss(...)` did. Its lines run at each call of `train_step`, with the "
            "three parts remembered.",
            "One": "The lines of the inner function stand there, but nobody has called "
            "it yet.",
            "One for each parameter": "An update moves all parameters, and there was "
            "none yet.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The loop is two lines now:

    ```python
    for epoch in range(1000):
        losses.append(train_step(x, y))
    ```
    """)
    return


@app.cell
def _(steps):
    whole = steps.Walked.of(1000)
    return (whole,)


@app.cell(hide_code=True)
def _(mo, whole):
    start, end = whole.went.path[0].tolist(), whole.went.path[-1].tolist()
    mo.md(f"""
    With seed 42 it starts at a {start[0]:.4f}, b {start[1]:.4f} and ends at
    **a {end[0]:.4f}, b {end[1]:.4f}**, as before. The loss falls from
    {whole.returned[0]:.4f} to {whole.returned[-1]:.4f}.
    """)
    return end, start


@app.cell(hide_code=True)
def _(parts):
    which_loss = parts.predict(
        "train_step returns a loss. Of which line?",
        ["Of the line after the update", "Of the line before the update"],
    )
    which_loss
    return (which_loss,)


@app.cell(hide_code=True)
def _(parts, which_loss):
    parts.verdict(
        which_loss,
        right="Of the line before the update",
        why={
            "Of the line before the update": "The loss was computed from the predictions, "
            "and they came first. The line after the update is seen by the next call.",
            "Of the line after the update": "That needs predictions of the new line. "
            "They are only made in the next call.",
        },
    )
    return


@app.cell(hide_code=True)
def _(parts, steps, which_loss):
    parts.after(which_loss, parts.moving(steps.called()))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · One step, looked into

    `gt.trace_step` makes one update **on a copy** and writes everything down. Your model
    stays as it is.

    ```python
    gt.trace_step(model, loss_fn, optimizer, x, y)
    ```

    Our model here is `nn.Sequential(nn.Linear(1, 1))`, and `0.weight` is the weight of its
    first layer. *std* is the standard deviation, *norm* the root of the sum of squares, and *delta*
    what the update adds.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    step_length = parts.predict(
        "After 100 calls, is one update longer or shorter than the first one?",
        ["Longer", "As long: lr is the same", "Shorter"],
    )
    step_length
    return (step_length,)


@app.cell(hide_code=True)
def _(parts, step_length):
    parts.verdict(
        step_length,
        right="Shorter",
        why={
            "Longer": "Near the bottom the bowl is flat. A flat place has a small "
            "gradient.",
            "As long: lr is the same": "lr is a factor. The other factor is the "
            "gradient, and it shrinks on the way down.",
            "Shorter": "An update is lr times gradient, and the gradient shrinks towards "
            "the bottom. Compare |delta| below for 0 and 100 calls.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    calls_before = mo.ui.slider(
        steps=[0, 1, 10, 100, 1000], value=0, label="calls before", show_value=True
    )
    rows = mo.ui.slider(steps=[1, 3, 16, 80], value=3, label="rows that the step gets", show_value=True)
    return calls_before, rows


@app.cell(hide_code=True)
def _(calls_before, mo, parts, rows, step_length):
    parts.after(step_length, mo.hstack([calls_before, rows], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(calls_before, parts, rows, step_length, steps):
    trace = steps.trace_of(calls=calls_before.value, rows=rows.value)
    parts.after(step_length, trace)
    return (trace,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · A step that refuses

    `gt.make_train_step` is called in the same way. It looks at what it is given, and
    stops before a training goes wrong. Choose a fault. Give it first to the function
    above, then to gradatim's.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    silent = parts.predict(
        "The optimizer was made from another model's parameters. What does our own "
        "train_step do in 200 calls?",
        ["It raises an exception", "It trains the other model", "Nothing, in silence"],
    )
    silent
    return (silent,)


@app.cell(hide_code=True)
def _(parts, silent):
    parts.verdict(
        silent,
        right="Nothing, in silence",
        why={
            "It raises an exception": "Each line of it does what it says. No line knows "
            "that model and optimizer belong together.",
            "It trains the other model": "The other model gets no gradients: the loss "
            "comes from this one. So it stays as it is, too.",
            "Nothing, in silence": "Gradients arrive at this model. The optimizer looks "
            "at the other one, whose gradients are None, and moves nothing.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, steps):
    fault = mo.ui.dropdown(
        list(steps.FAULTS), value="the optimizer of another model", label="the fault"
    )
    fault
    return (fault,)


@app.cell(hide_code=True)
def _(mo, parts):
    own = parts.button("our own train_step", breaks=True)
    checking = parts.button("gradatim's train_step", breaks=True)
    mo.hstack([own, checking], justify="start", wrap=True)
    return checking, own


@app.cell(hide_code=True)
def _(fault, mo, own, parts, steps):
    parts.breaks(
        own,
        lambda: mo.md(f"No exception. {steps.run_fault(fault.value, checked=False)}."),
        code=steps.CODES[fault.value],
        cure=steps.CURES[fault.value],
    )
    return


@app.cell(hide_code=True)
def _(checking, fault, parts, steps):
    parts.breaks(
        checking,
        lambda: steps.run_fault(fault.value, checked=True),
        code=steps.CODES[fault.value].replace("= make", "= gt.make"),
        cure="the message tells what happened, why it matters, and in its last line what to "
        "change. It came before the first update.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.exercise("ex11_train_step")
    return


@app.cell(hide_code=True)
def _(parts):
    answer = parts.editor("ex11_train_step")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, parts):
    parts.checked("ex11_train_step", answer)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.end(11)
    return


if __name__ == "__main__":
    app.run()
