import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="All by hand, in NumPy")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import shown_source, widgets
    from gradatim.course.ch03_numpy import shows
    from gradatim.pages.charts import beside

    widgets.beginning(3)
    return beside, mo, shown_source, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · The four steps as a program

    No PyTorch yet. NumPy gives arrays; everything else is written out. Each update uses
    all 80 points, so this is **batch** gradient descent. `seen` keeps each epoch, for the
    pictures.
    """)
    return


@app.cell(hide_code=True)
def _(shown_source, shows):
    shown_source.shown_program(shows.train)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    a and b must start somewhere. We draw two random numbers. A fixed seed makes them the
    same each time:

    ```python
    np.random.seed(42)
    a, b = np.random.randn(1), np.random.randn(1)
    ```

    Each is an array with one number, as PyTorch will want it.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    updates = widgets.predict(
        "80 points, 1,000 epochs, and this program. How often is a changed?",
        ["1,000 times", "80,000 times", "80 times"],
    )
    updates
    return (updates,)


@app.cell(hide_code=True)
def _(updates, widgets):
    widgets.verdict(
        updates,
        right="1,000 times",
        why={
            "1,000 times": "`error.mean()` puts all 80 points into one gradient. So each "
            "epoch is one update.",
            "80,000 times": "That would be one point an update. Here the mean over all "
            "points comes first.",
            "80 times": "The loop runs over epochs, not over points. NumPy takes all "
            "points in one line.",
        },
    )
    return


@app.cell
def _(shows):
    x_train, y_train = shows.points()
    start = shows.start()
    a, b, seen = shows.train(x_train, y_train, *start, lr=0.1, epochs=1000)
    return a, b, seen, start, x_train, y_train


@app.cell(hide_code=True)
def _(a, b, mo, seen, start, updates, widgets):
    widgets.after(updates, mo.md(f"""
    | | a | b |
    |---|---|---|
    | start | {start[0]:.8f} | {start[1]:.8f} |
    | after {len(seen):,} epochs | **{a:.8f}** | **{b:.8f}** |
    | the true line | 1 | 2 |

    The loss fell from {seen[0][2]:.4f} to {seen[-1][2]:.6f}.
    """))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Epoch by epoch

    A red line is a **residual**: from the fitted line to the point. The loss is the mean
    of their squares.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    first = widgets.predict(
        "How many epochs until the line is near to where it will end: its loss within 1% "
        "of the lowest one?",
        ["About 10", "About 250", "All 1,000"],
    )
    first
    return (first,)


@app.cell(hide_code=True)
def _(first, shows, widgets):
    near = shows.first_near()
    _ten = shows.trained()[10][2] / shows.trained()[1000][2]
    widgets.verdict(
        first,
        right="About 250",
        why={
            "About 10": f"The first epochs do most. But after 10 the loss is still {_ten:.0f} "
            "times the lowest one: the slope is not right yet.",
            "About 250": f"In epoch {near}. The first steps are long: gradients are large. "
            "Then the valley is flat and steps are short.",
            "All 1,000": f"Epoch {near} is enough for 1%. The others add decimals.",
        },
    )
    return (near,)


@app.cell(hide_code=True)
def _(first, shows, widgets):
    widgets.after(first, widgets.moving(shows.played()))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    wrong_sign = widgets.button("+ for - in the update", breaks=True)
    stale = widgets.button("the error computed before the loop", breaks=True)
    no_x = widgets.button("x forgotten in b's gradient", breaks=True)
    mo.hstack([wrong_sign, stale, no_x], justify="start", wrap=True)
    return no_x, stale, wrong_sign


@app.cell(hide_code=True)
def _(beside, shows, widgets, wrong_sign):
    widgets.breaks(
        wrong_sign,
        lambda: widgets.picture(beside(*shows.fault_pictures("sign"))),
        code=shows.FAULTS["sign"],
        cure="`a = a - lr * a_grad`. The gradient points up. With + each step climbs, and "
        "the higher it is the longer the next step. A loss that only grows: look at the "
        "sign first.",
    )
    return


@app.cell(hide_code=True)
def _(beside, shows, stale, widgets):
    widgets.breaks(
        stale,
        lambda: widgets.picture(beside(*shows.fault_pictures("stale"))),
        code=shows.FAULTS["stale"] + "\nfor _ in range(epochs):\n    ...",
        cure="compute predictions and error **in** the loop. That is step 4: again, with the "
        "updated parameters. Here the gradient never changes, so a and b walk straight on, "
        "past the bottom.",
    )
    return


@app.cell(hide_code=True)
def _(beside, no_x, shows, widgets):
    widgets.breaks(
        no_x,
        lambda: widgets.picture(beside(*shows.fault_pictures("same"))),
        code=shows.FAULTS["same"],
        cure="`b_grad = -2 * (x * error).mean()`. Without x, b moves exactly as a does, and "
        "the line can never turn to the right slope. The loss falls and stops too high: "
        "nothing raises an exception.",
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    integers = widgets.button("a and b start as integers", breaks=True)
    integers
    return (integers,)


@app.cell(hide_code=True)
def _(integers, shows, widgets):
    widgets.breaks(
        integers,
        shows.integer_start,
        code="a = np.array([0])\na -= lr * a_grad  # for a = a - lr * a_grad",
        cure="`np.array([0.0])`. `np.array([0])` holds whole numbers, and `a -= ...` has to "
        "put its result into that array. `-=` changes the array itself; the program's "
        "`a = a - ...` makes a new one.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Is it right?

    For a straight line the lowest loss can be computed at once: **least squares**. A
    column of ones stands for a, the column x for b. `lstsq` gives four things, the solution
    first; `*_` takes the others.

    ```python
    columns = np.hstack([np.ones_like(x), x])
    (a, b), *_ = np.linalg.lstsq(columns, y[:, 0])
    ```

    scikit-learn's `LinearRegression().fit(x, y)` solves the same equations.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    same = widgets.predict(
        "1,000 epochs with lr 0.1 on one side, least squares on the other. To how many "
        "decimals are they the same?",
        ["None", "2", "6", "All of them"],
    )
    same
    return (same,)


@app.cell
def _(a, b, shows, x_train, y_train):
    best = shows.least_squares(x_train, y_train)
    agree = min(shows.decimals(a, best[0]), shows.decimals(b, best[1]))
    return agree, best


@app.cell(hide_code=True)
def _(a, agree, b, best, mo, same, widgets):
    _table = mo.md(f"""
    | | a | b |
    |---|---|---|
    | by hand, 1,000 epochs | {a:.8f} | {b:.8f} |
    | least squares | {best[0]:.8f} | {best[1]:.8f} |
    | apart by | {abs(a - best[0]):.1e} | {abs(b - best[1]):.1e} |
    """)
    _said = widgets.verdict(
        same,
        right="6",
        why={
            "None": "Both look for the bottom of the same bowl, and it has only one.",
            "2": "That many come early. The later epochs bring more.",
            "6": f"Rounded to {agree} decimals they are equal. So the four steps are right.",
            "All of them": "Each epoch takes away a share of the distance. After 1,000 of "
            "them something is left.",
        },
    )
    mo.vstack([_said, _table] if same.value else [_said])
    return


@app.cell(hide_code=True)
def _(mo):
    lr = mo.ui.dropdown(
        {"0.01": 0.01, "0.03": 0.03, "0.1": 0.1, "0.3": 0.3, "0.7": 0.7},
        value="0.1",
        label="learning rate",
    )
    return (lr,)


@app.cell(hide_code=True)
def _(lr, same, widgets):
    widgets.after(same, lr)
    return


@app.cell(hide_code=True)
def _(lr, same, shows, widgets):
    widgets.after(same, widgets.picture(shows.distances(lr.value)))
    return


@app.cell(hide_code=True)
def _(best, lr, mo, same, shows, widgets):
    _a, _b, _ = shows.trained(lr.value)[-1]
    _apart = max(abs(_a - best[0]), abs(_b - best[1]))
    widgets.after(same, mo.md(f"""
    With lr {lr.value:g} the end is {_apart:.1e} away. The scale is logarithmic: each step
    down is a factor, and what is below 1e-8 is not drawn. So a straight line means that each epoch leaves the same share of the
    distance. What is reached is **not** a = 1, b = 2. It is the best line for these 80 noisy
    points.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    no_ones = widgets.button("no column of ones", breaks=True)
    no_ones
    return (no_ones,)


@app.cell(hide_code=True)
def _(mo, no_ones, shows, widgets):
    def _solve():
        return mo.vstack(
            [
                widgets.picture(shows.line_picture(*shows.least_squares_wrong())),
                mo.md(f"b is {shows.least_squares_wrong()[1]:.4f}, and a has no column."),
            ]
        )

    widgets.breaks(
        no_ones,
        _solve,
        code="columns = x",
        cure="`np.hstack([np.ones_like(x), x])`. What has no column has no number: the line "
        "must go through 0. scikit-learn adds the ones itself (`fit_intercept=True`).",
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
    widgets.exercise("ex03_train")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex03_train")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex03_train", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex03_least_squares")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_squares = widgets.editor("ex03_least_squares")
    answer_squares
    return (answer_squares,)


@app.cell(hide_code=True)
def _(answer_squares, widgets):
    widgets.checked("ex03_least_squares", answer_squares)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(3)
    return


if __name__ == "__main__":
    app.run()
