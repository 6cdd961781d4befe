"""The function ``trace_step``: one real update, on a copy, and what is seen of it."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from gradatim.errors import NonFiniteLossError
from gradatim.losses import LossFn, without_partial
from gradatim.modules import bare
from gradatim.rng import keeping_rng
from gradatim.step import TrainStep
from gradatim.torch_private import accumulation_hooks
from gradatim.trace.arithmetic import spell_out
from gradatim.trace.copies import copied, lending_no_gradients
from gradatim.trace.names import named_batch, named_parameters
from gradatim.trace.observations import Observations, ObservedStep
from gradatim.trace.stats import norm_of, stats_of
from gradatim.trace.step_trace import StepTrace
from gradatim.trace.trace_data import Input, ParameterTrace, SampleLoss

__all__ = ["trace_step"]

MAX_WORST_ROWS = 5  # So many rows are shown; chosen by hand, not measured.
NO_SAMPLES = 'does not tell; PyTorch\'s own losses do, by reduction="none"'
NOT_ON_A_COPY = ("lr_scheduler", "on_nonfinite")
"""Options of a step that are left out when the step runs on a copy."""


def trace_step(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    *batch: Any,
    apply: bool = False,
    **step_options: Any,
) -> StepTrace:
    """Run one real update on a copy of the model, and show it whole.

    The trace has the inputs, the output of each module, the loss and its worst rows,
    the gradient of each parameter, and the update. For a small model with a squared
    error it also has the numbers themselves, with the arithmetic spelled out.

    Model, loss, optimizer, batch, modes, gradients, hooks and the global random
    generators stay as they are, bit for bit. Your own hooks run, on the copy.

    Args:
        model: As for ``make_train_step``.
        loss_fn: As for ``make_train_step``.
        optimizer: As for ``make_train_step``.
        batch: ``x, y``; with ``forward=``, whatever that takes.
        apply: Whether to update the model itself. The step then changes the same, bit
            for bit, as ``make_train_step(...)(x, y)`` does.
        step_options: For ``make_train_step``, such as ``forward=`` or ``max_norm=``.
            Without ``apply``, a NaN or infinite loss is shown and not raised, whatever
            ``on_nonfinite`` says, and ``lr_scheduler`` is not stepped.

    Returns:
        A :class:`StepTrace`: print it, show it in a notebook, or use
        ``.save("step.html")`` or ``.to_dict()``.

    Raises:
        ConfigError: Model, loss or optimizer cannot be copied, or a function reaches
            the model from outside.
        ShapeMismatchError: As from ``make_train_step``; its other errors come too.

    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> trace = trace_step(
    ...     model, nn.MSELoss(), optimizer, torch.ones(4, 1), torch.zeros(4, 1)
    ... )
    >>> [parameter.name for parameter in trace.parameters], trace.applied
    (['weight', 'bias'], False)
    """
    if apply:
        return _trace(model, loss_fn, optimizer, batch, True, step_options)
    options = {k: v for k, v in step_options.items() if k not in NOT_ON_A_COPY}
    # Building the step checks the arguments, before anything is copied.
    if not TrainStep(model, loss_fn, optimizer, **options)._uses_closure:
        options["on_nonfinite"] = "skip"
    with keeping_rng():
        parts = copied(bare(model), loss_fn, optimizer, batch)
        with lending_no_gradients(model, loss_fn, optimizer, batch):
            trace = _trace(*parts, False, options)
    return replace(trace, notes=(*_notes_on_copying(model), *trace.notes))


def _notes_on_copying(model: nn.Module) -> list[str]:
    """Say what of a model does not run on a copy."""
    notes = []
    if bare(model) is not model:
        notes.append("torch.compile was left out: the copy ran eagerly")
    hooks = [accumulation_hooks(p) for p in model.parameters()]
    if num_hooks := sum(map(len, hooks)):
        notes.append(
            f"{num_hooks} hooks after the accumulation of gradients were not run: they "
            "may update what is no copy; apply=True runs them"
        )
    return notes


def _trace(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
    applied: bool,
    options: dict[str, Any],
) -> StepTrace:
    """Run the step on these very objects, and put together what was seen."""
    named = named_parameters(model, loss_fn, optimizer)
    observations = Observations(model, named)
    step = ObservedStep(
        model,
        loss_fn,
        optimizer,
        observations=observations,
        is_quiet=not applied,
        **options,
    )
    inputs = tuple(
        Input(name=name, stats=stats_of(tensor))
        for name, tensor in named_batch(batch, own_forward=step.own_forward)
    )
    lrs = _lrs(optimizer, named)
    before = {
        name: parameter.detach().clone()
        for name, parameter in named.items()
        if not isinstance(parameter, UninitializedParameter)
    }
    is_skipped = _run(step, batch, applied)
    assert observations.loss is not None
    loss = float(observations.loss)
    arithmetic = None
    if observations.slopes is not None:
        arithmetic = spell_out(
            observations.slopes,
            loss=loss,
            gradients=observations.small_gradients,
            before=before,
            after=None if is_skipped else named,
            lrs=lrs if _is_plain_descent(optimizer) else {},
        )
    losses = [loss for part in observations.sample_losses for loss in part.tolist()]
    return StepTrace(
        model=type(model).__name__,
        loss_fn=_name_of(loss_fn),
        optimizer=_describe(optimizer, lrs),
        applied=applied,
        skipped=f"The loss is {loss}: no update." if is_skipped else None,
        inputs=inputs,
        outputs=tuple(observations.outputs),
        loss=loss,
        sample_losses=tuple(losses) or None,
        sample_reason=None if losses else f"{_name_of(loss_fn)} {NO_SAMPLES}",
        worst=_worst(losses, observations.pairs),
        parameters=tuple(
            _parameter(name, p, observations, before.get(name), not is_skipped, lrs)
            for name, p in named.items()
        ),
        grad_norm=_joint(observations.grad_norms.get(name) for name in lrs),
        max_norm=step.max_norm,
        num_evaluations=observations.num_evaluations,
        arithmetic=arithmetic,
        notes=tuple(observations.notes),
    )


def _run(step: ObservedStep, batch: tuple[Any, ...], applied: bool) -> bool:
    """Run the step; tell whether its update was skipped."""
    with step.observations.hooks():
        try:
            step(*batch)
        except NonFiniteLossError:
            if applied:
                raise
            return True
    return step.num_skipped > 0


def _parameter(
    name: str,
    parameter: Tensor,
    observations: Observations,
    before: Tensor | None,
    has_update: bool,
    lrs: dict[str, float | None],
) -> ParameterTrace:
    """Put together what was seen of one parameter."""
    status = "trained" if name in lrs else "not in the optimizer"
    grad = observations.gradients.get(name)
    weight_norm = None if before is None else norm_of(before)
    delta_norm = None
    if before is not None and has_update:
        delta_norm = norm_of(parameter.detach() - before)
    ratio = delta_norm / weight_norm if delta_norm is not None and weight_norm else None
    is_made = not isinstance(parameter, UninitializedParameter)
    return ParameterTrace(
        name=name,
        shape=tuple(parameter.shape) if is_made else (),
        status=status if parameter.requires_grad else "frozen",
        lr=lrs.get(name),
        grad_norm=observations.grad_norms.get(name),
        grad_zeros=grad.zeros if grad else None,
        grad_num_nan=grad.num_nan if grad else 0,
        grad_num_inf=grad.num_inf if grad else 0,
        weight_norm=weight_norm,
        delta_norm=delta_norm,
        ratio=ratio,
    )


def _worst(
    losses: list[float], pairs: list[tuple[Tensor, Tensor]]
) -> tuple[SampleLoss, ...]:
    """Give the rows with the highest losses, NaN first."""
    predictions = _number_per_row([predictions for predictions, _ in pairs])
    targets = _number_per_row([targets for _, targets in pairs])
    has_pairs = len(predictions) == len(targets) == len(losses)
    order = sorted(
        range(len(losses)), key=lambda row: (losses[row] == losses[row], -losses[row])
    )
    return tuple(
        SampleLoss(
            row=row,
            loss=losses[row],
            prediction=predictions[row] if has_pairs else None,
            target=targets[row] if has_pairs else None,
        )
        for row in order[:MAX_WORST_ROWS]
    )


def _number_per_row(parts: list[Tensor]) -> list[float]:
    """Give the number of each row; an empty list if a row has several numbers."""
    numbers: list[float] = []
    for part in parts:
        if part.is_complex() or (part.dim() and part.numel() != part.size(0)):
            return []
        numbers += map(float, part.flatten().tolist())
    return numbers


def _lrs(
    optimizer: torch.optim.Optimizer, named: dict[str, Tensor]
) -> dict[str, float | None]:
    """Give the learning rate of every parameter that the optimizer holds."""
    rates = {
        id(parameter): group.get("lr")
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    held = {name: rates[id(p)] for name, p in named.items() if id(p) in rates}
    return {name: None if lr is None else float(lr) for name, lr in held.items()}


def _is_plain_descent(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether an update is ``parameter -= lr * gradient`` and nothing else."""
    return type(optimizer) is torch.optim.SGD and not any(
        group["momentum"] or group["weight_decay"] or group["maximize"]
        for group in optimizer.param_groups
    )


def _joint(norms: Iterable[float | None]) -> float | None:
    """Give the norm of several vectors joined into one, from the norm of each."""
    known = [norm for norm in norms if norm is not None]
    return math.hypot(*known) if known else None


def _describe(optimizer: torch.optim.Optimizer, lrs: dict[str, float | None]) -> str:
    """Name an optimizer and its learning rates, each once."""
    rates = dict.fromkeys(lr for lr in lrs.values() if lr is not None)
    text = f"(lr={', '.join(f'{lr:g}' for lr in rates)})" if rates else ""
    return f"{type(optimizer).__name__}{text}"


def _name_of(loss_fn: Any) -> str:
    loss_fn = without_partial(loss_fn)
    return str(getattr(loss_fn, "__name__", type(loss_fn).__name__))
