import math
from typing import Any

import torch
from torch import Tensor

from gradatim.doctor.loss_trend import Trend, trend_of
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.doctor.trial import Trial, Variant
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import InputNumbers, ModelSeen, TrainingSeen

LARGE = 1e3


class FeaturesUnscaled(Pitfall):
    """Columns of the input are in raw units, and training suffers.

    What it sees:
        Columns whose standard deviations differ a thousandfold, or a mean or standard
        deviation above 1,000, or pictures from 0 to 255, in a model that does not begin
        with a norm; and a loss that starts huge, diverges or hardly falls.

    Why it matters:
        The curvature of the loss goes with the square of the scale. With columns of 1
        and of 1,000 no learning rate suits both: the one needs a million times more
        steps.

    Example::

        x = torch.stack([age, income], dim=1)

    Instead::

        x = (x - x_train.mean(dim=0)) / x_train.std(dim=0)

    Source: LeCun et al. 1998, "Efficient BackProp"; Stack Overflow 50762466.
    """

    code = "GT503"
    title = "features not scaled"
    is_doubtful = True
    hides = (
        "GT105", "GT106", "GT107", "GT203", "GT204", "GT205", "GT207",
        "GT308", "GT506", "GT701", "GT702", "GT704",
    )  # fmt: skip

    def find(self, seen: TrainingSeen) -> Findings:
        trend = trend_of(seen)
        if trend is None or seen.backwards.count < 10 or not _suffers(seen, trend):
            return
        for model in seen.models:
            inputs = [i for i in model.inputs if i.training and len(i.shape) != 1]
            if not inputs or _begins_with_norm(model):
                continue
            what = _what(inputs[0])
            if what is None or any(_what(each) is None for each in inputs[:3]):
                continue
            line = next((f.line for f in seen.forwards if f.grad), None)
            yield self.finding(
                verdict="Features are in raw units, and the loss suffers.",
                evidence=f"{what}; loss {trend.first:.4g} -> {trend.last:.4g} in "
                f"{trend.count} steps",
                cure="x / 255"
                if _is_picture(inputs[0])
                else "x = (x - x_train.mean(dim=0)) / x_train.std(dim=0)",
                line=line,
            )

    def trial(self, seen: TrainingSeen) -> Trial | None:
        given = (
            [b.args[0] for b in seen.kept.replay.batches] if seen.kept.replay else []
        )
        if not given or not isinstance(given[0], Tensor):
            return None
        columns = (0,) if given[0].dim() == 2 else tuple(range(given[0].dim()))
        rows = torch.cat(given).double()
        mean, std = rows.mean(dim=columns), rows.std(dim=columns).clamp_min(1e-12)

        def scaled(
            args: tuple[Any, ...], target: Tensor
        ) -> tuple[tuple[Any, ...], Tensor]:
            return (((args[0] - mean) / std).to(args[0].dtype), *args[1:]), target

        return Trial(cures=(Variant(prepare=scaled),))


def _is_picture(given: InputNumbers) -> bool:
    return given.is_whole and given.min >= 0 and 200 <= given.max <= 255


def _what(given: InputNumbers) -> str | None:
    if given.num_bad:
        return None
    if _is_picture(given) and math.prod(given.shape[1:]) >= 16:
        return f"pixels from {given.min:.0f} to {given.max:.0f}"
    if given.std_high >= LARGE * given.std_low and given.std_high >= 10:
        return (
            f"column {given.column_high} has standard deviation {given.std_high:.4g}, "
            f"column {given.column_low} {given.std_low:.4g}"
        )
    if max(given.std_high, given.mean_high) > LARGE:
        return (
            f"standard deviations up to {given.std_high:.4g}, means up to "
            f"{given.mean_high:.4g}"
        )
    return None


def _suffers(seen: TrainingSeen, trend: Trend) -> bool:
    if trend.diverges:
        return True
    calls = trained_calls(seen, *CLASS_LOSS_NAMES)
    if calls and len(calls[0].input.shape) >= 2:
        chance = math.log(max(2, calls[0].input.shape[1]))
        return trend.first > 3 * chance + 1 or trend.last > 0.8 * chance
    binary = trained_calls(seen, *BINARY_LOSS_NAMES)
    if binary:
        return trend.first > 3 or trend.last > 0.55
    errors = [
        call.facts["squared_error"] / call.facts["target_std"] ** 2
        for call in trained_calls(seen, "mse_loss", "l1_loss", "smooth_l1_loss")
        if call.facts.get("target_std") and "squared_error" in call.facts
    ]
    if errors:
        return errors[0] > 1e3 or errors[-1] > 0.5
    return trend.last > 0.5 * trend.first > 0


def _begins_with_norm(model: ModelSeen) -> bool:
    first = next(iter(model.outputs), None)
    return first is not None and ("Norm" in first.kind or "Embedding" in first.kind)
