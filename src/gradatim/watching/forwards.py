"""Notes the calls of models: what is given, in which mode, and what came out."""

import weakref
from collections import deque
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from gradatim.nested import tensors_of
from gradatim.torch_private import version_of
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ForwardSeen, ModelCall
from gradatim.watching.models import Models
from gradatim.watching.module_structure import has_mode
from gradatim.watching.position import Observer, Position
from gradatim.watching.replay import Replays
from gradatim.watching.source_lines import line_of, user_frame
from gradatim.watching.tensor_info import info_of, is_wrapped

__all__ = ["Forwards"]

CALLS_BETWEEN_LOOKS = 20  # for new layers: chosen by hand, not measured
FORWARDS_BETWEEN_MODES = 10  # until modes are read again: chosen by hand, not measured
NUM_FORWARDS_WITH_BUFFERS = 200  # whose buffers are read: chosen by hand, not measured
MOST_NAMES = 50  # named parts in another mode: chosen by hand, not measured
MOST_BUFFERS = 20  # named buffers that changed: chosen by hand, not measured
MOST_OUTPUTS_REMEMBERED = 8  # that may be an input later: chosen by hand, not measured
MOST_OUTPUTS_OF_CALL = 2  # remembered so, of one call: chosen by hand, not measured
MOST_OUTPUTS_FOLLOWED = 8  # into a backward, of one call: chosen by hand, not measured


class Forwards(Observer):
    """Sees modules called."""

    def __init__(self, position: Position, models: Models, replays: Replays) -> None:
        super().__init__(position)
        self.records: FirstAndLast[ForwardSeen] = FirstAndLast()
        self._models, self._replays = models, replays
        self.stack: list[nn.Module] = []
        """The modules that are being called, one in another."""
        self.number: int | None = None
        """The number of the model that is being called, the outermost module."""
        self._last_data: weakref.ref[Tensor] | None = None
        self._buffers: dict[int, list[tuple[str, int]]] = {}
        self._inputs: dict[tuple[int, int], weakref.ref[Tensor]] = {}
        self._outputs: deque[tuple[int, StorageWeakRef]] = deque(
            maxlen=MOST_OUTPUTS_REMEMBERED
        )

    def last_data(self) -> Tensor | None:
        """Give the data that a model was given last; None when it is gone."""
        return None if self._last_data is None else self._last_data()

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called."""
        # Nothing may stand before the first condition: it would be compiled, too.
        if torch.compiler.is_compiling() or self.position.is_elsewhere():
            return
        if self.position.is_busy or self.position.is_inside_backward:
            # Checkpointing calls a module again inside of a backward.
            self.position.recomputes |= self.position.is_inside_backward
            return
        if not self.stack:
            given = next(tensors_of(args), None)
            shape = () if given is None else info_of(given).shape
            self._models.layers.model_entered(shape)
            self.number = self._models.number_of(module)
            if self.number is None and not is_loss(module):
                self.number = self._models.add(module)
        elif self.position.is_start and self.number is not None:
            self._models.layers.enter(self.number, module, self.stack)
        self.stack.append(module)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module has given its output."""
        if torch.compiler.is_compiling() or self.position.is_elsewhere():
            return
        position = self.position
        if position.is_busy or position.is_inside_backward or not self.stack:
            return
        while self.stack:
            if self.stack.pop() is module:
                break
        models = self._models
        number = self.number if self.stack else models.number_of(module)
        if number is None:
            return
        if self.is_close and not is_loss(module):
            name = models.records[number].structure.modules.get(identity_of(module))
            models.outputs.leave(number, name, module, output)
        if position.is_start:
            owner = self.stack[-1] if self.stack else None
            models.layers.leave(number, module, args, output, owner)
        if not self.stack:
            self._model_left(number, module, args, output)

    def _model_left(
        self, number: int, module: nn.Module, args: Any, output: Any
    ) -> None:
        """A model that no other module called has given its output."""
        model = self._models.records[number]
        model.num_calls += 1
        if is_loss(module):
            return
        frame = user_frame(2)
        is_due = model.num_calls % CALLS_BETWEEN_LOOKS == 0
        if self.is_close or self.position.has_new_mode or is_due:
            self.position.has_new_mode = False
            self._models.look_for_new_parameters(number, module)
        if model.num_calls == 1 and frame is not None:
            model.variable = _variable_of(frame, module)
        outputs = list(tensors_of(output))
        self._replays.on_forward(module, args, outputs)
        forward = ForwardSeen(
            order=self.order(),
            model=number,
            step=self.step,
            training=module.training,
            grad=any(t.grad_fn is not None for t in outputs),
            inputs=tuple(map(info_of, tensors_of(args))),
            outputs=tuple(map(info_of, outputs)),
            line=line_of(frame),
        )
        call = ModelCall(number, module, args, outputs, forward, frame)
        if outputs and is_wrapped(outputs[0]):
            forward.used = True  # by torch.func, which cannot be followed
        else:
            self._follow(call)
        if self.position.is_start or self.records.count % FORWARDS_BETWEEN_MODES == 0:
            forward.modes = _parts_in_another_mode(module)
        if self.records.count < NUM_FORWARDS_WITH_BUFFERS:
            forward.moved = self._moved_buffers(module)
        self._models.on_forward(call)
        self.records.add(forward, looked_at=self.is_close)

    def _moved_buffers(self, module: nn.Module) -> tuple[str, ...]:
        """Name the buffers that were changed in place since the call before."""
        now = [(name, version_of(buffer)) for name, buffer in module.named_buffers()]
        before = dict(self._buffers.get(id(module), ()))
        self._buffers[id(module)] = now
        moved = [name for name, version in now if before.get(name, version) != version]
        return tuple(moved[:MOST_BUFFERS])

    def _follow(self, call: ModelCall) -> None:
        """Tell where a call's input comes from, and let its backward be noted."""
        forward = call.forward
        followed = call.outputs[:MOST_OUTPUTS_FOLLOWED]
        for function in {t.grad_fn for t in followed if t.grad_fn is not None}:
            function.register_prehook(forward.mark_used)
        given = next(tensors_of(call.args), None)
        if given is None or is_wrapped(given):
            return
        key = call.number, forward.line.number if forward.line else 0
        before = self._inputs.get(key)
        forward.same_input = before is not None and before() is given
        if not given.requires_grad and given.grad_fn is None:
            call.data = given
            self._last_data = weakref.ref(given)
        self._inputs[key] = weakref.ref(given)
        own = _storage(given)
        for order, made in self._outputs:
            # The storage is held, so that no later tensor can have its number.
            if own is not None and made.cdata == own.cdata:
                forward.source = order
        storages = map(_storage, call.outputs[:MOST_OUTPUTS_OF_CALL])
        self._outputs += [
            (forward.order, made) for made in storages if made is not None
        ]


def is_loss(module: nn.Module) -> bool:
    """Tell a loss of PyTorch, which is a module too."""
    return type(module).__module__ == "torch.nn.modules.loss"


def _storage(tensor: Tensor) -> StorageWeakRef | None:
    if tensor.layout is not torch.strided or not tensor.numel():
        return None
    try:
        return StorageWeakRef(tensor.untyped_storage())
    except (RuntimeError, NotImplementedError):  # a tensor without storage
        return None


def _variable_of(frame: FrameType, module: nn.Module) -> str:
    for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
        if value is module and name not in ("self", "_"):
            return str(name)
    return ""


def _parts_in_another_mode(module: nn.Module) -> tuple[str, ...]:
    """Name the parts in another mode than the whole, where a mode matters."""
    named, mode = module.named_modules(), module.training
    names = [n for n, part in named if part.training is not mode and has_mode(part)]
    return tuple(names[:MOST_NAMES])
