"""What chapter 4 shows: arrays and tensors, shared memory, devices and dtypes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.course.loss_bowl import rows
from gradatim.pages.boxes import cells
from gradatim.pages.charts import COLOURS, framed
from gradatim.pages.html_tables import markdown_table
from gradatim.pages.page import escaped

Array = np.ndarray
OTHER_DEVICE = "cuda" if torch.cuda.is_available() else "meta"
"""A device that is not the CPU. Without a GPU it is ``meta``: shapes, no numbers."""


def first_device() -> torch.device:
    """Give the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


STEPS = {
    "x_train": "the NumPy array",
    "torch.from_numpy(x_train)": "a tensor on the array's own memory; still float64",
    "torch.from_numpy(x_train).float()": "a copy in float32, as layers have it",
    "torch.from_numpy(x_train).float().to(device)": "sent to the device; a copy if it "
    "is another one",
    "... .cpu().numpy()": "and back: an array again",
}
"""The expressions of rung 3 in their order, and what each gives."""


def after_step(name: str) -> Array | Tensor:
    """Give the training feature after one of :data:`STEPS`.

    >>> after_step("torch.from_numpy(x_train)").dtype
    torch.float64
    """
    x = rows()[0].numpy()
    place = list(STEPS).index(name)
    if place == 0:
        return x
    tensor = torch.from_numpy(x)
    if place > 1:
        tensor = tensor.float()
    if place > 2:
        tensor = tensor.to(first_device())
    return tensor.cpu().numpy() if place > 3 else tensor


def places(name: str) -> str:
    """Draw which memory holds which numbers after one of :data:`STEPS`.

    >>> places("x_train").count("<rect")
    3
    """
    place, has_gpu = list(STEPS).index(name), first_device().type == "cuda"
    away = has_gpu and place > 2
    also = "" if away else " and the tensor"
    kept = {
        0: ["x_train: float64"],
        1: ["x_train and the tensor: float64"],
        2: ["x_train: float64", "the tensor: float32"],
        3: ["x_train: float64", *([] if away else ["the tensor: float32, as before"])],
        4: ["x_train: float64", f"the array{also}: float32"],
    }[place]
    on_gpu = ["the tensor: float32"] if away else []
    other = "memory of the GPU" if has_gpu else "memory of a GPU (none here)"
    parts = []
    for left, title, boxes in ((0, "memory of the CPU", kept), (250, other, on_gpu)):
        dash = "" if left == 0 or has_gpu else ' stroke-dasharray="5 4"'
        parts.append(
            f'<rect x="{left + 1}" y="24" width="235" height="104" rx="6" fill="none" '
            f'stroke="currentColor" stroke-opacity=".4"{dash}/>'
            f'<text x="{left + 10}" y="42" opacity=".75">{title}</text>'
        )
        for number, text in enumerate(boxes):
            y = 50 + 25 * number
            parts.append(
                f'<rect x="{left + 10}" y="{y}" width="217" height="21" rx="3" '
                f'fill="{COLOURS["blue"]}" fill-opacity=".35"/>'
                f'<text x="{left + 18}" y="{y + 15}">{escaped(text)}</text>'
            )
    return framed("".join(parts), 490, 132, "where the numbers lie")


def properties_of(data: Array | Tensor) -> str:
    """Write a table of the properties of an array or a tensor.

    >>> "torch.FloatTensor" in properties_of(torch.zeros(2))
    True
    """
    kind, of_torch, device = type(data), "an array has none", "always the CPU"
    if isinstance(data, Tensor):
        of_torch, device = f"`{data.type()}`", f"`{data.device}`"
    rows = [
        ("`type(...)`", f"`{kind.__module__}.{kind.__qualname__}`"),
        ("`.dtype`", f"`{data.dtype}`"),
        ("`.shape`", f"`{tuple(data.shape)}`"),
        ("`.type()`", of_torch),
        ("`.device`", device),
        ("bytes a number", str(data.itemsize)),
        ("first number", f"`{float(data.ravel()[0])!r}`"),
    ]
    return markdown_table(("", ""), rows)


def cuda_message() -> str:
    """Give the message of ``numpy()`` on a tensor of a GPU, made from that of ``meta``.

    Both messages come from one line of PyTorch, which puts in the name of the device.

    >>> cuda_message()[:44]
    "can't convert cuda:0 device type tensor to n"
    """
    try:
        torch.zeros(3, device=OTHER_DEVICE).numpy()
    except TypeError as error:
        return str(error).replace("meta", "cuda:0")
    return ""


def ways_back() -> list[dict[str, str]]:
    """Try the ways from a tensor to an array; give a row with the result of each.

    >>> [row["gives"].partition(":")[0] for row in ways_back()][1]
    'RuntimeError'
    """
    x, a = torch.ones(2), torch.ones(2, requires_grad=True)
    far = torch.ones(2, device=OTHER_DEVICE)
    tries: dict[str, Callable[[], Array]] = {
        "x.numpy()": x.numpy,
        "a.numpy()": a.numpy,
        "a.detach().numpy()": a.detach().numpy,
        f"x.to({OTHER_DEVICE!r}).numpy()": far.numpy,
    }
    return [
        {"code": code, "gives": _outcome(run, "{}, a view of the same memory")}
        for code, run in tries.items()
    ]


def _outcome(run: Callable[[], object], template: str) -> str:
    """Put what a function gives into a text, or name the exception that it raises."""
    try:
        return template.format(run())
    except (RuntimeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def no_cuda() -> Tensor:
    """Send a tensor to a GPU, which raises if there is none."""
    if torch.cuda.is_available():
        raise RuntimeError("This machine has a GPU: the line works here.")
    return torch.zeros(3).to("cuda")


MAKERS: dict[str, Callable[[Array], Tensor]] = {
    "torch.from_numpy(array)": torch.from_numpy,
    "torch.as_tensor(array)": torch.as_tensor,
    "torch.tensor(array)": torch.tensor,
    "torch.from_numpy(array).clone()": lambda array: torch.from_numpy(array).clone(),
    "torch.from_numpy(array).float()": lambda array: torch.from_numpy(array).float(),
    "torch.from_numpy(array).double()": lambda array: torch.from_numpy(array).double(),
}
"""For each code, a function that makes a tensor of a float64 array by it."""

STATES: dict[str, list[Any]] = {
    "maker": list(MAKERS),
    "operation": ["v.add_(10)", "v.add(10)", "v = v.add(10)", "v += 10"],
}


def shared(name: str, *, by_tensor: bool = False) -> tuple[str, bool]:
    """Change the array, or the tensor of :data:`MAKERS`; draw both.

    The second result says whether both have changed.

    >>> shared("torch.from_numpy(array)")[1], shared("torch.tensor(array)")[1]
    (True, False)
    """
    array = np.array([1.0, 2.0, 3.0, 4.0])
    tensor = MAKERS[name](array)
    before = array.copy()
    if by_tensor:
        tensor[0] = 100.0
    else:
        array[0] = 100.0
    both = bool(array[0] == 100 and tensor[0] == 100)
    line = "tensor[0] = 100" if by_tensor else "array[0] = 100"
    lines = {"before": before, "array": array, "tensor": tensor.tolist()}
    return _changes(lines, before, title=f"after {line}"), both


def _changes(lines: Mapping[str, Any], before: Iterable[float], title: str) -> str:
    """Draw a row of numbers for each line, orange where they were others before."""
    rows = []
    for label, values in lines.items():
        pairs = zip(values, before, strict=True)
        boxes = [(f"{v:g}", "blue" if v == old else "orange") for v, old in pairs]
        rows.append((label, boxes))
    return cells(rows, title=title, legend=[("changed", "orange")])


OPERATIONS: dict[str, Callable[[Tensor], Any]] = {
    "v.add(10)": lambda v: v.add(10),
    "v.add_(10)": lambda v: v.add_(10),
    "v = v.add(10)": lambda v: v.add(10),
    "v.zero_()": lambda v: v.zero_(),
    "v + 10": lambda v: v + 10,
    "v += 10": lambda v: v.__iadd__(10),
    "v.double()": lambda v: v.double(),
}
"""For each code, a function that does it to a tensor."""


def in_place(name: str) -> tuple[str, bool]:
    """Do one of :data:`OPERATIONS`; draw the tensor and what its other name shows.

    >>> in_place("v.add(10)")[1], in_place("v.add_(10)")[1]
    (False, True)
    """
    v = torch.tensor([1.0, 2.0, 3.0])
    w = v
    result = OPERATIONS[name](v)
    if name.startswith("v = "):
        v = result
    lines = {"v": v.tolist(), "w": w.tolist()}
    return _changes(lines, (1, 2, 3), title=f"w = v, then {name}"), result is w


def added_twice() -> str:
    """Change a tensor in place that shares its memory with the data.

    >>> added_twice()
    'x_train.mean() was 0.4725 before and is 0.0000 now.'
    """
    x = rows()[0].numpy().copy()
    before = x.mean()
    tensor = torch.from_numpy(x)
    tensor.sub_(tensor.mean())
    return f"x_train.mean() was {before:.4f} before and is {abs(x.mean()):.4f} now."


def kept_or_not() -> str:
    """Call ``float()`` on a tensor without keeping what it returns.

    >>> kept_or_not()
    'x.float() was called; x.dtype is torch.float64.'
    """
    x = rows()[0]
    x.float()
    return f"x.float() was called; x.dtype is {x.dtype}."


def dtype_table() -> str:
    """Write what PyTorch makes of two dtypes: a dtype or an exception."""
    one, other = torch.ones(1, 1), torch.ones(1, 1, dtype=torch.float64)
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 1, 1)
    tries: dict[str, Callable[[], Tensor]] = {
        "float32 + float64": lambda: one + other,
        "float32 * int64": lambda: one * torch.ones(1, 1, dtype=torch.int64),
        "float32 @ float64": lambda: one @ other,
        "nn.Linear (float32) of float64": lambda: layer(other),
        "int64 .add_(0.5)": lambda: torch.ones(1, dtype=torch.int64).add_(0.5),
    }
    rows = [(f"`{n}`", f"`{_outcome(run, '{0.dtype}')}`") for n, run in tries.items()]
    return markdown_table(("what", "gives"), rows)
