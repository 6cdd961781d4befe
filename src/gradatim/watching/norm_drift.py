"""Notes batch norm that is frozen with the layers around it, and still moves."""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.torch_private import BatchNorm, version_of
from gradatim.watching.model_call import ModelCall, ModelObserver
from gradatim.watching.source_lines import SourceLine

__all__ = ["NormDrift", "NormDrifts"]

MOST_MEANS = 64  # compared of one batch norm: chosen by hand, not measured
MOST_NAMES = 50  # batch norms that are named: chosen by hand, not measured
VARIANCE_FLOOR = 1e-12  # added, to divide by: chosen by hand, not measured


@dataclass(slots=True)
class NormDrift:
    """Batch norm whose statistics move though the layers around it are frozen."""

    names: tuple[str, ...] = ()
    """The names of these batch norms; none where there is no such layer."""
    num_frozen: int = 0
    """How many parameters of the model ask for no gradient."""
    num_parameters: int = 0
    start: list[float] = field(default_factory=list)
    """The running means of the first batch norm, when it was first looked at."""
    version: int = 0
    """The versions of all frozen parameters, added: those of a teacher are changed by
    hand."""
    shift: float = 0.0
    """The largest move of a running mean since then, in standard deviations."""
    line: SourceLine | None = None


class NormDrifts(ModelObserver[NormDrift]):
    """Sees the running means of a model after its first update, and later."""

    record_type = NormDrift

    def on_forward(self, call: ModelCall) -> None:
        """Begin after the first update of a training; then tell how far means moved."""
        record = self.records[call.number]
        is_first = self.position.updates_of_phase == 1 and call.forward.training
        if is_first and not record.names:
            self.quietly(_begin, record, call.module)
        elif record.names and self.is_close:
            record.shift = self.quietly(_shift, record, call.module) or 0.0
            record.line = record.line or call.forward.line


def _begin(record: NormDrift, module: nn.Module) -> None:
    """Note the batch norms of a model that are frozen, but in train mode."""
    parameters = list(module.parameters())
    num_frozen = sum(not p.requires_grad for p in parameters)
    norms = _frozen_norms(module) if num_frozen else {}
    if norms:
        record.start = _first_numbers(next(iter(norms.values())).running_mean)
        record.version = _version(module)
        record.num_frozen, record.num_parameters = num_frozen, len(parameters)
        record.names = tuple(norms)[:MOST_NAMES]


def _shift(record: NormDrift, module: nn.Module) -> float:
    """Tell how far the means have gone since then, in standard deviations."""
    if _version(module) != record.version:
        return 0.0  # they may move where weights are changed by hand, as a teacher's
    norm = module.get_submodule(record.names[0])
    means, variances = map(_first_numbers, (norm.running_mean, norm.running_var))
    moves = zip(record.start, means, variances, strict=True)
    return max(abs(b - a) / math.sqrt(v + VARIANCE_FLOOR) for a, b, v in moves)


def _frozen_norms(module: nn.Module) -> dict[str, Any]:
    return {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, BatchNorm)
        and part.training
        and isinstance(part.running_mean, Tensor)
        and part.affine
        and not any(p.requires_grad for p in part.parameters())
    }


def _version(module: nn.Module) -> int:
    return sum(version_of(p) for p in module.parameters() if not p.requires_grad)


def _first_numbers(tensor: Any) -> list[float]:
    with torch.no_grad(), warnings.catch_warnings():
        numbers: list[float] = tensor.detach().flatten()[:MOST_MEANS].tolist()
        return numbers
