"""Notes optimizers and their updates, and where gradients are cleared."""

import bisect
import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradatim.torch_private import norms_of
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.graphs_kept import GraphsKept
from gradatim.watching.identities import identity_of
from gradatim.watching.initial_weights import ConstantMatrix, constant_matrices
from gradatim.watching.models import Models
from gradatim.watching.objects_seen import ObjectObserver, ObjectSeen
from gradatim.watching.position import Position
from gradatim.watching.replay import Replays
from gradatim.watching.source_lines import SourceLine, user_line

__all__ = ["GradientsSeen", "OptimizerSeen", "StepSeen", "Updates", "WeightsSeen"]

NUM_UPDATES_WITH_NORM = 100  # at the start: chosen by hand, not measured
UPDATES_BETWEEN_NORMS = 10  # later on: chosen by hand, not measured
MOST_CLOSE_UPDATES = 1000  # of an optimizer: chosen by hand, not measured
MOST_WEIGHTS_COPIED = 200  # to be compared: chosen by hand, not measured
MOST_BACKWARDS = 1000  # orders remembered: chosen by hand, not measured


@dataclass
class OptimizerSeen(ObjectSeen):
    """An optimizer that was made, or that made an update."""

    order: int
    options: list[dict[str, Any]]
    """The numbers of each parameter group, by name."""
    parameters: list[int]
    """The identities of the parameters."""
    num_steps: int = 0
    never: set[int] = field(default_factory=set)
    """The identities of parameters that ask for a gradient, had none at any update, and
    were not moved by hand."""


@dataclass(slots=True)
class GradientsSeen:
    """The gradients that one update uses."""

    norm: float | None = None
    """The joint 2-norm of all of them, where it was computed."""
    missing: tuple[str, ...] | None = None
    """Names of the parameters without a gradient, where they were looked at."""
    zero: tuple[str, ...] | None = None
    """Names of the parameters whose gradient is all zeros."""
    norms: dict[str, float] | None = None
    """The 2-norm of each parameter's gradient, by the parameter's name."""
    stale: float | None = None
    """The norm of gradients that the update before used, and that this one uses
    again."""
    cleared_after_backward: bool = False
    """Whether gradients were cleared between the last backward and this update."""


@dataclass(slots=True)
class WeightsSeen:
    """The weights that one update changes."""

    updates: dict[str, tuple[float, float]] | None = None
    """The norm of the update and of the weight before it, by the parameter's name."""
    num_matrices: int | None = None
    """The number of matrices, counted at the optimizer's first update alone."""
    constant: tuple[ConstantMatrix, ...] = ()
    """The matrices that are one number throughout, at the first update alone."""


@dataclass(slots=True)
class StepSeen:
    """An update of an optimizer."""

    order: int
    step: int
    optimizer: int  # the number of the optimizer among all optimizers
    line: SourceLine | None
    loss: float | None  # the value of the last loss that went backward
    num_backwards: int  # the number of backwards since this optimizer's update before
    lrs: tuple[float, ...]
    backward_line: SourceLine | None = None  # of the last ``backward``
    closure: bool = False  # whether a function computes the loss, as for LBFGS
    gradients: GradientsSeen = field(default_factory=GradientsSeen)
    weights: WeightsSeen = field(default_factory=WeightsSeen)


class Updates(ObjectObserver[OptimizerSeen]):
    """Sees optimizers made, their ``step`` and ``zero_grad``."""

    def __init__(self, position: Position, models: Models, replays: Replays) -> None:
        super().__init__(position)
        self.steps: FirstAndLast[StepSeen] = FirstAndLast()
        self.zeroings: FirstAndLast[tuple[int, SourceLine | None]] = FirstAndLast()
        self.last_grad_norm: float | None = None
        """The norm of the gradient at the last update that was looked at."""
        self.graphs = GraphsKept(position)
        self._models, self._replays = models, replays
        self._backwards: list[int] = []
        self._backward_order = -1
        self._backward_line: SourceLine | None = None
        self._zeroed_order = -1
        self._stale: dict[int, float] = {}
        """By optimizer: the norm of what an update has used and is still there."""
        self._last_loss: float | None = None
        self._step_orders: dict[int, int] = {}
        self._before: dict[str, Tensor] = {}
        self._norms: dict[int, float | None] = {}
        self._pending: StepSeen | None = None

    def optimizer_made(self, optimizer: Any) -> None:
        """An optimizer was constructed."""
        self.noted(optimizer, user_line(3))

    def noted(self, optimizer: Any, line: SourceLine | None) -> int:
        """Give the number of an optimizer, which is noted the first time."""
        number = self.number_of(optimizer)
        if number is not None:
            return number
        self.position.begin_phase()
        record = OptimizerSeen(
            ref=weakref.ref(optimizer),
            kind=type(optimizer).__name__,
            line=line,
            order=self.order(),
            options=[
                {k: v for k, v in g.items() if isinstance(v, (int, float, bool))}
                for g in optimizer.param_groups
            ],
            parameters=[identity_of(p) for p in parameters_of(optimizer)],
        )
        return self.note(optimizer, record)

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update is about to be made."""
        if self.position.is_elsewhere() or self.position.is_busy:
            return
        line = user_line(3)
        number = self.noted(optimizer, line)
        record = self.records[number]
        parameters = parameters_of(optimizer)
        record.parameters = [identity_of(p) for p in parameters]
        self._note_never(record, parameters)
        last = self._step_orders.get(number, -1)
        num_before = bisect.bisect_right(self._backwards, last)
        event = StepSeen(
            order=self.order(),
            step=self.step,
            optimizer=number,
            line=line,
            loss=self._last_loss,
            num_backwards=len(self._backwards) - num_before,
            lrs=tuple(float(g.get("lr", 0.0)) for g in optimizer.param_groups),
            closure=bool(_closure(args, kwargs)),
            backward_line=self._backward_line,
        )
        self._replays.on_step(optimizer, event.closure)
        self._before = {}
        self._look_at_gradients(event, last, parameters)
        if not record.num_steps:
            names = self._names(record)
            matrices = self.quietly(constant_matrices, parameters, names)
            event.weights.num_matrices, event.weights.constant = matrices or (None, ())
        if self.is_close and record.num_steps < MOST_CLOSE_UPDATES:
            self._look_closely(event, parameters, self._names(record))
        self._pending = event

    def _look_at_gradients(
        self, event: StepSeen, last: int, parameters: list[Tensor]
    ) -> None:
        gradients = event.gradients
        was_cleared = last < self._backward_order < self._zeroed_order
        gradients.cleared_after_backward = was_cleared
        stale = self._stale.get(event.optimizer, math.inf)
        gradients.stale = stale if math.isfinite(stale) else None
        is_early = self.step < NUM_UPDATES_WITH_NORM
        if is_early or self.step % UPDATES_BETWEEN_NORMS == 0:
            gradients.norm = joint_norm(_gradients(parameters))
            self.last_grad_norm = gradients.norm

    def _look_closely(
        self, event: StepSeen, parameters: list[Tensor], names: dict[int, str]
    ) -> None:
        """Look at each gradient, and copy weights to tell later how far they moved."""
        named = [(names[identity_of(p)], p) for p in parameters]
        event.gradients.missing = tuple(name for name, p in named if p.grad is None)
        all_norms = {n: joint_norm([p.grad]) for n, p in named if p.grad is not None}
        norms = {name: norm for name, norm in all_norms.items() if norm is not None}
        event.gradients.norms = norms
        event.gradients.zero = tuple(name for name, norm in norms.items() if norm == 0)
        copied = named[:MOST_WEIGHTS_COPIED]
        self._before = {name: p.detach().clone() for name, p in copied}

    def _note_never(self, record: OptimizerSeen, parameters: list[Tensor]) -> None:
        """Note which parameters still never had a gradient, nor were moved by hand."""
        if not record.num_steps:
            record.never = set(record.parameters)
        if not record.never:
            return
        without = [p for p in parameters if p.requires_grad and p.grad is None]
        record.never &= {identity_of(p) for p in without}
        if self.is_close:
            for p in without:
                norm = joint_norm([p])
                if self._norms.setdefault(identity_of(p), norm) != norm:
                    record.never.discard(identity_of(p))

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update was made."""
        event = self._pending
        if self.position.is_elsewhere() or self.position.is_busy or event is None:
            return
        record = self.records[event.optimizer]
        if self._before:
            names = self._names(record)
            updates: dict[str, tuple[float, float]] = {}
            event.weights.updates = updates
            for p in parameters_of(optimizer):
                name = names[identity_of(p)]
                before = self._before.get(name)
                if before is not None and before.shape == p.shape:
                    updates[name] = _update_of(before, p)
            self._before = {}
        record.num_steps += 1
        self.steps.add(event, looked_at=event.weights.updates is not None)
        self.position.num_updates += 1
        self._step_orders[event.optimizer] = self.order()
        self._stale[event.optimizer] = math.inf  # until a backward looks
        self._pending = None
        self.graphs.on_step()

    def _names(self, record: OptimizerSeen) -> dict[int, str]:
        """Name parameters as the models that were called name them, or by number."""
        names = self._models.parameter_names()
        for place, key in enumerate(record.parameters):
            names.setdefault(key, f"parameter {place}")
        return names

    def zeroed(self, owner: Any) -> None:
        """An optimizer or a module has cleared its gradients by ``zero_grad``."""
        if self.position.is_busy:
            return
        self._zeroed_order = self.order()
        self.zeroings.add((self._zeroed_order, user_line(3)))
        if isinstance(owner, torch.optim.Optimizer):
            self._stale[self._numbers.get(id(owner), -1)] = 0.0
            return
        own = {identity_of(p) for p in owner.parameters()}
        for number, record in enumerate(self.records):
            if not own.isdisjoint(record.parameters):
                self._stale[number] = 0.0

    def held(self) -> set[int]:
        """Give the identities of all tensors that an optimizer has."""
        return {key for record in self.records for key in record.parameters}

    def on_backward(
        self, order: int, value: float | None, line: SourceLine | None
    ) -> None:
        """A backward is about to run, of a loss with this value."""
        self._backward_order, self._backward_line = order, line
        self._backwards.append(order)
        del self._backwards[:-MOST_BACKWARDS]
        if value is not None:
            self._last_loss = value
        if not self.is_close:
            return
        for number, stale in self._stale.items():
            # Gradients that were cleared once since the update are not stale.
            optimizer = self.records[number].ref() if number >= 0 else None
            if stale and optimizer is not None:
                norm = joint_norm(_gradients(parameters_of(optimizer))) or 0.0
                self._stale[number] = min(stale, norm)


def _closure(args: Any, kwargs: Any) -> Any:
    """Give the function that ``step`` is given, if there is one."""
    optimizer = torch.optim.Optimizer
    given = [arg for arg in args if callable(arg) and not isinstance(arg, optimizer)]
    return kwargs.get("closure") or next(iter(given), None)


def parameters_of(optimizer: Any) -> list[Tensor]:
    """Give all parameters that an optimizer has, group by group."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def joint_norm(tensors: Sequence[Tensor]) -> float | None:
    """Give the 2-norm of all tensors together; None where there are none."""
    dense = [t for t in tensors if t.layout is torch.strided and not t.is_nested]
    if not dense:
        return None
    with torch.no_grad():
        norms = norms_of([t.detach() for t in dense])
        return math.hypot(*(float(norm) for norm in norms))


def _update_of(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Give the norms of what an update added, and of the weight that was there."""
    with torch.no_grad():
        delta = float(torch.linalg.vector_norm(after.detach() - before))
        return delta, float(torch.linalg.vector_norm(before))
