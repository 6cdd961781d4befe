import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Gradient descent in four steps")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import line, parts
    from gradatim.course.charts import Chart, beside

    parts.beginning(2)
    return Chart, beside, line, mo, parts


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    A line has two numbers, **a** and **b**: $\hat y = a + b x$. Which two fit our 80 points?
    Gradient descent finds out by four steps, again and again.

    1. **Loss.** How wrong is the line? The mean of all squared errors:
       $\text{MSE} = \frac1N \sum (y - \hat y)^2$.
    2. **Gradients.** Which way is down? The chain rule gives, piece by piece,
       $\frac{\partial \text{MSE}}{\partial \hat y} \cdot \frac{\partial \hat y}{\partial a}
       = -2\,\text{mean}(y - \hat y)$ for a, and $-2\,\text{mean}(x\,(y - \hat y))$ for b.
    3. **Update.** One step down: parameter $\mathrel{-}=$ learning rate × gradient.
    4. **Again**, from the new place.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    how_large = parts.predict(
        "The learning rate is the length of a step. What does a ten times larger one do?",
        ["It is ten times faster", "It may never arrive", "Nothing changes in the end"],
    )
    how_large
    return (how_large,)


@app.cell(hide_code=True)
def _(how_large, parts):
    parts.verdict(
        how_large,
        right="It may never arrive",
        why={
            "It is ten times faster": "Up to a limit it is faster. Beyond it a step lands "
            "farther from the bottom than it began.",
            "It may never arrive": "Beyond 2 over the largest curvature, here 0.80, each "
            "step lands farther away than it started. Move the slider and see.",
            "Nothing changes in the end": "That holds below the limit, if you have time.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    lr = mo.ui.slider(
        steps=[0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
        value=0.1,
        label="learning rate",
        show_value=True,
    )
    batch_size = mo.ui.dropdown(
        {"all 80 points": 80, "mini-batches of 16": 16, "one point": 1},
        value="all 80 points",
        label="an update uses",
    )
    mo.hstack([lr, batch_size], justify="start", wrap=True)
    return batch_size, lr


@app.cell(hide_code=True)
def _(Chart, batch_size, beside, line, lr, parts):
    went = line.descend(lr=lr.value, batch_size=batch_size.value, epochs=40)
    above = line.bowl((f"lr {lr.value:g}", "blue", went), title="from above")
    losses = Chart(
        (0, len(went.losses)), (1e-3, 100), title="loss", x_label="update", log_y=True
    ).line(range(len(went.losses)), went.losses, label="of all points", colour="blue")
    parts.picture(beside(above, losses.svg()))
    return (went,)


@app.cell(hide_code=True)
def _(line, lr, mo, went):
    limit = line.largest_stable_lr(line.rows()[0])
    words = "diverges" if went.diverged else "comes down"
    mo.md(f"""
    With lr {lr.value:g} it **{words}**: the loss goes from {went.losses[0]:.4g} to
    {went.losses[-1]:.4g}. The largest stable rate for all 80 points is **{limit:.3f}**.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    too_far = parts.button("a learning rate of 0.9", breaks=True)
    too_far
    return (too_far,)


@app.cell(hide_code=True)
def _(line, parts, too_far):
    parts.breaks(
        too_far,
        lambda: parts.picture(
            line.bowl(
                ("lr 0.9", "red", line.descend(lr=0.9, epochs=30)), title="lr 0.9"
            )
        ),
        cure="a rate below 2 / the largest eigenvalue of the second derivatives; here 0.8. "
        "In practice: a tenth of the one at which the loss begins to rise.",
    )
    return


@app.cell(hide_code=True)
def _(parts):
    parts.exercise("ex02_gradients")
    return


@app.cell(hide_code=True)
def _(parts):
    answer = parts.editor("ex02_gradients")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, parts):
    parts.checked("ex02_gradients", answer)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.end(2)
    return


if __name__ == "__main__":
    app.run()
