"""A traced step as data: what was seen of the batch, the modules and the parameters.

Nothing here draws. The files that draw a trace read :class:`StepData`;
:class:`gradatim.trace.step_trace.StepTrace` adds the methods for users.
"""

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from gradatim.trace.arithmetic import Arithmetic
from gradatim.trace.stats import TensorStats

__all__ = ["Input", "ModuleOutput", "ParameterTrace", "SampleLoss", "StepData"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A tensor of the batch."""

    name: str
    """``x``, ``y`` or ``x['ids']``; with ``forward=`` it begins with ``batch``."""
    stats: TensorStats


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleOutput:
    """A tensor that one call of a module returned."""

    module: str
    """The module's qualified name; ``""`` is the model itself."""
    kind: str
    """The module's class."""
    call: int
    """Which of the module's calls in this step this is, counted from 1."""
    part: str
    """Where in the output the tensor is, such as ``[0]``; ``""`` if it is all of it."""
    training: bool
    """The module's own mode."""
    stats: TensorStats


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleLoss:
    """One of the rows of the batch with the highest losses."""

    row: int
    """The row's number in the batch, counted from 0."""
    loss: float
    prediction: float | None
    """None unless prediction and target are one number each."""
    target: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterTrace:
    """The gradient and the update of a parameter."""

    name: str
    shape: tuple[int, ...]
    status: str
    """``"trained"``, ``"frozen"`` or ``"not in the optimizer"``."""
    lr: float | None
    grad_norm: float | None
    """None if the parameter has no gradient: the loss does not depend on it."""
    grad_zeros: float | None
    """The share of exact zeros in the gradient, 0 to 1."""
    grad_num_nan: int
    grad_num_inf: int
    weight_norm: float | None
    """The parameter's norm before the update."""
    delta_norm: float | None
    """The norm of what the update added; None if the update was skipped."""
    ratio: float | None
    """``delta_norm / weight_norm``; None where that would divide by zero."""


@dataclass(frozen=True, kw_only=True)
class StepData:
    """What was seen of one update."""

    model: str
    """The model's class."""
    loss_fn: str
    optimizer: str
    applied: bool
    """Whether the model itself was updated, and not a copy."""
    skipped: str | None
    """Why there was no update."""
    inputs: tuple[Input, ...]
    outputs: tuple[ModuleOutput, ...]
    """In the order in which the modules returned."""
    loss: float
    """The loss of the batch, before the update."""
    sample_losses: tuple[float, ...] | None
    """The loss of each row, in the batch's order; None where ``loss_fn`` gives none."""
    sample_reason: str | None
    """Why there are no ``sample_losses``."""
    worst: tuple[SampleLoss, ...]
    """The rows with the highest losses, the highest first."""
    parameters: tuple[ParameterTrace, ...]
    grad_norm: float | None
    """The joint norm of all gradients that the optimizer uses, before clipping."""
    max_norm: float | None
    """The norm that these gradients were shortened to, if theirs was larger."""
    num_evaluations: int
    """How often the optimizer asked for the loss; what is here is of the first time."""
    arithmetic: Arithmetic | None
    """The numbers of the step, for a small model with a squared error."""
    notes: tuple[str, ...]
    """What could not be seen, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Give everything as dicts, lists, numbers and texts, for JSON.

        JSON has no NaN and no infinity: they become ``"nan"``, ``"inf"`` and
        ``"-inf"``.
        """
        as_dict: dict[str, Any] = _for_json(self)
        return as_dict


def _for_json(value: Any) -> Any:
    """Turn dataclasses into dicts and tuples into lists, at any depth."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _for_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_for_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
