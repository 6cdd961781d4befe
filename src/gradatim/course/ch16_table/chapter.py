import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Your own table")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch16_table import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import beside

    widgets.beginning(16)
    return beside, html_tables, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · A file

    Now your own data. A table is a file with a row for each case and a column for each
    thing known about it: CSV, TSV or Parquet. Upload one, or name a file of this machine.
    It stays on this machine. With neither you get `flats.csv`, which this chapter makes.
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    uploaded = mo.ui.file(
        filetypes=[".csv", ".tsv", ".parquet"], kind="button", label="Upload a table"
    )
    path = mo.ui.text(label="or its path", placeholder="houses.csv")
    mo.hstack([uploaded, path], justify="start", align="end", wrap=True, gap=2)
    return path, uploaded


@app.cell(hide_code=True)
def _(html_tables, mo, path, shows, uploaded):
    source, problem = shows.opened(uploaded.value, path.value)
    _lines = shows.first_lines(source)
    _told = [mo.md(f"**{source.name}**, its first lines:"), mo.Html(html_tables.wrapped(_lines))]
    mo.vstack([mo.callout(mo.md(problem), kind="warn"), *_told] if problem else _told)
    return (source,)


@app.cell(hide_code=True)
def _(widgets):
    what_kind = widgets.predict(
        "A column holds 1, 2, 3, ... but they are numbers of districts. What does a program "
        "see that knows only the file?",
        ["A category", "A number"],
    )
    what_kind
    return (what_kind,)


@app.cell(hide_code=True)
def _(what_kind, widgets):
    widgets.verdict(
        what_kind,
        right="A number",
        why={
            "A category": "Nothing in the file says that district 4 is not twice district 2.",
            "A number": "So look at the columns before you train. Write `d1`, `d2`, or the "
            "names, and it is a category.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows, source):
    _names = shows.columns_of(source)
    _first = "rent" if "rent" in _names else _names[-1]
    target = mo.ui.dropdown(_names, value=_first, label="predict the column")
    return (target,)


@app.cell(hide_code=True)
def _(mo, shows, source, target):
    _others = [name for name in shows.columns_of(source) if name != target.value]
    drop = mo.ui.multiselect(_others, label="leave out")
    return (drop,)


@app.cell(hide_code=True)
def _(drop, mo, target, what_kind, widgets):
    widgets.after(what_kind, mo.hstack([target, drop], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(drop, html_tables, mo, shows, source, target, what_kind, widgets):
    left_out = tuple(drop.value)
    _rows = shows.try_inspected(source, target.value, left_out)
    _problem = isinstance(_rows, str)
    _shown = mo.callout(mo.md(_rows), kind="warn") if _problem else mo.Html(html_tables.grid(_rows))
    _told = mo.md(f"In a terminal: `gradatim inspect {source.name} --target {target.value}`")
    widgets.after(what_kind, mo.vstack([_told, _shown]))
    return (left_out,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · A model, and an honest score

    `gradatim fit`, in a terminal, does what chapters 9 to 15 did. It splits the rows into three parts,
    scales by the training rows, makes a network, trains it, and stops early by the
    validation rows. Then it scores on **test rows**, once.
    """)
    return


@app.cell(hide_code=True)
def _(shows, widgets):
    example_scores = shows.fit(shows.flats(), "rent").scores
    is_it_good = widgets.predict(
        "For the flats, the error of the predicted rents is typically "
        f"{example_scores['model']['rmse']:.0f}. Is that a good model?",
        ["Yes", "No", "One cannot tell"],
    )
    is_it_good
    return example_scores, is_it_good


@app.cell(hide_code=True)
def _(example_scores, is_it_good, widgets):
    widgets.verdict(
        is_it_good,
        right="One cannot tell",
        why={
            "Yes": "What if a linear model were twice as good?",
            "No": "What if everything else were far worse?",
            "One cannot tell": "A score needs neighbours. Here: always answering the mean "
            f"has {example_scores['baseline']['rmse']:.0f}, a linear model "
            f"{example_scores['linear']['rmse']:.0f}. Now one can tell.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, source):
    seed = mo.ui.slider(0, 5, value=0, label="seed", show_value=True)
    train = mo.ui.run_button(label=f"Train on {source.name}")
    return seed, train


@app.cell(hide_code=True)
def _(is_it_good, mo, seed, shows, source, train, widgets):
    widgets.after(is_it_good, mo.hstack(
        [seed, train] if source != shows.flats() else [seed],
        justify="start",
        align="end",
        wrap=True,
        gap=2,
    ))
    return


@app.cell(hide_code=True)
def _(left_out, seed, shows, source, target, train):
    is_asked = source == shows.flats() or train.value
    fitted = (
        shows.try_fit(source, target.value, left_out, seed.value)
        if is_asked
        else "Press the button. It takes a minute at most."
    )
    return (fitted,)


@app.cell(hide_code=True)
def _(beside, fitted, html_tables, is_it_good, mo, shows, widgets):
    widgets.after(is_it_good, mo.callout(mo.md(fitted)) if isinstance(fitted, str) else widgets.picture(
        beside(
            html_tables.grid(shows.score_rows(fitted), caption=shows.told_rows(fitted)),
            shows.truth_picture(fitted) if fitted.pairs else "",
        )
    ))
    return


@app.cell(hide_code=True)
def _(fitted, is_it_good, mo, shows, source, target, widgets):
    widgets.after(is_it_good, mo.md(f"""
    `gradatim fit {source.name} --target {target.value}`

    It stopped after {fitted.num_epochs} epochs: {fitted.stop_reason}.
    {shows.meaning(fitted)} Other **seeds** split anew: how far the scores move tells you how
    rough they are.
    """ if not isinstance(fitted, str) else ""))
    return


@app.cell(hide_code=True)
def _(widgets):
    leak = widgets.button("a column that knows the answer", breaks=True)
    leak
    return (leak,)


@app.cell(hide_code=True)
def _(html_tables, leak, mo, shows, widgets):
    def _leak():
        found = shows.fit(shows.flats(leak=True), "rent")
        told = "`deposit` is three times the rent. Nothing is raised, and the score is **too good**:"
        return mo.vstack([mo.md(told), mo.Html(html_tables.grid(shows.score_rows(found)))])

    widgets.breaks(
        leak,
        _leak,
        code="gradatim fit flats.csv --target rent  # with a column deposit",
        cure="`--drop deposit`. Ask of each column: is it known **before** the answer is? "
        "Where even the linear model is nearly perfect, look for such a column.",
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    misspelt = widgets.button("a target that is not there", breaks=True)
    misspelt
    return (misspelt,)


@app.cell(hide_code=True)
def _(misspelt, shows, widgets):
    widgets.breaks(
        misspelt,
        lambda: shows.fit(shows.flats(), "rents"),
        code="gradatim fit flats.csv --target rents",
        cure="the name as it stands in the first line of the file.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Predictions

    The model keeps how its columns were read. For new rows it is
    `gradatim predict new.csv -o rents.csv`, in Python
    `gt.load("runs/001-flats").predict("new.csv")`.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    turned = widgets.predict(
        "The columns of new.csv stand in another order, and one more is among them. What does "
        "the model do?",
        ["It predicts nonsense", "It predicts as well as before", "It raises an exception"],
    )
    turned
    return (turned,)


@app.cell(hide_code=True)
def _(turned, widgets):
    widgets.verdict(
        turned,
        right="It predicts as well as before",
        why={
            "It predicts nonsense": "So it would if columns were counted from the left.",
            "It predicts as well as before": "Columns are matched by their **names**, and those "
            "that it was not trained on are passed over.",
            "It raises an exception": "Only if a column that it needs is missing.",
        },
    )
    return


@app.cell(hide_code=True)
def _(flats_model, html_tables, mo, shows, turned, widgets):
    widgets.after(turned, mo.Html(html_tables.grid(shows.in_other_order(flats_model))))
    return


@app.cell(hide_code=True)
def _(mo, shows):
    size = mo.ui.slider(
        steps=[30, 50, 70, 90, 120, 140], value=70, label="size", show_value=True
    )
    district = mo.ui.dropdown(list(shows.DISTRICTS), value="center", label="district")
    year = mo.ui.dropdown(
        {str(y): y for y in (1940, 1980, 1999, 2002, 2015)}, value="1980", label="built in"
    )
    return district, size, year


@app.cell(hide_code=True)
def _(district, mo, size, turned, widgets, year):
    _ask = mo.md("Ask the model of `flats.csv` (with as many rooms as such flats have):")
    widgets.after(turned, mo.vstack([_ask, mo.hstack([size, district, year], justify="start", wrap=True, gap=2)]))
    return


@app.cell(hide_code=True)
def _(shows):
    flats_model = shows.fit(shows.flats(), "rent")
    return (flats_model,)


@app.cell(hide_code=True)
def _(district, flats_model, shows, size, turned, widgets, year):
    _picture, answer_rent = shows.what_if(
        flats_model, size.value, district.value, year.value
    )
    widgets.after(turned, widgets.picture(_picture))
    return (answer_rent,)


@app.cell(hide_code=True)
def _(answer_rent, district, mo, shows, size, turned, widgets, year):
    widgets.after(turned, mo.md(f"""
    Predicted: **{answer_rent:,.0f}**. These flats were made by a formula, which gives
    {shows.rent_of(size.value, district.value, year.value):,.0f} before noise. From the year
    2001 on a flat costs more by a fixed amount; the network draws such a step only roughly.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    no_rooms = widgets.button("new rows without the column rooms", breaks=True)
    no_rooms
    return (no_rooms,)


@app.cell(hide_code=True)
def _(flats_model, no_rooms, shows, widgets):
    widgets.breaks(
        no_rooms,
        lambda: shows.predicted(
            flats_model, [{"size": 70, "district": "north", "built": "1980-06-01"}]
        ),
        code='model.predict([{"size": 70, "district": "north", "built": "1980-06-01"}])',
        cure="the same columns as in training. A value may be empty; a column may not be "
        "missing.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · The doctor on a script

    Some day you will write a loop of your own again. Then let it be watched:
    `gradatim doctor train.py`. The script is run as it is. Here are five versions of one.
    """)
    return


@app.cell(hide_code=True)
def _(mo, shows):
    script = mo.ui.dropdown(list(shows.SCRIPTS), value="A", label="train.py, version")
    script
    return (script,)


@app.cell(hide_code=True)
def _(mo, script, shows):
    mo.md(f"```python\n{shows.SCRIPTS[script.value]}```")
    return


@app.cell(hide_code=True)
def _(shows, widgets):
    what_fault = widgets.predict("What is wrong with this version?", list(shows.FAULTS))
    what_fault
    return (what_fault,)


@app.cell(hide_code=True)
def _(script, shows, what_fault, widgets):
    widgets.verdict(what_fault, right=shows.fault_of(script.value), why=shows.judged(script.value))
    return


@app.cell(hide_code=True)
def _(html_tables, mo, script, shows, what_fault, widgets):
    doctor_says = shows.examined(script.value)
    _told = [mo.md("The doctor says:"), mo.Html(html_tables.wrapped(doctor_says))]
    widgets.after(what_fault, mo.vstack(_told))
    return (doctor_says,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 5 · What to try next

    1. **Look at the data.** Missing values, duplicates, columns that know the answer. Most
       errors are there.
    2. **Try some seeds.** A difference smaller than theirs is no difference.
    3. **More rows** help most, then better columns, then another model.
    4. Where the linear model is as good, keep the linear model.
    5. `gradatim show` tells a run again, `gradatim resume` goes on with it, and
       `--model mine.py:make` takes a network of your own.
    6. **Several GPUs** can share the rows of each batch. gradatim does not do that; PyTorch's
       `DistributedDataParallel` does.
    """)
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    mo.vstack([mo.md("## 6 · Make it yourself"), widgets.exercise("ex16_scores")])
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex16_scores")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex16_scores", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(16)
    return


if __name__ == "__main__":
    app.run()
