"""Notes losses and their backwards: what they compare, and what their graphs are."""

import math
from collections import deque
from typing import Any

import torch
from torch import Tensor

from gradatim.nested import tensors_of
from gradatim.nodes import operation_name
from gradatim.watching import inputs, numbers_of_tensors, saved_tensors
from gradatim.watching.forwards import Forwards
from gradatim.watching.graph_leaves import LeafSeen, leaves_of
from gradatim.watching.identities import identity_of
from gradatim.watching.position import Observer, Position, info_of, is_wrapped
from gradatim.watching.replay import Replays
from gradatim.watching.row_orders import RowOrders
from gradatim.watching.source_lines import SourceLine, user_frame, user_line
from gradatim.watching.training_seen import BackwardSeen, LossCall
from gradatim.watching.updates import Updates

__all__ = ["Losses"]

MOST_SERIES = 1000


class Losses(Observer):
    """Sees the losses of ``torch.nn.functional``, and ``backward``."""

    def __init__(
        self,
        position: Position,
        forwards: Forwards,
        updates: Updates,
        replays: Replays,
        orders: RowOrders,
    ) -> None:
        super().__init__(position)
        self._orders = orders
        self._replays = replays
        self._forwards, self._updates = forwards, updates
        self._stride = 1
        self._recent: deque[float] = deque(maxlen=20)

    def loss(self, name: str, arguments: dict[str, Any]) -> None:
        """One of the losses of ``torch.nn.functional`` is called."""
        input, target = arguments.get("input"), arguments.get("target")
        if (
            self.position.is_elsewhere()
            or self.position.is_busy
            or not isinstance(input, Tensor)
        ):
            return
        if not isinstance(target, Tensor) or is_wrapped(input):
            return
        call = LossCall(
            order=self.order(),
            step=self.step,
            name=name,
            input=info_of(input),
            target=info_of(target),
            reduction=str(arguments.get("reduction", "mean")),
            line=user_line(3),
            grad=torch.is_grad_enabled(),
            options={k: v for k, v in arguments.items() if type(v) is bool},
        )
        is_early = self.seen.losses.count < 20 and not self.position.is_lean
        if self.is_close or is_early:
            call.facts = (
                self.quietly(
                    numbers_of_tensors.loss_facts, input.detach(), target.detach()
                )
                or {}
            )
            call.before = numbers_of_tensors.operations_before(input)
            if call.grad and call.facts and self._forwards.last_input is not None:
                rows, ref = self._forwards.last_input
                given = ref()
                if given is not None and target.dim() and rows == len(target):
                    leak = self.quietly(inputs.leaking_column, given, target.detach())
                    if leak is not None:
                        call.facts["leak_column"] = float(leak[0])
                        call.facts["leak_equal"] = float(leak[1])
        last = None if self.position.is_lean else self._forwards.last_input
        if call.grad and last is not None:
            given = last[1]()
            if given is not None:
                self._orders.trained(given, target)
        self.seen.losses.add(call, looked_at=bool(call.facts))

    def loss_made(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        """One of those losses has been computed."""
        self._replays.loss(name, arguments, result)

    def backward(self, tensors: Any, retain_graph: bool | None) -> None:
        """``backward`` is about to run."""
        if self.position.is_elsewhere() or self.position.is_busy:
            return
        found = list(tensors_of(tensors))
        if not found or is_wrapped(found[0]):
            return
        loss = found[0]
        self._replays.backward(loss)
        order = self.order()
        value = None
        if loss.numel() == 1 and (loss.is_cpu or self.is_close):
            value = float(loss.detach())
            self._note_loss(value)
        event = BackwardSeen(
            order=order,
            step=self.step,
            value=value,
            shape=tuple(loss.shape),
            line=user_line(3),
            retain_graph=bool(retain_graph),
        )
        if self.is_close and loss.grad_fn is not None:
            num_nodes, broadcasts = numbers_of_tensors.graph_facts(loss.grad_fn)
            event.num_nodes, event.broadcasts = num_nodes, broadcasts
            event.made_by = numbers_of_tensors.operations_before(loss)
            if self.step and not self.position.recomputes:
                event.activations = (
                    self.quietly(
                        saved_tensors.activations_of, loss.grad_fn, self.seen.names()
                    )
                    or ()
                )
        if loss.grad_fn is not None:
            event.operation = operation_name(loss.grad_fn)
            if self.is_close:
                count = self.seen.backwards.count
                event.leaves = self.quietly(
                    leaves_of,
                    loss.grad_fn,
                    self.step or count,
                    count,
                    self._updates.held(),
                )
                event.loose = self._loose(event.leaves or {}, user_frame(3))
        elif self.is_close and loss.requires_grad:
            event.leaves = {}  # it is a leaf itself
        if value is not None:
            if not math.isfinite(value) and self.seen.loss_values.non_finite is None:
                self._blame(loss, value, event.line)
            self._recent.append(value)
        if loss.grad_fn is not None:
            self._updates.graph_made(loss.grad_fn)
        self._updates.backward_came(order, value, event.line)
        self.seen.backwards.add(event, looked_at=self.is_close)

    def _loose(self, leaves: dict[int, LeafSeen], frame: Any) -> dict[int, str]:
        """Name the variables that are parameters which nothing else knows."""
        known = self.seen.names().keys() | self._updates.held()
        keys = {k for k, leaf in leaves.items() if leaf.is_parameter} - known
        if not keys or frame is None:
            return {}
        named = [*frame.f_locals.items(), *frame.f_globals.items()]
        tensors = [(n, value) for n, value in named if isinstance(value, Tensor)]
        return {identity_of(t): name for name, t in tensors if identity_of(t) in keys}

    def _blame(self, loss: Tensor, value: float, line: SourceLine | None) -> None:
        """Find where the first loss that is no number comes from."""
        if loss.grad_fn is None:
            return
        bad = self.quietly(saved_tensors.bad_start, loss.grad_fn, self.seen.names())
        if bad is not None:
            bad.step, bad.value, bad.line = self.step, value, line
            bad.before = tuple(self._recent)
            bad.grad_norm = self._updates.last_grad_norm
            self.seen.loss_values.non_finite = bad

    def _note_loss(self, value: float) -> None:
        if self.seen.backwards.count % self._stride == 0:
            series = self.seen.loss_values.series
            series.append((self.step, value))
            if len(series) >= 2 * MOST_SERIES:
                del series[MOST_SERIES // 2 :: 2]  # the start stays as it is
                self._stride *= 2
