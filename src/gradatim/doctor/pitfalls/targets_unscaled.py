from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradatim.doctor.loss_trend import trend_of
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

NAMES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
LARGE = 50.0


class TargetsUnscaled(Pitfall):
    """Targets are in raw units, and predictions do not get there.

    What it sees:
        Targets with a mean or standard deviation above 50, first predictions 20 times
        smaller, and a squared error that at the end is still no better than a constant
        would give and has not halved, or a loss that diverges.

    Why it matters:
        A new model gives numbers around 1. With Adam at ``lr=1e-3`` a bias moves by
        0.001 a step: 200,000 steps to a house price of 200 thousand.

    Example::

        loss = F.mse_loss(model(x), price)

    Instead::

        mean, std = price_train.mean(), price_train.std()
        loss = F.mse_loss(model(x), (price - mean) / std)

    Source: Stack Overflow 53914450.
    """

    code = "GT504"
    title = "targets not scaled"
    is_doubtful = True
    hides = ("GT105", "GT107", "GT203", "GT204", "GT205", "GT207", "GT308", "GT701")

    def find(self, seen: TrainingSeen) -> Findings:
        calls = [c for c in trained_calls(seen, *NAMES) if c.facts.get("squared_error")]
        trend = trend_of(seen)
        if len(calls) < 5 or seen.num_steps < 20 or trend is None:
            return
        first, last = calls[0].facts, calls[-1].facts
        size = max(abs(first["target_mean"]), first["target_std"])
        given = max(abs(first["input_mean"]), first["input_std"])
        if size < LARGE or given > size / 20 or not last["target_std"]:
            return
        share = last["squared_error"] / last["target_std"] ** 2
        is_far = share > 1.0 and last["squared_error"] > 0.5 * first["squared_error"]
        if not trend.diverges and not is_far:
            return
        yield self.finding(
            verdict="Targets are in raw units, far from what the model gives.",
            evidence=f"targets with mean {first['target_mean']:.4g} and standard "
            f"deviation {first['target_std']:.4g}; predictions start at "
            f"{first['input_mean']:.4g} and are at {last['input_mean']:.4g} after "
            f"{calls[-1].step} updates; squared error {share:.3g} times the variance",
            cure="train on (y - y_train.mean()) / y_train.std(), and turn predictions "
            "back",
            line=calls[0].line,
        )

    def trial(self, seen: TrainingSeen) -> Trial | None:
        if seen.kept.replay is None:
            return None
        targets = torch.cat(
            [b.target.flatten() for b in seen.kept.replay.batches]
        ).double()
        mean, std = float(targets.mean()), float(targets.std())

        def scaled(
            args: tuple[Any, ...], target: Tensor
        ) -> tuple[tuple[Any, ...], Tensor]:
            return args, (target - mean) / std

        def share(given: Tensor, target: Tensor) -> Tensor:
            return F.mse_loss(given, target) / target.var()

        return Trial(
            cures=(Variant(name="as a share of the variance", prepare=scaled),),
            measure=share,
        )
