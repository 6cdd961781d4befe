"""What chapter 5 shows: parameters, leaves, and four ways to make one on a device."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course.ch04_tensors.shows import OTHER_DEVICE
from gradatim.course.training_paths import points, random_from, start
from gradatim.pages.html_tables import markdown_table

TARGETS: dict[str, torch.device | torch.dtype] = {
    f"another device ({OTHER_DEVICE})": torch.device(OTHER_DEVICE),
    "another dtype (float64)": torch.float64,
    "the same device (cpu)": torch.device("cpu"),
}
"""Devices and dtypes that a parameter may be sent to, by what they are here."""

STATES: dict[str, list[Any]] = {
    "way": ["2", "1", "3", "4"],
    "target": list(TARGETS),
    "of_a": [True, False],
}

WAYS = {
    "1": "torch.randn(1, requires_grad=True)",
    "2": "torch.randn(1, requires_grad=True).to({})",
    "3": "torch.randn(1).to({}).requires_grad_()",
    "4": "torch.randn(1, requires_grad=True, {})",
}
"""The tutorial's four ways to make a parameter on a device, by number."""


def code_of(way: str, target: str) -> str:
    """Write the code of one of :data:`WAYS` for one of :data:`TARGETS`.

    >>> code_of("4", "another dtype (float64)")
    'torch.randn(1, requires_grad=True, dtype=torch.float64)'
    """
    place = TARGETS[target]
    text = str(place) if isinstance(place, torch.dtype) else f'"{place}"'
    name = "dtype" if isinstance(place, torch.dtype) else "device"
    return WAYS[way].format(f"{name}={text}" if way == "4" else text)


def made(way: str, target: str) -> Tensor:
    """Make a parameter in one of four ways; the caller's random numbers stay.

    >>> [made(way, "another dtype (float64)").is_leaf for way in WAYS]
    [True, False, True, True]
    """
    place = TARGETS[target]
    with random_from(42):
        if way == "1":
            return torch.randn(1, requires_grad=True)
        if way == "2":
            return torch.randn(1, requires_grad=True).to(place)
        if way == "3":
            return torch.randn(1).to(place).requires_grad_()
        if isinstance(place, torch.dtype):
            return torch.randn(1, requires_grad=True, dtype=place)
        return torch.randn(1, requires_grad=True, device=place)


def ways_table() -> str:
    """Write a table that says for each way and target whether it gives a leaf.

    >>> ways_table().splitlines()[3].count("no leaf")
    2
    """
    found = {True: "leaf", False: "**no leaf**"}
    rows = [[way, *(found[made(way, n).is_leaf] for n in TARGETS)] for way in WAYS]
    return markdown_table(["way", *TARGETS], rows)


def facts(tensor: Tensor) -> dict[str, str]:
    """Give the properties that decide whether a tensor can be trained.

    >>> facts(torch.zeros(1))["can it be trained"]
    'no: the optimizer takes it, and it never moves'
    """
    made_by = type(tensor.grad_fn).__name__ if tensor.grad_fn is not None else "none"
    return {
        "device, dtype": f"{tensor.device}, {str(tensor.dtype).partition('.')[2]}",
        "requires_grad": str(tensor.requires_grad),
        "grad_fn": made_by,
        "is_leaf": str(tensor.is_leaf),
        "can it be trained": _trainable(tensor),
    }


def _trainable(tensor: Tensor) -> str:
    try:
        torch.optim.SGD([tensor], lr=0.1)
    except ValueError as error:
        return f"no: the optimizer raises ValueError: {error}"
    if tensor.requires_grad:
        return "yes"
    return "no: the optimizer takes it, and it never moves"


def table(tensor: Tensor) -> str:
    """Write :func:`facts` as a table."""
    return markdown_table(("", ""), facts(tensor).items())


def grows_from(tensor: Tensor) -> str:
    """Draw the graph of a tensor; the tensor that gets the gradient is blue."""
    name = "a" if tensor.is_leaf else "left behind"
    return str(gt.graph(2 * tensor, names={name: _root(tensor)}).svg())


def _root(tensor: Tensor) -> Tensor:
    """Give the leaf from which a tensor was computed."""
    step = tensor.grad_fn
    while step is not None and not hasattr(step, "variable"):
        step = step.next_functions[0][0]
    return tensor if step is None else step.variable


def gradients(*, of_a: bool, of_b: bool) -> str:
    """Write what backward leaves in a, b, x and y, or the exception that it raises.

    >>> "RuntimeError" in gradients(of_a=False, of_b=False)
    True
    """
    x, y = points()
    a, b = start()
    a.requires_grad_(of_a)
    b.requires_grad_(of_b)
    loss = ((y - (a + b * x)) ** 2).mean()
    try:
        loss.backward()
    except RuntimeError as error:
        return f"`loss.backward()` raises `RuntimeError: {error}`"
    rows = []
    for name, tensor in (("a", a), ("b", b), ("x", x), ("y", y)):
        grad = "None" if tensor.grad is None else f"{tensor.grad.item():.4f}"
        rows.append((name, str(tensor.requires_grad), grad))
    return markdown_table(("", "requires_grad", ".grad after backward"), rows)


EXPRESSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.randn(1)": lambda a: a.detach().clone(),
    "a": lambda a: a,
    "2 * a": lambda a: 2 * a,
    "a.clone()": lambda a: a.clone(),
    "a.detach()": lambda a: a.detach(),
    'a.to("cpu")': lambda a: a.to("cpu"),
    "a.double()": lambda a: a.double(),
    "a.detach().double().requires_grad_()": lambda a: (
        a.detach().double().requires_grad_()
    ),
}
"""For each code, a function that makes a tensor of a parameter ``a`` by it."""


def silent_none() -> str:
    """Compute a loss of the second way's tensor, and look for its gradient.

    >>> silent_none().splitlines()[0]
    'backward() ran. copy.grad is None.'
    """
    with random_from(42):
        behind = torch.randn(1, requires_grad=True)
    copy = behind.to(torch.float64)
    ((copy - 1) ** 2).mean().backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        copy_grad = copy.grad
    warned = str(caught[0].message).partition(". ")[0] if caught else "nothing"
    grad = behind.grad.item() if behind.grad is not None else float("nan")
    return (
        f"backward() ran. copy.grad is {copy_grad}.\n"
        f"The tensor left behind has .grad = {grad:.4f}.\n"
        f"PyTorch warns: {warned}."
    )
