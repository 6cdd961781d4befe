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
def _(line, mo):
    lr = mo.ui.slider(
        steps=[0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
        value=0.1,
        label="learning rate",
        show_value=True,
    )
    start = mo.ui.dropdown(
        {"0.50, -0.14 (the tutorial's)": line.START, "2.3, 3.2": (2.3, 3.2), "-0.3, 3": (-0.3, 3.0)},
        value="0.50, -0.14 (the tutorial's)",
        label="start at a, b =",
    )
    return lr, start


@app.cell(hide_code=True)
def _(how_large, lr, mo, parts, start):
    parts.after(how_large, mo.hstack([lr, start], justify="start", wrap=True))
    return


@app.cell(hide_code=True)
def _(Chart, beside, how_large, line, lr, parts, start):
    went = line.descend(lr=lr.value, start=start.value, epochs=40)
    above = line.bowl((f"lr {lr.value:g}", "blue", went), title="the loss from above")
    losses = Chart(
        (0, len(went.losses)), (1e-3, 100), title="the loss", x_label="update", log_y=True
    ).line(range(len(went.losses)), went.losses, label="of all points", colour="blue")
    parts.after(how_large, parts.picture(beside(above, losses.svg())))
    return (went,)


@app.cell(hide_code=True)
def _(how_large, line, lr, mo, parts, went):
    limit = line.largest_stable_lr(line.rows()[0])
    words = "diverges" if went.diverged else "comes down"
    parts.after(how_large, mo.md(f"""
    With lr {lr.value:g} it **{words}**: the loss goes from {went.losses[0]:.4g} to
    {went.losses[-1]:.4g} in {len(went.losses) - 1} updates. Each ring is a height of the
    loss; the cross is its bottom. The largest stable learning rate is 2 over the largest
    eigenvalue of the second derivatives: **{limit:.3f}** for these points.
    """))
    return (limit,)


@app.cell(hide_code=True)
def _(line, mo):
    preset = mo.ui.dropdown(list(line.PRESETS), value="good: 0.1, all points", label="a choice")
    return (preset,)


@app.cell(hide_code=True)
def _(how_large, mo, parts, preset):
    parts.after(how_large, mo.vstack([mo.md("Good choices and bad ones. Why is each what it is?"), preset]))
    return


@app.cell(hide_code=True)
def _(how_large, line, mo, parts, preset):
    _lr, _size, _scale, _why = line.PRESETS[preset.value]
    _went = line.descend(lr=_lr, batch_size=_size, scale=_scale, epochs=40)
    _limit = line.largest_stable_lr(line.rows(scale=_scale)[0])
    _told = f"{_why} The limit here is {_limit:.3g}; the loss ends at {_went.losses[-1]:.3g}."
    _colour = "red" if preset.value.startswith("bad") else "green"
    parts.after(how_large, mo.vstack([parts.picture(line.bowl((preset.value, _colour, _went), scale=_scale)), mo.md(_told)]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    **How many points for an update?** *Batch* gradient descent uses all N points.
    *Stochastic* gradient descent uses one. *Mini-batch* is between the two. An epoch is
    over when every point has been used once: that is 1, N, or N / n updates.
    """)
    return


@app.cell(hide_code=True)
def _(parts):
    how_straight = parts.predict(
        "Which of the three goes down on the straightest way?",
        ["All points at once", "Batches of 16", "One point at a time"],
    )
    how_straight
    return (how_straight,)


@app.cell(hide_code=True)
def _(how_straight, parts):
    parts.verdict(
        how_straight,
        right="All points at once",
        why={
            "All points at once": "Its gradient is that of the loss itself. The price: "
            "one update an epoch.",
            "Batches of 16": "Sixteen points guess the gradient well, but not exactly.",
            "One point at a time": "Each point pulls its own way: 80 updates an epoch, "
            "and a path that trembles.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    epochs = mo.ui.slider(1, 20, value=3, label="epochs", show_value=True)
    return (epochs,)


@app.cell(hide_code=True)
def _(epochs, how_straight, parts):
    parts.after(how_straight, epochs)
    return


@app.cell(hide_code=True)
def _(beside, epochs, how_straight, line, mo, parts):
    sizes = {"all 80 points": 80, "batches of 16": 16, "one point": 1}
    paths = {n: line.descend(lr=0.1, batch_size=s, epochs=epochs.value) for n, s in sizes.items()}
    parts.after(how_straight, parts.picture(
        beside(
            *(
                line.bowl((f"{len(path.path) - 1} updates", "blue", path), title=name)
                for name, path in paths.items()
            )
        )
    ))
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
    other_units = parts.button("x in other units, ten times larger", breaks=True)
    other_units
    return (other_units,)


@app.cell(hide_code=True)
def _(line, other_units, parts):
    parts.breaks(
        other_units,
        lambda: parts.picture(
            line.bowl(
                ("lr 0.1, x times 10", "red", line.descend(lr=0.1, scale=10, epochs=10)),
                scale=10,
                title="lr 0.1, x times 10",
            )
        ),
        cure="scale the features: subtract their mean, divide by their standard deviation. "
        "Then the bowl is round, and one learning rate suits all directions.",
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
