"""Notes what happens in any loop of PyTorch, from hooks that change nothing."""

import bisect
import contextlib
import functools
import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradatim.nested import tensors_of
from gradatim.nodes import operation_name
from gradatim.watching import blame, data, probes, structure
from gradatim.watching.leaves import leaves_of
from gradatim.watching.lines import (
    Line,
    is_called_by_user,
    is_users,
    line_of,
    user_frame,
    user_line,
)
from gradatim.watching.seen import (
    BackwardSeen,
    ForwardSeen,
    LayoutSeen,
    LoaderSeen,
    LossCall,
    ModelSeen,
    OptimizerSeen,
    SchedulerSeen,
    SeedSeen,
    Seen,
    StateUse,
    StepSeen,
    TensorInfo,
)

__all__ = ["Recorder"]

CLOSE = 5
"""Updates at the start that are looked at closely."""
MOST_SERIES = 1000
MOST_OBJECTS = 200
MOST_MADE = 20_000
MOST_DIGESTED, MOST_ROWS = 200, 50_000
"""Forwards whose rows are remembered, and rows of one model."""
IN_ORDER = ("SequentialSampler", "_InfiniteConstantSampler")
"""Samplers of ``torch.utils.data`` that do not shuffle."""


_State = tuple["weakref.ref[dict[str, Any]]", "weakref.ref[nn.Module]", int, Line]
"""A state that was taken, of which module, after how many updates, and where."""


_Linear = tuple["weakref.ref[Tensor]", "weakref.ref[nn.Linear]", int]
"""What a linear layer gave, the layer, and the version of what it gave."""


class _Alive:
    """Lies with a graph's first node, and goes when that goes."""

    __slots__ = ("__weakref__", "step")

    def __init__(self, step: int) -> None:
        self.step = step


class Recorder:
    """Fills a :class:`Seen`; what calls it is in ``patches``."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._thread = threading.get_ident()
        self.stack: list[nn.Module] = []
        self._order = 0
        self._models: dict[int, int] = {}
        self._optimizers: dict[int, int] = {}
        self._loaders: dict[int, int] = {}
        self._schedulers: dict[int, int] = {}
        self._buffers: dict[int, list[tuple[str, int]]] = {}
        self._backwards: list[int] = []
        self._last_loss: float | None = None
        self._zeroed_at = -1
        self._backward_at = -1
        self._stepped_with: dict[int, int] = {}
        self._before: dict[str, Tensor] = {}
        self._alive: list[weakref.ref[_Alive]] = []
        self._stride = 1
        self._busy = False
        self._pending: StepSeen | None = None
        self._last_grad_norm: float | None = None
        self._recent: deque[float] = deque(maxlen=20)
        self._last_input: tuple[int, weakref.ref[Tensor]] | None = None
        self._last_loader: weakref.ref[Any] | None = None
        self._iterators: weakref.WeakKeyDictionary[Any, LoaderSeen] = (
            weakref.WeakKeyDictionary()
        )
        self._num_digested = [0, 0]
        self._recomputes = False
        self._inputs: dict[tuple[int, int], weakref.ref[Tensor]] = {}
        self._outputs: deque[tuple[int, weakref.ref[Tensor]]] = deque(maxlen=8)
        self._root_shape: tuple[int, ...] = ()
        self._strangers: dict[str, weakref.ref[nn.Module]] = {}
        self._linears: deque[_Linear] = deque(maxlen=8)
        self._made: dict[int, tuple[weakref.ref[nn.Module], Line | None]] = {}
        self._states: deque[_State] = deque(maxlen=500)
        self._seeded: dict[str, Any] = {}
        self._last_seed: SeedSeen | None = None
        self.is_inside_backward = False
        self.is_inside_scheduler = False

    # --- When --------------------------------------------------------------------

    def order(self) -> int:
        """Number an event."""
        self._order += 1
        return self._order

    @property
    def step(self) -> int:
        """Updates so far."""
        return self.seen.steps.count

    @property
    def is_close(self) -> bool:
        """Whether this update is looked at closely: the first, and 10, 20, 50, 100."""
        if not self.step and (count := self.seen.backwards.count) > 50:
            return is_round(count)  # no update is ever made by an optimizer
        return self.step < CLOSE or is_round(self.step)

    def _is_elsewhere(self) -> bool:
        """Tell another thread: two loops at a time would be taken for one."""
        return threading.get_ident() != self._thread

    # --- Models ------------------------------------------------------------------

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called."""
        # Nothing may stand before the first of these: it would be compiled, too.
        if torch.compiler.is_compiling() or self._is_elsewhere():
            return
        if self._busy or self.is_inside_backward:
            self._recomputes |= self.is_inside_backward
            return  # inside backward: checkpointing computes it anew
        if not self.stack:
            self._enter_root(module, args)
        elif self.step < CLOSE:
            self._enter_inner(module)
        self.stack.append(module)

    def _enter_root(self, module: nn.Module, args: Any) -> None:
        self._linears.clear()
        if is_loss(module):
            return
        given = next(tensors_of(args), None)
        self._root_shape = () if given is None else _info(given).shape
        key = id(module)
        number = self._models.get(key)
        if number is not None and self.seen.models[number].ref() is module:
            return
        if len(self.seen.models) >= MOST_OBJECTS:
            return
        self._models[key] = len(self.seen.models)
        about = _model_seen(module)
        about.made = self._places(module)
        self.seen.models.append(about)

    def _enter_inner(self, module: nn.Module) -> None:
        number = self._models.get(id(self.stack[0]))
        if number is None:
            return
        model = self.seen.models[number]
        key = id(module)
        name = model.modules.get(key)
        has_own = bool(module._parameters)
        if name is None:
            if has_own:
                self._stranger(model, module)
            return
        model.uncalled.discard(name)
        if has_own and name not in model.called:
            model.called.append(name)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module has given its output."""
        if torch.compiler.is_compiling() or self._is_elsewhere():
            return
        if self._busy or self.is_inside_backward or not self.stack:
            return
        while self.stack:
            if self.stack.pop() is module:
                break
        number = self._models.get(id(self.stack[0] if self.stack else module))
        if number is None:
            return
        model = self.seen.models[number]
        if self.is_close and not is_loss(module):
            self._probe(model, module, output)
        if self.step < CLOSE:
            self._order_of_layers(model, module, args, output)
        if not self.stack:
            self._leave_root(number, module, args, output)

    def _probe(self, model: ModelSeen, module: nn.Module, output: Any) -> None:
        if next(module.children(), None) is not None or not isinstance(output, Tensor):
            return
        name = model.modules.get(id(module), type(module).__name__)
        found = self._quietly(
            probes.module_probe, self.step, name, module, output.detach()
        )
        if found is not None:
            model.probes.add(found)

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
            model.direct = model.direct or _outer_line(frame)
            model.has_hooks |= bool(owner._forward_hooks or owner._forward_pre_hooks)
        outputs = list(tensors_of(output))
        made = next((t for t in outputs if t.grad_fn is not None), None)
        forward = ForwardSeen(
            order=self.order(),
            model=number,
            step=self.step,
            training=module.training,
            grad=made is not None,
            inputs=tuple(map(_info, tensors_of(args))),
            outputs=tuple(map(_info, outputs)),
            line=line,
        )
        if outputs and _is_wrapped(outputs[0]):
            forward.used = True  # by torch.func, which cannot be followed
        else:
            use = functools.partial(_use, forward)
            for function in {t.grad_fn for t in outputs[:8] if t.grad_fn is not None}:
                function.register_prehook(use)
            self._follow(forward, args, outputs)
        if self.step == 1 and forward.training and model.drift is None:
            model.drift = self._quietly(structure.drift_of, module)
        elif model.drift is not None and self.is_close:
            drift = model.drift
            drift.shift = self._quietly(structure.shift_of, module, drift) or 0.0
            drift.line = drift.line or line
        if self.is_close and forward.training and forward.grad:
            model.trainable.update(
                n for n, p in module.named_parameters() if p.requires_grad
            )
        if self.step < CLOSE or self.seen.forwards.count % 10 == 0:
            forward.modes = _other_modes(module)
        if self.seen.forwards.count < 200:
            forward.moved = self._moved_buffers(module)
        self.seen.forwards.add(forward)

    def _moved_buffers(self, module: nn.Module) -> tuple[str, ...]:
        """Tell which buffers were changed in place since the call before."""
        now = [(name, buffer._version) for name, buffer in module.named_buffers()]
        before = dict(self._buffers.get(id(module), ()))
        self._buffers[id(module)] = now
        return tuple(n for n, version in now if before.get(n, version) != version)[:20]

    def _follow(self, forward: ForwardSeen, args: Any, outputs: list[Tensor]) -> None:
        """Tell whether a model is given what it had before, or another's output."""
        given = next(tensors_of(args), None)
        if given is None or _is_wrapped(given):
            return
        key = forward.model, forward.line.number if forward.line else 0
        before = self._inputs.get(key)
        forward.same_input = before is not None and before() is given
        self._look_at_data(forward, given)
        self._inputs[key] = weakref.ref(given)
        if given.layout is torch.strided and given.numel():
            address = _address(given)
            for order, ref in self._outputs:
                made = ref()
                if made is not None and _address(made) == address:
                    forward.source = order
        for output in outputs[:2]:
            if output.layout is torch.strided and output.numel():
                self._outputs.append((forward.order, weakref.ref(output)))

    def _look_at_data(self, forward: ForwardSeen, given: Tensor) -> None:
        """Look at the rows that a model is given, the first times."""
        model = self.seen.models[forward.model]
        if given.requires_grad or given.grad_fn is not None:
            return
        self._last_input = len(given) if given.dim() else 0, weakref.ref(given)
        if self.is_close and model.inputs.count < 1000:
            found = self._quietly(
                data.input_numbers, self.step, forward.training, given
            )
            if found is not None:
                model.inputs.add(found)
        is_training = forward.grad and forward.training
        if forward.same_input or self._num_digested[is_training] >= MOST_DIGESTED:
            return
        self._num_digested[is_training] += 1
        if is_training:
            if len(model.trained) < MOST_ROWS:
                model.trained |= self._quietly(data.digests, given) or set()
        elif len(model.held) < MOST_ROWS:
            loader = self._last_loader and self._last_loader()
            if self._quietly(data.is_held_out, user_frame(3), loader, given):
                model.held |= self._quietly(data.digests, given) or set()
                model.held_line = model.held_line or forward.line

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
            and is_users(frame.f_code.co_filename)
            and len(self._made) < MOST_MADE
        ):
            self._made[id(module)] = weakref.ref(module), line_of(frame)

    def _places(self, module: nn.Module) -> dict[str, Line]:
        found = {}
        for name, each in module.named_modules():
            ref, line = self._made.get(id(each), (None, None))
            if ref is not None and ref() is each and line is not None:
                found[name] = line
        return found

    def _stranger(self, model: ModelSeen, module: nn.Module) -> None:
        """A module is called that is not among those of the model."""
        root = self.stack[0]
        for name, each in root.named_modules():
            if each is module:  # it was added since
                model.modules[id(module)] = name
                return
        if not torch.is_grad_enabled():
            return
        found = structure.holder_of(module, self.stack)
        if found is not None:
            place, _ = found
            if place not in model.hidden and len(model.hidden) < MOST_OBJECTS:
                model.hidden[place] = user_line(4)
                model.hidden_parameters[place] = tuple(
                    id(p) for p in module.parameters() if p.requires_grad
                )
            return
        key = type(module).__name__
        before = self._strangers.get(key)
        self._strangers[key] = weakref.ref(module)
        if before is not None and before() is None:
            count, line = model.fresh.get(key, (1, user_line(4)))
            model.fresh[key] = count + 1, line

    def _order_of_layers(
        self, model: ModelSeen, module: nn.Module, args: Any, output: Any
    ) -> None:
        """Notice linear layers that meet, and the layout that a layer was given."""
        given = args[0] if isinstance(args, tuple) and args else None
        if not isinstance(given, Tensor) or _is_wrapped(given):
            return
        name = model.modules.get(id(module))
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            if not module.batch_first and given.dim() == 3 and name is not None:
                root = self._root_shape
                model.layouts.add(
                    LayoutSeen(
                        order=self._order,
                        name=name,
                        kind=type(module).__name__,
                        shape=tuple(given.shape),
                        root_shape=root,
                        line=user_line(3),
                    )
                )
            return
        passes = isinstance(module, (nn.Identity, nn.modules.dropout._DropoutNd))
        if not isinstance(output, Tensor) or name is None:
            return
        if not isinstance(module, nn.Linear) and not passes:
            return
        first: nn.Linear | None = None
        for made, layer, version in self._linears:
            if made() is given and version == given._version:
                first = layer()  # and no activation has changed it in place
        if not isinstance(module, nn.Linear):
            if first is not None:
                kept = weakref.ref(output), weakref.ref(first), output._version
                self._linears.append(kept)
            return
        if first is not None and id(first) in model.modules:
            owner = self.stack[-1] if self.stack else None
            are_neighbours = isinstance(owner, nn.Sequential) and any(
                each is first for each in owner.children()
            )
            model.chains[model.modules[id(first)], name] = (
                first.in_features,
                first.out_features,
                module.out_features,
                are_neighbours,
            )
        self._linears.append(
            (weakref.ref(output), weakref.ref(module), output._version)
        )

    def dropout(self, training: bool) -> None:
        """``F.dropout`` is called."""
        if not self.stack or not training:
            return
        root, module = self.stack[0], self.stack[-1]
        number = self._models.get(id(root))
        if number is None:
            return
        model = self.seen.models[number]
        is_layer = isinstance(module, nn.modules.dropout._DropoutNd)
        frame = user_frame(3)
        if frame is None or frame.f_code.co_name != "forward":
            return
        if is_layer:
            is_own = id(module) in model.modules  # registered, but not told of eval
        else:
            is_own = not is_called_by_user()
            if not is_own and root.training:
                model.with_mode.setdefault("F.dropout", "F.dropout")
        if not is_own and not root.training:
            self.seen.dropouts.add((self.order(), line_of(frame)))

    # --- States ------------------------------------------------------------------

    def state_taken(self, module: nn.Module, state: Any) -> None:
        """``state_dict`` was called."""
        line = user_line(3)
        if line is not None and isinstance(state, dict):
            try:
                ref = weakref.ref(state)
            except TypeError:
                return
            self._states.append((ref, weakref.ref(module), self.step, line))

    def state_used(self, state: Any, how: str, module: nn.Module | None = None) -> None:
        """A state is loaded into a module, or saved."""
        line = user_line(3)
        if not isinstance(state, dict) or line is None:
            return
        parts = [state, *(v for v in state.values() if isinstance(v, dict))]
        for ref, owner, step, taken in self._states:
            own = ref()
            if own is None or not any(p is own for p in parts):
                continue
            kept = owner()
            if kept is not None and not _is_alias(own, kept):
                continue  # other tensors were put into it since, as in soft updates
            if step >= self.step:
                times = {s for _, _, s, line_of in self._states if line_of == taken}
                if owner() is not module or len(times) < 2:
                    continue
            if module is not None:
                how = "itself" if owner() is module else "another"
            self._note_state(StateUse(taken, line, how, self.step - step))
            return
        if module is not None and self.step and _is_alias(state, module):
            taken_before = [s for s in self._states if s[1]() is module]
            if taken_before and (step := taken_before[0][2]) < self.step:
                found = StateUse(taken_before[0][3], line, "itself", self.step - step)
                self._note_state(found)

    def _note_state(self, found: StateUse) -> None:
        if len(self.seen.states) < MOST_OBJECTS:
            self.seen.states.append(found)

    # --- Losses ------------------------------------------------------------------

    def loss(self, name: str, arguments: dict[str, Any]) -> None:
        """One of the losses of ``torch.nn.functional`` is called."""
        input, target = arguments.get("input"), arguments.get("target")
        if self._is_elsewhere() or self._busy or not isinstance(input, Tensor):
            return
        if not isinstance(target, Tensor) or _is_wrapped(input):
            return
        call = LossCall(
            order=self.order(),
            step=self.step,
            name=name,
            input=_info(input),
            target=_info(target),
            reduction=str(arguments.get("reduction", "mean")),
            line=user_line(3),
            grad=torch.is_grad_enabled(),
        )
        if self.is_close or self.seen.losses.count < 20:
            call.facts = (
                self._quietly(probes.loss_facts, input.detach(), target.detach()) or {}
            )
            call.before = probes.operations_before(input)
            if call.grad and call.facts and self._last_input is not None:
                rows, ref = self._last_input
                given = ref()
                if given is not None and target.dim() and rows == len(target):
                    leak = self._quietly(data.leaking_column, given, target.detach())
                    if leak is not None:
                        call.facts["leak_column"] = float(leak[0])
                        call.facts["leak_equal"] = float(leak[1])
        self.seen.losses.add(call)

    def backward(self, tensors: Any, retain_graph: bool | None) -> None:
        """``backward`` is about to run."""
        if self._is_elsewhere() or self._busy:
            return
        found = list(tensors_of(tensors))
        if not found or _is_wrapped(found[0]):
            return
        loss = found[0]
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
            num_nodes, broadcasts = probes.graph_facts(loss.grad_fn)
            event.num_nodes, event.broadcasts = num_nodes, broadcasts
            event.made_by = probes.operations_before(loss)
            if self.step and not self._recomputes:
                event.activations = (
                    self._quietly(blame.activations_of, loss.grad_fn, self._all_names())
                    or ()
                )
        if loss.grad_fn is not None:
            event.operation = operation_name(loss.grad_fn)
            if self.is_close:
                count = self.seen.backwards.count
                event.leaves = self._quietly(
                    leaves_of, loss.grad_fn, self.step or count, count
                )
        elif self.is_close and loss.requires_grad:
            event.leaves = {}  # it is a leaf itself
        if value is not None:
            if not math.isfinite(value) and self.seen.bad is None:
                self._blame(loss, value, event.line)
            self._recent.append(value)
        if self.is_close:
            event.old_gradients = self._old_gradients()
        if loss.grad_fn is not None and self.step < 200:
            alive = _Alive(self.step)
            metadata: Any = loss.grad_fn.metadata
            metadata["gradatim"] = alive
            self._alive.append(weakref.ref(alive))
        self._backward_at = order
        self._backwards.append(order)
        del self._backwards[:-1000]
        self.seen.backwards.add(event)

    def inside_backward(self) -> contextlib.AbstractContextManager[None]:
        """Know that ``torch.autograd.backward`` is called by ``Tensor.backward``."""
        return self._inside("is_inside_backward")

    def inside_scheduler(self) -> contextlib.AbstractContextManager[None]:
        """Know that a schedule steps another one."""
        return self._inside("is_inside_scheduler")

    @contextlib.contextmanager
    def _inside(self, flag: str) -> Iterator[None]:
        if self._is_elsewhere():  # whose end would come between ours
            yield
            return
        before = getattr(self, flag)
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, before)

    def _all_names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for model in self.seen.models:
            for key, name in model.names.items():
                names.setdefault(key, name)
        return names

    def _blame(self, loss: Tensor, value: float, line: Line | None) -> None:
        """Find where the first loss that is no number comes from."""
        if loss.grad_fn is None:
            return
        bad = self._quietly(blame.bad_start, loss.grad_fn, self._all_names())
        if bad is not None:
            bad.step, bad.value, bad.line = self.step, value, line
            bad.before = tuple(self._recent)
            bad.grad_norm = self._last_grad_norm
            self.seen.bad = bad

    def _note_loss(self, value: float) -> None:
        self._last_loss = value
        if self.seen.backwards.count % self._stride == 0:
            series = self.seen.loss_series
            series.append((self.step, value))
            if len(series) >= 2 * MOST_SERIES:
                del series[MOST_SERIES // 2 :: 2]  # the start stays as it is
                self._stride *= 2

    def _old_gradients(self) -> float | None:
        """Give the norm of gradients that an update has used, if any are left."""
        total = 0.0
        for number, order in self._stepped_with.items():
            if self._zeroed_at > order:
                continue
            optimizer = self.seen.optimizers[number].ref()
            if optimizer is not None:
                norm = probes.joint_norm(_gradients(optimizer))
                total = math.hypot(total, norm or 0.0)
        return total

    # --- Optimizers --------------------------------------------------------------

    def optimizer_made(self, optimizer: Any) -> None:
        """An optimizer was constructed."""
        self._optimizer(optimizer, user_line(3))

    def _optimizer(self, optimizer: Any, line: Line | None) -> int:
        number = self._optimizers.get(id(optimizer))
        if number is not None and self.seen.optimizers[number].ref() is optimizer:
            return number
        groups = optimizer.param_groups
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
                parameters=[id(p) for g in groups for p in g["params"]],
            )
        )
        return number

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update is about to be made."""
        if self._is_elsewhere() or self._busy:
            return
        line = user_line(3)
        number = self._optimizer(optimizer, line)
        about = self.seen.optimizers[number]
        groups = optimizer.param_groups
        parameters = [p for g in groups for p in g["params"]]
        about.parameters = [id(p) for p in parameters]
        last = self._stepped_with.get(number, -1)
        event = StepSeen(
            order=self.order(),
            step=self.step,
            optimizer=number,
            line=line,
            loss=self._last_loss,
            num_backwards=len(self._backwards)
            - bisect.bisect_right(self._backwards, last),
            grad_norm=None,
            lrs=tuple(float(g.get("lr", 0.0)) for g in groups),
            zeroed_after_backward=last < self._backward_at < self._zeroed_at,
            closure=bool(_closure(args, kwargs)),
        )
        gradients = _gradients(optimizer)
        if self.step < 100 or self.step % 10 == 0:
            event.grad_norm = probes.joint_norm(gradients)
            self._last_grad_norm = event.grad_norm
        self._before = {}
        if not about.num_steps:
            found = self._quietly(
                blame.constant_weights, parameters, self._names(about)
            )
            event.num_matrices, event.constant = found or (None, ())
        if self.is_close and about.num_steps < 1000:
            names = self._names(about)
            event.no_grad = tuple(names[id(p)] for p in parameters if p.grad is None)
            event.grad_norms = {
                names[id(p)]: norm
                for p in parameters
                if p.grad is not None
                and (norm := probes.joint_norm([p.grad])) is not None
            }
            event.zero_grad = tuple(n for n, v in event.grad_norms.items() if v == 0.0)
            self._before = {names[id(p)]: p.detach().clone() for p in parameters[:200]}
        self._pending = event

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An update was made."""
        event = self._pending
        if self._is_elsewhere() or self._busy or event is None:
            return
        about = self.seen.optimizers[event.optimizer]
        if self._before:
            names = self._names(about)
            event.updates = {}
            for group in optimizer.param_groups:
                for p in group["params"]:
                    before = self._before.get(names[id(p)])
                    if before is not None and before.shape == p.shape:
                        event.updates[names[id(p)]] = probes.update_of(before, p)
            self._before = {}
        about.num_steps += 1
        self.seen.steps.add(event)
        self._stepped_with[event.optimizer] = self.order()
        self._pending = None
        if self.step in (20, 50, 100, 150):
            num_alive = sum(1 for ref in self._alive if ref() is not None)
            self.seen.graphs_kept.append((self.step, num_alive))

    def _names(self, about: OptimizerSeen) -> dict[int, str]:
        """Name parameters as the models that were called name them, or by number."""
        names = self._all_names()
        for place, key in enumerate(about.parameters):
            names.setdefault(key, f"parameter {place}")
        return names

    def zeroed(self) -> None:
        """Gradients were cleared by a call of ``zero_grad``."""
        self._zeroed_at = self.order()
        self.seen.zeroings.add((self._zeroed_at, user_line(3)))

    # --- The rest ----------------------------------------------------------------

    def mode(self, module: nn.Module, training: bool) -> None:
        """``train`` or ``eval`` was called."""
        self.seen.modes.add((self.order(), id(module), training, user_line(3)))

    def scheduler_made(self, scheduler: Any, optimizer: Any) -> None:
        """A schedule was constructed."""
        for inner in getattr(scheduler, "_schedulers", ()):
            if (about := self._scheduler(inner)) is not None:
                about.is_inner = True
        if len(self.seen.schedulers) >= MOST_OBJECTS:
            return
        line = user_line(3)
        number = None
        if isinstance(optimizer, torch.optim.Optimizer):
            number = self._optimizer(optimizer, line)
        self._schedulers[id(scheduler)] = len(self.seen.schedulers)
        self.seen.schedulers.append(
            SchedulerSeen(
                ref=weakref.ref(scheduler),
                kind=type(scheduler).__name__,
                line=line,
                optimizer=number,
                order=self.order(),
                options={
                    k: max(v) if k == "milestones" and v else v
                    for k, v in vars(scheduler).items()
                    if isinstance(v, (int, float, str)) or k == "milestones"
                },
            )
        )

    def scheduler_stepped(self, scheduler: Any) -> None:
        """A schedule was stepped."""
        about = self._scheduler(scheduler)
        line = user_line(3)
        if about is not None and line is not None:
            about.step_line = about.step_line or line
            about.steps.add((self.order(), self.step))

    def _scheduler(self, scheduler: Any) -> SchedulerSeen | None:
        number = self._schedulers.get(id(scheduler))
        if number is None or self.seen.schedulers[number].ref() is not scheduler:
            return None
        return self.seen.schedulers[number]

    def loader_made(self, loader: Any) -> None:
        """A ``DataLoader`` was constructed."""
        self._loader(loader, user_line(3))

    def _loader(self, loader: Any, line: Line | None) -> int | None:
        number = self._loaders.get(id(loader))
        if number is not None and self.seen.loaders[number].ref() is loader:
            return number
        if len(self.seen.loaders) >= MOST_OBJECTS:
            return None
        sampler = type(loader.sampler).__name__
        self._loaders[id(loader)] = number = len(self.seen.loaders)
        self.seen.loaders.append(
            LoaderSeen(
                ref=weakref.ref(loader),
                line=line,
                length=_length(loader),
                batch_size=loader.batch_size,
                shuffles=sampler not in IN_ORDER,
                num_workers=loader.num_workers,
                generators=(
                    self._quietly(data.generators_of, loader.dataset) or ()
                    if loader.num_workers
                    else ()
                ),
                has_worker_init=loader.worker_init_fn is not None,
            )
        )
        return number

    def loader_started(self, loader: Any) -> None:
        """An iteration of a ``DataLoader`` begins."""
        line = user_line(3)
        number = self._loader(loader, line)
        if number is not None:
            about = self.seen.loaders[number]
            about.iter_line = about.iter_line or line
            about.starts.add((self.order(), self.step))
        self._last_loader = weakref.ref(loader)

    def iterator_made(self, loader: Any, iterator: Any) -> None:
        """An iterator over a ``DataLoader`` was made."""
        number = self._loaders.get(id(loader))
        if number is not None:
            self._iterators[iterator] = self.seen.loaders[number]

    def batch_fetched(self, iterator: Any) -> None:
        """A batch is taken from a ``DataLoader``."""
        about = self._iterators.get(iterator)
        if about is not None:
            about.fetched += 1

    def seeded(self, name: str, seed: Any, before: Any, after: Any) -> None:
        """A global generator was seeded; its states, before and after, as digests."""
        frame = user_frame(3)
        while frame is not None and "seed" in frame.f_code.co_name:
            frame = frame.f_back
        if frame is None or not is_users(frame.f_code.co_filename):
            return
        last = self._seeded.get(name)
        event = SeedSeen(
            order=self.order(),
            step=self.step,
            line=line_of(frame),
            name=name,
            seed=seed if isinstance(seed, int) else None,
            drawn=last is None or last != before,
        )
        self._seeded[name] = after
        self.seen.seeds.add(event)
        self._last_seed = event

    def state_restored(self) -> None:
        """The state of a generator was put back: the seed was for a while."""
        if self._last_seed is not None and self._last_seed.name == "torch":
            self._last_seed.undone = True
            self._seeded.pop("torch", None)

    def _quietly(self, function: Callable[..., Any], *args: Any) -> Any:
        """Look at numbers without being seen by one's own hooks, and never fail."""
        self._busy = True
        try:
            with torch.no_grad():
                return function(*args)
        except Exception:  # a tensor of a kind that has no such numbers
            return None
        finally:
            self._busy = False


def is_round(step: int) -> bool:
    """Tell whether a step is one of 10, 20, 50, 100, 200, 500, ...

    >>> [step for step in range(1, 300) if is_round(step)]
    [1, 2, 5, 10, 20, 50, 100, 200]
    """
    while step and step % 10 == 0:
        step //= 10
    return step in (1, 2, 5)


def is_loss(module: nn.Module) -> bool:
    """Tell a loss of PyTorch, which is a module too."""
    return type(module).__module__ == "torch.nn.modules.loss"


def _use(forward: ForwardSeen, gradients: Any) -> None:
    forward.used = True


def _info(tensor: Tensor) -> TensorInfo:
    return TensorInfo(
        tuple(n if type(n) is int else -1 for n in tensor.shape),
        str(tensor.dtype).removeprefix("torch."),
        tensor.device.type,
        tensor.requires_grad,
    )


def _address(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # a tensor without storage
        return id(tensor)


def _is_alias(state: dict[str, Any], module: nn.Module) -> bool:
    """Tell whether a state is made of the very parameters of a module."""
    parameters = dict(module.named_parameters())
    given = {n: t for n, t in state.items() if n in parameters}
    return bool(given) and all(
        isinstance(t, Tensor) and t.is_set_to(parameters[n]) for n, t in given.items()
    )


def _is_wrapped(tensor: Tensor) -> bool:
    """Tell a tensor of ``torch.func``, whose numbers cannot be looked at."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def _outer_line(frame: Any) -> Line | None:
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
        names={id(p): name for name, p in parameters},
        num_parameters=len(parameters),
        numels={n: 0 if is_lazy(p) else p.numel() for n, p in parameters},
        owners={n: type(m).__name__ for n, m in named if m._parameters},
        modules={id(m): name for name, m in module.named_modules()},
        uncalled={name for name, m in module.named_modules() if name and m._parameters},
        with_mode=structure.parts_with_mode(module),
        places=structure.places_of(module),
        repeated=structure.repeated_modules(module),
        loose={n: id(t) for n, t in structure.loose_leaves(module).items()},
    )


def _other_modes(module: nn.Module) -> tuple[str, ...]:
    """Name the parts in another mode than the whole, where a mode matters."""
    return tuple(
        name
        for name, each in module.named_modules()
        if each.training is not module.training and probes.has_mode(each)
    )[:50]


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


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None
