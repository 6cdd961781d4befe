"""Notes what happens in any loop of PyTorch, from hooks that change nothing."""

import contextlib
import functools
import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.nested import tensors_of
from gradatim.watching import probes
from gradatim.watching.lines import Line, user_frame, user_line
from gradatim.watching.seen import (
    BackwardSeen,
    ForwardSeen,
    LoaderSeen,
    LossCall,
    ModelSeen,
    OptimizerSeen,
    SchedulerSeen,
    Seen,
    StepSeen,
    TensorInfo,
)

__all__ = ["Recorder"]

CLOSE = 5
"""Updates at the start that are looked at closely."""
MOST_SERIES = 1000
MOST_OBJECTS = 200
IN_ORDER = ("SequentialSampler", "_InfiniteConstantSampler")
"""Samplers of ``torch.utils.data`` that do not shuffle."""


class _Alive:
    """Lies with a graph's first node, and goes when that goes."""

    __slots__ = ("__weakref__", "step")

    def __init__(self, step: int) -> None:
        self.step = step


class Recorder:
    """Fills a :class:`Seen`; what calls it is in ``patches``."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.stack: list[nn.Module] = []
        self._order = 0
        self._models: dict[int, int] = {}
        self._optimizers: dict[int, int] = {}
        self._loaders: dict[int, int] = {}
        self._schedulers: dict[int, int] = {}
        self._calls: dict[int, int] = {}
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
        self.is_inside_backward = False

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
        return self.step < CLOSE or is_round(self.step)

    # --- Models ------------------------------------------------------------------

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called."""
        if torch.compiler.is_compiling() or self._busy:
            return
        if not self.stack:
            self._enter_root(module)
        elif self.step < CLOSE:
            self._enter_inner(module)
        self.stack.append(module)

    def _enter_root(self, module: nn.Module) -> None:
        self._calls.clear()
        if is_loss(module):
            return
        key = id(module)
        number = self._models.get(key)
        if number is not None and self.seen.models[number].ref() is module:
            return
        if len(self.seen.models) >= MOST_OBJECTS:
            return
        self._models[key] = len(self.seen.models)
        self.seen.models.append(_model_seen(module))

    def _enter_inner(self, module: nn.Module) -> None:
        number = self._models.get(id(self.stack[0]))
        if number is None:
            return
        model = self.seen.models[number]
        key = id(module)
        name = model.modules.get(key)
        has_own = bool(module._parameters)
        if name is None:
            if has_own and len(model.strangers) < MOST_OBJECTS:
                model.strangers.setdefault(type(module).__name__, user_line())
            return
        model.uncalled.discard(name)
        self._calls[key] = count = self._calls.get(key, 0) + 1
        if count > 1 and has_own:
            model.shared[name] = max(model.shared.get(name, 0), count)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module has given its output."""
        if torch.compiler.is_compiling() or self._busy or not self.stack:
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
        line = _line_of(frame)
        owner = frame.f_locals.get("self") if frame is not None else None
        if (
            isinstance(owner, nn.Module)
            and frame is not None
            and frame.f_code.co_name == "forward"
            and owner is not module
        ):
            # Its parts are called by no module: forward itself was called.
            model.direct = model.direct or _outer_line(frame)
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
            inference=torch.is_inference_mode_enabled(),
        )
        if made is not None and made.grad_fn is not None:
            made.grad_fn.register_prehook(functools.partial(_use, forward))
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

    def dropout(self, training: bool) -> None:
        """``F.dropout`` is called, by the user's own code."""
        if self.stack and training and not self.stack[0].training:
            frame = user_frame(3)
            if frame is not None and frame.f_code.co_name == "forward":
                self.seen.dropouts.add((self.order(), _line_of(frame)))

    # --- Losses ------------------------------------------------------------------

    def loss(self, name: str, arguments: dict[str, Any]) -> None:
        """One of the losses of ``torch.nn.functional`` is called."""
        input, target = arguments.get("input"), arguments.get("target")
        if self._busy or not isinstance(input, Tensor):
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
        self.seen.losses.add(call)

    def backward(self, tensors: Any, retain_graph: bool | None) -> None:
        """``backward`` is about to run."""
        if self._busy:
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

    @contextlib.contextmanager
    def inside_backward(self) -> Iterator[None]:
        """Know that ``torch.autograd.backward`` is called by ``Tensor.backward``."""
        before, self.is_inside_backward = self.is_inside_backward, True
        try:
            yield
        finally:
            self.is_inside_backward = before

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
        if self._busy:
            return
        line = user_line(3)
        number = self._optimizer(optimizer, line)
        about = self.seen.optimizers[number]
        groups = optimizer.param_groups
        about.parameters = [id(p) for g in groups for p in g["params"]]
        last = self._stepped_with.get(number, -1)
        event = StepSeen(
            order=self.order(),
            step=self.step,
            optimizer=number,
            line=line,
            loss=self._last_loss,
            num_backwards=sum(1 for each in self._backwards if each > last),
            grad_norm=None,
            lrs=tuple(float(g.get("lr", 0.0)) for g in groups),
            zeroed_after_backward=last < self._backward_at < self._zeroed_at,
        )
        gradients = _gradients(optimizer)
        if self.step < 100 or self.step % 10 == 0:
            event.grad_norm = probes.joint_norm(gradients)
        self._before = {}
        if self.is_close and about.num_steps < 1000:
            names = self._names(about)
            parameters = [p for g in groups for p in g["params"]]
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
        if self._busy or event is None:
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
        """Name parameters as the models that were called name them."""
        names: dict[int, str] = {}
        for model in self.seen.models:
            for key, name in model.names.items():
                names.setdefault(key, name)
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
                    k: v
                    for k, v in vars(scheduler).items()
                    if isinstance(v, (int, float, str))
                },
            )
        )

    def scheduler_stepped(self, scheduler: Any) -> None:
        """A schedule was stepped."""
        number = self._schedulers.get(id(scheduler))
        line = user_line(3)
        if number is not None and line is not None:
            about = self.seen.schedulers[number]
            about.step_line = about.step_line or line
            about.steps.add((self.order(), self.step))

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
                sampler=sampler,
                num_workers=loader.num_workers,
                drop_last=bool(loader.drop_last),
                dataset=id(loader.dataset),
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

    def seeded(self) -> None:
        """``torch.manual_seed`` was called."""
        if (line := user_line(3)) is not None:
            self.seen.seeds.add((self.order(), self.step, line))

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


def _is_wrapped(tensor: Tensor) -> bool:
    """Tell a tensor of ``torch.func``, whose numbers cannot be looked at."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def _line_of(frame: Any) -> Line | None:
    if frame is None:
        return None
    return Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def _outer_line(frame: Any) -> Line | None:
    outer = frame.f_back
    while outer is not None and outer.f_code.co_name == "forward":
        outer = outer.f_back
    return _line_of(outer) or _line_of(frame)


def _model_seen(module: nn.Module) -> ModelSeen:
    parameters = list(module.named_parameters())
    return ModelSeen(
        ref=weakref.ref(module),
        kind=type(module).__name__,
        line=user_line(4),
        names={id(p): name for name, p in parameters},
        num_parameters=len(parameters),
        modules={id(m): name for name, m in module.named_modules()},
        uncalled={name for name, m in module.named_modules() if name and m._parameters},
    )


def _other_modes(module: nn.Module) -> tuple[str, ...]:
    """Name the parts in another mode than the whole, where a mode matters."""
    return tuple(
        name
        for name, each in module.named_modules()
        if each.training is not module.training and probes.has_mode(each)
    )[:50]


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
