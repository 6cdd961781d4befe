"""Notes optimizers and their updates, and where gradients are cleared."""

import bisect
import math
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.watching import numbers_of_tensors, saved_tensors
from gradatim.watching.identities import identity_of
from gradatim.watching.position import Observer, Position
from gradatim.watching.replay import Replays
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.training_seen import OptimizerSeen, StepSeen

__all__ = ["Updates"]


class _Alive:
    """Lies with a graph's first node, and goes when that goes."""

    __slots__ = ("__weakref__", "step")

    def __init__(self, step: int) -> None:
        self.step = step


class Updates(Observer):
    """Sees optimizers made, their ``step`` and ``zero_grad``."""

    def __init__(self, position: Position, replays: Replays) -> None:
        super().__init__(position)
        self._replays = replays
        self.last_grad_norm: float | None = None
        """Of the last update that was looked at."""
        self._optimizers: dict[int, int] = {}
        self._backwards: list[int] = []
        self._backward_at = -1
        self._backward_line: SourceLine | None = None
        self._zeroed_at = -1
        self._stale: dict[int, float] = {}
        """By optimizer: the norm of what an update has used and is still there."""
        self._last_loss: float | None = None
        self._stepped_with: dict[int, int] = {}
        self._before: dict[str, Tensor] = {}
        self._sizes: dict[int, float | None] = {}
        self._pending: StepSeen | None = None
        self._alive: list[weakref.ref[_Alive]] = []

    def optimizer_made(self, optimizer: Any) -> None:
        """An optimizer was constructed."""
        self.number_of(optimizer, user_line(3))

    def number_of(self, optimizer: Any, line: SourceLine | None) -> int:
        """Number an optimizer, which is noted the first time."""
        number = self._optimizers.get(id(optimizer))
        if number is not None and self.seen.optimizers[number].ref() is optimizer:
            return number
        groups = optimizer.param_groups
        self.position.begin_phase()
        self._optimizers[id(optimizer)] = number = len(self.seen.optimizers)
        self.seen.optimizers.append(
            OptimizerSeen(
                ref=weakref.ref(optimizer),
                kind=type(optimizer).__name__,
                line=line,
                order=self.order(),
                options=[
                    {k: v for k, v in g.items() if isinstance(v, (int, float, bool))}
                    for g in groups
                ],
                parameters=[identity_of(p) for g in groups for p in g["params"]],
            )
        )
        return number

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update is about to be made."""
        if self.position.is_elsewhere() or self.position.is_busy:
            return
        line = user_line(3)
        number = self.number_of(optimizer, line)
        about = self.seen.optimizers[number]
        groups = optimizer.param_groups
        parameters = [p for g in groups for p in g["params"]]
        about.parameters = [identity_of(p) for p in parameters]
        self._note_never(about, parameters)
        last = self._stepped_with.get(number, -1)
        event = StepSeen(
            order=self.order(),
            step=self.step,
            optimizer=number,
            line=line,
            loss=self._last_loss,
            num_backwards=len(self._backwards)
            - bisect.bisect_right(self._backwards, last),
            lrs=tuple(float(g.get("lr", 0.0)) for g in groups),
            closure=bool(_closure(args, kwargs)),
            backward_line=self._backward_line,
        )
        event.gradients.cleared_after_backward = (
            last < self._backward_at < self._zeroed_at
        )
        stale = self._stale.get(number, math.inf)
        event.gradients.stale = stale if math.isfinite(stale) else None
        self._replays.update(optimizer, event.closure)
        gradients = _gradients(optimizer)
        if self.step < 100 or self.step % 10 == 0:
            event.gradients.norm = numbers_of_tensors.joint_norm(gradients)
            self.last_grad_norm = event.gradients.norm
        self._before = {}
        if not about.num_steps:
            found = self.quietly(
                saved_tensors.constant_weights, parameters, self._names(about)
            )
            event.weights.num_matrices, event.weights.constant = found or (None, ())
        if self.is_close and about.num_steps < 1000:
            names = self._names(about)
            event.gradients.missing = tuple(
                names[identity_of(p)] for p in parameters if p.grad is None
            )
            event.gradients.norms = {
                names[identity_of(p)]: norm
                for p in parameters
                if p.grad is not None
                and (norm := numbers_of_tensors.joint_norm([p.grad])) is not None
            }
            event.gradients.zero = tuple(
                n for n, v in event.gradients.norms.items() if v == 0.0
            )
            self._before = {
                names[identity_of(p)]: p.detach().clone() for p in parameters[:200]
            }
        self._pending = event

    def _note_never(self, about: OptimizerSeen, parameters: list[Tensor]) -> None:
        """Note who still never had a gradient, nor was moved by hand."""
        if not about.num_steps:
            about.never = set(about.parameters)
        if not about.never:
            return
        without = [p for p in parameters if p.requires_grad and p.grad is None]
        about.never &= {identity_of(p) for p in without}
        if self.is_close:
            for p in without:
                size = numbers_of_tensors.joint_norm([p])
                if self._sizes.setdefault(identity_of(p), size) != size:
                    about.never.discard(identity_of(p))

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update was made."""
        event = self._pending
        if self.position.is_elsewhere() or self.position.is_busy or event is None:
            return
        about = self.seen.optimizers[event.optimizer]
        if self._before:
            names = self._names(about)
            event.weights.updates = {}
            for group in optimizer.param_groups:
                for p in group["params"]:
                    before = self._before.get(names[identity_of(p)])
                    if before is not None and before.shape == p.shape:
                        event.weights.updates[names[identity_of(p)]] = (
                            numbers_of_tensors.update_of(before, p)
                        )
            self._before = {}
        about.num_steps += 1
        self.seen.steps.add(event, looked_at=event.weights.updates is not None)
        self._stepped_with[event.optimizer] = self.order()
        self._stale[event.optimizer] = math.inf  # until a backward looks
        self._pending = None
        if self.step in (20, 50, 100, 150):
            num_alive = sum(1 for ref in self._alive if ref() is not None)
            self.seen.graphs_kept.append((self.step, num_alive))

    def _names(self, about: OptimizerSeen) -> dict[int, str]:
        """Name parameters as the models that were called name them, or by number."""
        names = self.seen.names()
        for place, key in enumerate(about.parameters):
            names.setdefault(key, f"parameter {place}")
        return names

    def zeroed(self, owner: Any) -> None:
        """An optimizer or a module has cleared its gradients by ``zero_grad``."""
        if self.position.is_busy:
            return
        self._zeroed_at = self.order()
        self.seen.zeroings.add((self._zeroed_at, user_line(3)))
        if isinstance(owner, torch.optim.Optimizer):
            self._stale[self._optimizers.get(id(owner), -1)] = 0.0
            return
        own = {identity_of(p) for p in owner.parameters()}
        for number, about in enumerate(self.seen.optimizers):
            if not own.isdisjoint(about.parameters):
                self._stale[number] = 0.0

    def graph_made(self, root: Function) -> None:
        """A backward begins at a node: tell later whether its graph is still there."""
        if self.step < 200:
            alive = _Alive(self.step)
            metadata: Any = root.metadata
            metadata["gradatim"] = alive
            self._alive.append(weakref.ref(alive))

    def held(self) -> set[int]:
        """Give the identities of all tensors that an optimizer has."""
        return {key for each in self.seen.optimizers for key in each.parameters}

    def backward_came(
        self, order: int, value: float | None, line: SourceLine | None
    ) -> None:
        """A backward is about to run, of a loss with this value."""
        self._backward_at, self._backward_line = order, line
        self._backwards.append(order)
        del self._backwards[:-1000]
        if value is not None:
            self._last_loss = value
        if not self.is_close:
            return
        for number, stale in self._stale.items():
            # Of an optimizer's gradients since its update: cleared once is cleared.
            optimizer = self.seen.optimizers[number].ref() if number >= 0 else None
            if stale and optimizer is not None:
                norm = numbers_of_tensors.joint_norm(_gradients(optimizer)) or 0.0
                self._stale[number] = min(stale, norm)


def _closure(args: Any, kwargs: Any) -> Any:
    """Give the function that ``step`` is given, if it is."""
    given = [each for each in args if callable(each) and not _is_optimizer(each)]
    return kwargs.get("closure") or next(iter(given), None)


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, torch.optim.Optimizer)


def _gradients(optimizer: Any) -> list[Tensor]:
    return [
        p.grad
        for g in optimizer.param_groups
        for p in g["params"]
        if p.grad is not None
    ]
