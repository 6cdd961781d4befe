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
from typing import Any, ClassVar, Literal, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim.deferred import DeferredScalars
from gradatim.engines import Engine, StepParts
from gradatim.engines.eager import EagerEngine
from gradatim.errors import (
    ConfigError,
    GradatimWarning,
    NonFiniteLossError,
)
from gradatim.forward import Forward, loss_of, make_forward
from gradatim.losses import LossFn, check_reduction, checked
from gradatim.modules import device_of
from gradatim.named_loss import OwnLoss
from gradatim.nested import map_tensors
from gradatim.nonfinite import (
    dense_gradients,
    gradient_message,
    loss_message,
    nonfinite_gradients,
)
from gradatim.precision import AUTOCAST_DTYPES, Precision, in_full_precision
from gradatim.signatures import refuse_unknown, shows_options
from gradatim.step_checks import (
    check_kinds,
    check_optimizer,
    check_options,
    check_scheduler,
)
from gradatim.weighing import Weighing

__all__ = ["StepOptions", "TrainStep", "make_train_step"]

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
    check_gradients: bool
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
        num_skipped: Updates left out because their loss or gradients were NaN or
            infinite.
        left_out: Whether the last call was one of them.
        grad_norm: The joint 2-norm of the last update's gradients before ``max_norm``
            shortened them, 0-dim on its device; None where nothing asks for it.
        parts_of_loss: The named parts of the last loss, 0-dim, detached; empty where
            the loss has none, or the update was left out.
        measures_norm: Whether ``grad_norm`` is measured where ``max_norm`` is None.
        on_backward_end: Called without arguments when the gradients are there, before
            they are looked at; None for nothing.
        outputs: Predictions and targets of the last forwards, after
            :meth:`keep_outputs`.
        own_forward: Whether batches go through a ``forward`` of the user's.
        gives_loss: Whether that gives the loss itself.
        forward: Gives ``(predictions, targets)`` of the model and a batch.
        loss_fn: The loss, behind the check of its shapes.
        given_loss_fn: The loss as it was given.
        weighing: How much the loss of a batch counts in a mean over many.
        engine: How forward, backward and update are run.
    """

    _engine_type: ClassVar[type[Engine]] = EagerEngine
    """The engine on which the step runs."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn | None,
        optimizer: torch.optim.Optimizer,
        *,
        forward: Forward | None = None,
        lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        max_norm: float | None = None,
        num_microbatches: int = 1,
        loss_weight: Callable[[Any], float | Tensor] | None = None,
        precision: Precision = "float32",
        on_nonfinite: OnNonfinite = "raise",
        check_gradients: bool = False,
        check_shapes: bool = True,
    ) -> None:
        loss_fn = loss_of(loss_fn, forward)
        check_kinds(model, loss_fn, optimizer)
        check_optimizer(model, loss_fn, optimizer)
        check_options(max_norm, num_microbatches, precision, on_nonfinite)
        check_reduction(loss_fn)
        if lr_scheduler is not None:
            check_scheduler(lr_scheduler, optimizer)
        self.own_forward = forward is not None
        self.gives_loss = isinstance(loss_fn, OwnLoss)
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
        if self._uses_closure and (on_nonfinite == "skip" or precision == "fp16"):
            name = 'on_nonfinite="skip"' if precision != "fp16" else 'precision="fp16"'
            raise ConfigError(
                f"{type(optimizer).__name__} evaluates the loss several times an "
                f"update, so {name} cannot leave one out.\n"
                'Use on_nonfinite="raise" and another precision.'
            )
        self._own_loss = loss_fn if isinstance(loss_fn, nn.Module) else None
        self.given_loss_fn = loss_fn
        self.lr_scheduler = lr_scheduler
        self.max_norm = max_norm
        self.on_nonfinite = on_nonfinite
        self.precision = precision
        self.num_steps = 0
        self.num_skipped = 0
        self.left_out = False
        self.outputs: list[tuple[Any, Any]] = []
        self.check_gradients = check_gradients
        self.grad_norm: Tensor | None = None
        self.on_backward_end: Callable[[], None] | None = None
        self._skips = on_nonfinite == "skip"
        self.measures_norm = self._skips or check_gradients
        self._unread = DeferredScalars()
        dtype, scaler = AUTOCAST_DTYPES[precision], None
        if dtype is torch.float16:
            scaler = torch.amp.GradScaler(device_of(model).type)
        self._run_on_engine(
            StepParts(
                model=model,
                forward=make_forward(
                    forward, self.weighing, gives_loss=self.gives_loss
                ),
                loss_fn=checked(loss_fn, check_shapes=check_shapes),
                optimizer=optimizer,
                weighing=self.weighing,
                num_microbatches=num_microbatches,
                autocast_dtype=dtype,
                scaler=scaler,
            )
        )

    def keep_outputs(self) -> None:
        """Put the predictions and targets of each forward into ``outputs`` from now on.

        Whoever reads them empties the list.
        """
        self.forward = functools.partial(_keeping_outputs, self.forward, self.outputs)

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

    @property
    def parts_of_loss(self) -> dict[str, Tensor]:
        """The named parts of the last loss."""
        return self.engine.parts_of_loss

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
        if self.engine.parts_of_loss:
            self.engine.parts_of_loss = {}
        # The tutorial's four steps. Gradients add up unless they are cleared.
        self._zero_grad()
        # Steps 1 and 2: predictions and their loss, and its gradients.
        loss = self._forward_backward(batch)
        self.num_steps += 1
        measures = self.measures_norm or self.max_norm is not None
        is_looked_at = measures or self.on_backward_end is not None
        if is_looked_at and self.parts.scaler is not None:
            self.parts.scaler.unscale_(self.optimizer)
        if self.on_backward_end is not None:
            self.on_backward_end()
        self.left_out = self._is_not_finite(loss) or (
            measures and self._has_bad_gradients(loss)
        )
        if self.left_out:
            self._put_back(buffers)
        # Step 3: move the parameters against their gradients.
        elif not self.engine.update():
            self.left_out = True  # float16 overflowed; the scale is smaller now
            self.num_skipped += 1
        elif self.lr_scheduler is not None:
            self.lr_scheduler.step()
        if self.left_out:
            self.engine.parts_of_loss, collect = {}, None
            self.outputs.clear()
        if collect is not None or not loss.is_cpu:
            self._hand_on(loss, batch, rows, collect)
        # Step 4 is the next call.
        return loss

    def _hand_on(
        self, loss: Tensor, batch: Any, rows: int | None, collect: Collect | None
    ) -> None:
        """Collect a loss whose update is done, from a device when it has arrived."""
        if not loss.is_cpu and not self._skips:
            weight = 0 if collect is None else self._weight(batch, rows)
            self._unread.push(loss, weight, self.num_steps, collect)
            self._check_read(self._unread.arrived())
        elif collect is not None:
            collect(loss.item(), float(self._weight(batch, rows)))

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

    def _has_bad_gradients(self, loss: Tensor) -> bool:
        """Measure the gradients, and shorten them where that was asked for.

        Returns:
            Whether they are NaN or infinite, so that the update is to be left out.

        Raises:
            NonFiniteLossError: They are, and no update is to be left out.
        """
        # The optimizer's parameters alone: gradients of others are never cleared, and
        # would grow from step to step.
        groups, scaler = self.optimizer.param_groups, self.parts.scaler
        parameters = [p for group in groups for p in group["params"]]
        norm = nn.utils.get_total_norm(dense_gradients(parameters))
        self.grad_norm = norm
        # On a device max_norm alone does not wait; the scaler sees overflows itself.
        checks = self._skips or self.check_gradients
        waits = checks or (norm.is_cpu and self.max_norm is not None)
        if waits and scaler is None and not math.isfinite(norm.item()):
            own_loss = [] if self._own_loss is None else [self._own_loss]
            names = nonfinite_gradients([self.model, *own_loss])
            if names:
                self._refuse_gradients(names, loss.item())
                return True
        if self.max_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.max_norm, norm)
        return False

    def _refuse_gradients(self, names: list[str], loss: float) -> None:
        message = gradient_message(names, loss, self.num_steps, skips=self._skips)
        if not self._skips:
            raise NonFiniteLossError(message)
        self._count_skipped(message)

    def _count_skipped(self, message: str) -> None:
        """Count an update that is left out; warn of the first."""
        self.num_skipped += 1
        if self.num_skipped == 1:
            warnings.warn(message, GradatimWarning, stacklevel=4)

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
        if self.parts.scaler is not None:
            state["scaler"] = self.parts.scaler.state_dict()
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
        if self.parts.scaler is not None and "scaler" in state:
            self.parts.scaler.load_state_dict(state["scaler"])
        self._unread = DeferredScalars()
        self.num_steps = state["num_steps"]
        self.num_skipped = state["num_skipped"]

    def _is_not_finite(self, loss: Tensor) -> bool:
        """Tell whether this update is to be left out; raise if that was asked for."""
        if not loss.is_cpu and not self._skips:  # it is checked when it has arrived
            return False
        number = loss.item()
        if math.isfinite(number):
            return False
        if not self._skips:
            # LBFGS has moved the weights when it asks for the loss again, so then the
            # message must not say that they are those of before the step.
            model = None if self._uses_closure else self.model
            raise NonFiniteLossError(loss_message(number, self.num_steps, model))
        self._count_skipped(
            f"the loss is {number} at step {self.num_steps}; this update, and every "
            "later one like it, is left out.\nThey are counted in num_skipped."
        )
        return True

    def _check_read(self, rows: list[tuple[Any, ...]]) -> None:
        """Check losses that have come from the device, and hand them on."""
        for loss, weight, step, collect in rows:
            if not math.isfinite(loss):
                self._unread = DeferredScalars()
                raise NonFiniteLossError(
                    loss_message(loss, step, noticed=self.num_steps)
                )
            if collect is not None:
                collect(loss, weight)

    def _step_with_closure(self, batch: Any, collect: Collect | None) -> Tensor:
        """Update by LBFGS and its like, which ask for the loss several times.

        The loss of the update, which is collected, is the first one.
        """
        self.num_steps += 1
        first: Tensor | None = None
        parts: dict[str, Tensor] = {}
        num_outputs = 0
        rows = self.weighing.rows_of(batch) if collect is not None else None

        def closure() -> Tensor:
            nonlocal first, parts, num_outputs
            self._zero_grad()
            loss = self._forward_backward(batch)
            if self.on_backward_end is not None:
                self.on_backward_end()
            self._is_not_finite(loss)
            if not loss.is_cpu:
                self._hand_on(loss, batch, rows, collect if first is None else None)
            if self.measures_norm or self.max_norm is not None:
                self._has_bad_gradients(loss)
            if first is None:
                first, parts = loss, self.engine.parts_of_loss
                num_outputs = len(self.outputs)
            del self.outputs[num_outputs:]  # of the first loss, as it is returned
            return loss

        self.engine.update(closure)
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()
        assert first is not None
        self.engine.parts_of_loss = parts
        if first.is_cpu:
            self._hand_on(first, batch, rows, collect)
        return first


@shows_options(StepOptions, defaults=TrainStep)
def make_train_step(
    model: nn.Module,
    loss_fn: LossFn | None,
    optimizer: torch.optim.Optimizer,
    *,
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    **options: Unpack[StepOptions],
) -> TrainStep:
    """Make the function that updates ``model`` once: ``train_step(x, y) -> loss``.

    Args:
        model: Called as ``model(x)``. If it is in eval mode it is put into train
            mode; layers set to eval inside a training model stay as they are.
        loss_fn: Called as ``loss_fn(predictions, targets)``; gives a 0-dim tensor,
            or ``{"loss": ..., "kl": ...}`` with parts that are noted beside it. A
            function of your own is taken to be a mean over rows, unless it has an
            attribute ``reduction = "sum"``. None where ``forward`` gives the loss.
        optimizer: Holds parameters of ``model`` (or of ``loss_fn``).
        forward: For batches that are not ``(x, y)``: ``forward(model, batch)`` gives
            ``(predictions, targets)`` or, where ``loss_fn`` is None, the loss. Called
            as ``train_step(batch)``.
        lr_scheduler: Stepped after every update.
        max_norm: Shorten all gradients together to at most this 2-norm.
        num_microbatches: Forward and backward run on this many parts of the batch,
            one after the other; the gradient is that of the whole batch. (Layers
            that join rows, such as batch norm, see the parts.)
        loss_weight: How much a part's mean loss weighs, given its ``y`` (with
            ``forward=``, the part): rows by default, and for ``CrossEntropyLoss``
            and ``NLLLoss`` what they divide by. A batch whose rows cannot be counted
            has as many samples as it weighs.
        precision: ``"bf16"`` runs forward and loss under autocast to bfloat16,
            ``"fp16"`` to float16 with a scaled loss; the weights stay float32.
        on_nonfinite: What a NaN or infinite loss does. ``"raise"``: on the CPU it
            stops before the update; on a device it is noticed some steps later,
            without waiting, and the step is named. ``"skip"``: waits for the loss and
            the norm of the gradients, leaves the update out if either is not finite,
            counts it in ``num_skipped`` and warns once.
        check_gradients: A finite loss can have gradients that are NaN, as the square
            root has at 0. ``True`` measures them at every update, waits for the norm,
            and raises before the update. With ``max_norm`` on the CPU this is done
            anyway.
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


def _keeping_outputs(
    forward: Forward, outputs: list[tuple[Any, Any]], model: nn.Module, batch: Any
) -> tuple[Any, Any]:
    predictions, targets = forward(model, batch)
    if torch.is_grad_enabled():  # not in validation
        kept = map_tensors(lambda t: in_full_precision(t.detach()), predictions)
        outputs.append((kept, targets))
    return predictions, targets


def _trainable_state(module: nn.Module) -> dict[str, Any]:
    """Give a module's state without its frozen parameters."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {k: v for k, v in module.state_dict().items() if k not in frozen}


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether ``step`` has to be given a closure, as LBFGS's has."""
    step = inspect.signature(type(optimizer).step).parameters
    closure = step.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
