"""One update: forward, loss, backward, clip, optimizer, schedule.

This is the tutorial's ``make_train_step``, grown up. A call is one update of the
optimizer, always; a batch too large for memory is split inside it.
"""

import copy
import functools
import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import NoneType
from typing import Any, ClassVar, Literal, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim.deferred import DeferredScalars
from gradatim.engines import Engine, StepParts
from gradatim.engines.eager import EagerEngine
from gradatim.errors import (
    ConfigError,
    DataError,
    GradatimWarning,
    NonFiniteLossError,
    OptimizerError,
)
from gradatim.losses import LossFn, check_reduction, checked
from gradatim.modules import evaluating
from gradatim.signatures import refuse_unknown, shows_options
from gradatim.weighing import Weighing

__all__ = [
    "StepOptions",
    "TrainStep",
    "ValStep",
    "check_scheduler",
    "make_forward",
    "make_train_step",
    "make_val_step",
]

Forward = Callable[[nn.Module, Any], tuple[Any, Any]]
"""``forward(model, batch)`` gives ``(predictions, targets)``."""

Precision = Literal["float32", "bf16"]
OnNonfinite = Literal["raise", "skip"]

Collect = Callable[[float, float], None]
"""Takes the loss of a batch and how much it weighs."""

ZERO_GRAD = torch.optim.Optimizer.zero_grad


class StepOptions(TypedDict, total=False):
    """The options of a step; :func:`make_train_step` says what each does."""

    forward: Forward | None
    max_norm: float | None
    num_microbatches: int
    loss_weight: Callable[[Any], float | Tensor] | None
    precision: Precision
    on_nonfinite: OnNonfinite
    check_shapes: bool


def _part(name: str) -> Any:
    """Make the attribute of a step that reads and changes one of its parts."""

    def read(step: "TrainStep") -> Any:
        return getattr(step.parts, name)

    def change(step: "TrainStep", value: Any) -> None:
        step._run_on_engine(replace(step.parts, **{name: value}))

    return property(read, change)


class TrainStep:
    """One update a call; :func:`make_train_step` makes it and describes the arguments.

    Attributes:
        num_steps: Calls so far, skipped ones included.
        num_skipped: Updates left out because their loss was NaN or infinite.
        own_forward: Whether batches go through a ``forward`` of the user's.
        forward: Gives ``(predictions, targets)`` of the model and a batch.
        loss_fn: The loss, behind the check of its shapes.
        weighing: How much the loss of a batch counts in a mean over many.
        engine: How forward, backward and update are run.
    """

    _engine_type: ClassVar[type[Engine]] = EagerEngine
    """The engine on which the step runs."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        optimizer: torch.optim.Optimizer,
        *,
        forward: Forward | None = None,
        lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        max_norm: float | None = None,
        num_microbatches: int = 1,
        loss_weight: Callable[[Any], float | Tensor] | None = None,
        precision: Precision = "float32",
        on_nonfinite: OnNonfinite = "raise",
        check_shapes: bool = True,
    ) -> None:
        _check_optimizer(model, loss_fn, optimizer)
        _check_options(max_norm, num_microbatches, precision, on_nonfinite)
        check_reduction(loss_fn)
        if lr_scheduler is not None:
            check_scheduler(lr_scheduler, optimizer)
        self.own_forward = forward is not None
        self.weighing = Weighing(
            loss_fn, loss_weight=loss_weight, own_forward=self.own_forward
        )
        if num_microbatches > 1 and self.weighing.needs_targets:
            raise ConfigError(
                f"num_microbatches={num_microbatches} with forward= and "
                f"{type(loss_fn).__name__}, which ignores or weights some targets.\n"
                "What each part weighs must be known before its targets are seen.\n"
                "Say it: loss_weight=lambda batch: (batch['label'] != -100).sum(), or "
                "loss_weight=lambda batch: len(batch['label']) where none is ignored."
            )
        self._uses_closure = _needs_closure(optimizer)
        if self._uses_closure and on_nonfinite == "skip":
            raise ConfigError(
                f"{type(optimizer).__name__} evaluates the loss several times an "
                'update, so on_nonfinite="skip" cannot leave one out.\n'
                'Use on_nonfinite="raise".'
            )
        self._own_loss = loss_fn if isinstance(loss_fn, nn.Module) else None
        self.lr_scheduler = lr_scheduler
        self.max_norm = max_norm
        self.on_nonfinite = on_nonfinite
        self.precision = precision
        self.num_steps = 0
        self.num_skipped = 0
        self._skips = on_nonfinite == "skip"
        self._unread = DeferredScalars()
        self._run_on_engine(
            StepParts(
                model=model,
                forward=make_forward(forward, self.weighing),
                loss_fn=checked(loss_fn, check_shapes=check_shapes),
                optimizer=optimizer,
                weighing=self.weighing,
                num_microbatches=num_microbatches,
                in_bfloat16=precision == "bf16",
            )
        )

    def _run_on_engine(self, parts: StepParts) -> None:
        """Let an engine prepare for the parts of the step.

        Raises:
            ConfigError: The engine cannot run them.
        """
        engine = self._engine_type
        if reasons := engine.why_not(parts):
            raise ConfigError(
                f"the {engine.name} engine cannot run {', '.join(reasons)}.\n"
                "No other engine takes over in silence: its speed and last bits differ."
                "\nLeave that out, or choose another engine."
            )
        self.parts = parts
        self.engine = engine()
        self.engine.prepare(parts)
        self._forward_backward = self.engine.forward_backward

    # Another loss or optimizer is taken over by the engine, from the next step on.
    model: nn.Module = _part("model")
    forward: Forward = _part("forward")
    loss_fn: LossFn = _part("loss_fn")
    optimizer: torch.optim.Optimizer = _part("optimizer")
    num_microbatches: int = _part("num_microbatches")

    def __call__(
        self, *batch: Any, collect: Collect | None = None
    ) -> Float[Tensor, ""]:
        """Update the model once.

        Args:
            batch: ``x, y``; with ``forward=`` whatever that takes. Rows along dim 0.
            collect: Called as ``collect(loss, weight)`` with two numbers, once both are
                on the host: on the CPU in this call, on a device in a later one or in
                :meth:`flush`, so that nothing waits. A loss whose update is left out is
                not collected.

        Returns:
            The mean loss before the update, 0-dim, detached, on its device:
            ``.item()`` waits for a GPU.

        Raises:
            ShapeMismatchError: Predictions and targets do not pair up.
            LossError: The loss is no scalar, or has no graph.
            NonFiniteLossError: The loss is NaN or infinite, at this step (on the
                CPU) or an earlier one (on a device).
        """
        if not self.model.training:
            self.model.train()
        if self._uses_closure:
            return self._step_with_closure(batch, collect)

        # Rows are counted before forward, which may take the batch apart.
        rows = self.weighing.rows_of(batch) if collect is not None else None
        buffers = [b.clone() for b in self.model.buffers()] if self._skips else []
        # The tutorial's four steps. Gradients add up unless they are cleared.
        self._zero_grad()
        # Steps 1 and 2: predictions and their loss, and its gradients.
        loss = self._forward_backward(batch)
        self.num_steps += 1
        if self._is_left_out(loss, batch, rows, collect):
            self._put_back(buffers)
            return loss
        # Step 3: move the parameters against their gradients.
        if self.max_norm is not None:
            self._clip(self.max_norm)
        self.engine.update()
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()
        # On the CPU a loss is collected when its update is done.
        if collect is not None and (loss.is_cpu or self._skips):
            collect(loss.item(), float(self._weight(batch, rows)))
        # Step 4 is the next call.
        return loss

    def _weight(self, batch: Any, rows: int | None) -> float | Tensor:
        return self.weighing.of_batch(batch) if rows is None else rows

    @torch.no_grad()
    def _put_back(self, buffers: list[Tensor]) -> None:
        # Otherwise NaN in one batch would stay in batch norm's running means for good.
        for buffer, kept in zip(self.model.buffers(), buffers, strict=True):
            buffer.copy_(kept)

    def _zero_grad(self) -> None:
        # Optimizer.zero_grad does the same inside a range of the profiler, which takes
        # a tenth of a small model's update. An optimizer's own zero_grad is called.
        optimizer = self.optimizer
        if getattr(optimizer.zero_grad, "__func__", None) is ZERO_GRAD:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
        else:
            optimizer.zero_grad()

    def _clip(self, max_norm: float) -> None:
        # The optimizer's parameters alone: gradients of others are never cleared, and
        # would grow from step to step.
        groups = self.optimizer.param_groups
        parameters = [p for group in groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, max_norm)

    def flush(self) -> None:
        """Wait for the device and check the losses that were not checked yet.

        Raises:
            NonFiniteLossError: One of them is NaN or infinite.
        """
        self._check_read(self._unread.drain())

    def state_dict(self, *, model: bool = True) -> dict[str, Any]:
        """Give what is needed to go on: model, optimizer, scheduler and counters.

        Of a loss that is a module, too: its buffers, and the parameters that train.

        The tensors are those in use, as in PyTorch's own ``state_dict``: copy what is
        to stay as it is (``copy.deepcopy``). Random generators, which dropout draws
        from, are not in it. With ``model=False`` the model is not, for who saves it in
        a file of its own.
        """
        state: dict[str, Any] = {"model": self.model.state_dict()} if model else {}
        state["optimizer"] = self.optimizer.state_dict()
        state["num_steps"] = self.num_steps
        state["num_skipped"] = self.num_skipped
        if self.lr_scheduler is not None:
            state["lr_scheduler"] = self.lr_scheduler.state_dict()
        if self._own_loss is not None and (tensors := _trainable_state(self._own_loss)):
            state["loss_fn"] = tensors
        return state

    def load_state_dict(
        self, state: dict[str, Any], *, model: bool = True, loss: bool = True
    ) -> None:
        """Go on from what :meth:`state_dict` gave; ``state`` stays as it is.

        Args:
            state: What :meth:`state_dict` gave, with the same ``model``.
            model: False leaves the model as it is.
            loss: False leaves a loss that is a module as it is.

        Raises:
            ConfigError: One of the two has a scheduler, the other none.
        """
        if ("lr_scheduler" in state) != (self.lr_scheduler is not None):
            has, lacks = "the state", "this step"
            if self.lr_scheduler is not None:
                has, lacks = lacks, has
            raise ConfigError(
                f"{has} has a learning-rate scheduler, {lacks} has none.\n"
                "The rate would not go on as it was.\n"
                "Make the step as it was made when the state was saved."
            )
        if model:
            self.model.load_state_dict(state["model"])
        if loss and self._own_loss is not None:
            self._own_loss.load_state_dict(state.get("loss_fn", {}), strict=False)
        # The optimizer would go on in the very tensors that it is given.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self.lr_scheduler is not None:
            self.lr_scheduler.load_state_dict(state["lr_scheduler"])
        self._unread = DeferredScalars()
        self.num_steps = state["num_steps"]
        self.num_skipped = state["num_skipped"]

    def _is_left_out(
        self, loss: Tensor, batch: Any, rows: int | None, collect: Collect | None
    ) -> bool:
        """Tell whether this update is to be left out; raise if that was asked for."""
        if not loss.is_cpu and not self._skips:
            weight = 0 if collect is None else self._weight(batch, rows)
            self._unread.push(loss, weight, self.num_steps, collect)
            self._check_read(self._unread.arrived())
            return False
        number = loss.item()
        if math.isfinite(number):
            return False
        if not self._skips:
            # LBFGS has moved the weights when it asks for the loss again, so then the
            # message must not say that they are those of before the step.
            model = None if self._uses_closure else self.model
            raise NonFiniteLossError(_nonfinite_message(number, self.num_steps, model))
        self.num_skipped += 1
        if self.num_skipped == 1:
            warnings.warn(
                f"the loss is {number} at step {self.num_steps}; this update, and "
                "every later one like it, is left out.\nThey are counted in "
                "num_skipped.",
                GradatimWarning,
                stacklevel=3,
            )
        return True

    def _check_read(self, rows: list[tuple[Any, ...]]) -> None:
        """Check losses that have come from the device, and hand them on."""
        for loss, weight, step, collect in rows:
            if not math.isfinite(loss):
                self._unread = DeferredScalars()
                raise NonFiniteLossError(
                    _nonfinite_message(loss, step, noticed=self.num_steps)
                )
            if collect is not None:
                collect(loss, weight)

    def _step_with_closure(self, batch: Any, collect: Collect | None) -> Tensor:
        """Update by LBFGS and its like, which ask for the loss several times.

        The loss of the update, which is collected, is the first one.
        """
        self.num_steps += 1
        first: Tensor | None = None
        rows = self.weighing.rows_of(batch) if collect is not None else None

        def closure() -> Tensor:
            nonlocal first
            self._zero_grad()
            loss = self._forward_backward(batch)
            self._is_left_out(loss, batch, rows, collect if first is None else None)
            if self.max_norm is not None:
                self._clip(self.max_norm)
            first = loss if first is None else first
            return loss

        self.engine.update(closure)
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()
        assert first is not None
        if collect is not None and first.is_cpu:
            collect(first.item(), float(self._weight(batch, rows)))
        return first


@shows_options(StepOptions, defaults=TrainStep)
def make_train_step(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    *,
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    **options: Unpack[StepOptions],
) -> TrainStep:
    """Make the function that updates ``model`` once: ``train_step(x, y) -> loss``.

    Args:
        model: Called as ``model(x)``. If it is in eval mode it is put into train
            mode; layers set to eval inside a training model stay as they are.
        loss_fn: Called as ``loss_fn(predictions, targets)``; gives a 0-dim tensor.
            A function of your own is taken to be a mean over rows, unless it has an
            attribute ``reduction = "sum"``.
        optimizer: Holds parameters of ``model`` (or of ``loss_fn``).
        forward: For batches that are not ``(x, y)``: ``forward(model, batch)`` gives
            ``(predictions, targets)``. Called as ``train_step(batch)``.
        lr_scheduler: Stepped after every update.
        max_norm: Shorten all gradients together to at most this 2-norm.
        num_microbatches: Forward and backward run on this many parts of the batch,
            one after the other; the gradient is that of the whole batch. (Layers
            that join rows, such as batch norm, see the parts.)
        loss_weight: How much a part's mean loss weighs, given its ``y`` (with
            ``forward=``, the part): rows by default, and for ``CrossEntropyLoss``
            and ``NLLLoss`` what they divide by. A batch whose rows cannot be counted
            has as many samples as it weighs.
        precision: ``"bf16"`` runs forward and loss under autocast to bfloat16; the
            weights stay float32.
        on_nonfinite: What a NaN or infinite loss does. ``"raise"``: on the CPU it
            stops before the update; on a device it is noticed some steps later,
            without waiting, and the step is named. ``"skip"``: waits for the loss,
            leaves the update out, counts it in ``num_skipped`` and warns once.
        check_shapes: ``False`` turns off the check of predictions against targets.

    Returns:
        A :class:`TrainStep`.

    Raises:
        OptimizerError: The optimizer holds no parameter of the model.
        ConfigError: An option is out of its range, or two exclude each other.

    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> train_step = make_train_step(model, nn.MSELoss(), optimizer)
    >>> loss = train_step(torch.ones(4, 1), torch.zeros(4, 1))
    >>> loss.shape, loss.requires_grad, train_step.num_steps
    (torch.Size([]), False, 1)
    """
    refuse_unknown("make_train_step", options, StepOptions.__annotations__)
    return TrainStep(model, loss_fn, optimizer, lr_scheduler=lr_scheduler, **options)


def make_val_step(
    model: nn.Module,
    loss_fn: LossFn,
    *,
    forward: Forward | None = None,
    check_shapes: bool = True,
) -> "ValStep":
    """Make the function that only looks: ``val_step(x, y) -> loss``.

    The model is in eval mode for the call, and every layer's mode is put back; no
    graph is built. Arguments as in :func:`make_train_step`.

    >>> val_step = make_val_step(nn.Linear(1, 1), nn.MSELoss())
    >>> val_step(torch.ones(4, 1), torch.zeros(4, 1)).requires_grad
    False
    """
    return ValStep(model, loss_fn, forward=forward, check_shapes=check_shapes)


class ValStep:
    """The loss of a batch, without learning from it; made by :func:`make_val_step`."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        *,
        forward: Forward | None = None,
        check_shapes: bool = True,
    ) -> None:
        self.model = model
        self._loss_fn = checked(loss_fn, check_shapes=check_shapes)
        self._forward = make_forward(forward)

    def __call__(self, *batch: Any) -> Float[Tensor, "..."]:
        """Give the loss of a batch: ``x, y``, or what ``forward=`` takes."""
        with evaluating(self.model):
            return self._loss_fn(*self._forward(self.model, batch))


def make_forward(forward: Forward | None, weighing: Weighing | None = None) -> Forward:
    """Give the function from a batch, as a tuple, to ``(predictions, targets)``.

    Without the user's ``forward``, batches are ``(x, y)``; with it, ``weighing`` is
    given the targets if it needs them.
    """
    # Functions of the module, not closures: a step can be pickled and copied.
    if forward is None:
        return _forward_pair
    return functools.partial(_forward_any, forward, weighing)


def _forward_pair(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    if len(batch) != 2:
        kinds = ", ".join(type(part).__name__ for part in batch)
        raise DataError(
            f"a batch has {len(batch)} parts ({kinds}), not 2.\n"
            "Without forward= a batch is a pair of x and y.\n"
            "Say what to do with it: forward=lambda model, batch: "
            "(model(batch[0]), batch[-1])."
        )
    return model(batch[0]), batch[1]


def _forward_any(
    forward: Forward, weighing: Weighing | None, model: nn.Module, batch: Any
) -> tuple[Any, Any]:
    pair: Any = forward(model, batch[0] if len(batch) == 1 else batch)
    # A tensor of two rows, or a dict of two keys, would unpack without an error.
    is_list = isinstance(pair, (tuple, list))
    if (is_list and len(pair) != 2) or isinstance(pair, (Tensor, dict, NoneType)):
        given = f"a {type(pair).__name__}"
        if isinstance(pair, Tensor):
            given += f" of shape {tuple(pair.shape)}"
        elif is_list:
            given += f" of {len(pair)} parts"
        raise ConfigError(
            f"forward gave {given}, not the pair (predictions, targets).\n"
            "The loss needs both, and the batch is known to forward alone.\n"
            'Return both: forward=lambda model, batch: (model(batch["x"]), batch["y"]).'
        )
    predictions, targets = pair
    if weighing is not None and weighing.needs_targets:
        weighing.keep_targets(targets)
    return predictions, targets


def check_scheduler(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Refuse a scheduler that would change another optimizer's learning rate.

    Raises:
        OptimizerError: It was made for another optimizer.
    """
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise OptimizerError(
            f"{type(scheduler).__name__} was made for another "
            f"{type(scheduler.optimizer).__name__} than the one that trains.\n"
            "Its steps would change a learning rate that nothing uses.\n"
            "Make it from the optimizer that you give here."
        )


def _trainable_state(module: nn.Module) -> dict[str, Any]:
    """Give a module's state without its frozen parameters."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {k: v for k, v in module.state_dict().items() if k not in frozen}


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether ``step`` has to be given a closure, as LBFGS's has."""
    step = inspect.signature(type(optimizer).step).parameters
    closure = step.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def _nonfinite_message(
    loss: float,
    step: int,
    model: nn.Module | None = None,
    *,
    noticed: int | None = None,
) -> str:
    late = f" (noticed after step {noticed})" if noticed not in (None, step) else ""
    why = "An update from it would make every weight NaN."
    if model is not None:
        why += " The weights are those of before the step."
        if not all(bool(p.isfinite().all()) for p in model.parameters()):
            why = (
                "The weights were NaN or infinite before it already: the update "
                "before had a finite loss, and gradients that were not."
            )
    return (
        f"the loss is {loss} at step {step}{late}.\n"
        f"{why}\n"
        "Look for NaN in the data, log or division by zero in the loss, or a learning "
        'rate that is too high; on_nonfinite="skip" leaves such steps out.'
    )


def _check_optimizer(
    model: nn.Module, loss_fn: Any, optimizer: torch.optim.Optimizer
) -> None:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    modules = [model, loss_fn] if isinstance(loss_fn, nn.Module) else [model]
    if any(id(p) in held for module in modules for p in module.parameters()):
        return
    num_own = sum(1 for _ in model.parameters())
    raise OptimizerError(
        f"the optimizer holds {len(held)} parameters, none of them among the "
        f"{num_own} of {type(model).__name__}.\n"
        "Its steps would leave this model as it is.\n"
        "Make the optimizer from model.parameters(), after the last change of the "
        "model's layers."
    )


def _check_options(
    max_norm: float | None, num_microbatches: int, precision: str, on_nonfinite: str
) -> None:
    if max_norm is not None and not max_norm > 0:
        raise ConfigError(f"max_norm must be positive, got {max_norm}.")
    if num_microbatches < 1:
        raise ConfigError(
            f"num_microbatches must be 1 or more, got {num_microbatches}."
        )
    for name, value, choices in (
        ("precision", precision, ("float32", "bf16")),
        ("on_nonfinite", on_nonfinite, ("raise", "skip")),
    ):
        if value not in choices:
            raise ConfigError(f"{name} must be one of {choices}, got {value!r}.")
