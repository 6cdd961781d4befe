"""Notes the calls of models: what is given, in which mode, and what came out."""

import functools
import weakref
from collections import deque
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy

from gradatim.nested import tensors_of
from gradatim.watching import (
    initial_weights,
    inputs,
    module_structure,
    numbers_of_tensors,
)
from gradatim.watching.identities import identity_of
from gradatim.watching.layers import Layers
from gradatim.watching.loops import Loops
from gradatim.watching.position import (
    MOST_OBJECTS,
    Observer,
    Position,
    info_of,
    is_wrapped,
)
from gradatim.watching.replay import Replays
from gradatim.watching.source_lines import (
    SourceLine,
    is_called_by_user,
    is_user_file,
    line_of,
    user_frame,
    user_line,
)
from gradatim.watching.training_seen import (
    ForwardSeen,
    LayersSeen,
    ModelParameters,
    ModelSeen,
    ModelStructure,
    NormDrift,
    Unregistered,
)

__all__ = ["Forwards"]

MOST_MADE = 20_000
MOST_DIGESTED, MOST_ROWS, LEAN_ROWS = 200, 50_000, 256
"""Forwards whose rows are remembered, and rows of one model, of one forward."""


class Forwards(Observer):
    """Sees modules made and called."""

    def __init__(self, position: Position, loops: Loops, replays: Replays) -> None:
        super().__init__(position)
        self._replays = replays
        self.last_input: tuple[int, weakref.ref[Tensor]] | None = None
        """Rows of what a model was given last, and the tensor."""
        self.holds_out: bool | None = None
        """Whether rows are held out, where somebody knows; else names tell."""
        self._loops = loops
        self._layers = Layers(position)
        self._stack: list[nn.Module] = []
        self._models: dict[int, int] = {}
        self._buffers: dict[int, list[tuple[str, int]]] = {}
        self._num_digested = [0, 0]
        self._doubtful: tuple[ForwardSeen, ModelSeen, set[int]] | None = None
        self._inputs: dict[tuple[int, int], weakref.ref[Tensor]] = {}
        self._outputs: deque[tuple[int, StorageWeakRef]] = deque(maxlen=8)
        self._made: dict[int, tuple[weakref.ref[nn.Module], SourceLine | None]] = {}

    @property
    def depth(self) -> int:
        """How many modules are being called, one in another."""
        return len(self._stack)

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called."""
        # Nothing may stand before the first of these: it would be compiled, too.
        if torch.compiler.is_compiling() or self.position.is_elsewhere():
            return
        if self.position.is_busy or self.position.is_inside_backward:
            self.position.recomputes |= self.position.is_inside_backward
            return  # inside backward: checkpointing computes it anew
        if not self._stack:
            self._enter_root(module, args)
        elif self.position.is_start:
            self._enter_inner(module)
        self._stack.append(module)

    def _enter_root(self, module: nn.Module, args: Any) -> None:
        given = next(tensors_of(args), None)
        self._layers.begin(() if given is None else info_of(given).shape)
        if is_loss(module):
            return
        key = id(module)
        number = self._models.get(key)
        if number is not None and self.seen.models[number].ref() is module:
            return
        if len(self.seen.models) >= MOST_OBJECTS:
            return
        self._models[key] = len(self.seen.models)
        self.position.begin_phase()
        about = _model_seen(module)
        about.structure.made_at = self._places(module)
        self.seen.models.append(about)

    def _enter_inner(self, module: nn.Module) -> None:
        number = self._models.get(id(self._stack[0]))
        if number is None:
            return
        model = self.seen.models[number]
        key = identity_of(module)
        name = model.structure.modules.get(key)
        has_own = bool(module._parameters)
        if name is None:
            if has_own:
                self._layers.stranger(model, module, self._stack)
            return
        model.layers.uncalled.discard(name)
        if has_own and name not in model.layers.called:
            model.layers.called.append(name)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module has given its output."""
        if torch.compiler.is_compiling() or self.position.is_elsewhere():
            return
        if self.position.is_busy or self.position.is_inside_backward or not self._stack:
            return
        while self._stack:
            if self._stack.pop() is module:
                break
        number = self._models.get(id(self._stack[0] if self._stack else module))
        if number is None:
            return
        model = self.seen.models[number]
        if self.is_close and not is_loss(module):
            self._probe(model, module, output)
        if self.position.is_start:
            owner = self._stack[-1] if self._stack else None
            self._layers.layer(model, module, args, output, owner)
        if not self._stack:
            self._leave_root(number, module, args, output)

    def _probe(self, model: ModelSeen, module: nn.Module, output: Any) -> None:
        if next(module.children(), None) is not None or not isinstance(output, Tensor):
            return
        name = model.structure.modules.get(identity_of(module), type(module).__name__)
        found = self.quietly(
            numbers_of_tensors.module_probe, self.step, name, module, output.detach()
        )
        if found is not None:
            model.outputs.add(found)

    def _leave_root(
        self, number: int, module: nn.Module, args: Any, output: Any
    ) -> None:
        model = self.seen.models[number]
        model.num_calls += 1
        if is_loss(module):
            return
        frame = user_frame(2)
        line = line_of(frame)
        owner = frame.f_locals.get("self") if frame is not None else None
        if (
            isinstance(owner, nn.Module)
            and frame is not None
            and frame.f_code.co_name == "forward"
            and owner is not module
        ):
            # Its parts are called by no module: forward itself was called.
            model.direct.line = model.direct.line or _outer_line(frame)
            model.direct.has_hooks |= bool(
                owner._forward_hooks or owner._forward_pre_hooks
            )
        if self.is_close or self.position.has_new_mode or model.num_calls % 20 == 0:
            self.position.has_new_mode = False
            self._renew(model, module)
        if model.num_calls == 1 and frame is not None:
            model.variable = _variable(frame, module)
        outputs = list(tensors_of(output))
        self._replays.forward(module, args, outputs)
        made = next((t for t in outputs if t.grad_fn is not None), None)
        forward = ForwardSeen(
            order=self.order(),
            model=number,
            step=self.step,
            training=module.training,
            grad=made is not None,
            inputs=tuple(map(info_of, tensors_of(args))),
            outputs=tuple(map(info_of, outputs)),
            line=line,
        )
        if outputs and is_wrapped(outputs[0]):
            forward.used = True  # by torch.func, which cannot be followed
        else:
            use = functools.partial(_use, forward)
            for function in {t.grad_fn for t in outputs[:8] if t.grad_fn is not None}:
                function.register_prehook(use)
            self._follow(forward, args, outputs)
        if forward.training and forward.grad and model.initial.as_made is None:
            model.initial.as_made = (
                self.quietly(initial_weights.layers_as_made, module) or set()
            )
            model.freezing.mistyped = (
                self.quietly(module_structure.mistyped_freezing, module) or {}
            )
        if (
            self.position.steps_since == 1
            and forward.training
            and not model.drift.names
        ):
            model.drift = self.quietly(module_structure.drift_of, module) or NormDrift()
        elif model.drift.names and self.is_close:
            drift = model.drift
            drift.shift = self.quietly(module_structure.shift_of, module, drift) or 0.0
            drift.line = drift.line or line
        if self.is_close and forward.training and forward.grad:
            asking = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            model.freezing.trainable.update(n for n, _ in asking)
            model.freezing.asking.update(identity_of(p) for _, p in asking)
        if self.position.is_start or self.seen.forwards.count % 10 == 0:
            forward.modes = _other_modes(module)
        if self.seen.forwards.count < 200:
            forward.moved = self._moved_buffers(module)
        self.seen.forwards.add(forward, looked_at=self.is_close)

    def _renew(self, model: ModelSeen, module: nn.Module) -> None:
        """Notice layers that were put into a model, and those that left it."""
        parameters = {identity_of(p): name for name, p in module.named_parameters()}
        model.parameters.replaced |= model.parameters.names.keys() - parameters.keys()
        new = parameters.keys() - model.parameters.names.keys()
        if not new:
            return
        self.position.begin_phase()
        about = _model_seen(module)
        model.parameters.names.update(about.parameters.names)
        model.parameters.num_tensors = about.parameters.num_tensors
        model.parameters.numels, model.structure.kinds = (
            about.parameters.numels,
            about.structure.kinds,
        )
        model.structure.modules.update(about.structure.modules)
        model.structure.with_mode = about.structure.with_mode
        model.structure.made_at.update(self._places(module))
        owners = {parameters[key].rpartition(".")[0] for key in new}
        as_made = self.quietly(initial_weights.layers_as_made, module) or set()
        model.initial.as_made = (model.initial.as_made or set()) | (as_made & owners)

    def _moved_buffers(self, module: nn.Module) -> tuple[str, ...]:
        """Tell which buffers were changed in place since the call before."""
        now = [(name, buffer._version) for name, buffer in module.named_buffers()]
        before = dict(self._buffers.get(id(module), ()))
        self._buffers[id(module)] = now
        return tuple(n for n, version in now if before.get(n, version) != version)[:20]

    def _follow(self, forward: ForwardSeen, args: Any, outputs: list[Tensor]) -> None:
        """Tell whether a model is given what it had before, or another's output."""
        given = next(tensors_of(args), None)
        if given is None or is_wrapped(given):
            return
        key = forward.model, forward.line.number if forward.line else 0
        before = self._inputs.get(key)
        forward.same_input = before is not None and before() is given
        self._look_at_data(forward, given)
        self._inputs[key] = weakref.ref(given)
        if given.layout is torch.strided and given.numel():
            own = _storage(given)
            for order, made in self._outputs:
                # Also where the tensor is gone, and another one has its numbers.
                if own is not None and made.cdata == own.cdata:
                    forward.source = order
        for output in outputs[:2]:
            if output.layout is torch.strided and output.numel():
                kept = _storage(output)
                if kept is not None:
                    self._outputs.append((forward.order, kept))

    def _look_at_data(self, forward: ForwardSeen, given: Tensor) -> None:
        """Look at the rows that a model is given, the first times."""
        model = self.seen.models[forward.model]
        if given.requires_grad or given.grad_fn is not None:
            return
        self.last_input = len(given) if given.dim() else 0, weakref.ref(given)
        if self.is_close and model.inputs.count < 1000:
            found = self.quietly(
                inputs.input_numbers, self.step, forward.training, given
            )
            if found is not None:
                model.inputs.add(found)
        if self._doubtful is not None:
            self._settle(*self._doubtful)
        is_training = forward.grad and forward.training
        if forward.same_input or self._num_digested[is_training] >= MOST_DIGESTED:
            return
        self._num_digested[is_training] += 1
        most_rows = LEAN_ROWS if self.position.is_lean else inputs.MOST_ROWS
        if is_training:
            if len(model.rows.trained) < MOST_ROWS:
                model.rows.trained |= (
                    self.quietly(inputs.digests, given, most_rows) or set()
                )
        elif len(model.rows.held_out) < MOST_ROWS and self._is_held_out(given):
            rows = self.quietly(inputs.digests, given, most_rows) or set()
            if forward.grad:  # in eval mode: a backward may follow
                self._doubtful = forward, model, rows
            else:
                self._settle(forward, model, rows)

    def _settle(self, forward: ForwardSeen, model: ModelSeen, rows: set[int]) -> None:
        """Tell whether rows were trained on or held out."""
        self._doubtful = None
        if forward.used:
            model.rows.trained |= rows
        else:
            model.rows.held_out |= rows
            model.rows.held_out_line = model.rows.held_out_line or forward.line

    def _is_held_out(self, given: Tensor) -> bool:
        if self.holds_out is not None:
            return self.holds_out
        loader = self._loops.last_loader and self._loops.last_loader()
        return bool(self.quietly(inputs.is_held_out, user_frame(4), loader, given))

    def module_made(self, module: nn.Module) -> None:
        """A module was constructed."""
        frame = user_frame(3)
        # From its own __init__ out to where that was called.
        while (
            frame is not None
            and frame.f_code.co_name == "__init__"
            and frame.f_locals.get("self") is module
        ):
            frame = frame.f_back
        if (
            frame is not None
            and is_user_file(frame.f_code.co_filename)
            and len(self._made) < MOST_MADE
        ):
            self._made[id(module)] = weakref.ref(module), line_of(frame)

    def _places(self, module: nn.Module) -> dict[str, SourceLine]:
        found = {}
        for name, each in module.named_modules():
            ref, line = self._made.get(id(each), (None, None))
            if ref is not None and ref() is each and line is not None:
                found[name] = line
        return found

    def dropout(self, training: bool) -> None:
        """``F.dropout`` is called."""
        if not self._stack or not training:
            return
        root, module = self._stack[0], self._stack[-1]
        number = self._models.get(id(root))
        if number is None:
            return
        model = self.seen.models[number]
        is_layer = isinstance(module, nn.modules.dropout._DropoutNd)
        frame = user_frame(3)
        if frame is None or frame.f_code.co_name != "forward":
            return
        if is_layer:
            is_own = (
                identity_of(module) in model.structure.modules
            )  # registered, but not told of eval
        else:
            is_own = not is_called_by_user()
            if not is_own and root.training:
                model.structure.with_mode.setdefault("F.dropout", "F.dropout")
        if not is_own and not root.training:
            self.seen.modes.dropouts.add((self.order(), line_of(frame)))


def is_loss(module: nn.Module) -> bool:
    """Tell a loss of PyTorch, which is a module too."""
    return type(module).__module__ == "torch.nn.modules.loss"


def _use(forward: ForwardSeen, gradients: Any) -> None:
    forward.used = True


def _storage(tensor: Tensor) -> StorageWeakRef | None:
    try:
        return StorageWeakRef(tensor.untyped_storage())
    except (RuntimeError, NotImplementedError):  # a tensor without storage
        return None


def _variable(frame: Any, module: nn.Module) -> str:
    for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
        if value is module and name not in ("self", "_"):
            return str(name)
    return ""


def _outer_line(frame: Any) -> SourceLine | None:
    outer = frame.f_back
    while outer is not None and outer.f_code.co_name == "forward":
        outer = outer.f_back
    return line_of(outer) or line_of(frame)


def _model_seen(module: nn.Module) -> ModelSeen:
    parameters = list(module.named_parameters())
    named = list(module.named_modules())
    return ModelSeen(
        ref=weakref.ref(module),
        kind=type(module).__name__,
        line=user_line(4),
        parameters=ModelParameters(
            names={identity_of(p): name for name, p in parameters},
            num_tensors=len(parameters),
            numels={n: 0 if is_lazy(p) else p.numel() for n, p in parameters},
        ),
        structure=ModelStructure(
            modules={identity_of(m): name for name, m in named},
            kinds={n: type(m).__name__ for n, m in named if m._parameters},
            with_mode=module_structure.parts_with_mode(module),
            init_lines=module_structure.places_of(module),
            repeated=module_structure.repeated_modules(module),
            of_library=module_structure.of_library(module),
        ),
        layers=LayersSeen(uncalled={n for n, m in named if n and m._parameters}),
        unregistered=Unregistered(
            leaves={
                n: identity_of(t)
                for n, t in module_structure.loose_leaves(module).items()
            }
        ),
    )


def _other_modes(module: nn.Module) -> tuple[str, ...]:
    """Name the parts in another mode than the whole, where a mode matters."""
    return tuple(
        name
        for name, each in module.named_modules()
        if each.training is not module.training and numbers_of_tensors.has_mode(each)
    )[:50]
