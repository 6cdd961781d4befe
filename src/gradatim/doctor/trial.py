"""A cure is tried: copies of the model are trained a few steps with and without it."""

import contextlib
import copy
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.losses import WATCHED_LOSSES
from gradatim.rng import keeping_rng
from gradatim.watching import Replay

__all__ = ["Inputs", "Outcome", "Trial", "Variant", "try_out"]

NUM_STEPS = (20, 100)  # more where few change little; chosen by hand, not measured
MAX_SECONDS = 2.0  # for all steps of one copy; chosen by hand, not measured
MAX_ERROR = 0.3  # of the copy's first loss: dropout; chosen by hand, not measured
MAX_SHARE_OF_LOSS = 0.9  # with a cure that helps; chosen by hand, not measured

Inputs = tuple[tuple[Any, ...], Tensor]
"""What a model is given in one call, and the targets that its output belongs to."""
Prepare = Callable[[tuple[Any, ...], Tensor], Inputs]
LossOf = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a copy is trained; by default as the program does it."""

    name: str = ""
    lr: float = 1.0
    """Every learning rate is multiplied by this factor."""
    zeroes: bool = True
    """Whether gradients are cleared before each backward."""
    reduction: str | None = None
    """The ``reduction`` of the loss, if another one than the program's."""
    prepare: Prepare | None = None
    """A function that makes other inputs and targets."""
    loss: LossOf | None = None
    """A loss in place of the program's, which is given the same two tensors."""
    change: Callable[[nn.Module], None] | None = None
    """A function that changes the copy before its first step."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried for a pitfall: the program as it is, and its cures."""

    cures: tuple[Variant, ...]
    as_is: Variant = Variant()
    measure: LossOf | None = None
    """The loss by which both are compared; by default the cure's loss."""


@dataclass(frozen=True)
class Outcome:
    """The loss with the better of the cures, beside the program as it is."""

    num_steps: int
    before: float
    after: float
    name: str

    @property
    def helps(self) -> bool:
        """Whether the loss is lower by a tenth, or finite where it was not."""
        was_finite = math.isfinite(self.before)
        is_lower = self.after < MAX_SHARE_OF_LOSS * self.before
        return math.isfinite(self.after) and (is_lower or not was_finite)

    def __str__(self) -> str:
        steps = f"after {self.num_steps} steps of a copy"
        how = f"{self.name}: " if self.name else ""
        before = f"{self.before:.4g}" if math.isfinite(self.before) else "no number"
        return f"{how}loss {steps} {self.after:.4g} instead of {before}"


def try_out(trial: Trial, replay: Replay) -> Outcome | None:
    """Train copies with and without each cure, on the program's own first batches.

    Returns:
        The better cure; None where a copy does not do what the program did.
    """
    quiet = contextlib.redirect_stdout(io.StringIO())
    with keeping_rng(), quiet, torch.enable_grad(), contextlib.suppress(Exception):
        return _try_out(trial, replay)
    return None  # the copy lacks something that the model needs


def _try_out(trial: Trial, replay: Replay) -> Outcome | None:
    measure = trial.measure or _loss_of(replay, trial.cures[0])
    torch.manual_seed(0)
    if not _is_faithful(replay):
        return None
    best: Outcome | None = None
    for max_steps in NUM_STEPS:
        num_steps, before = max_steps, math.nan
        with contextlib.suppress(RuntimeError):  # some losses take 0 to 1 only
            num_steps, before = _train(replay, trial.as_is, measure, max_steps)
        outcomes = []
        for cure in trial.cures:
            _, after = _train(replay, cure, measure, num_steps)
            if math.isfinite(after):
                outcomes.append(Outcome(num_steps, before, after, cure.name))
        best = min(outcomes, key=lambda outcome: outcome.after, default=None)
        if num_steps < max_steps or (best is not None and best.helps):
            break
    return best


def _is_faithful(replay: Replay) -> bool:
    """Tell whether the copy's first loss is about the program's."""
    model = copy.deepcopy(replay.model)
    with torch.no_grad():
        batch = replay.batches[0]
        output = _loss_input(replay, model(*batch.args))
        loss = float(_loss_of(replay, Variant())(output, batch.target).sum())
    first = replay.first_loss
    size = max(abs(loss), abs(first))
    return loss == first or abs(loss - first) <= MAX_ERROR * size


def _train(
    replay: Replay, variant: Variant, measure: LossOf, num_steps: int
) -> tuple[int, float]:
    """Train a copy of the model.

    Returns:
        The number of steps that there was time for, and the mean loss after them.
    """
    torch.manual_seed(0)
    model, optimizer = copy.deepcopy((replay.model, replay.optimizer))
    if variant.change is not None:
        variant.change(model)
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * variant.lr
    loss_of = _loss_of(replay, variant)
    batches = [(batch.args, batch.target) for batch in replay.batches]
    if variant.prepare is not None:
        batches = [variant.prepare(*batch) for batch in batches]
    end = time.perf_counter() + MAX_SECONDS
    for step in range(num_steps):
        args, target = batches[step % len(batches)]
        if variant.zeroes:
            optimizer.zero_grad()
        loss_of(_loss_input(replay, model(*args)), target).backward()
        optimizer.step()
        if time.perf_counter() > end:
            num_steps = step + 1
            break
    torch.manual_seed(0)
    with torch.no_grad():
        losses = [
            float(measure(_loss_input(replay, model(*args)), target))
            for args, target in batches
        ]
    return num_steps, sum(losses) / len(losses)


def _loss_of(replay: Replay, variant: Variant) -> LossOf:
    if variant.loss is not None:
        return variant.loss

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        own = {} if variant.reduction is None else {"reduction": variant.reduction}
        swapped = (target, prediction)
        pair = swapped if replay.is_swapped else (prediction, target)
        result: Tensor = WATCHED_LOSSES[replay.loss](*pair, **{**replay.options, **own})
        return result

    return loss


def _loss_input(replay: Replay, output: Tensor) -> Tensor:
    """Make of a model's output what the program gives its loss."""
    if replay.between == "same":
        return output
    if replay.between == "reshape":
        shapes = [b.shape for b in replay.batches]
        return output.reshape(next(s for s in shapes if math.prod(s) == output.numel()))
    if replay.between == "sigmoid":
        return output.sigmoid()
    squash = torch.softmax if replay.between == "softmax" else torch.log_softmax
    return squash(output, dim=1)
