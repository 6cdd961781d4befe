import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Gradient descent in four steps")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import loss_bowl, widgets
    from gradatim.course.ch02_descent import shows

    widgets.beginning(2)
    return loss_bowl, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · Four steps

    A line has two numbers, **a** and **b**, and predicts $\hat y = a + b x$. Which two fit
    our 80 points? Gradient descent finds them by four steps, again and again.

    1. **Loss.** How wrong is the line? The mean of all squared errors,
       $\text{MSE} = \text{mean}\,(y - \hat y)^2$.
    2. **Gradients.** How does the loss change if a grows a little, or b? The chain rule
       goes through the prediction. For one point:
       $\frac{\partial (y - \hat y)^2}{\partial \hat y} = -2\,(y - \hat y)$,
       $\frac{\partial \hat y}{\partial a} = 1$, $\frac{\partial \hat y}{\partial b} = x$.
       Multiplied, and the mean taken over all points:
       $\frac{\partial \text{MSE}}{\partial a} = -2\,\text{mean}(y - \hat y)$ and
       $\frac{\partial \text{MSE}}{\partial b} = -2\,\text{mean}(x\,(y - \hat y))$.
    3. **Update.** A step down: `a = a - lr * gradient`, and b in the same way. lr is the
       **learning rate**.
    4. **Again**, with the new a and b.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    which_way = widgets.predict(
        "All points lie above the line. What is the gradient by a, and where does a go?",
        ["Positive: a grows", "Negative: a grows", "Negative: a gets smaller"],
    )
    which_way
    return (which_way,)


@app.cell(hide_code=True)
def _(which_way, widgets):
    widgets.verdict(
        which_way,
        right="Negative: a grows",
        why={
            "Positive: a grows": "Each y - ŷ is positive, and -2 stands before the mean.",
            "Negative: a grows": "A larger a lifts the line, and the loss falls: that is what "
            "a negative gradient says. Minus a negative number makes a larger.",
            "Negative: a gets smaller": "The update takes the gradient away, and to take "
            "away a negative number is to add.",
        },
    )
    return


@app.cell(hide_code=True)
def _(loss_bowl, mo):
    a_at = mo.ui.slider(-0.5, 2.5, 0.1, value=round(loss_bowl.START[0], 1), label="a", show_value=True)
    b_at = mo.ui.slider(-0.5, 3.5, 0.1, value=round(loss_bowl.START[1], 1), label="b", show_value=True)
    return a_at, b_at


@app.cell(hide_code=True)
def _(a_at, b_at, mo, which_way, widgets):
    _hint = mo.md("Find the lowest loss by hand. The violet line is where lr 0.1 would step.")
    widgets.after(which_way, mo.vstack([_hint, mo.hstack([a_at, b_at], justify="start", wrap=True)]))
    return


@app.cell(hide_code=True)
def _(a_at, b_at, mo, shows, which_way, widgets):
    _found = shows.by_hand(a_at.value, b_at.value)
    _told = mo.md(f"""
    Loss **{_found.loss:.4f}**. Gradient by a {_found.by_a:.3f}, by b {_found.by_b:.3f}. Red
    are the errors. At the right each place is a line: a ring is a height of the loss, and
    the cross its lowest place.
    """)
    widgets.after(which_way, mo.vstack([widgets.picture(_found.picture), _told]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 2 · How long a step

    The learning rate makes steps longer or shorter. Nobody tells you the right one.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    how_large = widgets.predict(
        "With lr 0.1 our line comes down. What would lr 1 do?",
        ["Arrive ten times sooner", "Never arrive", "Arrive just the same"],
    )
    how_large
    return (how_large,)


@app.cell(hide_code=True)
def _(how_large, shows, widgets):
    widgets.verdict(
        how_large,
        right="Never arrive",
        why={
            "Arrive ten times sooner": "Up to a limit a larger rate is faster. 1 is beyond it.",
            "Never arrive": f"The limit is {shows.limit_of():.3f} for these points. Beyond "
            "it each step across the valley is longer than the last one.",
            "Arrive just the same": "That holds below a limit, if you have time.",
        },
    )
    return


@app.cell(hide_code=True)
def _(loss_bowl, mo):
    lr = mo.ui.slider(
        steps=[0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9, 1],
        value=0.1,
        label="learning rate",
        show_value=True,
    )
    start = mo.ui.dropdown(
        {"0.50, -0.14 (by chance)": loss_bowl.START, "2.3, 3.2": (2.3, 3.2), "-0.3, 3": (-0.3, 3.0)},
        value="0.50, -0.14 (by chance)",
        label="start at a, b =",
    )
    size = mo.ui.dropdown({"all 80": 80, "16": 16, "1": 1}, value="all 80", label="points in an update")
    scale = mo.ui.dropdown({"as it is": 1.0, "times 3": 3.0, "times 10": 10.0, "standardised": "standard"}, value="as it is", label="x")
    return lr, scale, size, start


@app.cell(hide_code=True)
def _(how_large, lr, mo, scale, size, start, widgets):
    widgets.after(how_large, mo.hstack([lr, start, size, scale], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(how_large, lr, scale, shows, size, start, widgets):
    went = shows.first_updates(lr.value, size.value, scale.value, start.value)
    _picture = shows.rolling(lr.value, size.value, scale.value, start.value)
    widgets.after(how_large, widgets.moving(_picture))
    return (went,)


@app.cell(hide_code=True)
def _(how_large, lr, mo, scale, shows, went, widgets):
    limit = shows.limit_of(scale.value)
    _words = "diverges" if went.diverged else "comes down"
    widgets.after(how_large, mo.md(f"""
    With lr {lr.value:g} it **{_words}**. The largest stable learning rate is **{limit:.3f}**
    here: 2 over the largest eigenvalue of the matrix of second derivatives, which says how
    strongly the bowl bends where it bends most. You will not need the formula. Most
    people try a rate, and take a tenth of the one at which the loss begins to rise.
    """))
    return (limit,)


@app.cell(hide_code=True)
def _(mo, shows):
    preset = mo.ui.dropdown(list(shows.PRESETS), value="good: 0.1, all points", label="a choice")
    return (preset,)


@app.cell(hide_code=True)
def _(how_large, mo, preset, shows, widgets):
    _picture, _told = shows.chosen(preset.value)
    _intro = mo.md("Good choices and bad ones, 40 epochs each. Why is each what it is?")
    widgets.after(how_large, mo.vstack([_intro, preset, widgets.picture(_picture), mo.md(_told)]))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    too_far = widgets.button("a learning rate of 0.9", breaks=True)
    other_units = widgets.button("x in other units, ten times larger", breaks=True)
    mo.hstack([too_far, other_units], justify="start", wrap=True)
    return other_units, too_far


@app.cell(hide_code=True)
def _(shows, too_far, widgets):
    widgets.breaks(
        too_far,
        lambda: widgets.picture(shows.too_long(0.9)),
        code="a = a - 0.9 * a_grad\nb = b - 0.9 * b_grad",
        cure=f"a rate below {shows.limit_of():.3f}. Nothing raises: the loss grows until it "
        "is `inf`, then `nan`. A loss that grows from the start: divide the rate by ten.",
    )
    return


@app.cell(hide_code=True)
def _(other_units, shows, widgets):
    widgets.breaks(
        other_units,
        lambda: widgets.picture(shows.too_long(0.1, scale=10)),
        code="x = 10 * x  # as if in millimetres instead of centimetres; lr is 0.1",
        cure="scale the features: subtract their mean, divide by their standard deviation. "
        "Then the bowl is round, and one learning rate suits all directions. Choose *x "
        "standardised* above.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 3 · How many points for a step

    Chapter 1 counted the updates of batch, mini-batch and stochastic gradient descent. Here
    are the ways they go, with lr 0.1.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    how_straight = widgets.predict(
        "Which of the three goes down on the smoothest way?",
        ["All points at once", "Batches of 16", "One point at a time"],
    )
    how_straight
    return (how_straight,)


@app.cell(hide_code=True)
def _(how_straight, widgets):
    widgets.verdict(
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
def _(epochs, how_straight, mo, shows, widgets):
    widgets.after(how_straight, mo.vstack([epochs, widgets.picture(shows.side_by_side(epochs.value))]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## 4 · Make it yourself
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex02_gradients")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex02_gradients")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex02_gradients", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(2)
    return


if __name__ == "__main__":
    app.run()
