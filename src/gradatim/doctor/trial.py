"""Cures tried: a copy of the model is trained for a few steps with and without."""

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
from gradatim.watching import Replay, ReplayBatch

__all__ = ["Outcome", "Trial", "Variant", "try_out"]

NUM_STEPS = 20, 100
"""Tried first; and where that changes little."""
MOST_SECONDS = 2.0
"""Of all steps of one copy; fewer are made of a slow one."""
CLOSE = 0.3
"""How far the copy's first loss may be from the program's, for dropout's sake."""

Prepare = Callable[[tuple[Any, ...], Tensor], tuple[tuple[Any, ...], Tensor]]
LossOf = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a copy is trained; by default as the program does it."""

    name: str = ""
    lr: float = 1.0
    """Factor of every learning rate."""
    zeroes: bool = True
    """Whether gradients are cleared before each backward."""
    reduction: str | None = None
    prepare: Prepare | None = None
    """Makes other inputs and targets."""
    loss: LossOf | None = None
    """In place of the program's own, of what that is given."""
    change: Callable[[nn.Module], None] | None = None
    """Changes the copy before its first step."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a pitfall wants tried: the program as it is, and its cures."""

    cures: tuple[Variant, ...]
    as_is: Variant = Variant()
    measure: LossOf | None = None
    """By which both are judged; by default the cure's loss."""


@dataclass(frozen=True)
class Outcome:
    """The better of the cures beside the program as it is."""

    num_steps: int
    before: float
    after: float
    name: str

    @property
    def helps(self) -> bool:
        """Whether the loss is lower by a tenth, or a number where it was none."""
        if not math.isfinite(self.after):
            return False
        return not math.isfinite(self.before) or self.after < 0.9 * self.before

    def __str__(self) -> str:
        steps = f"after {self.num_steps} steps of a copy"
        how = f"{self.name}: " if self.name else ""
        before = f"{self.before:.4g}" if math.isfinite(self.before) else "no number"
        return f"{how}loss {steps} {self.after:.4g} instead of {before}"


def try_out(trial: Trial, replay: Replay) -> Outcome | None:
    """Train copies with and without each cure, on the program's own first batches.

    Returns:
        None where a copy does not do what the program did.
    """
    quiet = contextlib.redirect_stdout(io.StringIO())
    with keeping_rng(), quiet, torch.enable_grad():
        try:
            return _try_out(trial, replay)
        except Exception:  # a model that needs what a copy has not
            return None


def _try_out(trial: Trial, replay: Replay) -> Outcome | None:
    measure = trial.measure or _loss_of(replay, trial.cures[0])
    torch.manual_seed(0)
    if not _is_faithful(replay):
        return None
    best: Outcome | None = None
    for most in NUM_STEPS:
        num_steps, before = most, math.nan
        with contextlib.suppress(RuntimeError):  # of a loss that asks for 0 to 1
            num_steps, before = _train(replay, trial.as_is, measure, most)
        found = []
        for cure in trial.cures:
            _, after = _train(replay, cure, measure, num_steps)
            if math.isfinite(after):
                found.append(Outcome(num_steps, before, after, cure.name))
        best = min(found, key=lambda each: each.after, default=None)
        if num_steps < most or (best is not None and best.helps):
            break
    return best


def _is_faithful(replay: Replay) -> bool:
    """Tell whether the copy's first loss is the program's."""
    model = copy.deepcopy(replay.model)
    with torch.no_grad():
        batch = replay.batches[0]
        given = _given(replay, model(*batch.args))
        loss = float(_loss_of(replay, Variant())(given, batch.target).sum())
    size = max(abs(loss), abs(replay.first_loss))
    return loss == replay.first_loss or abs(loss - replay.first_loss) <= CLOSE * size


def _train(
    replay: Replay, variant: Variant, measure: LossOf, num_steps: int
) -> tuple[int, float]:
    """Train a copy; give how many steps there was time for, and its loss then."""
    torch.manual_seed(0)
    model, optimizer = copy.deepcopy((replay.model, replay.optimizer))
    if variant.change is not None:
        variant.change(model)
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * variant.lr
    loss_of = _loss_of(replay, variant)
    batches = [_prepared(batch, variant) for batch in replay.batches]
    start = time.perf_counter()
    for step in range(num_steps):
        args, target = batches[step % len(batches)]
        if variant.zeroes:
            optimizer.zero_grad()
        loss_of(_given(replay, model(*args)), target).backward()
        optimizer.step()
        spent = time.perf_counter() - start
        if spent > MOST_SECONDS and step + 1 < num_steps:
            num_steps = step + 1
            break
    torch.manual_seed(0)
    with torch.no_grad():
        losses = [
            float(measure(_given(replay, model(*args)), target))
            for args, target in batches
        ]
    return num_steps, sum(losses) / len(losses)


def _prepared(batch: ReplayBatch, variant: Variant) -> tuple[tuple[Any, ...], Tensor]:
    if variant.prepare is None:
        return batch.args, batch.target
    return variant.prepare(batch.args, batch.target)


def _loss_of(replay: Replay, variant: Variant) -> LossOf:
    if variant.loss is not None:
        return variant.loss

    def loss(given: Tensor, target: Tensor) -> Tensor:
        options = dict(replay.options)
        if variant.reduction is not None:
            options["reduction"] = variant.reduction
        pair = (target, given) if replay.is_swapped else (given, target)
        result: Tensor = WATCHED_LOSSES[replay.loss](*pair, **options)
        return result

    return loss


def _given(replay: Replay, output: Tensor) -> Tensor:
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
