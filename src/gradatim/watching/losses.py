"""Notes losses and their backwards: what they compare, and what their graphs are."""

from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradatim.nested import tensors_of
from gradatim.nodes import operation_name
from gradatim.watching.activations import ActivationOutput, activations_of
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.forwards import Forwards
from gradatim.watching.identities import identity_of
from gradatim.watching.loss_graph import (
    Broadcast,
    LeafSeen,
    count_nodes_and_broadcasts,
    leaves_of,
    operations_before,
)
from gradatim.watching.loss_numbers import leaking_column, loss_facts
from gradatim.watching.loss_values import LossesGoneBackward
from gradatim.watching.models import Models
from gradatim.watching.position import Observer, Position
from gradatim.watching.replay import Replays
from gradatim.watching.row_orders import RowOrders
from gradatim.watching.source_lines import SourceLine, user_frame, user_line
from gradatim.watching.tensor_info import TensorInfo, info_of, is_wrapped
from gradatim.watching.updates import Updates

__all__ = ["BackwardSeen", "LossCall", "Losses"]

NUM_EARLY_LOSSES = 20  # whose numbers are read: chosen by hand, not measured


@dataclass(slots=True)
class LossCall:
    """A call of one of the losses in ``torch.nn.functional``."""

    order: int
    step: int
    name: str
    """The name of the loss, such as ``mse_loss``."""
    input: TensorInfo
    """The tensor that the loss is given first: what was predicted."""
    target: TensorInfo
    reduction: str
    """How the loss makes one number of many: ``mean``, ``sum`` or ``none``."""
    line: SourceLine | None
    facts: dict[str, float] = field(default_factory=dict)
    """About the numbers: ``input_min``, ``input_row_sum_error``, ``target_max``..."""
    before: tuple[str, ...] = ()
    """The operations that made the input, the last one first."""
    grad: bool = True
    """Whether gradients are on."""
    options: dict[str, bool] = field(default_factory=dict)
    """The other arguments that are true or false."""


@dataclass(slots=True)
class BackwardSeen:
    """A call of ``backward``."""

    order: int
    step: int
    value: float | None
    """The loss; None where it is not one number, or reading it would wait."""
    shape: tuple[int, ...]
    line: SourceLine | None
    retain_graph: bool = False
    """Whether the user asks to keep the graph."""
    num_nodes: int | None = None
    """The number of nodes of the graph, where they were counted."""
    broadcasts: tuple[Broadcast, ...] = ()
    """Operations near the loss whose output has more numbers than any input."""
    made_by: tuple[str, ...] = ()
    """The operations that made the loss, the last one first."""
    activations: tuple[ActivationOutput, ...] = ()
    leaves: dict[int, LeafSeen] | None = None
    """The tensors that get a gradient, by identity, where they were looked at."""
    loose: dict[int, str] = field(default_factory=dict)
    """The variables of parameters of no model and no optimizer, by identity."""
    operation: str = ""
    """What made the loss, such as ``MseLoss``; empty for a tensor without a graph."""


class Losses(Observer):
    """Sees the losses of ``torch.nn.functional``, and ``backward``."""

    def __init__(
        self,
        position: Position,
        models: Models,
        forwards: Forwards,
        updates: Updates,
        replays: Replays,
        orders: RowOrders,
    ) -> None:
        super().__init__(position)
        self.calls: FirstAndLast[LossCall] = FirstAndLast()
        self.backwards: FirstAndLast[BackwardSeen] = FirstAndLast()
        self.values = LossesGoneBackward(position, models, updates)
        self._models, self._forwards, self._updates = models, forwards, updates
        self._replays, self._orders = replays, orders

    def loss(self, name: str, arguments: dict[str, Any]) -> None:
        """One of the losses of ``torch.nn.functional`` is called."""
        input, target = arguments.get("input"), arguments.get("target")
        if self.position.is_elsewhere() or self.position.is_busy:
            return
        if not isinstance(input, Tensor) or not isinstance(target, Tensor):
            return
        if is_wrapped(input):
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
        is_early = self.calls.count < NUM_EARLY_LOSSES and not self.position.is_lean
        data = self._forwards.last_data()
        if self.is_close or is_early:
            facts = self.quietly(loss_facts, input.detach(), target.detach())
            call.facts = facts or {}
            call.before = operations_before(input)
            if call.grad and facts and data is not None and target.dim():
                leak = self.quietly(leaking_column, data, target.detach())
                if leak is not None:
                    column, is_equal = map(float, leak)
                    call.facts |= {"leak_column": column, "leak_equal": is_equal}
        if call.grad and data is not None and not self.position.is_lean:
            self._orders.on_loss(data, target)
        self.calls.add(call, looked_at=bool(call.facts))

    def autograd_backward(self, *args: Any, **kwargs: Any) -> None:
        """``torch.autograd.backward`` is about to run; ``Tensor.backward`` calls it."""
        if not self.position.is_inside_backward:
            self.backward(*args, **kwargs)

    def backward(self, tensors: Any, *args: Any, **kwargs: Any) -> None:
        """A backward is about to run, with a gradient and ``retain_graph``, maybe."""
        retain_graph = kwargs.get("retain_graph", args[1] if len(args) > 1 else None)
        if self.position.is_elsewhere() or self.position.is_busy:
            return
        loss = next(tensors_of(tensors), None)
        if loss is None or is_wrapped(loss):
            return
        self._replays.on_backward(loss)
        event = BackwardSeen(
            order=self.order(),
            step=self.step,
            value=None,
            shape=tuple(loss.shape),
            line=user_line(3),
            retain_graph=bool(retain_graph),
        )
        if loss.numel() == 1 and (loss.is_cpu or self.is_close):
            event.value = float(loss.detach())
        if self.is_close:
            self._look_at_graph(event, loss)
        if loss.grad_fn is not None:
            event.operation = operation_name(loss.grad_fn)
        if event.value is not None:
            self.values.on_backward(loss, event.value, event.line)
        if loss.grad_fn is not None:
            self._updates.graphs.on_backward(loss.grad_fn)
        self._updates.on_backward(event.order, event.value, event.line)
        self.backwards.add(event, looked_at=self.is_close)
        self.position.num_backwards += 1

    def _look_at_graph(self, event: BackwardSeen, loss: Tensor) -> None:
        root = loss.grad_fn
        if root is None:
            event.leaves = {} if loss.requires_grad else None  # a leaf itself
            return
        event.num_nodes, event.broadcasts = count_nodes_and_broadcasts(root)
        event.made_by = operations_before(loss)
        if self.step and not self.position.recomputes:
            names = self._models.parameter_names()
            event.activations = self.quietly(activations_of, root, names) or ()
        step = self.step or self.position.num_backwards
        event.leaves = self.quietly(leaves_of, root, step, self._updates.held())
        event.loose = self._loose(event.leaves or {}, user_frame(3))

    def _loose(
        self, leaves: dict[int, LeafSeen], frame: FrameType | None
    ) -> dict[int, str]:
        """Name the variables that are parameters which nothing else knows."""
        known = self._models.parameter_names().keys() | self._updates.held()
        keys = {k for k, leaf in leaves.items() if leaf.is_parameter} - known
        if not keys or frame is None:
            return {}
        named = [*frame.f_locals.items(), *frame.f_globals.items()]
        tensors = [(n, value) for n, value in named if isinstance(value, Tensor)]
        return {identity_of(t): n for n, t in tensors if identity_of(t) in keys}
