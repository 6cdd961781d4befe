import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Splitting")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch13_split import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import bars, beside

    widgets.beginning(13)
    return bars, beside, html_tables, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · Two parts at random

    So far the rows were shuffled by hand and cut at 80. PyTorch has a function for it. It
    splits the **whole** data set, all 100 points:

    ```python
    from torch.utils.data import TensorDataset, random_split

    torch.manual_seed(42)
    train_set, val_set = random_split(TensorDataset(x, y), [80, 20])
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    which_rows = widgets.predict(
        "With another seed, other 20 rows are held back. What becomes of the best line of the "
        "80 that are left?",
        ["It stays the same", "a and b change a little", "It is another line altogether"],
    )
    which_rows
    return (which_rows,)


@app.cell(hide_code=True)
def _(which_rows, widgets):
    widgets.verdict(
        which_rows,
        right="a and b change a little",
        why={
            "It stays the same": "Other points have other noise.",
            "a and b change a little": "Each row has the same chance, so both parts look alike, "
            "whatever the seed. But they are other points. Move the seed and see.",
            "It is another line altogether": "80 points drawn by chance look much like all 100.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    seed = mo.ui.slider(
        steps=[0, 1, 2, 3, 7, 11, 42], value=42, label="seed", show_value=True
    )
    num_val = mo.ui.slider(
        steps=[5, 10, 20, 50], value=20, label="rows that validate", show_value=True
    )
    return num_val, seed


@app.cell(hide_code=True)
def _(mo, num_val, seed, which_rows, widgets):
    widgets.after(which_rows, mo.hstack([seed, num_val], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(beside, num_val, seed, shows, which_rows, widgets):
    split = shows.split_rows(seed.value, num_val.value)
    best = split.best()
    widgets.after(which_rows, widgets.picture(beside(split.grid(), split.picture())))
    return best, split


@app.cell(hide_code=True)
def _(best, mo, num_val, seed, shows, split, which_rows, widgets):
    _train, _val = split.losses()
    _a, _b = shows.trained(seed.value, num_val.value)
    widgets.after(which_rows, mo.md(f"""
    The best line of these {len(split.train)} training points has a **{best[0]:.4f}**, b
    **{best[1]:.4f}**. Its loss is {_train:.4f} on them and {_val:.4f} on the
    {len(split.val)} others. Trained in mini-batches of 16, for 200 epochs, the line has a
    {_a:.4f}, b {_b:.4f}: close to the best line of **its own** split. Another seed gives
    another split and other numbers: a score of few rows is a rough one. This split is not
    that of the chapters before.
    """))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Rows that did not teach

    Why hold rows back at all? Here is a learner that only remembers. For a new x it looks
    up the **nearest training rows** and answers with the mean of their y.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    remembers = widgets.predict(
        "It looks up one row, the nearest. What is its loss on the training rows?",
        ["Zero", "About as on new rows", "Higher than on new rows"],
    )
    remembers
    return (remembers,)


@app.cell(hide_code=True)
def _(remembers, widgets):
    widgets.verdict(
        remembers,
        right="Zero",
        why={
            "Zero": "The nearest row of a training row is that row itself. So the loss of "
            "the training rows says nothing about new rows.",
            "About as on new rows": "On new rows it also repeats the noise of the old ones.",
            "Higher than on new rows": "It knows the answers of the training rows.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    neighbours = mo.ui.slider(
        steps=[1, 2, 3, 5, 8, 12, 20, 40, 80],
        value=1,
        label="nearest rows",
        show_value=True,
    )
    return (neighbours,)


@app.cell(hide_code=True)
def _(neighbours, remembers, widgets):
    widgets.after(remembers, neighbours)
    return


@app.cell(hide_code=True)
def _(beside, neighbours, remembers, shows, widgets):
    _split = shows.split_rows()
    widgets.after(remembers, widgets.picture(
        beside(
            shows.by_heart_picture(neighbours.value, _split),
            shows.by_size(_split, neighbours.value),
        )
    ))
    return


@app.cell(hide_code=True)
def _(mo, neighbours, remembers, shows, widgets):
    train_error, val_error = shows.errors_by_heart(neighbours.value, shows.split_rows())
    widgets.after(remembers, mo.md(f"""
    Loss on train **{train_error:.4f}**, on validation **{val_error:.4f}**. With one row
    it learns the noise by heart. With all rows it answers the same everywhere. The
    training loss always likes one row best. The validation loss does not. (At 0 the blue
    line stands at the lower edge.)
    """))
    return train_error, val_error


@app.cell(hide_code=True)
def _(widgets):
    by_order = widgets.button("cut a sorted file without shuffling", breaks=True)
    by_order
    return (by_order,)


@app.cell(hide_code=True)
def _(by_order, mo, shows, widgets):
    def _cut():
        cut = shows.split_sorted()
        train, val = shows.errors_by_heart(5, cut)
        text = f"Loss on train {train:.4f}, on validation **{val:.4f}**: no row there was like these."
        return mo.vstack([widgets.picture(shows.by_heart_picture(5, cut)), mo.md(text)])

    widgets.breaks(
        by_order,
        _cut,
        code="train_rows, val_rows = range(80), range(80, 100)",
        cure="`random_split`, which shuffles. Both parts must look like the rows that will "
        "come. For rows in the order of time the future is the honest test: "
        "`gt.data.split(x, y, time=...)`.",
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    in_both = widgets.button("30 of 40 rows in both parts", breaks=True)
    in_both
    return (in_both,)


@app.cell(hide_code=True)
def _(html_tables, in_both, mo, shows, widgets):
    def _leak():
        picture, told = shows.leaked()
        coins = mo.md(
            "Each row's label is heads or tails, by a **coin**: nobody can tell them. A network "
            "guesses, and *accuracy* is the share that it guesses right. Nothing was raised."
        )
        seen = mo.md("The doctor has seen it, here as a callback of the Trainer (chapter 15):")
        return mo.vstack([coins, widgets.picture(picture), seen, mo.Html(html_tables.wrapped(told))])

    widgets.breaks(
        in_both,
        _leak,
        code="train, val = rows[:80], rows[50:90]",
        cure="split row numbers once, before rows are copied, drawn or mixed. Look for "
        "duplicates in the file: one person, one house, one picture belongs to one part.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Scaling comes after the split

    Features are scaled by a mean and a standard deviation. These two numbers are
    **learned from data**, as weights are.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    scaled_by = widgets.predict(
        "From which rows should mean and standard deviation be taken?",
        ["All rows: more rows, better numbers", "The training rows", "Each part its own"],
    )
    scaled_by
    return (scaled_by,)


@app.cell(hide_code=True)
def _(scaled_by, widgets):
    widgets.verdict(
        scaled_by,
        right="The training rows",
        why={
            "All rows: more rows, better numbers": "Then what is trained on depends on rows "
            "that it must not know. Move the slider below.",
            "The training rows": "And the same two numbers are used for all parts, also for a "
            "single new row later.",
            "Each part its own": "Then the same x becomes another number in each part, and a "
            "single new row has no deviation at all.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    held_out = mo.ui.slider(
        steps=[3, 5, 8, 12, 20, 30], value=12, label="the row held out", show_value=True
    )
    return (held_out,)


@app.cell(hide_code=True)
def _(held_out, mo, scaled_by, shows, widgets):
    _picture = widgets.picture(shows.scaled_picture(held_out.value))
    _words = mo.md(r"""
    Eight numbers train, and one is held out to validate. Above, in blue: scaled by mean and
    standard deviation of the eight. They stay where they are. Below, in red: by those of all
    nine. Move the slider: the training rows **move with a number that they must not know**.
    """)
    widgets.after(scaled_by, mo.vstack([held_out, _picture, _words]))
    return


@app.cell(hide_code=True)
def _(widgets):
    too_early = widgets.button("scale all rows, then split", breaks=True)
    too_early
    return (too_early,)


@app.cell(hide_code=True)
def _(html_tables, mo, shows, too_early, widgets):
    def _scale():
        told = mo.md("Nothing is raised. By all rows, an odd new row looks less odd.")
        return mo.vstack([told, mo.Html(html_tables.grid(shows.scaled_rows()))])

    widgets.breaks(
        too_early,
        _scale,
        code="x = (x - x.mean()) / x.std()\nx_train, x_val = x[rows[:8]], x[rows[8:]]",
        cure="split first. Then mean and standard deviation of the training rows, used for "
        "all parts. The same holds for filling gaps and choosing columns.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Three parts, and peeking

    You try ten models and keep the one with the best validation loss. These rows have not
    taught a model, but they have **chosen** one. For the score you need rows that nothing
    was chosen by: the **test** rows. You look at them once, at the end.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    share = mo.ui.slider(
        steps=[5, 10, 15, 20, 30], value=15, label="% for validation, and as many for test", show_value=True
    )
    share
    return (share,)


@app.cell(hide_code=True)
def _(share, shows, widgets):
    widgets.picture(shows.three_parts(1000, 10 * share.value, 10 * share.value))
    return


@app.cell(hide_code=True)
def _(widgets):
    by_luck = widgets.predict(
        "Each row's label is heads or tails, by a coin. A model guesses it, and accuracy is "
        "the share of right guesses. You draw the numbers of 1,000 models at random and score "
        "each on the same 40 test rows. What does the best one score?",
        ["About 0.5", "About 0.7", "1.0"],
    )
    by_luck
    return (by_luck,)


@app.cell(hide_code=True)
def _(by_luck, shows, widgets):
    _found = shows.peeked(1000)
    widgets.verdict(
        by_luck,
        right="About 0.7",
        why={
            "About 0.5": "So does the mean of all models. But the best one was chosen "
            "because these 40 rows like it.",
            "About 0.7": f"Here {_found.best:.3f}. On 2,000 fresh rows the same model "
            f"gets {_found.fresh:.3f}.",
            "1.0": "All 40 coins right by chance needs far more models.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    tried = mo.ui.slider(
        steps=[1, 3, 10, 30, 100, 300, 1000], value=10, label="models tried", show_value=True
    )
    test_rows = mo.ui.dropdown(
        {"20": 20, "40": 40, "200": 200, "1000": 1000}, value="40", label="test rows"
    )
    once_more = mo.ui.button(
        value=0, on_click=lambda value: value + 1, label="Peek once more"
    )
    return once_more, test_rows, tried


@app.cell(hide_code=True)
def _(by_luck, mo, once_more, test_rows, tried, widgets):
    widgets.after(by_luck, mo.hstack([tried, test_rows, once_more], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(by_luck, once_more, shows, test_rows, tried, widgets):
    looks = min(tried.value + (once_more.value or 0), shows.NUM_PEEKS)
    peek = shows.peeked(looks, test_rows.value)
    widgets.after(by_luck, widgets.picture(shows.peeks_picture(looks, test_rows.value)))
    return looks, peek


@app.cell(hide_code=True)
def _(by_luck, looks, mo, peek, test_rows, widgets):
    widgets.after(by_luck, mo.md(f"""
    You have looked **{looks}** time{"" if looks == 1 else "s"}. The best model seems to have an accuracy of
    **{peek.best:.3f}** on {test_rows.value} rows. On fresh rows it has
    **{peek.fresh:.3f}**. Each look makes the score a little less true; few rows make it
    worse.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    by_test = widgets.button("choose by the test rows", breaks=True)
    by_test
    return (by_test,)


@app.cell(hide_code=True)
def _(bars, by_test, shows, widgets):
    def _choose():
        found = shows.peeked(1000)
        values = [("told", found.best), ("on fresh rows", found.fresh)]
        return widgets.picture(bars(values, title="the best of 1,000 models", colour="red"))

    widgets.breaks(
        by_test,
        _choose,
        code="best = max(models, key=lambda m: accuracy(m, test_rows))\n"
        'print("accuracy:", accuracy(best, test_rows))',
        cure="choose by validation rows as often as you like. Score once on test rows. If "
        "you have to choose again after that, you need new test rows.",
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
    widgets.exercise("ex13_split")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex13_split")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex13_split", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex13_scale")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_scale = widgets.editor("ex13_scale")
    answer_scale
    return (answer_scale,)


@app.cell(hide_code=True)
def _(answer_scale, widgets):
    widgets.checked("ex13_scale", answer_scale)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(13)
    return


if __name__ == "__main__":
    app.run()
