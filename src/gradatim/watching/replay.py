"""Keeps what is needed to train a copy of a model as the program trains its own.

A step is replayed only if it is of the plainest kind: one model, one loss of
``torch.nn.functional`` of the model's output, one backward of that loss, one optimizer.
"""

import copy
import operator
import weakref
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.nodes import operation_name
from gradatim.torch_private import backward_hooks, forward_hooks
from gradatim.watching.position import Observer, Position
from gradatim.watching.tensor_info import is_wrapped

__all__ = ["KeptReplay", "Replay", "ReplayBatch", "Replays"]

MOST_UPDATES = 20  # updates that are kept: chosen by hand, not measured
MOST_BYTES_OF_BATCHES = 16 * 2**20  # kept: chosen by hand, not measured
MOST_WEIGHTS = 32 * 2**20  # numbers of a copied model: chosen by hand, not measured
SQUASHING = {
    "Softmax": "softmax",
    "SafeSoftmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
}
"""Operations between an output and a loss that a replay can repeat."""


@dataclass
class ReplayBatch:
    """What a model and its loss were given in one step, as copies."""

    args: tuple[Any, ...]
    target: Tensor
    shape: tuple[int, ...]  # the sizes of what the loss was given first


@dataclass
class Replay:
    """A copy of model and optimizer before the first update, and the first batches."""

    ref: "weakref.ReferenceType[nn.Module]"
    """A weak reference to the program's model."""
    optimizer_ref: "weakref.ReferenceType[Any]"
    """A weak reference to the program's optimizer."""
    model: nn.Module
    optimizer: Any
    """The copy of the optimizer, which updates the copy of the model."""
    loss: str
    """The name of the loss in ``torch.nn.functional``."""
    options: dict[str, Any]
    """The other arguments of the loss."""
    between: str
    """What leads from output to loss: ``same``, ``reshape``, ``softmax``, ..."""
    is_swapped: bool
    """Whether the output was the loss's second argument."""
    first_loss: float
    """The value of the program's first loss."""
    batches: list[ReplayBatch] = field(default_factory=list)
    num_updates: int = 0
    """How many updates the program has made with them."""
    last_given: tuple["weakref.ReferenceType[Tensor]", ...] = ()
    """The tensors of the last batch, as the program has them."""


@dataclass(slots=True)
class KeptReplay:
    """What is kept of the first steps, so that cures can be tried on a copy."""

    replay: Replay | None = None
    """The copy and its batches; None where the program's step is not plain."""


@dataclass
class _Step:
    """What happened since the update before."""

    models: list["weakref.ref[nn.Module]"] = field(default_factory=list)
    args: tuple[Any, ...] = ()
    output: "weakref.ref[Tensor] | None" = None
    loss: "weakref.ref[Tensor] | None" = None
    batch: ReplayBatch | None = None
    how: dict[str, Any] = field(default_factory=dict)
    """The fields of a replay that say how the loss is computed."""
    value: float = 0.0
    num_losses: int = 0
    num_backwards: int = 0
    is_plain: bool = False
    """Whether the one backward began at the one loss."""


class Replays(Observer):
    """Sees the forward, loss, backward and update of the first steps."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.record = KeptReplay()
        self._step = _Step()
        self._bytes = 0
        self._is_over = False

    def on_forward(self, module: nn.Module, args: Any, outputs: list[Tensor]) -> None:
        """A model has given its output."""
        if self._is_over or not torch.is_grad_enabled() or not module.training:
            return
        step = self._step
        step.models.append(weakref.ref(module))
        is_plain = len(outputs) == 1 and isinstance(args, tuple) and bool(args)
        if is_plain and all(map(_is_kept, args)) and not is_wrapped(outputs[0]):
            step.args, step.output = args, weakref.ref(outputs[0])

    def on_loss(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        """A loss has been computed."""
        step = self._step
        if self._is_over or self.position.is_busy or self.position.is_elsewhere():
            return
        output = step.output() if step.output is not None else None
        if output is None or not isinstance(result, Tensor) or not result.requires_grad:
            return
        step.num_losses += 1
        first, second = arguments.get("input"), arguments.get("target")
        if not isinstance(first, Tensor) or not isinstance(second, Tensor):
            return
        between, target, is_swapped = _between(output, first), second, False
        if between is None:
            between, target, is_swapped = _between(output, second), first, True
        if between is None or target.grad_fn is not None:
            return
        options = {k: v for k, v in arguments.items() if k not in ("input", "target")}
        step.batch = ReplayBatch(step.args, target, tuple(first.shape))
        step.how = {
            "loss": name,
            "options": options,
            "between": between,
            "is_swapped": is_swapped,
        }
        step.loss = weakref.ref(result)

    def on_backward(self, loss: Tensor) -> None:
        """``backward`` is about to run."""
        step = self._step
        step.num_backwards += 1
        step.is_plain = step.loss is not None and step.loss() is loss
        if step.is_plain and not self.step and not self._is_over:
            step.value = float(loss.detach().sum())

    def on_step(self, optimizer: Any, closure: bool) -> None:
        """An update is about to be made."""
        if self._is_over:
            return
        step, self._step = self._step, _Step()
        replay = self.record.replay
        counts = len(step.models), step.num_losses, step.num_backwards
        if closure or not step.is_plain or counts != (1, 1, 1) or step.batch is None:
            self._end()
        elif replay is None and self.step == 0:
            self._begin(step, step.batch, optimizer)
        elif (
            replay is not None
            and replay.optimizer_ref() is optimizer
            and replay.ref() is step.models[0]()
        ):
            self._keep(replay, step.batch)
        else:
            self._end()

    def _end(self) -> None:
        """Give up: a copy would not do the same as such a program."""
        self._is_over = True
        self.record.replay = None
        self._step = _Step()

    def _begin(self, step: _Step, batch: ReplayBatch, optimizer: Any) -> None:
        model, made = step.models[0](), None
        if model is not None and _can_be_copied(model):
            made = self.quietly(copy.deepcopy, (model, optimizer))
        if model is None or made is None:
            self._end()
            return
        self.record.replay = Replay(
            ref=weakref.ref(model),
            optimizer_ref=weakref.ref(optimizer),
            model=made[0],
            optimizer=made[1],
            first_loss=step.value,
            **step.how,
        )
        self._keep(self.record.replay, batch)

    def _keep(self, replay: Replay, batch: ReplayBatch) -> None:
        """Keep a copy of a batch, unless it is the batch before again."""
        given = [t for t in (*batch.args, batch.target) if isinstance(t, Tensor)]
        before = [ref() for ref in replay.last_given]
        is_again = len(before) == len(given) and all(map(operator.is_, before, given))
        if not is_again:
            self._bytes += sum(tensor.nbytes for tensor in given)
            if self._bytes > MOST_BYTES_OF_BATCHES and replay.batches:
                self._is_over = True
                return
            args = tuple(map(_copy, batch.args))
            replay.batches.append(ReplayBatch(args, _copy(batch.target), batch.shape))
            replay.last_given = tuple(map(weakref.ref, given))
        replay.num_updates += 1
        self._is_over = replay.num_updates >= MOST_UPDATES


def _is_kept(value: Any) -> bool:
    if isinstance(value, Tensor):
        is_plain = type(value) is Tensor and value.layout is torch.strided
        return is_plain and not value.requires_grad
    return value is None or isinstance(value, (bool, int, float, str))


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _between(output: Tensor, given: Tensor) -> str | None:
    """Tell what leads from a model's output to what a loss is given."""
    if given is output:
        return "same"
    if given.grad_fn is None or given.numel() != output.numel():
        return None
    are_dense = given.is_contiguous() and output.is_contiguous()
    if are_dense and given.data_ptr() == output.data_ptr():
        return "reshape"
    kind = SQUASHING.get(operation_name(given.grad_fn))
    before = given.grad_fn.next_functions[0][0]
    if kind and before is output.grad_fn and given.shape == output.shape:
        return kind if kind == "sigmoid" or given.dim() == 2 else None
    return None


def _can_be_copied(model: nn.Module) -> bool:
    """Tell whether a copy is small, and has no hooks that know the original."""
    numbers = sum(p.numel() for p in model.parameters())
    devices = {p.device for p in model.parameters()}
    has_hooks = any(forward_hooks(m) or backward_hooks(m) for m in model.modules())
    is_plain = not any(map(torch.is_autocast_enabled, ("cpu", "cuda")))
    return numbers <= MOST_WEIGHTS and len(devices) == 1 and is_plain and not has_hooks
