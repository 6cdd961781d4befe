import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Models")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import loss_bowl, shown_source, training_paths, widgets
    from gradatim.course.ch10_models import shows
    from gradatim.pages import html_tables
    from gradatim.pages.charts import beside

    widgets.beginning(10)
    return beside, html_tables, loss_bowl, mo, shown_source, shows, training_paths, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · A module with two parameters

    A **model** is a class that derives from `nn.Module`. `__init__` makes its parts;
    `super().__init__()` comes first, for it makes the place where parameters are registered.
    `forward` tells how it predicts.
    """)
    return


@app.cell(hide_code=True)
def _(shown_source, shows):
    shown_source.shown_bare(shows.ManualLine)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The optimizer asks the model what is to be trained:

    ```python
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ```

    `model.state_dict()` gives the same values by name, ready to be saved; it is printed
    below.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    not_wrapped = widgets.predict(
        "Suppose b is only `torch.randn(1, requires_grad=True)`, without `nn.Parameter`. "
        "What happens in training?",
        ["The same as before", "An exception", "a is trained, b stays as it is"],
    )
    not_wrapped
    return (not_wrapped,)


@app.cell(hide_code=True)
def _(not_wrapped, widgets):
    widgets.verdict(
        not_wrapped,
        right="a is trained, b stays as it is",
        why={
            "The same as before": "Autograd finds a gradient for b. But the optimizer "
            "holds only what `parameters()` gives.",
            "An exception": "Nothing raises. The model is complete, as far as PyTorch "
            "can see, with one parameter.",
            "a is trained, b stays as it is": "A Module registers what is a `Parameter` "
            "or a Module. Other attributes are its own business. Choose that model below.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    kind = mo.ui.dropdown(list(shows.KINDS), value="two Parameters", label="the model")
    epochs = mo.ui.slider(
        steps=[0, 10, 100, 1000], value=1000, label="epochs", show_value=True
    )
    return epochs, kind


@app.cell(hide_code=True)
def _(epochs, kind, mo, not_wrapped, widgets):
    widgets.after(not_wrapped, mo.hstack([kind, epochs], justify="start", wrap=True, gap=2))
    return


@app.cell
def _(epochs, kind, shows):
    went = shows.trained(kind.value, epochs=epochs.value)
    return (went,)


@app.cell(hide_code=True)
def _(beside, kind, mo, not_wrapped, shows, training_paths, went, widgets):
    _fit = training_paths.fits(
        ("before", "gray", tuple(went.path[0].tolist())),
        ("after", "orange", tuple(went.path[-1].tolist())),
        title=f"{len(went.path) - 1} epochs",
    )
    _code = mo.md(f"```python\n{shows.code_of(kind.value)}\n```")
    _pictures = widgets.picture(beside(shows.anatomy(kind.value), _fit))
    widgets.after(not_wrapped, mo.vstack([_code, _pictures]))
    return


@app.cell(hide_code=True)
def _(kind, mo, not_wrapped, shows, went, widgets):
    _a, _b = went.path[0].tolist()
    _c, _d = went.path[-1].tolist()
    widgets.after(not_wrapped, mo.md(f"""
    *{kind.value}*, after `torch.manual_seed(42)`: it starts at a **{_a:.4f}**,
    b **{_b:.4f}** and ends at a **{_c:.4f}**, b **{_d:.4f}**. At the start its
    `state_dict()` is `{shows.state_of(kind.value)}`.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    unwrapped = widgets.button("b without nn.Parameter", breaks=True)
    unwrapped
    return (unwrapped,)


@app.cell(hide_code=True)
def _(shows, unwrapped, widgets):
    widgets.breaks(
        unwrapped,
        lambda: widgets.picture(shows.half_trained()),
        code="self.b = torch.randn(1, requires_grad=True)",
        cure="`self.b = nn.Parameter(torch.randn(1))`. Nothing raises. Print "
        "`len(list(model.parameters()))` once, and compare with what you meant.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · Two ways to predict

    `forward` is a method of your own. So `model.forward(x)` predicts, and `model(x)` does.
    Tools that look into a model register **hooks**: functions that run at each prediction.
    `model.register_forward_hook(function)` does it.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    call = widgets.predict(
        "A hook is registered. Which call runs it?",
        ["Both", "model.forward(x) alone", "model(x) alone"],
    )
    call
    return (call,)


@app.cell(hide_code=True)
def _(call, widgets):
    widgets.verdict(
        call,
        right="model(x) alone",
        why={
            "model(x) alone": "The call goes through `nn.Module.__call__`. It runs the "
            "hooks and `forward` between them. Call the model, not forward.",
            "model.forward(x) alone": "`forward` is only your own method. It knows of no "
            "hook.",
            "Both": "The prediction is the same both ways, so it looks so. But your own "
            "method knows of no hook.",
        },
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    skipped = widgets.button("model.forward(x)", breaks=True)
    skipped
    return (skipped,)


@app.cell(hide_code=True)
def _(mo, shows, skipped, widgets):
    widgets.breaks(
        skipped,
        lambda: mo.md(
            f"`model(x)` ran the hook **{shows.hook_runs(by_forward=False)}** time. "
            f"`model.forward(x)` ran it **{shows.hook_runs(by_forward=True)}** times, "
            "and nothing said so."
        ),
        code="model.register_forward_hook(function)\nmodel.forward(x)",
        cure="write `model(x)`, always; inside `forward`, `self.linear(x)`.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · train() and eval()

    Training loops call `model.train()` before the updates, and `model.eval()` before they
    measure.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    mode = widgets.predict(
        "model.train() is called 1,000 times and nothing else is. What has changed?",
        ["The weights: they are trained", "A flag, model.training", "The gradients"],
    )
    mode
    return (mode,)


@app.cell(hide_code=True)
def _(mode, widgets):
    widgets.verdict(
        mode,
        right="A flag, model.training",
        why={
            "The weights: they are trained": "The name misleads. Weights are moved by an "
            "update: `optimizer.step()`, or your own lines.",
            "A flag, model.training": "It is set to true in the model and in all layers "
            "within it. `eval()` sets it to false.",
            "The gradients": "Those come from `backward()`. `eval()` does not turn them "
            "off either; `torch.no_grad()` does.",
        },
    )
    return


@app.cell(hide_code=True)
def _(html_tables, mo, mode, shows, widgets):
    _table = mo.Html(html_tables.grid(shows.modes()))
    _words = mo.md(r"""
    Our line does not care about the flag. Some layers do. **Dropout** sets random inputs
    to zero in training, so that what follows cannot rely on a single one. In evaluation it
    lets everything through.
    """)
    widgets.after(mode, mo.vstack([_table, _words]))
    return


@app.cell(hide_code=True)
def _(mo):
    p = mo.ui.slider(steps=[0, 0.2, 0.5, 0.8], value=0.5, label="p", show_value=True)
    draw = mo.ui.button(value=0, on_click=lambda value: value + 1, label="call it again")
    return draw, p


@app.cell(hide_code=True)
def _(draw, mo, mode, p, shows, widgets):
    _train = shows.mean_output(p.value, draw.value, training=True)
    _eval = shows.mean_output(p.value, draw.value, training=False)
    _words = mo.md(f"""
    What is kept is multiplied by 1 / (1 - p) = {1 / (1 - p.value):.3g}. So the mean stays:
    over 10,000 ones it is {_train:.3f} in train mode and {_eval:.3f} in eval mode.
    """)
    _controls = mo.hstack([p, draw], justify="start", wrap=True, gap=2)
    _picture = widgets.picture(shows.dropout_picture(p.value, draw.value))
    widgets.after(mode, mo.vstack([_controls, _picture, _words]))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    only_train = widgets.button("train by model.train()", breaks=True)
    no_eval = widgets.button("predict in train mode", breaks=True)
    mo.hstack([only_train, no_eval], justify="start", wrap=True)
    return no_eval, only_train


@app.cell(hide_code=True)
def _(only_train, shows, widgets):
    widgets.breaks(
        only_train,
        lambda: widgets.picture(shows.only_train()),
        code="for epoch in range(1000):\n    model.train()\n    loss = loss_fn(model(x), y)",
        cure="`loss.backward()`, `optimizer.step()` and `optimizer.zero_grad()`. `train()` sets "
        "a mode; it trains nothing, and nothing raises.",
    )
    return


@app.cell(hide_code=True)
def _(mo, no_eval, shows, widgets):
    def _predict():
        noisy, steady = (
            ", ".join(f"{v:.4f}" for v in shows.noisy_predictions(training=training))
            for training in (True, False)
        )
        return mo.md(
            f"A model with dropout, the same x three times. In train mode: **{noisy}**. "
            f"In eval mode: {steady}."
        )

    widgets.breaks(
        no_eval,
        _predict,
        code="model.train()\nmodel(x), model(x), model(x)",
        cure="`model.eval()` before predicting or validating, `model.train()` again "
        "before the next update. gradatim's steps set the mode by themselves.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 4 · Models in models

    `nn.Linear(1, 1)` is a Module too: its `bias` is our a, its `weight` our b. A Module
    may hold other Modules. Parameters are found **through all levels**.
    """)
    return


@app.cell(hide_code=True)
def _(shown_source, shows):
    shown_source.shown_bare(shows.LayerLine)
    return


@app.cell(hide_code=True)
def _(widgets):
    unused = widgets.predict(
        "forward never calls `self.unused`. What becomes of its weight and bias?",
        [
            "They are not found",
            "They are found, and get no gradient",
            "They are trained as well",
        ],
    )
    unused
    return (unused,)


@app.cell(hide_code=True)
def _(unused, widgets):
    widgets.verdict(
        unused,
        right="They are found, and get no gradient",
        why={
            "They are not found": "Finding looks at what the Module holds. It does not read "
            "`forward`.",
            "They are found, and get no gradient": "The optimizer holds four parameters. Two "
            "of them have gradient None and are passed over.",
            "They are trained as well": "No prediction depends on them, so backward never "
            "comes to them.",
        },
    )
    return


@app.cell(hide_code=True)
def _(shows, unused, widgets):
    widgets.after(unused, widgets.picture(shows.anatomy("a Linear in a Module")))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Where layers only follow each other, no class is needed:

    ```python
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1))
    ```
    """)
    return


@app.cell
def _(shows):
    manual = shows.trained("two Parameters")
    sequential = shows.trained("Sequential")
    return manual, sequential


@app.cell(hide_code=True)
def _(loss_bowl, manual, mo, sequential, widgets):
    _bowl = loss_bowl.bowl(
        ("two Parameters", "blue", manual),
        ("Sequential", "violet", sequential),
        title="two starts, one end",
    )
    _starts = ["(" + ", ".join(f"{v:.4f}" for v in d.path[0].tolist()) + ")" for d in (manual, sequential)]
    _ends = ["(" + ", ".join(f"{v:.4f}" for v in d.path[-1].tolist()) + ")" for d in (manual, sequential)]
    mo.vstack(
        [
            widgets.picture(_bowl),
            mo.md(f"""
    | seed 42 | starts at (a, b) | ends at (a, b) |
    |---|---|---|
    | two Parameters | {_starts[0]} | {_ends[0]} |
    | Sequential | {_starts[1]} | {_ends[1]} |

    Linear draws its first values in another way than `randn`. The bottom is the same.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _(widgets):
    in_list = widgets.button("all layers in a plain list", breaks=True)
    in_list
    return (in_list,)


@app.cell(hide_code=True)
def _(in_list, shows, widgets):
    widgets.breaks(
        in_list,
        shows.optimizer_of_list,
        code="self.layers = [nn.Linear(1, 1)]\n...\nSGD(model.parameters(), lr=0.1)",
        cure="`self.layers = nn.ModuleList([...])`, or `nn.Sequential(...)`. Here the "
        "list was all, so it raised. With a Parameter beside the list nothing "
        "raises: layers in the list keep their first weights, are not saved, and stay "
        "where they are when the model goes to a GPU. Choose *one layer in a plain list* "
        "in section 1.",
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
    widgets.exercise("ex10_module")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex10_module")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex10_module", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex10_layers")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_layers = widgets.editor("ex10_layers")
    answer_layers
    return (answer_layers,)


@app.cell(hide_code=True)
def _(answer_layers, widgets):
    widgets.checked("ex10_layers", answer_layers)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(10)
    return


if __name__ == "__main__":
    app.run()
