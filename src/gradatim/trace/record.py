"""What :func:`~gradatim.trace.step.trace_step` saw, as data."""

import math
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from gradatim.trace.arithmetic import Arithmetic
from gradatim.trace.html import fragment, whole_page
from gradatim.trace.sections import sections_of
from gradatim.trace.stats import TensorStats
from gradatim.trace.text import as_text

__all__ = [
    "Input",
    "ModuleOutput",
    "ParameterTrace",
    "SampleLoss",
    "StepTrace",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A tensor of the batch."""

    name: str
    """``x``, ``y``, ``x['ids']``; ``batch...`` with ``forward=``."""
    stats: TensorStats


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleOutput:
    """A tensor that one call of a module gave."""

    module: str
    """The qualified name; ``""`` is the model itself."""
    kind: str
    """Its class."""
    call: int
    """1 for its first call in this step."""
    part: str
    """Where in the output the tensor is, such as ``[0]``; ``""`` if it is all."""
    training: bool
    """The module's own mode."""
    stats: TensorStats


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleLoss:
    """One of the worst rows of the batch."""

    row: int
    """Counted from 0."""
    loss: float
    prediction: float | None
    """None unless it is one number, as the target."""
    target: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterTrace:
    """A parameter's gradient and update."""

    name: str
    shape: tuple[int, ...]
    status: str
    """``"trained"``, ``"frozen"`` or ``"not in the optimizer"``."""
    lr: float | None
    grad_norm: float | None
    """None without a gradient: the loss did not come by here."""
    grad_zeros: float | None
    """Share of exact zeros, 0 to 1."""
    grad_num_nan: int
    grad_num_inf: int
    weight_norm: float | None
    """Before the update."""
    delta_norm: float | None
    """Of what the update added; None where it was left out."""
    ratio: float | None
    """``delta_norm / weight_norm``; None where that divides by zero."""


@dataclass(frozen=True, kw_only=True)
class StepTrace:
    """One update seen whole; made by :func:`trace_step`.

    ``print(trace)`` shows it as text, a notebook as HTML.
    """

    model: str
    """The class."""
    loss_fn: str
    optimizer: str
    applied: bool
    """Whether the model itself was updated; else a copy."""
    skipped: str | None
    """Why there was no update."""
    inputs: tuple[Input, ...]
    outputs: tuple[ModuleOutput, ...]
    """In the order in which the modules were done."""
    loss: float
    """Of the batch, before the update."""
    sample_losses: tuple[float, ...] | None
    """One a row, in the batch's order; None where the loss does not tell."""
    sample_reason: str | None
    """Why they are None."""
    worst: tuple[SampleLoss, ...]
    """The rows of highest loss."""
    parameters: tuple[ParameterTrace, ...]
    grad_norm: float | None
    """Of all gradients that the optimizer uses together, before clipping."""
    max_norm: float | None
    """What that was shortened to at most."""
    num_evaluations: int
    """How often the optimizer asked for the loss; all is told of the first time."""
    arithmetic: Arithmetic | None
    """The numbers themselves, of a small model with a squared error."""
    notes: tuple[str, ...]
    """What could not be seen, and why."""

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<StepTrace of {self.model}: loss {self.loss:.4g}>"

    def text(self) -> str:
        """Give it all as text; long lists are shortened."""
        return as_text(sections_of(self))

    def html(self) -> str:
        """Give it as a page of its own, which needs no network."""
        return whole_page(sections_of(self))

    def save(self, path: str | Path) -> Path:
        """Write :meth:`html` to a file.

        Args:
            path: Such as ``step.html``; what is there is replaced.

        Returns:
            The path.

        Raises:
            OSError: It cannot be written.
        """
        path = Path(path)
        path.write_text(self.html(), encoding="utf-8", errors="backslashreplace")
        return path

    def _repr_html_(self) -> str:
        return fragment(sections_of(self))

    def to_dict(self) -> dict[str, Any]:
        """Give everything as dicts, lists, numbers and texts, for JSON.

        JSON knows no such numbers: they become ``"nan"``, ``"inf"`` and ``"-inf"``.
        """
        told: dict[str, Any] = _plain(self)
        return told


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
