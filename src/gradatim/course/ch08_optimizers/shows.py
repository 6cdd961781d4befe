"""What chapter 8 shows: optimizers on the bowl, and what goes wrong with them."""

# mypy: disable-error-code="operator, union-attr"

import linecache
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import optim

import gradatim as gt
from gradatim.course import loss_bowl
from gradatim.course.ch06_autograd.shows import loss_of
from gradatim.course.ch06_autograd.shows import updates as updates_by_hand
from gradatim.course.curves import over_time
from gradatim.course.loss_bowl import Descent
from gradatim.course.training_paths import as_descent, points, start
from gradatim.pages.charts import beside

STATES: dict[str, list[Any]] = {
    "lr": [0.1, 0.001, 0.01, 0.03, 0.3, 0.5, 0.82, 1.0],
    "updates": [60, 10],
}

RULES: dict[str, tuple[str, Callable[..., optim.Optimizer]]] = {
    "SGD": ("blue", optim.SGD),
    "SGD with momentum": ("violet", partial(optim.SGD, momentum=0.9)),
    "Adam": ("orange", optim.Adam),
}
"""The rules by name: the colour of their pictures, and what makes the optimizer."""

CHOICES = {
    "good: SGD, 0.1": (
        ("SGD", 0.1),
        "The tutorial's choice: well below the limit of {limit:.3f}. It comes down on "
        "one side and never jumps across. After 60 updates it is not there yet.",
    ),
    "good: SGD, 0.5": (
        ("SGD", 0.5),
        "Nearer to the limit. It jumps from side to side at first, and arrives sooner.",
    ),
    "bad: SGD, 0.001": (
        ("SGD", 0.001),
        "Safe, but each update is a thousandth of the gradient: it hardly leaves.",
    ),
    "bad: SGD, 0.82": (
        ("SGD", 0.82),
        "Just beyond the limit of this bowl: each step lands higher up.",
    ),
    "good: momentum, 0.03": (
        ("SGD with momentum", 0.03),
        "Momentum 0.9 adds up to ten gradients of one direction, so a smaller lr goes "
        "as far. It swings around the bottom, less each time.",
    ),
    "bad: momentum, 1.6": (
        ("SGD with momentum", 1.6),
        "With momentum m the limit is 1 + m times as large: {larger:.2f} here. It is "
        "not taken away, and 1.6 is beyond.",
    ),
    "good: Adam, 0.2": (
        ("Adam", 0.2),
        "The way is about two long, so steps of about 0.2 arrive in a few tens.",
    ),
    "bad: Adam, 0.001": (
        ("Adam", 0.001),
        "PyTorch's default for Adam, which suits many networks. Here 60 steps of 0.001 "
        "are 0.06 of a way that is two long.",
    ),
    "bad: Adam, 10": (
        ("Adam", 10.0),
        "The first step is as long as lr, 10 in each direction: far past the bottom. "
        "It takes most of the 60 updates to come back.",
    ),
}
"""Choices by name: a rule of :data:`RULES`, its learning rate, and why it is so."""


def follow(
    rule: str, *, lr: float, updates: int, zeroing: bool = True, copied: bool = False
) -> Descent:
    """Train a and b on all points with one of :data:`RULES`, as rung 7 does.

    ``zeroing`` calls ``zero_grad()``; ``copied`` gives the optimizer copies of a and b.

    >>> end = follow("SGD", lr=0.1, updates=1000).path[-1]
    >>> [round(value, 4) for value in end.tolist()]
    [1.0235, 1.969]
    """
    x, y = points()
    a, b = start()
    given = [a, b]
    if copied:
        given = [tensor.detach().clone().requires_grad_() for tensor in given]
    optimizer = RULES[rule][1](given, lr=lr)
    path = [(a.item(), b.item())]
    for _ in range(updates):
        loss = ((y - (a + b * x)) ** 2).mean()
        loss.backward()
        optimizer.step()
        if zeroing:
            optimizer.zero_grad()
        path.append((a.item(), b.item()))
    return as_descent(path)


def apart_from_hand(count: int) -> float:
    """Give the largest distance between the paths of SGD and of chapter 6's update.

    >>> apart_from_hand(10) < 1e-6
    True
    """
    by_hand = updates_by_hand(count, zeroing=True).went.path
    by_sgd = follow("SGD", lr=0.1, updates=count).path
    return float((by_hand - by_sgd).abs().max())


def first_gradients() -> tuple[float, float]:
    """Give the gradients by a and b at the start.

    >>> [round(gradient, 3) for gradient in first_gradients()]
    [-3.112, -1.816]
    """
    a, b = start()
    loss_of(a, b).backward()
    return a.grad.item(), b.grad.item()


def first_update(rule: str, *, lr: float = 0.1) -> tuple[float, float]:
    """Give how far the first update moves a and b.

    >>> [round(value, 4) for value in first_update("Adam")]
    [0.1, 0.1]
    """
    path = follow(rule, lr=lr, updates=1).path
    by_a, by_b = (path[1] - path[0]).tolist()
    return by_a, by_b


WIDTH = 350
"""The width of a picture in pixels: three of them stand side by side."""


def _bowl(title: str, colour: str, went: Descent) -> str:
    count = len(went.losses) - 1
    label = f"loss {went.losses[-1]:.3g}, {count} update{'' if count == 1 else 's'}"
    return loss_bowl.bowl(
        (label, colour, went), a=(-0.6, 3.2), b=(-0.5, 3.7), title=title, width=WIDTH
    )


def _losses(*curves: tuple[str, str, list[float]], highest: float, title: str) -> str:
    y = 5e-3, highest
    return over_time(*curves, y=y, title=title, x_label="update", width=WIDTH).svg()


def clearing() -> list[dict[str, str]]:
    """Give a row for each line of an update: a and ``a.grad`` after it.

    >>> [row["a.grad"] for row in clearing()]
    ['None', '-3.1125', '-3.1125', 'None', '0.0000']
    """
    a, b = start()
    optimizer = optim.SGD([a, b], lr=0.1)
    rows = []

    def note(name: str) -> None:
        grad = "None" if a.grad is None else f"{a.grad.item():.4f}"
        rows.append({"after": name, "a": f"{a.item():.4f}", "a.grad": grad})

    note("before")
    loss_of(a, b).backward()
    note("loss.backward()")
    optimizer.step()
    note("optimizer.step()")
    optimizer.zero_grad()
    note("optimizer.zero_grad()")
    loss_of(a, b).backward()
    optimizer.zero_grad(set_to_none=False)
    note("backward(); zero_grad(set_to_none=False)")
    return rows


def by_batches(epochs: int = 3) -> str:
    """Draw the paths of SGD with losses of all points, of 16 and of one."""
    x, y = points()
    pictures = []
    for name, size in (("batch", 80), ("mini-batch", 16), ("stochastic", 1)):
        generator = torch.Generator().manual_seed(0)
        a, b = start()
        optimizer = optim.SGD([a, b], lr=0.1)
        path = [(a.item(), b.item())]
        for _ in range(epochs):
            for rows in torch.randperm(80, generator=generator).split(size):
                loss = ((y[rows] - (a + b * x[rows])) ** 2).mean()
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                path.append((a.item(), b.item()))
        count = f"{size} point{'s' if size > 1 else ''} in a loss"
        pictures.append(_bowl(f"{name}: {count}", "blue", as_descent(path)))
    return beside(*pictures)


def side_by_side(*, lr: float, updates: int) -> str:
    """Draw the paths and the losses of all rules with one learning rate."""
    curves, pictures = [], []
    for name, (colour, _) in RULES.items():
        went = follow(name, lr=lr, updates=updates)
        pictures.append(_bowl(name, colour, went))
        label = name.replace("SGD with momentum", "momentum  ")
        curves.append((label, colour, went.losses))
    return beside(_losses(*curves, highest=10, title="their losses"), *pictures)


def chosen(name: str, *, updates: int = 60) -> str:
    """Draw one of :data:`CHOICES`, blue if good and red if bad."""
    (rule, lr), _ = CHOICES[name]
    colour = "blue" if name.startswith("good") else "red"
    went = follow(rule, lr=lr, updates=updates)
    losses = _losses(("", colour, went.losses), highest=1e3, title="its loss")
    return beside(_bowl(name, colour, went), losses)


def why(name: str) -> str:
    """Say why one of :data:`CHOICES` is good or bad.

    >>> "1.53 here" in why("bad: momentum, 1.6")
    True
    """
    limit = loss_bowl.largest_stable_lr(points()[0].double())
    return CHOICES[name][1].format(limit=limit, larger=1.9 * limit)


def spoiled(*, zeroing: bool = True, copied: bool = False) -> str:
    """Draw what SGD does without ``zero_grad()``, or with copies of a and b."""
    went = follow("SGD", lr=0.1, updates=60, zeroing=zeroing, copied=copied)
    return _bowl("SGD, lr 0.1", "red", went)


ROTTEN = {
    "a tensor that was computed": "SGD([a * 1], lr=0.1)",
    "a tensor, not a list": "SGD(a, lr=0.1)",
    "an empty list": "SGD([], lr=0.1)",
    "the number in a": "SGD([a.item()], lr=0.1)",
}
"""Optimizers that PyTorch refuses to make, by what they are given."""


def make_optimizer(call: str) -> Any:
    """Run one of :data:`ROTTEN`, which raises."""
    a, _ = start()
    return eval(call, {"SGD": optim.SGD, "a": a})


PROGRAM = """\
optimizer = torch.optim.SGD([a, b], lr=0.1)
for epoch in range(60):
    error = y - (a + b * x)
    loss = (error ** 2).mean()
    loss.backward()
    optimizer.step()
"""
"""A training that forgets zero_grad()."""


def watched_program(indent: int = 0) -> str:
    """Give :data:`PROGRAM` as it is written to be watched.

    >>> print(watched_program().splitlines()[0])
    with gt.watch() as seen:
    """
    lines = ["with gt.watch() as seen:", *(f"    {s}" for s in PROGRAM.splitlines())]
    lines += ["for finding in seen.findings:", "    print(finding)"]
    return "\n".join(" " * indent + line for line in lines)


def examined(program: str = PROGRAM) -> str:
    """Watch a program that uses ``torch``, a, b, x and y; give what the doctor finds.

    >>> examined().partition(":")[0]
    'GT101 error'
    """
    (x, y), (a, b) = points(), start()
    names = {"torch": torch, "a": a, "b": b, "x": x, "y": y}
    # The finding names the line of the program, which Python looks up here.
    file = "train.py"
    lines = program.splitlines(keepends=True)
    linecache.cache[file] = len(program), None, lines, file
    try:
        with gt.watch() as seen:
            exec(compile(program, file, "exec"), names)
        return "\n".join(map(str, seen.findings)) or "Nothing was found."
    finally:
        del linecache.cache[file]
