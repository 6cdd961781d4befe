from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradatim.doctor.loss_trend import share_of_variance, trend_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import REGRESSION_LOSS_NAMES, trained_calls
from gradatim.doctor.trial import Inputs, Trial, Variant
from gradatim.watching import TrainingSeen

MIN_SIZE = 50.0  # of targets; chosen by hand, not measured
MIN_RATIO = 20  # of targets to first predictions; chosen by hand, not measured
MIN_CALLS = 5  # chosen by hand, not measured
MIN_UPDATES = 20  # chosen by hand, not measured
MIN_SHARE_OF_VARIANCE = 1.0  # a constant prediction's
MIN_SHARE_OF_FIRST_ERROR = 0.5  # chosen by hand, not measured


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
        every = trained_calls(seen, *REGRESSION_LOSS_NAMES)
        calls = [call for call in every if call.facts.get("squared_error")]
        trend = trend_of_loss(seen)
        if len(calls) < MIN_CALLS or seen.num_steps < MIN_UPDATES or trend is None:
            return
        first, last = calls[0].facts, calls[-1].facts
        size = max(abs(first["target_mean"]), first["target_std"])
        given = max(abs(first["input_mean"]), first["input_std"])
        share = share_of_variance(calls[-1])
        if size < MIN_SIZE or given > size / MIN_RATIO or share is None:
            return
        is_far = share > MIN_SHARE_OF_VARIANCE and (
            last["squared_error"] > MIN_SHARE_OF_FIRST_ERROR * first["squared_error"]
        )
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
        if (replay := seen.kept.replay) is None:
            return None
        targets = torch.cat([b.target.flatten() for b in replay.batches]).double()
        mean, std = float(targets.mean()), float(targets.std())

        def scaled(args: tuple[Any, ...], target: Tensor) -> Inputs:
            return args, (target - mean) / std

        def share(given: Tensor, target: Tensor) -> Tensor:
            return F.mse_loss(given, target) / target.var()

        cure = Variant(name="as a share of the variance", prepare=scaled)
        return Trial(cures=(cure,), measure=share)
