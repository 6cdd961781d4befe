import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The train step")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import shown_source, widgets
    from gradatim.course.ch11_step import shows

    widgets.beginning(11)
    return mo, shown_source, shows, widgets


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
def _(shown_source, shows):
    shown_source.shown_bare(shows.make_train_step)
    return


@app.cell(hide_code=True)
def _(widgets):
    made = widgets.predict(
        "`train_step = make_train_step(model, loss_fn, optimizer)` has run. How many "
        "updates were made?",
        ["One", "One for each parameter", "None"],
    )
    made
    return (made,)


@app.cell(hide_code=True)
def _(made, widgets):
    widgets.verdict(
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
def _(shows):
    whole = shows.Walked.of(1000)
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
def _(widgets):
    which_loss = widgets.predict(
        "train_step returns a loss. Of which line?",
        ["Of the line after the update", "Of the line before the update"],
    )
    which_loss
    return (which_loss,)


@app.cell(hide_code=True)
def _(which_loss, widgets):
    widgets.verdict(
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
def _(shows, which_loss, widgets):
    widgets.after(which_loss, widgets.moving(shows.called()))
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
def _(widgets):
    step_length = widgets.predict(
        "After 100 calls, is one update longer or shorter than the first one?",
        ["Longer", "As long: lr is the same", "Shorter"],
    )
    step_length
    return (step_length,)


@app.cell(hide_code=True)
def _(step_length, widgets):
    widgets.verdict(
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
def _(calls_before, mo, rows, step_length, widgets):
    widgets.after(step_length, mo.hstack([calls_before, rows], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(calls_before, rows, shows, step_length, widgets):
    trace = shows.trace_of(calls=calls_before.value, rows=rows.value)
    widgets.after(step_length, trace)
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
def _(widgets):
    silent = widgets.predict(
        "The optimizer was made from another model's parameters. What does our own "
        "train_step do in 200 calls?",
        ["It raises an exception", "It trains the other model", "Nothing, in silence"],
    )
    silent
    return (silent,)


@app.cell(hide_code=True)
def _(silent, widgets):
    widgets.verdict(
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
def _(mo, shows):
    fault = mo.ui.dropdown(
        list(shows.FAULTS), value="the optimizer of another model", label="the fault"
    )
    fault
    return (fault,)


@app.cell(hide_code=True)
def _(mo, widgets):
    own = widgets.button("our own train_step", breaks=True)
    checking = widgets.button("gradatim's train_step", breaks=True)
    mo.hstack([own, checking], justify="start", wrap=True)
    return checking, own


@app.cell(hide_code=True)
def _(fault, mo, own, shows, widgets):
    widgets.breaks(
        own,
        lambda: mo.md(f"No exception. {shows.run_fault(fault.value, checked=False)}."),
        code=shows.CODES[fault.value],
        cure=shows.CURES[fault.value],
    )
    return


@app.cell(hide_code=True)
def _(checking, fault, shows, widgets):
    widgets.breaks(
        checking,
        lambda: shows.run_fault(fault.value, checked=True),
        code=shows.CODES[fault.value].replace("= make", "= gt.make"),
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
def _(widgets):
    widgets.exercise("ex11_train_step")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex11_train_step")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex11_train_step", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(11)
    return


if __name__ == "__main__":
    app.run()
