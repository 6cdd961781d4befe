import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Data sets and loaders")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import loss_bowl, shown_source, training_paths, widgets
    from gradatim.course.ch12_loaders import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import Chart, beside
    from gradatim.text import bytes_for_people

    widgets.beginning(12)
    return Chart, beside, bytes_for_people, html_tables, loss_bowl, mo, shown_source, shows, training_paths, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · A data set of your own

    A **Dataset** answers two questions. What is row 17? How many rows are there?
    `__getitem__` and `__len__` do it; `__init__` keeps the rows. The class is
    `torch.utils.data.Dataset`.
    """)
    return


@app.cell(hide_code=True)
def _(shown_source, shows):
    shown_source.shown_bare(shows.LineDataset)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Rows that are tensors already need no class: `TensorDataset(x, y)` is this one, ready
    made.
    """)
    return


@app.cell(hide_code=True)
def _(html_tables, mo, shows):
    mo.Html(html_tables.grid(shows.rows_compared()))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The **DataLoader** puts rows together. To look at one batch, `iter` begins a pass over
    the data, and `next` takes its first batch:

    ```python
    from torch.utils.data import DataLoader

    loader = DataLoader(dataset, batch_size=16, shuffle=True)
    x_batch, y_batch = next(iter(loader))
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    when = widgets.predict(
        "`__getitem__` reads a picture file from the disk; there are 80. The loader has "
        "given one batch of 16. How many files were read?",
        ["None", "16", "80"],
    )
    when
    return (when,)


@app.cell(hide_code=True)
def _(when, widgets):
    widgets.verdict(
        when,
        right="16",
        why={
            "None": "A batch holds the numbers themselves. They must have been read.",
            "16": "A row is loaded when it is asked for. So data may be larger than the "
            "memory. Take more batches below.",
            "80": "So it would be if `__init__` read them all. Keep only the file names "
            "there.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    taken = mo.ui.slider(0, 5, value=1, label="batches taken", show_value=True)
    shuffle = mo.ui.switch(value=True, label="shuffle")
    return shuffle, taken


@app.cell(hide_code=True)
def _(mo, shuffle, taken, when, widgets):
    widgets.after(when, mo.hstack([taken, shuffle], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(shows, shuffle, taken, when, widgets):
    _batches = shows.asked_rows(16, taken.value, shuffle=shuffle.value)
    _asked = sum(map(len, _batches))
    widgets.after(when, widgets.picture(shows.rows_picture(_batches, title=f"rows asked for: {_asked} of 80")))
    return


@app.cell
def _(shows):
    x_batch, y_batch = shows.one_batch(16)
    return x_batch, y_batch


@app.cell(hide_code=True)
def _(mo, x_batch, y_batch):
    mo.md(f"""
    One batch: x has the shape {tuple(x_batch.shape)}, y {tuple(y_batch.shape)}; both are
    on the {x_batch.device}. Rows stand along the first dimension.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    no_length = widgets.button("a Dataset without `__len__`", breaks=True)
    no_length
    return (no_length,)


@app.cell(hide_code=True)
def _(no_length, shows, widgets):
    widgets.breaks(
        no_length,
        shows.loader_without_length,
        code="DataLoader(dataset, batch_size=16, shuffle=True)",
        cure="write `__len__`. A loader that shuffles must know which row numbers there "
        "are. For a stream without an end there is `IterableDataset`.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · How many updates

    An **epoch** is over when each row was used once.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    updates = widgets.predict(
        "80 rows, batch_size=32. What happens in an epoch?",
        ["2 updates, 16 rows left out", "3 updates, the last with 16 rows", "3 updates of 32"],
    )
    updates
    return (updates,)


@app.cell(hide_code=True)
def _(updates, widgets):
    widgets.verdict(
        updates,
        right="3 updates, the last with 16 rows",
        why={
            "2 updates, 16 rows left out": "That is what `drop_last=True` would do.",
            "3 updates, the last with 16 rows": "N / n, rounded up: the last batch takes "
            "what is left. With `drop_last=True` it would be left out.",
            "3 updates of 32": "They would need 96 rows. No row is used twice.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    batch_size = mo.ui.slider(
        steps=[1, 2, 4, 8, 16, 32, 80], value=16, label="batch_size", show_value=True
    )
    return (batch_size,)


@app.cell(hide_code=True)
def _(batch_size, updates, widgets):
    widgets.after(updates, batch_size)
    return


@app.cell(hide_code=True)
def _(Chart, batch_size, beside, loss_bowl, shows, updates, widgets):
    went = shows.from_loader(batch_size.value, epochs=5)
    num_updates = (len(went.path) - 1) // 5
    _above = loss_bowl.bowl((f"batches of {batch_size.value}", "blue", went), title="5 epochs from above")
    _chart = Chart((0, 5), (5e-3, 2), title="loss of all 80 points", x_label="epoch", log_y=True)
    _chart.line(
        [n / num_updates for n in range(len(went.losses))],
        went.losses,
        colour="blue",
        label=f"{num_updates} updates an epoch",
    )
    widgets.after(updates, widgets.picture(beside(_above, _chart.svg())))
    return num_updates, went


@app.cell(hide_code=True)
def _(batch_size, mo, num_updates, updates, went, widgets):
    _plural = "" if num_updates == 1 else "s"
    _kind = {1: "stochastic", 80: "batch"}.get(batch_size.value, "mini-batch")
    widgets.after(updates, mo.md(f"""
    This is **{_kind}** gradient descent: **{num_updates}** update{_plural} an epoch. After 5
    epochs the loss of all points is {went.losses[-1]:.4f}. Few rows give many, noisy
    updates; all rows give one smooth update. An update of 16 rows takes hardly longer than
    one of a single row, so most people choose a size between the two.
    """))
    return


@app.cell
def _(loss_bowl, shows, training_paths):
    loaded = shows.from_loader(16, epochs=150)
    x_all, y_all = training_paths.points()
    best = loss_bowl.least_squares(x_all.double(), y_all.double())
    return best, loaded


@app.cell(hide_code=True)
def _(best, loaded, mo):
    _a, _b = loaded.path[-1].tolist()
    _c, _d = best.tolist()
    mo.md(f"""
    150 epochs in batches of 16 end at a {_a:.4f}, b {_b:.4f}. Least squares has
    a {_c:.4f}, b {_d:.4f}. It is close, not equal: each update sees 16 points only, so
    the end wavers.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    only_first = widgets.button("next(iter(loader)) in the loop", breaks=True)
    only_first
    return (only_first,)


@app.cell(hide_code=True)
def _(beside, best, only_first, shows, training_paths, widgets):
    def _train():
        seen = shows.first_batches()
        end = shows.from_loader(16, epochs=100, first_only=True).path[-1]
        fit = training_paths.fits(
            ("least squares", "green", tuple(best.tolist())),
            ("trained", "red", tuple(end.tolist())),
            title="violet: the points that were seen",
            shown=shows.by_x()[seen].tolist(),
        )
        rows = shows.rows_picture([seen], title=f"500 updates, {len(seen)} rows seen")
        return widgets.picture(beside(fit, rows))

    widgets.breaks(
        only_first,
        _train,
        code="for epoch in range(100):\n    for _ in range(5):\n"
        "        train_step(*next(iter(loader)))",
        cure="`for x_batch, y_batch in loader:`. `iter(loader)` begins anew each time, so "
        "`next(iter(loader))` is always a first batch. The rows here are sorted by x, as in "
        "many files, and not shuffled: it is the same batch each time. It is for looking, not "
        "for training.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Where the data live

    The memory of a GPU is small and expensive. The model must be there, its gradients, and
    what forward keeps for backward.
    """)
    return


@app.cell(hide_code=True)
def _(shows, widgets):
    does_it_fit = widgets.predict(
        f"100 million rows of 100 numbers, float32, and a GPU with {shows.DEVICE_GB} GB. "
        "How can it train on them?",
        ["Not at all", "In mini-batches", "All rows at once"],
    )
    does_it_fit
    return (does_it_fit,)


@app.cell(hide_code=True)
def _(bytes_for_people, does_it_fit, shows, widgets):
    _all = bytes_for_people(shows.size_of(100_000_000))
    _one = bytes_for_people(shows.size_of(64))
    widgets.verdict(
        does_it_fit,
        right="In mini-batches",
        why={
            "Not at all": f"All together, {_all}, do not. But an update does not "
            "need them all together.",
            "In mini-batches": f"All rows are {_all}; 64 of them are {_one}. The next "
            "mini-batch takes the place of the last one.",
            "All rows at once": f"4 bytes for each number make {_all}.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    whole = mo.ui.switch(label="send the whole data set")
    data_rows = mo.ui.dropdown(
        {f"{n:,}": n for n in (10**3, 10**6, 10**7, 3 * 10**7, 10**8, 10**9)},
        value="100,000,000",
        label="rows",
    )
    return data_rows, whole


@app.cell(hide_code=True)
def _(data_rows, does_it_fit, mo, whole, widgets):
    _code = mo.md("""
    The data set stays on the CPU, and only the mini-batch goes to the device:

    ```python
    for x_batch, y_batch in loader:
        x_batch = x_batch.to(device)
        y_batch = y_batch.to(device)
        train_step(x_batch, y_batch)
    ```
    """)
    _controls = mo.hstack([whole, data_rows], justify="start", wrap=True, gap=2)
    widgets.after(does_it_fit, mo.vstack([_code, _controls]))
    return


@app.cell(hide_code=True)
def _(data_rows, does_it_fit, shows, whole, widgets):
    widgets.after(does_it_fit, widgets.picture(shows.memory(data_rows.value, 64, whole=whole.value)))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(f"""
    Small data may be sent once, on purpose, before the loop: `x, y = x.to(device),
    y.to(device)`. Then no batch has to travel. Our points, both ways: {shows.sent_once()}
    """)
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    elsewhere = widgets.button("data and model on two devices", breaks=True)
    other_dtype = widgets.button("data in float64", breaks=True)
    all_there = widgets.button("the whole data set on the device", breaks=True)
    mo.hstack([elsewhere, other_dtype, all_there], justify="start", wrap=True)
    return all_there, elsewhere, other_dtype


@app.cell(hide_code=True)
def _(all_there, html_tables, mo, shows, widgets):
    widgets.breaks(
        all_there,
        lambda: mo.vstack([mo.md("The doctor of this course's package has seen it:"), mo.Html(html_tables.wrapped(shows.whole_on_device()))]),
        code=f'dataset = TensorDataset(x.to("{shows.OTHER_DEVICE}"), y.to("{shows.OTHER_DEVICE}"))\n'
        "loader = DataLoader(dataset, batch_size=16)",
        cure="keep the data set on the CPU, and send mini-batches. With large data this line "
        "ends in an `OutOfMemoryError`; with middling ones, in a smaller model than you could "
        "have. Where all of it fits easily, send it once and mean it. (Without a GPU the device "
        "*meta* plays its part here.)",
    )
    return


@app.cell(hide_code=True)
def _(elsewhere, shows, widgets):
    widgets.breaks(
        elsewhere,
        shows.data_elsewhere,
        code=f'model(x.to("{shows.OTHER_DEVICE}"))  # the model is on the CPU',
        cure="`x_batch.to(device)` for each batch, `model.to(device)` once, before the "
        "optimizer is made. (Without a GPU the device *meta* plays its part here.)",
    )
    return


@app.cell(hide_code=True)
def _(other_dtype, shows, widgets):
    widgets.breaks(
        other_dtype,
        shows.wrong_dtype,
        code="model(x.double())",
        cure="`x.float()`: NumPy computes in float64, layers are made in float32.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · The same order again

    `shuffle=True` draws a new order for each epoch. To repeat a training you need the
    same orders. gradatim has batches for tensors that depend on the **seed and the
    epoch** alone:

    ```python
    import gradatim as gt

    batches = gt.data.Batches((x, y), batch_size=16, seed=42)
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    repeat = widgets.predict(
        "Two runs set torch.manual_seed(42). The second draws one random number more "
        "before its DataLoader starts. Is the order of the rows the same?",
        ["Yes, the seed is the same", "It is another one"],
    )
    repeat
    return (repeat,)


@app.cell(hide_code=True)
def _(repeat, widgets):
    widgets.verdict(
        repeat,
        right="It is another one",
        why={
            "Yes, the seed is the same": "The seed only sets where the global generator "
            "starts. Whoever draws from it moves it on for all others.",
            "It is another one": "The loader draws from the global generator, and that stands elsewhere "
            "now. A `generator=` of its own helps, as do gradatim's batches.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    seed = mo.ui.slider(0, 50, value=42, label="seed", show_value=True)
    return (seed,)


@app.cell(hide_code=True)
def _(repeat, seed, widgets):
    widgets.after(repeat, seed)
    return


@app.cell(hide_code=True)
def _(mo, repeat, seed, shows, widgets):
    widgets.after(repeat, mo.vstack(
        [
            widgets.picture(shows.orders(seed.value)),
            mo.md("The first eight rows of each order. \\* Run 2 has drawn one random number before."),
        ]
    ))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 5 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex12_dataset")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex12_dataset")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex12_dataset", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex12_epoch")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_epoch = widgets.editor("ex12_epoch")
    answer_epoch
    return (answer_epoch,)


@app.cell(hide_code=True)
def _(answer_epoch, widgets):
    widgets.checked("ex12_epoch", answer_epoch)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(12)
    return


if __name__ == "__main__":
    app.run()
