import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The dynamic graph")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch07_graph import shows

    widgets.beginning(7)
    return mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · What autograd writes down

    Autograd's notes are a graph. Each operation adds a box, and arrows lead to it from
    what it was computed from. This course comes with a package, **gradatim**, that draws it:
    `import gradatim as gt`, then `gt.graph(loss)`.

    - **Blue**: a tensor that gets a gradient, here a and b.
    - **Gray**: an operation with a blue box above it, however far.
    - **Green**: an operation too, the one that `backward()` starts from.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    boxes_of_x = widgets.predict(
        "`yhat = a + b * x`. How many boxes has x in the graph?", ["None", "One", "80"]
    )
    boxes_of_x
    return (boxes_of_x,)


@app.cell(hide_code=True)
def _(boxes_of_x, widgets):
    widgets.verdict(
        boxes_of_x,
        right="None",
        why={
            "None": "Nobody asks for a gradient of x, so autograd has no box for it. Two "
            "arrows lead into Add, from a and from b x; one into Mul, from b.",
            "One": "x was used, but it does not ask for a gradient: data need none.",
            "80": "A tensor is one thing here, however many numbers it has.",
        },
    )
    return


@app.cell(hide_code=True)
def _(boxes_of_x, shows, widgets):
    widgets.after(boxes_of_x, widgets.picture(shows.three(a=True, b=True)))
    return


@app.cell(hide_code=True)
def _(boxes_of_x, mo, shows, widgets):
    drawn = {part: shows.graph_of(part) for part in shows.PARTS}
    _counts = [sum(node.is_operation for node in graph.nodes) for graph in drawn.values()]
    widgets.after(boxes_of_x, mo.md(f"""
    These are {_counts[0]}, {_counts[1]} and {_counts[2]} operations below
    two blue boxes. The error goes on from yhat, and the loss from the error. backward
    starts from the green box and goes up, against the arrows. In brackets stand the
    shapes: (80, 1) is a column of 80 numbers, () is one number.
    """))
    return (drawn,)


@app.cell(hide_code=True)
def _(widgets):
    frozen_a = widgets.predict(
        "Now `requires_grad=False` for a. What is missing in the graph of yhat?",
        ["The blue box of a", "The blue box of a, and Add", "Nothing"],
    )
    frozen_a
    return (frozen_a,)


@app.cell(hide_code=True)
def _(frozen_a, widgets):
    widgets.verdict(
        frozen_a,
        right="The blue box of a",
        why={
            "The blue box of a": "a is a plain number to autograd now. Add stays, with one "
            "arrow.",
            "The blue box of a, and Add": "Add still has b above it, through Mul. So it "
            "is on the way to a gradient and stays.",
            "Nothing": "A blue box means: gets a gradient. a gets none any more.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    a_asks, b_asks = (
        mo.ui.dropdown({"True": True, "False": False}, value=value, label=f"{n}: requires_grad =")
        for n, value in (("a", "False"), ("b", "True"))
    )
    return a_asks, b_asks


@app.cell(hide_code=True)
def _(a_asks, b_asks, frozen_a, mo, shows, widgets):
    _controls = mo.hstack([a_asks, b_asks], justify="start", wrap=True, gap=2)
    _graphs = widgets.picture(shows.three(a=a_asks.value, b=b_asks.value))
    widgets.after(frozen_a, mo.vstack([_controls, _graphs]))
    return


@app.cell(hide_code=True)
def _(widgets):
    none_asks = widgets.button("draw a loss made under no_grad()", breaks=True)
    none_asks
    return (none_asks,)


@app.cell(hide_code=True)
def _(none_asks, shows, widgets):
    widgets.breaks(
        none_asks,
        shows.without_graph,
        code="with torch.no_grad():\n    loss = ((y - (a + b * x)) ** 2).mean()\ngt.graph(loss)",
        cure="a graph is only there if a tensor above asks for a gradient, and if it was "
        "computed outside of `no_grad()`. `loss.grad_fn` is None where there is none.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · A graph made by an if

    No graph is planned in advance. It is what the code that ran left behind. An `if`, a
    loop, a function that calls itself: all of it may change the graph, at each run.

    ```python
    if loss > limit:
        loss = loss + (y - b * x).mean()
    ```
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    other_way = widgets.predict(
        "The loss is not above the limit. Is the other path in the graph?",
        ["Yes, but unused", "No"],
    )
    other_way
    return (other_way,)


@app.cell(hide_code=True)
def _(other_way, widgets):
    widgets.verdict(
        other_way,
        right="No",
        why={
            "Yes, but unused": "Autograd does not read your code. It only sees the "
            "operations that run.",
            "No": "These lines did not run. And the `if` itself has no box at all: a "
            "decision has no gradient.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    limit = mo.ui.slider(
        steps=[0, 1, 2, 2.5, 3, 4], value=0, label="limit", show_value=True
    )
    return (limit,)


@app.cell(hide_code=True)
def _(limit, other_way, widgets):
    widgets.after(other_way, limit)
    return


@app.cell(hide_code=True)
def _(limit, mo, other_way, shows, widgets):
    branched = shows.branch(limit.value)
    _words = "above the limit: the path was taken" if branched.was_taken else "not above it"
    _twice = "b is used twice now, and drawn twice. It is one tensor, and to autograd one box: `b.grad` becomes the sum of what arrives on both ways."
    widgets.after(other_way, mo.vstack([
        mo.md(f"The loss is {branched.loss:.3f}, {_words}. **{len(branched.graph.nodes)} boxes.**"),
        widgets.picture(branched.graph.svg()),
        mo.md(_twice if branched.was_taken else ""),
    ]))
    return (branched,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · Backward, step by step

    backward starts at the green box and goes up. Each box takes the gradient that
    arrives, multiplies it by its own derivative, and hands the result on. That is the
    chain rule.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    first = widgets.predict(
        "With which number does backward start, at the green box?",
        ["The loss", "1", "0"],
    )
    first
    return (first,)


@app.cell(hide_code=True)
def _(first, widgets):
    widgets.verdict(
        first,
        right="1",
        why={
            "The loss": "The value of the loss does not matter here. We ask how the loss "
            "changes.",
            "1": "The derivative of the loss by itself is 1. All else follows from it.",
            "0": "Everything is multiplied on the way. From 0 only zeros would come.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    num_rows = mo.ui.dropdown({"1": 1, "3": 3, "80": 80}, value="3", label="points")
    return (num_rows,)


@app.cell(hide_code=True)
def _(first, num_rows, widgets):
    widgets.after(first, num_rows)
    return


@app.cell(hide_code=True)
def _(first, mo, num_rows, shows, widgets):
    _moving = widgets.moving(shows.stepped(num_rows.value))
    widgets.after(first, mo.vstack([mo.md(shows.rows_told(num_rows.value)), _moving]))
    return


@app.cell(hide_code=True)
def _(first, mo, shows, widgets):
    arrived = {step.name: step.gradient for step in shows.steps_of(shows.graph_of())}
    widgets.after(first, mo.md(f"""
    With all 80 points, **{arrived["a"]}** arrives at a and **{arrived["b"]}** at b. That
    is what chapter 6 found in `.grad` after the first backward.

    The same as a page with a search and a play button: `gt.graph(loss).save("loss.html")`.
    """))
    return (arrived,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · And once more?

    Some derivatives need numbers of the forward pass: Mul needs x, Pow needs the error.
    These boxes keep a tensor for backward.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    once_more = widgets.predict(
        "`loss.backward()` has run. May it run again on this loss?",
        ["Yes: the gradients are added", "No: an exception", "Yes, and nothing happens"],
    )
    once_more
    return (once_more,)


@app.cell(hide_code=True)
def _(once_more, widgets):
    widgets.verdict(
        once_more,
        right="No: an exception",
        why={
            "Yes: the gradients are added": "Two losses would add their gradients. This "
            "one has lost what its backward needs.",
            "No: an exception": "backward frees what the boxes keep, as it goes along. "
            "The boxes remain, but Pow has no error any more, and Mul no x.",
            "Yes, and nothing happens": "Autograd does not pass over a box in silence.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo):
    after = mo.ui.dropdown(
        {"before backward()": False, "after backward()": True},
        value="before backward()",
        label="look",
    )
    return (after,)


@app.cell(hide_code=True)
def _(after, once_more, widgets):
    widgets.after(once_more, after)
    return


@app.cell(hide_code=True)
def _(after, once_more, shows, widgets):
    widgets.after(once_more, widgets.picture(shows.kept(after=after.value)))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    again = widgets.button("backward() again", breaks=True)
    retained = widgets.button("with retain_graph=True at the first", breaks=True)
    mo.hstack([again, retained], justify="start", wrap=True)
    return again, retained


@app.cell(hide_code=True)
def _(again, shows, widgets):
    widgets.breaks(
        again,
        lambda: shows.backward_twice(retain=False),
        code="loss.backward()\nloss.backward()",
        cure="compute the loss again. A graph is made anew in each epoch, and its memory "
        "is free as soon as backward has used it.",
    )
    return


@app.cell(hide_code=True)
def _(mo, retained, shows, widgets):
    widgets.breaks(
        retained,
        lambda: mo.md(f"No exception. {shows.backward_twice(retain=True)}"),
        code="loss.backward(retain_graph=True)\nloss.backward()",
        cure="keep the graph only if you need two gradients of it. The second call adds "
        "to the first, and a kept graph keeps its memory.",
    )
    return


@app.cell(hide_code=True)
def _(mo, shows, widgets):
    mo.vstack([mo.md("## 5 · Make it yourself"), widgets.picture(shows.wanted())])
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex07_build")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex07_build")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex07_build", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex07_leaves")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_2 = widgets.editor("ex07_leaves")
    answer_2
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, widgets):
    widgets.checked("ex07_leaves", answer_2)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(7)
    return


if __name__ == "__main__":
    app.run()
