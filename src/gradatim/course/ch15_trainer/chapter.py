import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The Trainer")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch15_trainer import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import beside

    widgets.beginning(15)
    return beside, html_tables, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · Both loops in one call

    Chapter 14 had two inner loops, two modes, `no_grad`, sums and means. They are the same
    in every training. So gradatim has them once:

    ```python
    import gradatim as gt

    trainer = gt.Trainer(model, loss_fn, optimizer)
    trainer.fit(train_loader, val_loader, epochs=100)
    ```

    Model, loss, optimizer and loaders are made as before. You keep what you understand.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    how_equal = widgets.predict(
        "Both get the same start and the same loaders. How close are the weights at the "
        "end?",
        ["To about 4 digits", "To the last bit", "Only roughly: it is random"],
    )
    how_equal
    return (how_equal,)


@app.cell(hide_code=True)
def _(how_equal, widgets):
    widgets.verdict(
        how_equal,
        right="To the last bit",
        why={
            "To about 4 digits": "So it would be if the numbers were computed in another "
            "order.",
            "To the last bit": "The same numbers in the same order give the same bits. "
            "Compare below.",
            "Only roughly: it is random": "Chance comes from generators. Both start them "
            "with the same seeds.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    epochs = mo.ui.slider(
        steps=[1, 3, 10, 30, 100], value=30, label="epochs", show_value=True
    )
    return (epochs,)


@app.cell(hide_code=True)
def _(epochs, how_equal, widgets):
    widgets.after(how_equal, epochs)
    return


@app.cell(hide_code=True)
def _(epochs, how_equal, html_tables, mo, shows, widgets):
    found = shows.both(epochs.value)
    _rows = [
        {"": name, "by hand": shows.bits(one), "Trainer": shows.bits(other)}
        for name, one, other in (*found.lines[:3], found.lines[-1])
    ]
    widgets.after(how_equal, mo.vstack(
        [
            mo.Html(html_tables.grid(_rows)),
            mo.md(
                f"**{found.num_equal} of {len(found.lines)}** numbers are equal to the last "
                f"bit: two weights, and two losses for each epoch. (Python writes as many digits "
                "as tell a number from all others.)"
            ),
        ]
    ))
    return (found,)


@app.cell(hide_code=True)
def _(found, how_equal, mo, widgets):
    _names = {name: value for name, value, _ in found.lines}
    widgets.after(how_equal, mo.md(f"""
    The line is a {_names["a, the bias"]:.4f}, b {_names["b, the weight"]:.4f}. Tensors may
    be given without a loader: `trainer.fit((x, y), (x_val, y_val), epochs=100, batch_size=16,
    seed=42)`. The order then depends on the seed and the epoch alone.
    """))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · The history

    `fit` returns the **history**: a dict of lists, one entry for each epoch; *num_steps*
    counts the updates so far. Two more
    calls: `trainer.evaluate(val)` measures, and `trainer.predict(x)` predicts.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    mode_after = widgets.predict(
        "The model is in train mode, and you call `trainer.predict(x)`. In which mode is it "
        "afterwards?",
        ["In eval mode: predictions need it", "In train mode, as before"],
    )
    mode_after
    return (mode_after,)


@app.cell(hide_code=True)
def _(mode_after, widgets):
    widgets.verdict(
        mode_after,
        right="In train mode, as before",
        why={
            "In eval mode: predictions need it": "While it predicts it is. But what comes after "
            "would train without dropout, and nothing would say so.",
            "In train mode, as before": "`predict` and `evaluate` work in eval mode and without "
            "a graph, and put the mode back.",
        },
    )
    return


@app.cell(hide_code=True)
def _(html_tables, mo, mode_after, shows, widgets):
    widgets.after(mode_after, mo.Html(html_tables.grid(shows.modes_around())))
    return


@app.cell(hide_code=True)
def _(mo):
    key = mo.ui.dropdown(
        ["train_loss", "val_loss", "num_steps", "lr"], value="val_loss", label="key"
    )
    key
    return (key,)


@app.cell(hide_code=True)
def _(beside, html_tables, key, shows, widgets):
    trained = shows.fit_line(30)
    _keys = ["epoch", "train_loss", "val_loss", "num_steps"]
    _rows = [{k: row[k] for k in _keys} for row in trained.history.to_dicts()[-5:]]
    widgets.picture(
        beside(
            shows.history_picture(trained.history, key.value),
            html_tables.grid(_rows, caption="the last five epochs"),
        )
    )
    return (trained,)


@app.cell(hide_code=True)
def _(mo, trained):
    import torch

    _at_2 = trained.predict(torch.tensor([[2.0]])).item()
    mo.md(f"""
    `trainer.predict(torch.tensor([[2.0]]))` gives {_at_2:.4f}: near 1 + 2 · 2, far outside
    the data. `history.stop_reason` is "{trained.history.stop_reason}".
    """)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · What else a training needs

    More comes as **callbacks**: objects whose methods the Trainer calls at fixed places,
    such as `on_epoch_end`.

    ```python
    schedule = CosineAnnealingLR(optimizer, T_max=300)
    trainer.fit(train, val, epochs=300, callbacks=[
        gt.EarlyStopping("val_loss", patience=20),
        gt.LRScheduler(schedule, per="epoch"),
        gt.Doctor(),
    ])
    ```

    **EarlyStopping** ends a training that no longer improves. Here it watches the large
    network of chapter 14 on its 20 rows.
    """)
    return


@app.cell(hide_code=True)
def _(shows, widgets):
    stopped = shows.stopped_early(20)
    which_weights = widgets.predict(
        f"The best epoch is {stopped.best_epoch}, and with patience 20 it stops after epoch "
        f"{len(stopped.val)}. Which weights does the model have then?",
        ["Those of the last epoch", "Those of the best epoch", "A mean of both"],
    )
    which_weights
    return stopped, which_weights


@app.cell(hide_code=True)
def _(stopped, which_weights, widgets):
    widgets.verdict(
        which_weights,
        right="Those of the best epoch",
        why={
            "Those of the last epoch": "They would be with `restore_best=False`; their validation "
            f"loss is {stopped.val[-1]:.4f}.",
            "Those of the best epoch": "It keeps a copy of the best weights and puts them back: "
            f"{stopped.left:.4f}, where the last epoch had {stopped.val[-1]:.4f}.",
            "A mean of both": "Nothing is mixed.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    patience = mo.ui.slider(
        steps=[1, 3, 5, 10, 20, 50, 100], value=20, label="patience", show_value=True
    )
    per = mo.ui.dropdown(["epoch", "step"], value="epoch", label="LRScheduler per")
    return patience, per


@app.cell(hide_code=True)
def _(mo, patience, per, which_weights, widgets):
    widgets.after(which_weights, mo.hstack([patience, per], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(beside, patience, per, shows, which_weights, widgets):
    widgets.after(which_weights, widgets.picture(
        beside(
            shows.stopped_picture(patience.value),
            shows.scheduled_picture(per.value),
        )
    ))
    return


@app.cell(hide_code=True)
def _(mo, patience, shows, which_weights, widgets):
    _found = shows.stopped_early(patience.value)
    widgets.after(which_weights, mo.md(f"""
    With patience {patience.value} it says: *{_found.reason}*. The validation rows have
    **chosen** the epoch now: for an honest score you need test rows (chapter 13).
    At the right a cosine lowers the rate, once an epoch or after each update. The
    schedule's own numbers must count the same.
    """))
    return


@app.cell(hide_code=True)
def _(mo, shows):
    sick = mo.ui.dropdown(
        list(shows.SICK), value="a learning rate of 3", label="the doctor looks at"
    )
    mo.vstack(
        [mo.md("**Doctor** watches the first updates, and says what raises nothing."), sick]
    )
    return (sick,)


@app.cell(hide_code=True)
def _(html_tables, mo, shows, sick):
    findings = shows.examined(sick.value)
    mo.Html(html_tables.wrapped("\n\n".join(findings) or "nothing found"))
    return (findings,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Stop, and go on exactly

    A long training is stopped: the power fails, the laptop closes. `gt.Run` is a callback
    that keeps everything in a folder. **The same lines** start it and go on with it:

    ```python
    run = gt.Run("runs/x", every_steps=10)
    trainer.fit(train, val, epochs=20, seed=42, callbacks=[run])
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    what_kept = widgets.predict(
        "You keep only the weights, and go on with a new Adam. Is the end the same?",
        ["Yes, the weights are all there is", "No"],
    )
    what_kept
    return (what_kept,)


@app.cell(hide_code=True)
def _(what_kept, widgets):
    widgets.verdict(
        what_kept,
        right="No",
        why={
            "Yes, the weights are all there is": "Adam also remembers past gradients. A "
            "schedule knows its epoch, and dropout draws from a generator.",
            "No": "Optimizer, order of rows, place in the epoch and random generators "
            "belong to it. A run keeps them all.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    after = mo.ui.slider(
        steps=[3, 17, 43, 50, 86], value=43, label="the power fails after update", show_value=True
    )
    return (after,)


@app.cell(hide_code=True)
def _(after, what_kept, widgets):
    widgets.after(what_kept, after)
    return


@app.cell(hide_code=True)
def _(after, html_tables, mo, shows, what_kept, widgets):
    went_on = shows.resumed(after.value)
    _folders = sorted({name.split("/")[1] for name in went_on.files if "/" in name})
    _equal = "equal to the last bit" if went_on.is_equal else "not equal"
    widgets.after(what_kept, mo.vstack(
        [
            mo.md(f"""
    A network with dropout, 100 updates in all. After update {after.value} an exception
    ends it. In its folder are {", ".join(f"`{name}`" for name in _folders)}. A **new**
    model and a new trainer go on:
    """),
            mo.Html(html_tables.wrapped(went_on.told.strip())),
            mo.md(f"""
    All weights and losses are **{_equal}** to those of a training that was never stopped.
    """),
        ]
    ))
    return (went_on,)


@app.cell(hide_code=True)
def _(widgets):
    weights_only = widgets.button("keep the weights alone", breaks=True)
    weights_only
    return (weights_only,)


@app.cell(hide_code=True)
def _(mo, shows, weights_only, widgets):
    def _lose():
        svg, apart = shows.without_optimizer()
        text = f"Nothing is raised; the ends are {apart:.4f} apart. It is another training."
        return mo.vstack([widgets.picture(svg), mo.md(text)])

    widgets.breaks(
        weights_only,
        _lose,
        code="torch.save(model.state_dict(), path)\n...  # later, in a new process\n"
        "model.load_state_dict(torch.load(path))\noptimizer = Adam(model.parameters())",
        cure="keep the optimizer's `state_dict()`, the epoch, the order of rows and the "
        "generators too; or `callbacks=[gt.Run(folder)]`.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 5 · What it refuses

    Some mistakes would train something else, silently. The Trainer raises instead. Each
    message says what is wrong, why it matters, and what to do.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    when_nan = widgets.predict(
        "One number of x is NaN. When does the Trainer notice?",
        [
            "Never: the loss becomes nan",
            "At the end of the epoch",
            "At the update that meets it, before the weights change",
        ],
    )
    when_nan
    return (when_nan,)


@app.cell(hide_code=True)
def _(when_nan, widgets):
    widgets.verdict(
        when_nan,
        right="At the update that meets it, before the weights change",
        why={
            "Never: the loss becomes nan": "So it is in a loop of your own, and all weights "
            "become nan with it.",
            "At the end of the epoch": "Then the weights would be lost.",
            "At the update that meets it, before the weights change": "It looks at each loss "
            "before the update. Choose *one NaN in x* below, and read the message.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows, widgets):
    fault = mo.ui.dropdown(
        list(shows.REFUSED), value=next(iter(shows.REFUSED)), label="what is wrong"
    )
    try_it = widgets.button("fit it all the same", breaks=True)
    mo.hstack([fault, try_it], justify="start", align="end", wrap=True)
    return fault, try_it


@app.cell(hide_code=True)
def _(fault, shows, try_it, widgets):
    widgets.breaks(
        try_it,
        lambda: shows.refuse(fault.value),
        cure=shows.REFUSED[fault.value][1],
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 6 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex15_fit")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex15_fit")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex15_fit", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex15_callback")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_callback = widgets.editor("ex15_callback")
    answer_callback
    return (answer_callback,)


@app.cell(hide_code=True)
def _(answer_callback, widgets):
    widgets.checked("ex15_callback", answer_callback)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(15)
    return


if __name__ == "__main__":
    app.run()
