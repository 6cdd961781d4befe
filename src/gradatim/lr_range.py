"""The learning-rate range test: which rates a model can bear."""

import copy
import math
import statistics
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

import torch
from torch import nn

from gradatim.data.batches import Batches, as_batches
from gradatim.data.restart import own_generators
from gradatim.errors import ConfigError, DataError, GradatimWarning, LossError
from gradatim.losses import LossFn
from gradatim.modules import device_of
from gradatim.plots import axes_or_new
from gradatim.rng import keeping_rng
from gradatim.rows import arguments_of
from gradatim.step import make_train_step

__all__ = ["LRRange", "lr_range_test"]

# These were chosen by hand, not measured.
SMOOTHING = 0.9
"""Weight of the past in the running mean of the losses."""
DIVERGED = 4.0
"""The test ends where the smoothed loss is this many times the least one so far."""
NOISE_FACTOR = 3
"""A fall counts where it is this many times the noise of the smoothed losses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LRRange:
    """The losses that :func:`lr_range_test` measured at each rate."""

    lrs: list[float]
    """The rates tried, rising geometrically."""
    losses: list[float]
    """The batch's loss before the update with that rate."""
    smoothed: list[float]
    """Running mean of the losses, corrected for its start."""
    suggestion: float | None
    """From where on the smoothed loss falls fastest; None if it never falls."""

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the losses over the rates with matplotlib (``gradatim[plots]``).

        Args:
            ax: Matplotlib axes to draw into, which are given back; None makes some.

        Raises:
            ImportError: matplotlib is not installed.
        """
        ax = axes_or_new(ax, drawn_by="LRRange.plot()")
        ax.plot(self.lrs, self.losses, alpha=0.3, label="loss")
        ax.plot(self.lrs, self.smoothed, label="smoothed")
        if self.suggestion is not None:
            ax.axvline(self.suggestion, linestyle="--", label=f"{self.suggestion:.2g}")
        ax.set_xscale("log")
        ax.set_xlabel("lr")
        ax.set_ylabel("loss")
        # The picture ends above the valley: a loss that diverges would flatten it.
        low, start = min(self.smoothed), self.smoothed[0]
        if start > low:
            ax.set_ylim(low - 0.1 * (start - low), start + 0.5 * (start - low))
        ax.legend()
        return ax


def lr_range_test(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    train: Any,
    *,
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    num_steps: int = 100,
    batch_size: int | None = None,
    seed: int | None = None,
    **step_options: Any,
) -> LRRange:
    """Train a copy with a rising learning rate, and see which rates it can bear.

    Model, optimizer, their gradients and all random generators are left as they are.

    Args:
        model: Copied, with its optimizer, at its present weights.
        loss_fn: As for ``make_train_step``.
        optimizer: Its kind and other options are kept.
        train: As for ``Trainer.fit``; gone through again if it is short.
        min_lr: The first rate.
        max_lr: The last rate, if the loss does not diverge before.
        num_steps: Rates to try.
        batch_size: As for ``Trainer.fit``.
        seed: As for ``Trainer.fit``.
        step_options: For ``make_train_step``, such as ``forward=`` or ``max_norm=``.

    Returns:
        A :class:`LRRange`. Its suggestion is a start for trials, not a verdict.

    Raises:
        ConfigError: Rates or steps out of range.
        DataError: No batch.

    Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks,
    https://arxiv.org/abs/1506.01186, section 3.3; there the rate rises linearly, here
    geometrically, so that each decade gets as many steps.

    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x = torch.linspace(0, 1, 64).unsqueeze(1)
    >>> seen = lr_range_test(model, nn.MSELoss(), optimizer, (x, 1 + 2 * x))
    >>> 1e-7 < seen.suggestion < 10, optimizer.param_groups[0]["lr"]
    (True, 0.1)
    """
    if not 0 < min_lr < max_lr:
        raise ConfigError(f"0 < min_lr < max_lr is needed, got {min_lr} and {max_lr}.")
    if num_steps < 3:
        raise ConfigError(f"num_steps must be 3 or more, got {num_steps}.")
    batches = as_batches(
        train, batch_size=batch_size, seed=seed, device=device_of(model)
    )
    with _random_state_kept(train, batches):
        # Copied together, so that the copied optimizer holds the copied parameters.
        model, loss_fn, optimizer = copy.deepcopy((model, loss_fn, optimizer))
        train_step = make_train_step(
            model, loss_fn, optimizer, on_nonfinite="skip", **step_options
        )
        lrs, losses, smoothed = [], [], []
        running, least = 0.0, math.inf
        for step, batch in enumerate(_endless(batches)):
            if step == num_steps:
                break
            lr = min_lr * (max_lr / min_lr) ** (step / (num_steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = lr
            with warnings.catch_warnings():
                # Divergence is what the test looks for.
                warnings.filterwarnings("ignore", "the loss is", GradatimWarning)
                loss = float(train_step(*arguments_of(batches.as_parts(batch))))
            if not math.isfinite(loss):
                break
            running = SMOOTHING * running + (1 - SMOOTHING) * loss
            lrs.append(lr)
            losses.append(loss)
            smoothed.append(running / (1 - SMOOTHING ** (step + 1)))
            least = min(least, smoothed[-1])
            if smoothed[-1] > DIVERGED * least:
                break
    if not lrs:
        raise LossError(
            "the loss is NaN or infinite at the first rate already.\n"
            "No rate can be told from another.\n"
            "Look for NaN in the data and the weights."
        )
    return LRRange(
        lrs=lrs,
        losses=losses,
        smoothed=smoothed,
        suggestion=_steepest(lrs, losses, smoothed),
    )


def _endless(batches: Batches) -> Iterator[Any]:
    for epoch in count():
        empty = True
        for batch in batches.epoch(epoch):
            empty = False
            yield batch
        if empty:
            raise DataError("the data gave no batch. Look for an exhausted iterator.")


def _steepest(
    lrs: list[float], losses: list[float], smoothed: list[float]
) -> float | None:
    """Find the rate from which on the smoothed loss falls fastest per decade.

    A fall is taken over a tenth of the steps. It counts if it is larger than the
    differences between batches alone would make it.
    """
    width = max(1, len(smoothed) // 10)
    starts = range(width, len(smoothed) - width)  # before, the mean is of few losses
    falls = [smoothed[start] - smoothed[start + width] for start in starts]
    if not falls:
        return None
    steps = [abs(after - before) for before, after in pairwise(losses)]
    # The median of |difference| of two normal numbers is 0.95 of their deviation; the
    # running mean keeps this share of it.
    noise = statistics.median(steps) / 0.95
    noise *= math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING))
    steepest = max(falls)
    is_clear = steepest > NOISE_FACTOR * noise
    return lrs[starts[falls.index(steepest)]] if is_clear else None


@contextmanager
def _random_state_kept(data: Any, batches: Batches) -> Iterator[None]:
    """Put back all global generators, and those of a user's data and ``DataLoader``."""
    source = batches.sampler if batches.loader is None else batches.loader
    generators = own_generators(source)
    own = getattr(data, "generator", None)
    if isinstance(own, torch.Generator) and own not in generators:
        generators = [*generators, own]
    states = [generator.get_state() for generator in generators]
    try:
        with keeping_rng():
            yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
