"""What chapter 6 shows: backward and .grad, three updates, gradients that pile up."""

# mypy: disable-error-code="operator, union-attr"
# To a type checker .grad may be None, as it is before the first backward().

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course import loss_bowl
from gradatim.course.loss_bowl import Descent
from gradatim.course.training_paths import as_descent, points
from gradatim.pages.charts import Chart, beside
from gradatim.pages.html_tables import raised
from gradatim.pages.page import escaped
from gradatim.pages.player import MovingChart, player
from gradatim.rng import keeping_rng

STATES: dict[str, list[Any]] = {"zeroing": [True, False]}
"""Controls that move on a frozen page, with their values; it opens with the first."""

ATTEMPTS = {
    "1 · a new a": "a = a - lr * a.grad\na.grad.zero_()",
    "2 · in place": "a -= lr * a.grad\na.grad.zero_()",
    "3 · in place, unrecorded": (
        "with torch.no_grad():\n    a -= lr * a.grad\na.grad.zero_()"
    ),
}
"""The tutorial's three ways to write the update, as they are run."""

MOST, SHOWN = 30, 12
"""Updates that the moving picture has, and that it opens with."""


def start() -> tuple[Tensor, Tensor]:
    """Make a and b as the rungs do, after ``torch.manual_seed(42)``.

    >>> [round(each.item(), 4) for each in start()]
    [0.3367, 0.1288]
    """
    with keeping_rng():
        torch.manual_seed(42)
        a = torch.randn(1, requires_grad=True)
        b = torch.randn(1, requires_grad=True)
    return a, b


def loss_of(a: Tensor, b: Tensor) -> Tensor:
    """Give the mean squared error of all 80 points, with its graph."""
    x, y = points()
    return ((y - (a + b * x)) ** 2).mean()


def both_gradients(a: float, b: float) -> dict[str, tuple[float, float]]:
    """Give the gradient at a place by chapter 2's two formulas and by autograd.

    >>> {name: round(by_a, 3) for name, (by_a, _) in both_gradients(0, 0).items()}
    {'by hand': -3.908, 'autograd': -3.908}
    """
    x, y = points()
    error = y - (a + b * x)
    by_hand = -2 * error.mean().item(), -2 * (x * error).mean().item()
    a_, b_ = (torch.tensor([v], requires_grad=True) for v in (float(a), float(b)))
    loss_of(a_, b_).backward()
    return {"by hand": by_hand, "autograd": (a_.grad.item(), b_.grad.item())}


def slope(a: float, b: float, *, lr: float = 0.1) -> str:
    """Draw a place on the bowl, and the update that its gradient gives."""
    by_a, by_b = both_gradients(a, b)["autograd"]
    moved = as_descent([(a, b), (a - lr * by_a, b - lr * by_b)])
    name = f"from here, {lr:g} times .grad down"
    return loss_bowl.bowl(
        (name, "blue", moved), a=(-1, 3.5), b=(-1, 4), title="one update from above"
    )


@dataclass(frozen=True)
class Attempt:
    """What one way to write the update did."""

    code: str
    error: str
    """The exception, as Python prints it; empty if there was none."""
    before: float
    after: float
    """The value that the name ``a`` has in the end."""
    is_leaf: bool
    graph_of_a: str
    """As SVG."""
    graph_of_loss: str
    """The same of a loss that is computed afterwards."""


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
        with warnings.catch_warnings():
            # That .grad of a tensor that is no leaf was asked for.
            warnings.simplefilter("ignore", UserWarning)
            exec(ATTEMPTS[name], names)
    except (AttributeError, RuntimeError) as exception:
        error = f"{type(exception).__name__}: {exception}"
    a: Tensor = names["a"]
    known = {"b": b, "a": a} if a is old else {"b": b, "the old a": old}
    return Attempt(
        code=ATTEMPTS[name],
        error=error,
        before=before,
        after=a.item(),
        is_leaf=a.is_leaf,
        graph_of_a=gt.graph(a, names=known).svg(),
        graph_of_loss=gt.graph(loss_of(a, b), names=known).svg(),
    )


def cards(attempts: Sequence[tuple[str, Attempt]], *, of_loss: bool) -> str:
    """Draw attempts side by side: code, what came of it, and a graph.

    Args:
        attempts: Names and what they did.
        of_loss: Whether the next loss's graph is drawn, not that of ``a``.
    """
    return beside(*(_card(name, attempt, of_loss) for name, attempt in attempts))


def _card(name: str, attempt: Attempt, of_loss: bool) -> str:
    small = "white-space:pre-wrap;font-size:.8em;margin:.4em 0"
    if attempt.error:
        came = raised(attempt.error)
    else:
        came = '<p style="margin:.4em 0;color:#2f9e44">No exception.</p>'
    kind = "a leaf" if attempt.is_leaf else "no leaf: it has a grad_fn"
    moved = f"{attempt.before:.4f} → {attempt.after:.4f}"
    title = "the next loss" if of_loss else "a afterwards"
    picture = attempt.graph_of_loss if of_loss else attempt.graph_of_a
    return (
        '<div style="flex:1 1 210px;max-width:330px;min-width:0">'
        f"<strong>{escaped(name)}</strong>"
        f'<pre style="{small};padding:.5em;border:1px solid #8886;border-radius:4px">'
        f"{escaped(attempt.code)}</pre>{came}"
        f'<p style="margin:.4em 0">a {moved}; {kind}.</p>'
        f'<p style="margin:.4em 0;opacity:.75">Graph of {title}:</p>{picture}</div>'
    )


@dataclass(frozen=True)
class Updates:
    """What some updates did."""

    went: Descent
    fresh: list[float]
    """By a: what each ``backward()`` added."""
    held: list[float]
    """By a: ``.grad`` after each ``backward()``; the update went by it."""


def updates(count: int, *, zeroing: bool, lr: float = 0.1) -> Updates:
    """Train with rung 5's update, and note what was in ``a.grad``.

    Args:
        count: Updates.
        zeroing: Whether ``zero_()`` is called after each.
        lr: Learning rate.

    >>> [round(each, 2) for each in updates(3, zeroing=False).held]
    [-3.11, -5.43, -6.36]
    >>> [round(each, 4) for each in updates(1000, zeroing=True).went.path[-1].tolist()]
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
    """Draw ``a.grad`` after each backward, as what was left and what was added.

    The path on the bowl stands beside it, and both move update by update.
    """
    made = updates(MOST, zeroing=zeroing)
    count, at = MOST + 1, SHOWN
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
    told = [f"Before the first update the loss is {made.went.losses[0]:.4f}."]
    told += [
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
        told=told,
        label="update",
        at=at,
        rate=4,
    )


def unzeroed(count: int = 100) -> str:
    """Draw the losses of a training with and without zeroing."""
    chart = Chart((0, count), (5e-3, 50), title="loss", x_label="update", log_y=True)
    for name, zeroing, colour in (("zeroed", True, "green"), ("never", False, "red")):
        losses = updates(count, zeroing=zeroing).went.losses
        label = f"{name}: ends at {losses[-1]:.3g}"
        chart.line(range(count + 1), losses, label=label, colour=colour)
    return chart.svg()


def two_ways(went: Descent) -> str:
    """Draw the way of autograd's training beside that of NumPy's."""
    return loss_bowl.bowl(
        ("NumPy", "gray", loss_bowl.descend(epochs=1000)),
        ("autograd", "blue", went),
        title="two starts, one end",
    )


def broken(what: str) -> Any:
    """Do one of three things that raise.

    Args:
        what: ``"rebinding"``, ``"recorded"``, or ``"too much unrecorded"``.
    """
    a, b = start()
    if what == "too much unrecorded":
        with torch.no_grad():
            loss = loss_of(a, b)
            loss.backward()
        return None
    loss_of(a, b).backward()
    if what == "recorded":
        a -= 0.1 * a.grad
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        a = a - 0.1 * a.grad
        a.grad.zero_()
    return None
