import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A line and its points")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import shown_source, widgets
    from gradatim.course.ch01_problem import shows
    from gradatim.pages.charts import beside

    widgets.beginning(1)
    return beside, mo, shown_source, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · Points on a line, nearly

    The whole course trains one straight line, $y = a + b x$, again and again. Each time
    PyTorch takes over one thing more. A line is small enough to see everything. The idea,
    the points and the order of the steps are those of *Understanding PyTorch with an
    example: a step-by-step tutorial*. "The tutorial" means it from here on.

    We make the data ourselves: 100 points with one feature x. So we know the **true**
    numbers, a = 1 and b = 2. The model does not. It sees the points only, and each has some
    noise.
    """)
    return


@app.cell(hide_code=True)
def _(shown_source, shows):
    shown_source.shown_bare(shows.make_points)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `random` draws the numbers of `np.random.seed(42)`. It is a generator of its own, so no
    other program's random numbers change.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    exactly = widgets.predict(
        "The true line is y = 1 + 2x. Which line fits our 100 noisy points best?",
        ["Exactly 1 + 2x", "One close to it", "It cannot be known"],
    )
    exactly
    return (exactly,)


@app.cell
def _(shows):
    x, y = shows.make_points()
    a_best, b_best = shows.best_line(x, y)
    return a_best, b_best, x, y


@app.cell(hide_code=True)
def _(a_best, b_best, exactly, widgets):
    widgets.verdict(
        exactly,
        right="One close to it",
        why={
            "Exactly 1 + 2x": "That would be so without noise. Move the slider to 0 and see.",
            "One close to it": f"The noise pulls the line a little: a = {a_best:.4f}, "
            f"b = {b_best:.4f} fits these points better than 1 and 2 do.",
            "It cannot be known": "For a line there is even a formula. Chapter 3 uses it.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    noise = mo.ui.slider(
        steps=[0, 0.05, 0.1, 0.2, 0.5, 1], value=0.1, label="noise", show_value=True
    )
    data_seed = mo.ui.slider(40, 45, value=42, label="seed", show_value=True)
    return data_seed, noise


@app.cell(hide_code=True)
def _(data_seed, exactly, mo, noise, widgets):
    widgets.after(exactly, mo.hstack([noise, data_seed], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(data_seed, exactly, mo, noise, shows, widgets):
    _x, _y = shows.make_points(noise.value, data_seed.value)
    _a, _b = shows.best_line(_x, _y)
    _words = f"The best line for these points has a = {_a:.4f}, b = {_b:.4f}."
    widgets.after(exactly, mo.vstack([widgets.picture(shows.points_picture(_x, _y)), mo.md(_words)]))
    return


@app.cell(hide_code=True)
def _(widgets):
    apart = widgets.button("shuffle x and y, each by itself", breaks=True)
    apart
    return (apart,)


@app.cell(hide_code=True)
def _(apart, mo, shows, widgets):
    def _shuffle():
        picture, slope = shows.shuffled_apart()
        return mo.vstack([widgets.picture(picture), mo.md(f"The slope that is left: {slope:.2f}.")])

    widgets.breaks(
        apart,
        _shuffle,
        code="random.shuffle(x)\nrandom.shuffle(y)",
        cure="shuffle the **row numbers**, once, and take both by them: `x[rows]`, "
        "`y[rows]`. A point is a pair. No error tells you that the pairs are gone.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · The split

    80 points **train** the line. The other 20 are kept to **validate** it: to see how it
    does on points that it was not fitted to. The row numbers 0 to 99 are shuffled, and the
    first 80 are taken. The generator that made the data goes on; it is not seeded again.
    So x and y above are followed by these lines:

    ```python
    rows = np.arange(100)
    random.shuffle(rows)
    x_train, y_train = x[rows[:80]], y[rows[:80]]
    x_val, y_val = x[rows[80:]], y[rows[80:]]
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    why_shuffle = widgets.predict(
        "Suppose the rows are sorted by x, and nobody shuffles. What do the last 20 hold?",
        ["The largest x only", "A fair sample", "Points without noise"],
    )
    why_shuffle
    return (why_shuffle,)


@app.cell(hide_code=True)
def _(shows, why_shuffle, widgets, x):
    _, _last = shows.split_rows("sorted by x")
    _least = x[_last].min()
    widgets.verdict(
        why_shuffle,
        right="The largest x only",
        why={
            "The largest x only": f"All x from {_least:.2f} up, and the training has "
            "none of them. The line would be judged where it has learned nothing.",
            "A fair sample": "Only a shuffle makes it fair. Choose *sorted by x* below.",
            "Points without noise": "The noise does not depend on the order.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    order = mo.ui.dropdown(list(shows.ORDERS), value="shuffled", label="order of the rows")
    return (order,)


@app.cell(hide_code=True)
def _(order, why_shuffle, widgets):
    widgets.after(why_shuffle, order)
    return


@app.cell(hide_code=True)
def _(beside, mo, order, shows, why_shuffle, widgets):
    _pictures = widgets.picture(beside(*shows.split_pictures(order.value)))
    widgets.after(why_shuffle, mo.vstack([_pictures, mo.md(shows.ORDERS[order.value])]))
    return


@app.cell
def _(shows):
    rows_train, rows_val = shows.split_rows()
    return rows_train, rows_val


@app.cell(hide_code=True)
def _(mo, order, shows, why_shuffle, widgets):
    _train, _val = shows.split_rows(order.value)
    widgets.after(why_shuffle, mo.md(f"""
    {len(_train)} rows train, the first of them {_train[:5].tolist()}. {len(_val)} validate,
    the first {_val[:5].tolist()}. Rows in both sets: {len(set(_train) & set(_val))}.
    """))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Words

    | word | dimensions | an example |
    |---|---|---|
    | scalar | 0 | one number, such as a |
    | vector | 1 | the numbers of one row |
    | matrix | 2 | a table |
    | tensor | 3 or more | pictures: number, height, width, ... |

    PyTorch is less strict: a vector or a matrix is called a tensor, too. So is one number:
    `torch.tensor(3.14)` makes a tensor without a dimension, though one still says scalar.
    (`torch` is PyTorch's name in Python. It comes in with chapter 4.)
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    dimensions = widgets.predict(
        "Our x has the shape (100, 1). How many dimensions is that?",
        ["1, as there is one feature", "2", "100"],
    )
    dimensions
    return (dimensions,)


@app.cell(hide_code=True)
def _(dimensions, widgets, x):
    widgets.verdict(
        dimensions,
        right="2",
        why={
            "1, as there is one feature": "The shape (100,) has one. Here rows and columns "
            "are both there, though there is only one column.",
            "2": f"`x.ndim` is {x.ndim}: count the numbers in the shape. It is a matrix with "
            "one column, one row for each point.",
            "100": "That is the size of the first dimension.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    dims = mo.ui.slider(0, 4, value=2, label="dimensions", show_value=True)
    return (dims,)


@app.cell(hide_code=True)
def _(dimensions, dims, widgets):
    widgets.after(dimensions, dims)
    return


@app.cell(hide_code=True)
def _(dimensions, dims, mo, shows, widgets):
    _shape = shows.shape_of(dims.value)
    _code = f"`torch.ones({_shape})`" if dims.value else "`torch.tensor(1.0)`"
    widgets.after(dimensions, mo.vstack([widgets.picture(shows.shape_picture(dims.value)), mo.md(_code)]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · How many points for an update

    Training goes in **updates**: look at some points, change a and b a little. An **epoch**
    is over when every point has been used once. N is the number of points.

    | | points in an update | updates in an epoch |
    |---|---|---|
    | **batch** | all N | 1 |
    | **mini-batch** | n, between the two | N / n, rounded up |
    | **stochastic** | 1 | N |
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    how_many = widgets.predict(
        "80 points in mini-batches of 16. How many updates are there in 10 epochs?",
        ["10", "50", "160", "800"],
    )
    how_many
    return (how_many,)


@app.cell(hide_code=True)
def _(how_many, shows, widgets):
    _epoch = shows.num_updates(80, 16)
    widgets.verdict(
        how_many,
        right="50",
        why={
            "10": "That is batch gradient descent: one update an epoch.",
            "50": f"80 / 16 = {_epoch} updates an epoch, and 10 × {_epoch} = {10 * _epoch}.",
            "160": "16 is how many points an update uses, not how many updates there are.",
            "800": "That is stochastic gradient descent: 80 updates an epoch.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    batch_size = mo.ui.slider(
        steps=[1, 5, 16, 30, 40, 80], value=16, label="points in an update", show_value=True
    )
    num_rows = mo.ui.dropdown({"80": 80, "100": 100}, value="80", label="N =")
    return batch_size, num_rows


@app.cell(hide_code=True)
def _(batch_size, how_many, mo, num_rows, widgets):
    widgets.after(how_many, mo.hstack([batch_size, num_rows], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(batch_size, how_many, mo, num_rows, shows, widgets):
    _n, _size = num_rows.value, batch_size.value
    updates = shows.num_updates(_n, _size)
    _last = _n - (updates - 1) * _size
    _rest = "" if _last == _size else f" The last batch has {_last} points only."
    _plural = "" if updates == 1 else "s"
    _words = f"{_n} / {_size} = {_n / _size:g}, so **{updates}** update{_plural} an epoch.{_rest}"
    widgets.after(how_many, mo.vstack([widgets.picture(shows.epoch_picture(_n, _size)), mo.md(f"{_words} Neighbours of one colour are one batch.")]))
    return (updates,)


@app.cell(hide_code=True)
def _(widgets):
    too_large = widgets.button("batches of 100, the rest dropped", breaks=True)
    too_large
    return (too_large,)


@app.cell(hide_code=True)
def _(mo, shows, too_large, widgets):
    widgets.breaks(
        too_large,
        lambda: mo.md(shows.nothing_trained()),
        code="loader = DataLoader(dataset, batch_size=100, drop_last=True)  # 80 rows",
        cure="a batch no larger than the data, or the last, smaller batch kept "
        "(`drop_last=False`). An epoch without a batch is no error for Python. Count your "
        "updates.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 5 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex01_split")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex01_split")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex01_split", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex01_updates")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_updates = widgets.editor("ex01_updates")
    answer_updates
    return (answer_updates,)


@app.cell(hide_code=True)
def _(answer_updates, widgets):
    widgets.checked("ex01_updates", answer_updates)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(1)
    return


if __name__ == "__main__":
    app.run()
