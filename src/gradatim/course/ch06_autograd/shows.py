"""What chapter 6 shows: backward and .grad, three updates, gradients that pile up."""

# mypy: disable-error-code="operator, union-attr"
# To a type checker .grad may be None, as it is before the first backward().

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course import loss_bowl
from gradatim.course.curves import over_time
from gradatim.course.loss_bowl import Descent
from gradatim.course.training_paths import as_descent, points, start
from gradatim.pages.charts import beside
from gradatim.pages.html_tables import raised
from gradatim.pages.page import escaped
from gradatim.pages.player import MovingChart, player

STATES: dict[str, list[Any]] = {"zeroing": [True, False]}

ATTEMPTS = {
    "1 · a new a": "a = a - lr * a.grad\na.grad.zero_()",
    "2 · in place": "a -= lr * a.grad\na.grad.zero_()",
    "3 · in place, unrecorded": (
        "with torch.no_grad():\n    a -= lr * a.grad\na.grad.zero_()"
    ),
}
"""The tutorial's three ways to write the update, as code that is run."""

NUM_UPDATES = 30
"""The number of updates in the moving picture; chosen by hand, not measured."""
FIRST_SHOWN = 12
"""The update with which the moving picture opens; chosen by hand, not measured."""


def loss_of(a: Tensor, b: Tensor) -> Tensor:
    """Give the mean squared error of all 80 points, with its graph."""
    x, y = points()
    return ((y - (a + b * x)) ** 2).mean()


def both_gradients(a: float, b: float) -> dict[str, tuple[float, float]]:
    """Give the gradient at a place by the formulas of chapter 2 and by autograd.

    >>> {name: round(by_a, 3) for name, (by_a, _) in both_gradients(0, 0).items()}
    {'by hand': -3.908, 'autograd': -3.908}
    """
    x, y = points()
    error = y - (a + b * x)
    by_hand = -2 * error.mean().item(), -2 * (x * error).mean().item()
    a_, b_ = (torch.tensor([float(v)], requires_grad=True) for v in (a, b))
    loss_of(a_, b_).backward()
    return {"by hand": by_hand, "autograd": (a_.grad.item(), b_.grad.item())}


def slope(a: float, b: float, *, lr: float = 0.1) -> str:
    """Draw a place on the bowl, and the update that the gradient there gives."""
    by_a, by_b = both_gradients(a, b)["autograd"]
    moved = as_descent([(a, b), (a - lr * by_a, b - lr * by_b)])
    name = f"from here, {lr:g} times .grad down"
    return loss_bowl.bowl(
        (name, "blue", moved), a=(-1, 3.5), b=(-1, 4), title="one update from above"
    )


@dataclass(frozen=True)
class Attempt:
    """What one of :data:`ATTEMPTS` has done: ``a`` before its lines and after them."""

    error: str
    """The exception, as Python prints it; empty if there was none."""
    before: float
    after: float
    is_leaf: bool
    graphs: tuple[str, str]
    """The graphs of ``a`` and of a loss that is computed afterwards, as SVG."""


def try_update(name: str, *, lr: float = 0.1) -> Attempt:
    """Run one of :data:`ATTEMPTS` after the first ``backward()``.

    >>> [try_update(name).error.partition(":")[0] for name in ATTEMPTS]
    ['AttributeError', 'RuntimeError', '']
    """
    old, b = start()
    loss_of(old, b).backward()
    names: dict[str, Any] = {"torch": torch, "a": old, "lr": lr}
    error, before = "", old.item()
    try:
        _run(ATTEMPTS[name], names)
    except (AttributeError, RuntimeError) as exception:
        error = f"{type(exception).__name__}: {exception}"
    a: Tensor = names["a"]
    known = {"b": b, "a": a} if a is old else {"b": b, "the old a": old}
    graph, next_graph = (gt.graph(t, names=known) for t in (a, loss_of(a, b)))
    graphs = graph.svg(), next_graph.svg()
    return Attempt(error, before, a.item(), a.is_leaf, graphs)


def _run(code: str, names: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        # PyTorch warns that .grad of a tensor that is no leaf is read.
        warnings.simplefilter("ignore", UserWarning)
        exec(code, names)


def card(name: str, attempt: Attempt, *, of_loss: bool) -> str:
    """Draw an attempt: its code, what it did, the graph of ``a`` or the next loss."""
    small = "white-space:pre-wrap;font-size:.8em;margin:.4em 0"
    if attempt.error:
        outcome = raised(attempt.error)
    else:
        outcome = '<p style="margin:.4em 0;color:#2f9e44">No exception.</p>'
    kind = "a leaf" if attempt.is_leaf else "no leaf: it has a grad_fn"
    moved = f"{attempt.before:.4f} → {attempt.after:.4f}"
    title = "the next loss" if of_loss else "a afterwards"
    return (
        '<div style="flex:1 1 210px;max-width:330px;min-width:0">'
        f"<strong>{escaped(name)}</strong>"
        f'<pre style="{small};padding:.5em;border:1px solid #8886;border-radius:4px">'
        f"{escaped(ATTEMPTS[name])}</pre>{outcome}"
        f'<p style="margin:.4em 0">a {moved}; {kind}.</p>'
        f'<p style="margin:.4em 0;opacity:.75">Graph of {title}:</p>'
        f"{attempt.graphs[of_loss]}</div>"
    )


@dataclass(frozen=True)
class Updates:
    """A training, and what was in ``a.grad`` on the way."""

    went: Descent
    fresh: list[float]
    """What each ``backward()`` added to ``a.grad``."""
    held: list[float]
    """``a.grad`` after each ``backward()``, as the update used it."""


def updates(count: int, *, zeroing: bool, lr: float = 0.1) -> Updates:
    """Make ``count`` updates as rung 5 does, with ``zero_()`` after each or without.

    >>> [round(value, 2) for value in updates(3, zeroing=False).held]
    [-3.11, -5.43, -6.36]
    >>> end = updates(1000, zeroing=True).went.path[-1].tolist()
    >>> [round(value, 4) for value in end]
    [1.0235, 1.969]
    """
    x, y = points()
    a, b = start()
    path, fresh, held, before = [(a.item(), b.item())], [], [], 0.0
    for _ in range(count):
        loss = ((y - (a + b * x)) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            a -= lr * a.grad
            b -= lr * b.grad
        now = a.grad.item()
        fresh.append(now - before)
        held.append(now)
        if zeroing:
            a.grad.zero_()
            b.grad.zero_()
        before = a.grad.item()
        path.append((a.item(), b.item()))
    return Updates(as_descent(path), fresh, held)


def pile(*, zeroing: bool) -> str:
    """Draw ``a.grad`` after each backward: what was left in it and what was added.

    The path on the bowl stands beside it. Both move update by update.
    """
    made = updates(NUM_UPDATES, zeroing=zeroing)
    count, at = NUM_UPDATES + 1, FIRST_SHOWN
    title = "a.grad, zeroed after each update" if zeroing else "a.grad, never zeroed"
    chart = MovingChart((0, count), (-9, 9), title=title, x_label="backward", at=at)
    for number, (new, now) in enumerate(zip(made.fresh, made.held, strict=True), 1):
        # A piece that goes back lies over what was left, and is narrower.
        left = now - new
        with chart.from_frame(number, count):
            chart.block((number - 0.4, number + 0.4), (0, left), colour="gray")
            chart.block((number - 0.22, number + 0.22), (left, now), colour="blue")
            chart.points([number], [now], colour="orange", size=2.4)
    chart.line([0, 0], [0, 0], colour="gray", label="left from before")
    chart.line([0, 0], [0, 0], colour="blue", label="added")
    chart.line((0, count), (0, 0), colour="gray", width=0.8)
    chart.points([-1], [0], colour="orange", label=".grad")
    above = loss_bowl.bowl_axes(
        MovingChart, a=(-1.2, 3.2), b=(-0.5, 4.2), title="the way on the bowl", at=at
    )
    a, b = made.went.path.T.tolist()
    above.moving_path(a, b, colour="blue" if zeroing else "red")
    captions = [f"Before the first update the loss is {made.went.losses[0]:.4f}."]
    captions += [
        f"Update {number}: backward added {new:.3f}, a.grad is {now:.3f}; "
        f"the loss is {loss:.4f} now."
        for number, (new, now, loss) in enumerate(
            zip(made.fresh, made.held, made.went.losses[1:], strict=True), 1
        )
    ]
    return player(
        beside(chart.svg(), above.svg()),
        count,
        steps={"one more update": 1},
        told=captions,
        label="update",
        at=at,
        rate=4,
    )


def unzeroed(count: int = 100) -> str:
    """Draw the losses of ``count`` updates with and without zeroing."""
    curves = []
    for name, zeroing, colour in (("zeroed", True, "green"), ("never", False, "red")):
        losses = updates(count, zeroing=zeroing).went.losses
        curves.append((f"{name}: ends at {losses[-1]:.3g}", colour, losses))
    return over_time(*curves, y=(5e-3, 50), title="loss", x_label="update").svg()


def two_ways(went: Descent) -> str:
    """Draw the path of autograd's training beside that of the program in NumPy."""
    return loss_bowl.bowl(
        ("NumPy", "gray", loss_bowl.descend(epochs=1000)),
        ("autograd", "blue", went),
        title="two starts, one end",
    )


def broken(name: str) -> None:
    """Run one of :data:`ATTEMPTS` that raises."""
    a, b = start()
    loss_of(a, b).backward()
    _run(ATTEMPTS[name], {"torch": torch, "a": a, "lr": 0.1})


@torch.no_grad()
def unrecorded() -> None:
    """Compute the loss and its gradients under ``no_grad()``, which raises."""
    loss_of(*start()).backward()
