import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Tensors and devices")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from gradatim.course import devices, parts
    from gradatim.pages import html_tables

    parts.beginning(4)
    return devices, html_tables, mo, parts


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
def _(devices, mo):
    device = devices.first_device()
    _answer = device.type == "cuda"
    mo.md(f"""
    On this machine `torch.cuda.is_available()` says **{_answer}**, so the device is
    **{device}**.
    """)
    return (device,)


@app.cell(hide_code=True)
def _(parts):
    which_dtype = parts.predict(
        "x_train comes from NumPy's `rand`. What is the dtype of "
        "`torch.from_numpy(x_train)`, before `float()`?",
        ["torch.float32", "torch.float64", "torch.int64"],
    )
    which_dtype
    return (which_dtype,)


@app.cell(hide_code=True)
def _(parts, which_dtype):
    parts.verdict(
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
def _(devices, mo):
    step = mo.ui.dropdown(list(devices.STEPS), value="x_train", label="look at")
    return (step,)


@app.cell(hide_code=True)
def _(parts, step, which_dtype):
    parts.after(which_dtype, step)
    return


@app.cell(hide_code=True)
def _(devices, mo, parts, step, which_dtype):
    _told = mo.md(f"""
    {devices.STEPS[step.value]}

    {devices.told(devices.after_step(step.value))}
    """)
    _where = parts.picture(devices.places(step.value))
    parts.after(which_dtype, mo.vstack([_where, _told]))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Python's `type()` calls every tensor `torch.Tensor`. The tensor's own `.type()` tells
    more: its dtype, and where it lives. On a GPU it is `torch.cuda.FloatTensor`.
    """)
    return


@app.cell
def _(devices):
    x_tensor = devices.after_step("torch.from_numpy(x_train).float().to(device)")
    x_train = devices.after_step("x_train")
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
def _(mo, parts):
    to_cuda = parts.button('.to("cuda") without asking first', breaks=True)
    not_kept = parts.button("x.float() without x =", breaks=True)
    mo.hstack([to_cuda, not_kept], justify="start", wrap=True)
    return not_kept, to_cuda


@app.cell(hide_code=True)
def _(devices, parts, to_cuda):
    parts.breaks(
        to_cuda,
        devices.no_cuda,
        cure="`torch.cuda.is_available()` first, and the CPU where it says False.",
    )
    return


@app.cell(hide_code=True)
def _(devices, mo, not_kept, parts):
    parts.breaks(
        not_kept,
        lambda: mo.md(devices.kept_or_not()),
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
def _(parts):
    see = parts.predict(
        "`tensor = torch.from_numpy(array)`, then `array[0] = 100`. What is `tensor[0]`?",
        ["What it was", "100", "An error is raised"],
    )
    see
    return (see,)


@app.cell(hide_code=True)
def _(parts, see):
    parts.verdict(
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
def _(devices, mo):
    maker = mo.ui.dropdown(list(devices.MAKERS), value="torch.from_numpy(array)", label="tensor =")
    by_tensor = mo.ui.switch(label="change the tensor, not the array")
    return by_tensor, maker


@app.cell(hide_code=True)
def _(by_tensor, maker, mo, parts, see):
    parts.after(see, mo.hstack([maker, by_tensor], justify="start", wrap=True, gap=2))
    return


@app.cell(hide_code=True)
def _(by_tensor, devices, maker, mo, parts, see):
    _picture, shares = devices.shared(maker.value, by_tensor=by_tensor.value)
    _words = "**One memory**: both changed." if shares else "**A copy**: only one changed."
    parts.after(see, mo.vstack([parts.picture(_picture), mo.md(_words)]))
    return (shares,)


@app.cell(hide_code=True)
def _(mo, parts, see):
    parts.after(see, mo.md(r"""
    `float()`, `double()` and `to()` copy **only if something changes**. The array is
    float64, so `.double()` gives the same memory again. If you want a copy, say
    `.clone()`, or `torch.tensor(array)`.
    """))
    return


@app.cell(hide_code=True)
def _(parts):
    centred = parts.button("subtract the mean in place", breaks=True)
    centred
    return (centred,)


@app.cell(hide_code=True)
def _(centred, devices, mo, parts):
    parts.breaks(
        centred,
        lambda: mo.md(devices.added_twice()),
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
def _(parts):
    twice = parts.predict(
        "v is [1, 2, 3]. Then `v.add(10)` and `v.add_(10)` run, on two lines. What is v?",
        ["[1, 2, 3]", "[11, 12, 13]", "[21, 22, 23]"],
    )
    twice
    return (twice,)


@app.cell(hide_code=True)
def _(parts, twice):
    parts.verdict(
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
def _(devices, mo):
    operation = mo.ui.dropdown(list(devices.OPERATIONS), value="v.add_(10)", label="w = v, then")
    return (operation,)


@app.cell(hide_code=True)
def _(operation, parts, twice):
    parts.after(twice, operation)
    return


@app.cell(hide_code=True)
def _(devices, mo, operation, parts, twice):
    _picture, _same = devices.in_place(operation.value)
    _words = "The result **is** the old tensor." if _same else "The result is a **new** tensor."
    parts.after(twice, mo.vstack([parts.picture(_picture), mo.md(_words)]))
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
def _(parts):
    back = parts.predict(
        "a was made with `requires_grad=True`, on the CPU. What does `a.numpy()` give?",
        ["An array with its numbers", "An array that asks for a gradient", "An exception"],
    )
    back
    return (back,)


@app.cell(hide_code=True)
def _(back, parts):
    parts.verdict(
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
def _(back, devices, html_tables, mo, parts):
    _table = mo.Html(html_tables.grid(devices.ways_back()))
    _words = mo.md("The usual way back is `tensor.detach().cpu().numpy()`. `cpu()` does nothing to a tensor that is already there.")
    parts.after(back, mo.vstack([_table, _words]))
    return


@app.cell(hide_code=True)
def _(mo, parts):
    watched = parts.button("numpy() with requires_grad=True", breaks=True)
    elsewhere = parts.button("numpy() on another device's tensor", breaks=True)
    mo.hstack([watched, elsewhere], justify="start", wrap=True)
    return elsewhere, watched


@app.cell(hide_code=True)
def _(devices, parts, watched):
    parts.breaks(
        watched,
        devices.numpy_of_watched,
        code="torch.zeros(3, requires_grad=True).numpy()",
        cure="`tensor.detach().numpy()`. The array and the tensor still share memory; "
        "only the gradient is left behind.",
    )
    return


@app.cell(hide_code=True)
def _(devices, elsewhere, parts):
    parts.breaks(
        elsewhere,
        devices.numpy_elsewhere,
        code=f'torch.zeros(3, device="{devices.OTHER_DEVICE}").numpy()',
        cure="`tensor.cpu().numpy()`. (Where there is no GPU, the device *meta* plays its "
        "part here. It has shapes only: no numbers could come back.) A GPU's tensor says: "
        f"`TypeError: {devices.cuda_message()}` Read it in three parts: where the tensor "
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
def _(parts):
    mixed = parts.predict(
        "A float32 tensor plus a float64 tensor. What comes out?",
        ["float32", "float64", "An error is raised"],
    )
    mixed
    return (mixed,)


@app.cell(hide_code=True)
def _(devices, mixed, mo, parts):
    _said = parts.verdict(
        mixed,
        right="float64",
        why={
            "float32": "That would throw digits away. The larger of two float types wins.",
            "float64": "Of two float types PyTorch takes the larger one, and says nothing. "
            "(A float beats an integer of any size.) A matrix product or a layer refuses.",
            "An error is raised": "By a matrix product or a layer, yes; not by +, -, *.",
        },
    )
    mo.vstack([_said, mo.md(devices.dtype_table())] if mixed.value else [_said])
    return


@app.cell(hide_code=True)
def _(mo, parts):
    two_devices = parts.button("two devices", breaks=True)
    two_dtypes = parts.button("float64 for a layer", breaks=True)
    mo.hstack([two_devices, two_dtypes], justify="start", wrap=True)
    return two_devices, two_dtypes


@app.cell(hide_code=True)
def _(devices, parts, two_devices):
    parts.breaks(
        two_devices,
        devices.mixed_devices,
        code=f'torch.ones(3) + torch.ones(3, device="{devices.OTHER_DEVICE}")',
        cure="send both to one device: `x.to(device)`, and the model too. (The other "
        f"device is *{devices.OTHER_DEVICE}* here. A GPU's message names cuda:0.)",
    )
    return


@app.cell(hide_code=True)
def _(devices, parts, two_dtypes):
    parts.breaks(
        two_dtypes,
        devices.wrong_dtype,
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
def _(parts):
    parts.exercise("ex04_to_tensor")
    return


@app.cell(hide_code=True)
def _(parts):
    answer = parts.editor("ex04_to_tensor")
    answer
    return (answer,)


@app.cell(hide_code=True)
def _(answer, parts):
    parts.checked("ex04_to_tensor", answer)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.exercise("ex04_to_numpy")
    return


@app.cell(hide_code=True)
def _(parts):
    answer_numpy = parts.editor("ex04_to_numpy")
    answer_numpy
    return (answer_numpy,)


@app.cell(hide_code=True)
def _(answer_numpy, parts):
    parts.checked("ex04_to_numpy", answer_numpy)
    return


@app.cell(hide_code=True)
def _(parts):
    parts.end(4)
    return


if __name__ == "__main__":
    app.run()
