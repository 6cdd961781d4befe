import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Evaluation and schedules")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch14_evaluation import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import bars, beside

    widgets.beginning(14)
    return bars, beside, html_tables, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · A second inner loop

    After each epoch of training, a second loop goes through the validation batches. It
    measures, and changes nothing:

    ```python
    for x_batch, y_batch in train_loader:
        total += train_step(x_batch, y_batch) * len(x_batch)

    # Dropout rests, and no graph is built.
    model.eval()
    with torch.no_grad():
        for x_batch, y_batch in val_loader:
            loss = loss_fn(model(x_batch), y_batch)
            val_total += loss.item() * len(x_batch)
    # And back.
    model.train()
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    weigh = widgets.predict(
        "20 rows validate, in batches of 16 and 4. Is the mean of the two batch losses the "
        "loss of the 20 rows?",
        ["Yes", "No"],
    )
    weigh
    return (weigh,)


@app.cell(hide_code=True)
def _(shows, weigh, widgets):
    by_batch, by_row = shows.two_means()
    widgets.verdict(
        weigh,
        right="No",
        why={
            "Yes": "Only if both batches have the same number of rows.",
            "No": "The 4 rows would count as much as the 16. Before training: mean of the "
            f"batches {by_batch:.4f}, of the rows {by_row:.4f}. So each loss is multiplied "
            "by the rows of its batch.",
        },
    )
    return by_batch, by_row


@app.cell(hide_code=True)
def _(shows, weigh, widgets):
    widgets.after(weigh, widgets.moving(shows.played()))
    return


@app.cell(hide_code=True)
def _(mo, shows, weigh, widgets):
    walked = shows.walk()
    widgets.after(weigh, mo.md(f"""
    An epoch is five updates of 16 rows; then both losses get a new point. From epoch 1 to
    epoch {shows.NUM_EPOCHS} the validation loss falls from {walked.val_losses[0]:.4f}
    to **{walked.val_losses[-1]:.4f}**.
    """))
    return (walked,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The training loss of an epoch is taken **before** each update, while the line is still
    moving. The validation loss is taken after all of them. So the validation loss may be the
    lower one.

    ## 2 · Two switches

    `eval()` and `no_grad()` stand side by side, and are often taken for one.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    does_drop = widgets.predict(
        "The model is in train mode. You predict under no_grad(). Does dropout act?",
        ["Yes", "No, no_grad() turns it off"],
    )
    does_drop
    return (does_drop,)


@app.cell(hide_code=True)
def _(does_drop, widgets):
    widgets.verdict(
        does_drop,
        right="Yes",
        why={
            "Yes": "Dropout asks its mode, and no_grad() does not change a mode.",
            "No, no_grad() turns it off": "It turns off the graph. The layer still draws "
            "which units it leaves out.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    is_eval = mo.ui.switch(label="model.eval()")
    no_grad = mo.ui.switch(label="torch.no_grad()")
    return is_eval, no_grad


@app.cell(hide_code=True)
def _(does_drop, is_eval, mo, no_grad, widgets):
    widgets.after(does_drop, mo.hstack([is_eval, no_grad], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(beside, does_drop, is_eval, no_grad, shows, widgets):
    mode = shows.mode_of(is_eval=is_eval.value, no_grad=no_grad.value)
    widgets.after(does_drop, widgets.picture(
        beside(
            shows.modes_table(is_eval.value, no_grad.value),
            shows.mode_picture(is_eval.value, no_grad.value),
        )
    ))
    return (mode,)


@app.cell(hide_code=True)
def _(does_drop, mo, widgets):
    widgets.after(does_drop, mo.md(r"""
    They have nothing to do with each other. `eval()` tells **layers** that we do not train:
    dropout leaves nothing out. `no_grad()` tells **autograd** to build no graph. All of this
    is measured on 60 rows, with a small network: `Linear(1, 64)`, `Tanh`, `Dropout` and
    `Linear(64, 1)` in a Sequential. The 64 numbers in its middle are its *hidden units*. *Kept* is what
    forward stores for a backward that never comes. For predictions you want both switches:
    the green box.
    """))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    no_eval = widgets.button("forget eval()", breaks=True)
    no_train = widgets.button("forget train() after it", breaks=True)
    grad_on = widgets.button("forget no_grad()", breaks=True)
    mo.hstack([no_eval, no_train, grad_on], justify="start", wrap=True)
    return grad_on, no_eval, no_train


@app.cell(hide_code=True)
def _(mo, no_eval, shows, widgets):
    def _forget():
        svg, right, wrong = shows.eval_forgotten()
        text = f"The same weights: **{wrong:.3f}** with dropout on, {right:.3f} without."
        return mo.vstack([widgets.picture(svg), mo.md(text)])

    widgets.breaks(
        no_eval,
        _forget,
        code="model.train()  # where eval() should stand\nwith torch.no_grad():\n    predictions = model(x_val)",
        cure="`model.eval()` before the validation loop. Nothing is raised: the curve is "
        "just too high, and trembles.",
    )
    return


@app.cell(hide_code=True)
def _(html_tables, mo, no_train, shows, widgets):
    def _forget():
        svg, text = shows.train_forgotten()
        told = mo.md("On the command line, `gradatim doctor train.py` sees it in such a loop:")
        return mo.vstack([widgets.picture(svg), told, mo.Html(html_tables.wrapped(text))])

    widgets.breaks(
        no_train,
        _forget,
        code="model.eval()\n...  # validation\n# and no model.train() after it",
        cure="`model.train()` at the start of each epoch. Without it dropout rests from "
        "the second epoch on, and the network learns its few rows by heart.",
    )
    return


@app.cell(hide_code=True)
def _(bars, grad_on, mo, shows, widgets):
    def _forget():
        with_graph, without = shows.graphs_added_up()
        values = [("with gradients", with_graph), ("under no_grad()", without)]
        picture = bars(values, title="operations kept after 200 batches", colour="red")
        return mo.vstack(
            [
                mo.md("`total = total + loss` keeps every graph behind it:"),
                widgets.picture(picture),
                mo.Html(shows.told_error(shows.numpy_of_predictions)),
            ]
        )

    widgets.breaks(
        grad_on,
        _forget,
        code="for x_batch, y_batch in val_loader:\n    total = total + loss_fn(model(x_batch), y_batch)",
        cure="`with torch.no_grad():` around the validation loop, and `loss.item()` for "
        "what you add up. The error is what `model(x).numpy()` says of a graph.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Too small, too large

    A line has two numbers and 80 rows: it cannot learn rows by heart. A network can. Ours
    adds up bent lines, one for each hidden unit:
    `nn.Sequential(nn.Linear(1, units), nn.Tanh(), nn.Linear(units, 1))`. Here are 20 rows of
    a wave with noise.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    grows = widgets.predict(
        "A network with 128 hidden units trains for 1,500 epochs on 20 rows. Both losses "
        "fall at first. Then?",
        ["Both go on falling", "Training falls, validation rises", "Both rise"],
    )
    grows
    return (grows,)


@app.cell(hide_code=True)
def _(grows, shows, widgets):
    fit_large = shows.wavy_fit(128)
    widgets.verdict(
        grows,
        right="Training falls, validation rises",
        why={
            "Both go on falling": "The noise of the 20 rows is not that of the others.",
            "Training falls, validation rises": "It begins to learn the noise. The "
            f"validation loss is least in epoch {fit_large.best_epoch}: "
            f"{min(fit_large.val):.2f}. At the end it is {fit_large.val[-1]:.2f}.",
            "Both rise": "Gradient descent works on the training loss, and lowers it.",
        },
    )
    return (fit_large,)


@app.cell(hide_code=True)
def _(mo, shows):
    hidden = mo.ui.slider(
        steps=[1, 2, 4, 8, 32, 128], value=8, label="hidden units", show_value=True
    )
    epoch = mo.ui.slider(
        steps=list(shows.MARKS), value=300, label="epoch", show_value=True
    )
    return epoch, hidden


@app.cell(hide_code=True)
def _(epoch, grows, hidden, mo, widgets):
    widgets.after(grows, mo.hstack([hidden, epoch], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(beside, epoch, grows, hidden, shows, widgets):
    widgets.after(grows, widgets.picture(
        beside(
            shows.fit_picture(hidden.value, epoch.value),
            shows.fit_curves(hidden.value, epoch.value),
        )
    ))
    return


@app.cell(hide_code=True)
def _(grows, hidden, mo, shows, widgets):
    _fit = shows.wavy_fit(hidden.value)
    widgets.after(grows, mo.md(f"""
    With {hidden.value} hidden units the validation loss is least in epoch
    **{_fit.best_epoch}**, at {min(_fit.val):.3f}; at the end it is {_fit.val[-1]:.3f} and
    the training loss {_fit.train[-1]:.3f}. **Underfitting**: both are high, the model is
    too small or trained too little. **Overfitting**: a gap opens between the two.
    """))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · A falling learning rate

    Large steps arrive soon and then tremble around the bottom. Small steps settle, but
    are slow. A **scheduler** gives both: it lowers the rate on the way.

    ```python
    from torch.optim.lr_scheduler import StepLR

    scheduler = StepLR(optimizer, step_size=20, gamma=0.1)
    for epoch in range(60):
        train_one_epoch()
        scheduler.step()
    ```

    `scheduler.step()` stands after the updates, once an epoch.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    too_soon = widgets.predict(
        "The rate is 0.1, and StepLR divides it by ten after epochs 20 and 40. After 20 "
        "epochs the line is still on its way. What does the schedule do?",
        ["The end is better", "It stops the line on its way", "Nothing"],
    )
    too_soon
    return (too_soon,)


@app.cell(hide_code=True)
def _(shows, too_soon, widgets):
    _step, _plain = list(shows.SCHEDULES)[1], next(iter(shows.SCHEDULES))
    stepped = shows.scheduled(_step)
    _free = shows.scheduled(_plain)
    widgets.verdict(
        too_soon,
        right="It stops the line on its way",
        why={
            "The end is better": "It would be better if the line had arrived by epoch 20.",
            "It stops the line on its way": "The rate falls before the line is there: the "
            f"end is {stepped.above[-1]:.5f} above the least loss, without a schedule "
            f"{_free.above[-1]:.5f}. From 0.5 the same schedule helps. Try both.",
            "Nothing": "A tenth of the rate is a tenth of the way.",
        },
    )
    return (stepped,)


@app.cell(hide_code=True)
def _(mo, shows):
    schedule = mo.ui.dropdown(
        list(shows.SCHEDULES),
        value="StepLR: a tenth every 20 epochs",
        label="schedule",
    )
    first_rate = mo.ui.slider(
        steps=[0.03, 0.1, 0.3, 0.5], value=0.1, label="first rate", show_value=True
    )
    return first_rate, schedule


@app.cell(hide_code=True)
def _(first_rate, mo, schedule, too_soon, widgets):
    widgets.after(too_soon, mo.hstack([schedule, first_rate], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(beside, first_rate, schedule, shows, too_soon, widgets):
    widgets.after(too_soon, widgets.picture(
        beside(*shows.schedule_picture(schedule.value, first_rate.value))
    ))
    return


@app.cell(hide_code=True)
def _(first_rate, mo, schedule, shows, too_soon, widgets):
    _end = shows.scheduled(schedule.value, lr=first_rate.value).above[-25:]
    widgets.after(too_soon, mo.md(f"""
    In the last five epochs the loss of all 80 rows lies between {min(_end):.6f} and
    **{max(_end):.6f}** above the lowest that a line can have.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    each_batch = widgets.button("step the scheduler after each batch", breaks=True)
    each_batch
    return (each_batch,)


@app.cell(hide_code=True)
def _(beside, each_batch, shows, widgets):
    widgets.breaks(
        each_batch,
        lambda: widgets.picture(
            beside(
                *shows.schedule_picture(
                    list(shows.SCHEDULES)[1], 0.5, per_batch=True
                )
            )
        ),
        code="for x_batch, y_batch in train_loader:\n    train_step(x_batch, y_batch)\n    scheduler.step()",
        cure="`scheduler.step()` after the inner loop, if its numbers count epochs. Here 20 "
        "batches are four epochs: the rate is gone before the line has arrived.",
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
    widgets.exercise("ex14_validate")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex14_validate")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex14_validate", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex14_fit")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_fit = widgets.editor("ex14_fit")
    answer_fit
    return (answer_fit,)


@app.cell(hide_code=True)
def _(answer_fit, widgets):
    widgets.checked("ex14_fit", answer_fit)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(14)
    return


if __name__ == "__main__":
    app.run()
