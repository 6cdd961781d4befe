import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Tensors and devices")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import widgets
    from gradatim.course.ch04_tensors import shows
    from gradatim.pages import html_tables

    widgets.beginning(4)
    return html_tables, mo, shows, widgets


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 1 · From array to tensor

    A tensor is an array that knows its **device**: where its numbers lie, in the memory of
    the CPU or in that of a GPU. PyTorch calls an NVIDIA GPU *cuda*. A tensor can also ask
    for a gradient; that is chapter 5. Our 80 points are NumPy arrays. Three calls make them
    ready, `from_numpy`, `float` and `to`:

    ```python
    import torch

    has_gpu = torch.cuda.is_available()
    device = "cuda" if has_gpu else "cpu"
    x = torch.from_numpy(x_train).float().to(device)
    y = torch.from_numpy(y_train).float().to(device)
    ```

    A GPU is taken where there is one, else the CPU. The rest of the program need not know.
    """)
    return


@app.cell(hide_code=True)
def _(mo, shows):
    device = shows.first_device()
    _answer = device.type == "cuda"
    mo.md(f"""
    On this machine `torch.cuda.is_available()` says **{_answer}**, so the device is
    **{device}**.
    """)
    return (device,)


@app.cell(hide_code=True)
def _(widgets):
    which_dtype = widgets.predict(
        "x_train comes from NumPy's `rand`. What is the dtype of "
        "`torch.from_numpy(x_train)`, before `float()`?",
        ["torch.float32", "torch.float64", "torch.int64"],
    )
    which_dtype
    return (which_dtype,)


@app.cell(hide_code=True)
def _(which_dtype, widgets):
    widgets.verdict(
        which_dtype,
        right="torch.float64",
        why={
            "torch.float32": "That is what `float()` makes of it, and what `torch.rand` "
            "would give.",
            "torch.float64": "NumPy computes in float64, and `from_numpy` takes what is "
            "there. PyTorch makes its own numbers in float32, so `float()` follows.",
            "torch.int64": "`rand` gives numbers between 0 and 1.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    step = mo.ui.dropdown(list(shows.STEPS), value="x_train", label="look at")
    return (step,)


@app.cell(hide_code=True)
def _(step, which_dtype, widgets):
    widgets.after(which_dtype, step)
    return


@app.cell(hide_code=True)
def _(mo, shows, step, which_dtype, widgets):
    _told = mo.md(f"""
    {shows.STEPS[step.value]}

    {shows.told(shows.after_step(step.value))}
    """)
    _where = widgets.picture(shows.places(step.value))
    widgets.after(which_dtype, mo.vstack([_where, _told]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Python's `type()` calls every tensor `torch.Tensor`. The tensor's own `.type()` tells
    more: its dtype, and where it lives. On a GPU it is `torch.cuda.FloatTensor`.
    """)
    return


@app.cell
def _(shows):
    x_tensor = shows.after_step("torch.from_numpy(x_train).float().to(device)")
    x_train = shows.after_step("x_train")
    return x_tensor, x_train


@app.cell(hide_code=True)
def _(mo, x_tensor, x_train):
    _apart = abs(x_tensor.cpu().numpy() - x_train).max()
    mo.md(f"""
    In the end x has the shape {tuple(x_tensor.shape)} and the numbers of x_train. float32
    keeps about 7 digits: the largest difference is {_apart:.0e}.
    """)
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    to_cuda = widgets.button('.to("cuda") without asking first', breaks=True)
    not_kept = widgets.button("x.float() without x =", breaks=True)
    mo.hstack([to_cuda, not_kept], justify="start", wrap=True)
    return not_kept, to_cuda


@app.cell(hide_code=True)
def _(shows, to_cuda, widgets):
    widgets.breaks(
        to_cuda,
        shows.no_cuda,
        cure="`torch.cuda.is_available()` first, and the CPU where it says False.",
    )
    return


@app.cell(hide_code=True)
def _(mo, not_kept, shows, widgets):
    widgets.breaks(
        not_kept,
        lambda: mo.md(shows.kept_or_not()),
        code="x = torch.from_numpy(x_train)\nx.float()",
        cure="`x = x.float()`, `x = x.to(device)`. Both leave x as it is and return the "
        "result. Nothing raises here; what is computed with x may.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 2 · One memory, two names

    Is the tensor a copy of the array? That depends on who made it.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    see = widgets.predict(
        "`tensor = torch.from_numpy(array)`, then `array[0] = 100`. What is `tensor[0]`?",
        ["What it was", "100", "An error is raised"],
    )
    see
    return (see,)


@app.cell(hide_code=True)
def _(see, widgets):
    widgets.verdict(
        see,
        right="100",
        why={
            "What it was": "That would need a copy, as `torch.tensor` makes one.",
            "100": "`from_numpy` copies nothing. Array and tensor are two views of one "
            "memory, so a change by either name is seen by both.",
            "An error is raised": "The array may write to its own memory, and nobody tells "
            "the tensor.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    maker = mo.ui.dropdown(list(shows.MAKERS), value="torch.from_numpy(array)", label="tensor =")
    by_tensor = mo.ui.switch(label="change the tensor, not the array")
    return by_tensor, maker


@app.cell(hide_code=True)
def _(by_tensor, maker, mo, see, widgets):
    widgets.after(see, mo.hstack([maker, by_tensor], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(by_tensor, maker, mo, see, shows, widgets):
    _picture, shares = shows.shared(maker.value, by_tensor=by_tensor.value)
    _words = "**One memory**: both changed." if shares else "**A copy**: only one changed."
    widgets.after(see, mo.vstack([widgets.picture(_picture), mo.md(_words)]))
    return (shares,)


@app.cell(hide_code=True)
def _(mo, see, widgets):
    widgets.after(see, mo.md(r"""
    `float()`, `double()` and `to()` copy **only if something changes**. The array is
    float64, so `.double()` gives the same memory again. If you want a copy, say
    `.clone()`, or `torch.tensor(array)`.
    """))
    return


@app.cell(hide_code=True)
def _(widgets):
    centred = widgets.button("subtract the mean in place", breaks=True)
    centred
    return (centred,)


@app.cell(hide_code=True)
def _(centred, mo, shows, widgets):
    widgets.breaks(
        centred,
        lambda: mo.md(shows.added_twice()),
        code="tensor = torch.from_numpy(x_train)\ntensor.sub_(tensor.mean())",
        cure="`tensor = tensor - tensor.mean()`, or a `.clone()` first. Here "
        "`torch.from_numpy(x_train).sub_(...)` has changed the data themselves. A "
        "second run would begin with other data.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 3 · In place

    A method whose name ends in `_` changes its tensor **in place**. Without the `_` a new
    tensor is made, and the old one stays.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    twice = widgets.predict(
        "v is [1, 2, 3]. Then `v.add(10)` and `v.add_(10)` run, on two lines. What is v?",
        ["[1, 2, 3]", "[11, 12, 13]", "[21, 22, 23]"],
    )
    twice
    return (twice,)


@app.cell(hide_code=True)
def _(twice, widgets):
    widgets.verdict(
        twice,
        right="[11, 12, 13]",
        why={
            "[1, 2, 3]": "So it would be without the second line.",
            "[11, 12, 13]": "The result of `v.add(10)` was not kept. `v.add_(10)` "
            "changed v.",
            "[21, 22, 23]": "`v.add(10)` makes a new tensor, and nobody keeps it.",
        },
    )
    return


@app.cell(hide_code=True)
def _(mo, shows):
    operation = mo.ui.dropdown(list(shows.OPERATIONS), value="v.add_(10)", label="w = v, then")
    return (operation,)


@app.cell(hide_code=True)
def _(operation, twice, widgets):
    widgets.after(twice, operation)
    return


@app.cell(hide_code=True)
def _(mo, operation, shows, twice, widgets):
    _picture, _same = shows.in_place(operation.value)
    _words = "The result **is** the old tensor." if _same else "The result is a **new** tensor."
    widgets.after(twice, mo.vstack([widgets.picture(_picture), mo.md(_words)]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `w = v` gives a second name, not a second tensor. What is done in place is seen by
    all names. Remember this for chapter 6: there the difference decides whether a model
    trains.

    ## 4 · Back to NumPy

    NumPy reads the memory of the CPU only, and knows nothing of gradients.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    back = widgets.predict(
        "a was made with `requires_grad=True`, on the CPU. What does `a.numpy()` give?",
        ["An array with its numbers", "An array that asks for a gradient", "An exception"],
    )
    back
    return (back,)


@app.cell(hide_code=True)
def _(back, widgets):
    widgets.verdict(
        back,
        right="An exception",
        why={
            "An array with its numbers": "So it is for a tensor that asks for no gradient.",
            "An array that asks for a gradient": "Arrays cannot. What NumPy computes is in no "
            "record, so no gradient could come back.",
            "An exception": "NumPy would change or use the numbers behind autograd's back. "
            "`detach()` says that you know it: the gradient is left behind.",
        },
    )
    return


@app.cell(hide_code=True)
def _(back, html_tables, mo, shows, widgets):
    _table = mo.Html(html_tables.grid(shows.ways_back()))
    _words = mo.md("The usual way back is `tensor.detach().cpu().numpy()`. `cpu()` does nothing to a tensor that is already there.")
    widgets.after(back, mo.vstack([_table, _words]))
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    watched = widgets.button("numpy() with requires_grad=True", breaks=True)
    elsewhere = widgets.button("numpy() on another device's tensor", breaks=True)
    mo.hstack([watched, elsewhere], justify="start", wrap=True)
    return elsewhere, watched


@app.cell(hide_code=True)
def _(shows, watched, widgets):
    widgets.breaks(
        watched,
        shows.numpy_of_watched,
        code="torch.zeros(3, requires_grad=True).numpy()",
        cure="`tensor.detach().numpy()`. The array and the tensor still share memory; "
        "only the gradient is left behind.",
    )
    return


@app.cell(hide_code=True)
def _(elsewhere, shows, widgets):
    widgets.breaks(
        elsewhere,
        shows.numpy_elsewhere,
        code=f'torch.zeros(3, device="{shows.OTHER_DEVICE}").numpy()',
        cure="`tensor.cpu().numpy()`. (Where there is no GPU, the device *meta* plays its "
        "part here. It has shapes only: no numbers could come back.) A GPU's tensor says: "
        f"`TypeError: {shows.cuda_message()}` Read it in three parts: where the tensor "
        "lives (cuda:0, the first GPU), what cannot be done, and what helps.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## 5 · Two devices, two dtypes

    Tensors that meet in one operation must live on one device. Their dtypes should be the
    same, too.
    """)
    return


@app.cell(hide_code=True)
def _(widgets):
    mixed = widgets.predict(
        "A float32 tensor plus a float64 tensor. What comes out?",
        ["float32", "float64", "An error is raised"],
    )
    mixed
    return (mixed,)


@app.cell(hide_code=True)
def _(mixed, mo, shows, widgets):
    _said = widgets.verdict(
        mixed,
        right="float64",
        why={
            "float32": "That would throw digits away. The larger of two float types wins.",
            "float64": "Of two float types PyTorch takes the larger one, and says nothing. "
            "(A float beats an integer of any size.) A matrix product or a layer refuses.",
            "An error is raised": "By a matrix product or a layer, yes; not by +, -, *.",
        },
    )
    mo.vstack([_said, mo.md(shows.dtype_table())] if mixed.value else [_said])
    return


@app.cell(hide_code=True)
def _(mo, widgets):
    two_devices = widgets.button("two devices", breaks=True)
    two_dtypes = widgets.button("float64 for a layer", breaks=True)
    mo.hstack([two_devices, two_dtypes], justify="start", wrap=True)
    return two_devices, two_dtypes


@app.cell(hide_code=True)
def _(shows, two_devices, widgets):
    widgets.breaks(
        two_devices,
        shows.mixed_devices,
        code=f'torch.ones(3) + torch.ones(3, device="{shows.OTHER_DEVICE}")',
        cure="send both to one device: `x.to(device)`, and the model too. (The other "
        f"device is *{shows.OTHER_DEVICE}* here. A GPU's message names cuda:0.)",
    )
    return


@app.cell(hide_code=True)
def _(shows, two_dtypes, widgets):
    widgets.breaks(
        two_dtypes,
        shows.wrong_dtype,
        code="layer = torch.nn.Linear(1, 1)\nlayer(torch.from_numpy(x_train))",
        cure="`x.float()` for the data. Double is float64, Float is float32.",
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
    widgets.exercise("ex04_to_tensor")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer = widgets.editor("ex04_to_tensor")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, widgets):
    widgets.checked("ex04_to_tensor", answer)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.exercise("ex04_to_numpy")
    return


@app.cell(hide_code=True)
def _(widgets):
    answer_numpy = widgets.editor("ex04_to_numpy")
    answer_numpy
    return (answer_numpy,)


@app.cell(hide_code=True)
def _(answer_numpy, widgets):
    widgets.checked("ex04_to_numpy", answer_numpy)
    return


@app.cell(hide_code=True)
def _(widgets):
    widgets.end(4)
    return


if __name__ == "__main__":
    app.run()
