"""What chapter 11 shows: the train step as a function, its steps, its refusals."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import gradatim as gt
from gradatim.course.line import Descent
from gradatim.course.walks import as_descent, line_of, points, seeded
from gradatim.ladder.rung_11_train_step import make_train_step

__all__ = ["FAULTS", "Walked", "make_parts", "make_train_step", "run_fault", "trace_of"]


def make_parts() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """Make what a train step is made of: rung 10's model, the loss, SGD."""
    model = seeded(lambda: nn.Sequential(nn.Linear(1, 1)))
    return model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1)


@dataclass(frozen=True)
class Walked:
    """What some calls of a train step did."""

    returned: list[float]
    """What the calls gave back."""
    went: Descent
    """Where the line was, before the first call and after each."""

    @classmethod
    def of(cls, calls: int) -> "Walked":
        """Make a step and call it with all points.

        >>> walked = Walked.of(2)
        >>> [round(value, 3) for value in walked.went.losses[:2]] == [
        ...     round(value, 3) for value in walked.returned
        ... ]
        True
        """
        model, loss_fn, optimizer = make_parts()
        train_step = make_train_step(model, loss_fn, optimizer)
        x, y = points()
        path, returned = [line_of(model)], []
        for _ in range(calls):
            returned.append(train_step(x, y))
            path.append(line_of(model))
        return cls(returned, as_descent(path))


def trace_of(*, calls: int, rows: int) -> Any:
    """Look into the next step, after some calls, on the first rows.

    >>> trace_of(calls=0, rows=2).loss > trace_of(calls=100, rows=2).loss
    True
    """
    model, loss_fn, optimizer = make_parts()
    train_step = make_train_step(model, loss_fn, optimizer)
    x, y = points()
    for _ in range(calls):
        train_step(x, y)
    return gt.trace_step(model, loss_fn, optimizer, x[:rows], y[:rows])


Fault = tuple[nn.Module, nn.Module, torch.optim.Optimizer, Tensor, Tensor]


def _other_optimizer() -> Fault:
    model, loss_fn, _ = make_parts()
    _, _, optimizer = make_parts()
    return model, loss_fn, optimizer, *points()


def _flat_targets() -> Fault:
    x, y = points()
    return *make_parts(), x, y[:, 0]


def _nan_in_data() -> Fault:
    x, y = points()
    x = x.clone()
    x[3] = float("nan")
    return *make_parts(), x, y


def _no_reduction() -> Fault:
    model, _, optimizer = make_parts()
    return model, nn.MSELoss(reduction="none"), optimizer, *points()


FAULTS: dict[str, Callable[[], Fault]] = {
    "the optimizer of another model": _other_optimizer,
    "targets of shape (80,)": _flat_targets,
    "one NaN in x": _nan_in_data,
    'reduction="none"': _no_reduction,
}
"""What a train step may be given, by what is wrong with it."""


def run_fault(name: str, *, checked: bool, calls: int = 200) -> str:
    """Train with one of :data:`FAULTS`; give where the line went, if nothing raises.

    Args:
        name: The fault.
        checked: With gradatim's train step, not rung 11's.
        calls: Updates.

    >>> run_fault("one NaN in x", checked=False)
    'a 0.8300, b 0.7645 before; a nan, b nan after 200 calls; last loss nan'
    """
    model, loss_fn, optimizer, x, y = FAULTS[name]()
    before = line_of(model)
    make: Any = gt.make_train_step if checked else make_train_step
    train_step = make(model, loss_fn, optimizer)
    loss = float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(calls):
            loss = float(train_step(x, y))
    after = line_of(model)
    return (
        f"a {before[0]:.4f}, b {before[1]:.4f} before; "
        f"a {after[0]:.4f}, b {after[1]:.4f} after {calls} calls; "
        f"last loss {loss:.4f}"
    )
