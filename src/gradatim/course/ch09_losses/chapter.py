import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Losses")


@app.cell(hide_code=True)
def _():
    import marimo as mo
    from torch import nn

    from gradatim.course import loss_bowl, training_paths, widgets
    from gradatim.course.ch09_losses import shows
    from gradatim.pages.charts import Chart, beside

    widgets.beginning(9)
    return Chart, beside, loss_bowl, mo, nn, shows, training_paths, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Until now the loss was written by hand: the error, its square, the mean. PyTorch has
    it ready: **`nn.MSELoss`**, the mean squared error.

    ## 1 · Two calls

    ```python
    from torch import nn

    loss_fn = nn.MSELoss(reduction="mean")
    loss = loss_fn(a + b * x, y)
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    what_made = widgets.predict(
        "What does `nn.MSELoss(...)` give?",
        ["A number: the loss", "A function, to be called later", "A trained model"],
    )
    what_made
    return (what_made,)


@app.cell(hide_code=True)
def _(what_made, widgets):
    widgets.verdict(
        what_made,
        right="A function, to be called later",
        why={
            "A number: the loss": "No prediction and no target went in yet. There is "
            "nothing to compute from.",
            "A function, to be called later": "The first call, once before the loop, chooses "
            "how to reduce. The second call, in the loop, gets predictions and targets and "
            "gives the loss.",
            "A trained model": "A loss only measures. It has nothing to train.",
        },
    )
    return


@app.cell
def _(nn, shows):
    loss_fn = nn.MSELoss(reduction="mean")
    trained = shows.with_reduction("mean", lr=0.1, epochs=1000)
    return loss_fn, trained


@app.cell(hide_code=True)
def _(loss_fn, mo, shows, trained, what_made, widgets):
    start, end = trained.path[0].tolist(), trained.path[-1].tolist()
    widgets.after(what_made, mo.md(f"""
    `print(loss_fn)` shows `{loss_fn}`. Called with the first predictions it gives
    **{shows.first_loss("mean"):.4f}**. After 1,000 epochs with it the line went from
    a {start[0]:.4f}, b {start[1]:.4f} to **a {end[0]:.4f}, b {end[1]:.4f}**: as by hand.

    Predictions come first, targets second. For a squared error the order does not
    change the number. For other losses it does, `nn.CrossEntropyLoss` for one.
    """))
    return end, start


@app.cell(hide_code=True)
def _(widgets):
    at_once = widgets.button("nn.MSELoss(x, y)", breaks=True)
    at_once
    return (at_once,)


@app.cell(hide_code=True)
def _(at_once, shows, widgets):
    widgets.breaks(
        at_once,
        shows.make_loss_of_data,
        code="loss = nn.MSELoss(x, y)",
        cure="two calls: `loss_fn = nn.MSELoss()`, then `loss_fn(predictions, y)`. Here "
        "the maker took the data for its options and asked whether they are true.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Mean or sum

    `reduction="mean"` divides by the number of points. `reduction="sum"` does not.
    The best line is the same for both: a bowl that is stretched upwards has its bottom
    at the same place.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    now_sum = widgets.predict(
        "A training works with the mean and lr 0.1. Now you write sum. What happens?",
        ["The same path", "It goes 80 times faster and arrives", "It diverges"],
    )
    now_sum
    return (now_sum,)


@app.cell(hide_code=True)
def _(now_sum, widgets):
    widgets.verdict(
        now_sum,
        right="It diverges",
        why={
            "The same path": "The bottom is the same. The slopes are not: each one is 80 "
            "times as steep.",
            "It goes 80 times faster and arrives": "A step that is 80 times longer lands "
            "on the other side, higher up than before.",
            "It diverges": "The gradient is that of the mean times 80, so lr 0.1 acts "
            "like lr 8: ten times the largest stable one. Move the switch and the slider.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    by_sum = mo.ui.switch(label='reduction="sum"')
    lr = mo.ui.slider(
        steps=[0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.7],
        value=0.1,
        label="learning rate",
        show_value=True,
    )
    return by_sum, lr


@app.cell(hide_code=True)
def _(by_sum, lr, mo, now_sum, widgets):
    widgets.after(now_sum, mo.hstack([by_sum, lr], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(Chart, beside, by_sum, loss_bowl, lr, now_sum, shows, widgets):
    reduction = "sum" if by_sum.value else "mean"
    went = shows.with_reduction(reduction, lr=lr.value, epochs=60)
    _above = loss_bowl.bowl((f"{reduction}, lr {lr.value:g}", "blue", went), title="60 updates")
    _chart = Chart((0, 60), (1e-3, 100), title="mean squared error", x_label="update", log_y=True)
    _chart.line(range(61), went.losses, colour="blue", label=f"{reduction}, lr {lr.value:g}")
    widgets.after(now_sum, widgets.picture(beside(_above, _chart.svg())))
    return reduction, went


@app.cell(hide_code=True)
def _(loss_bowl, lr, mo, now_sum, reduction, shows, training_paths, went, widgets):
    ratio = shows.first_gradient("sum") / shows.first_gradient("mean")
    _largest = loss_bowl.largest_stable_lr(training_paths.points()[0].double())
    _limit = _largest if reduction == "mean" else _largest / ratio
    widgets.after(now_sum, mo.md(f"""
    With **{reduction}** and lr {lr.value:g} it {"**diverges**" if went.diverged else "comes down"}.
    The largest stable rate is **{_limit:.3g}** for the {reduction}.

    | | first loss | first gradient of a |
    |---|---|---|
    | mean | {shows.first_loss("mean"):.4f} | {shows.first_gradient("mean"):.4f} |
    | sum | {shows.first_loss("sum"):.4f} | {shows.first_gradient("sum"):.4f} |

    The gradients differ by a factor of **{ratio:.0f}**, the number of points. So a sum
    needs a rate that is {ratio:.0f} times smaller, and another one for each batch size.
    The mean keeps its scale, and it is the default.
    """))
    return (ratio,)


@app.cell(hide_code=True)
def _(widgets):
    as_sum = widgets.button('reduction="sum", and lr as before', breaks=True)
    as_sum
    return (as_sum,)


@app.cell(hide_code=True)
def _(as_sum, shows, widgets):
    widgets.breaks(
        as_sum,
        lambda: widgets.picture(shows.sum_diverges()),
        code='loss_fn = nn.MSELoss(reduction="sum")\noptimizer = SGD([a, b], lr=0.1)',
        cure="`reduction=\"mean\"`, the default; or a learning rate divided by the number of "
        "points. Nothing raises: the loss becomes `inf`, then `nan`.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · A column and a flat row

    Predictions have the shape (80, 1): rows and one column. Suppose that the targets
    come as one flat row of numbers, with the shape **(80,)**.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    how_many = widgets.predict(
        "How many squared differences does nn.MSELoss then average?",
        ["None: it raises an exception", "80", "6,400"],
    )
    how_many
    return (how_many,)


@app.cell(hide_code=True)
def _(how_many, widgets):
    widgets.verdict(
        how_many,
        right="6,400",
        why={
            "None: it raises an exception": "It only warns, and goes on. A warning among "
            "many lines is easily missed.",
            "80": "That is what was meant, and what the shape (80, 1) gives.",
            "6,400": "Broadcasting stretches the column to the right and the flat row "
            "downwards. Each prediction meets each target: 80 × 80.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    flat = mo.ui.switch(label="targets of shape (N,)", value=True)
    num_rows = mo.ui.slider(2, 8, value=5, label="N", show_value=True)
    return flat, num_rows


@app.cell(hide_code=True)
def _(flat, how_many, mo, num_rows, widgets):
    widgets.after(how_many, mo.hstack([flat, num_rows], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(flat, how_many, mo, num_rows, shows, widgets):
    _n, _column = num_rows.value, not flat.value
    _mean = shows.mean_of_pairs(_n, as_column=_column)
    _pairs = _n if _column else _n**2
    widgets.after(how_many, mo.vstack(
        [
            widgets.picture(shows.pairs(_n, as_column=_column)),
            mo.md(f"The loss is the mean of all **{_pairs}** boxes: {_mean:.4f}."),
        ]
    ))
    return


@app.cell(hide_code=True)
def _(how_many, mo, widgets):
    widgets.after(how_many, mo.md(r"""
    Only the diagonal is meant. In the other boxes a prediction is compared with the
    target of another row. A line that must please
    all targets at once predicts their mean.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    broadcast = widgets.button("train with targets of shape (80,)", breaks=True)
    broadcast
    return (broadcast,)


@app.cell(hide_code=True)
def _(broadcast, end, mo, shows, training_paths, widgets):
    def _train():
        a, b = shows.broadcast_line()
        picture = training_paths.fits(
            ("meant", "green", end), ("trained", "red", (a, b)), title="1,000 epochs"
        )
        text = f"No exception. The line is flat: a {a:.4f}, b {b:.4f}. PyTorch said once:"
        return mo.vstack(
            [widgets.picture(picture), mo.md(f"{text}\n\n> {shows.warned()}")]
        )

    widgets.breaks(
        broadcast,
        _train,
        code="loss_fn(a + b * x, y[:, 0])  # shapes (80, 1) and (80,)",
        cure="one shape for both: `y.unsqueeze(1)`, or `y[:, None]`, makes a column of "
        "(80,). Print `predictions.shape` and `y.shape` before the first training.",
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    with_step = widgets.button("the same, with gradatim's train step", breaks=True)
    with_step
    return (with_step,)


@app.cell(hide_code=True)
def _(shows, widgets, with_step):
    widgets.breaks(
        with_step,
        shows.refused,
        code="import gradatim as gt\n\n"
        "train_step = gt.make_train_step(model, loss_fn, optimizer)\ntrain_step(x, y[:, 0])",
        cure="the message says it. The step of this course's package (chapter 11) compares "
        "the two shapes at each call and stops before anything is computed from them.",
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
    widgets.exercise("ex09_make_loss")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex09_make_loss")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex09_make_loss", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex09_shapes")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_shapes = widgets.editor("ex09_shapes")
    answer_shapes
    return (answer_shapes,)


@app.cell(hide_code=True)
def _(answer_shapes, widgets):
    widgets.checked("ex09_shapes", answer_shapes)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(9)
    return


if __name__ == "__main__":
    app.run()
