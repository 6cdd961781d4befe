import math
import re
from typing import Any

import torch
from torch import Tensor

from gradatim.doctor.loss_trend import LossTrend, share_of_variance, trend_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_trained_line, trained_calls
from gradatim.doctor.trial import Inputs, Trial, Variant
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import InputNumbers, OutputNumbers, TrainingSeen

MIN_UPDATES = 10  # chosen by hand, not measured
NUM_INPUTS = 3  # that must all be unscaled; chosen by hand, not measured
MAX_RATIO = 1e3  # of two columns' standard deviations; chosen by hand, not measured
MAX_SIZE = 1e3  # of a mean or standard deviation; chosen by hand, not measured
MIN_STD = 10  # of the widest column; chosen by hand, not measured
MAX_SCALED_STD = 3  # a scaled column has 1; chosen by hand, not measured
MAX_PIXEL = 255  # the largest number of 8 bits
MIN_LARGEST_PIXEL = 200  # chosen by hand, not measured
MIN_PIXELS = 16  # chosen by hand, not measured
MAX_FIRST_OVER_CHANCE = 3  # 1 is added to it; chosen by hand, not measured
MAX_LAST_OVER_CHANCE = 0.8  # chosen by hand, not measured
MAX_FIRST_BINARY = 3  # its chance is ln 2 = 0.69; chosen by hand, not measured
MAX_LAST_BINARY = 0.55  # chosen by hand, not measured
MAX_FIRST_OVER_VARIANCE = 1e3  # chosen by hand, not measured
MAX_LAST_OVER_VARIANCE = 0.5  # chosen by hand, not measured
MAX_LAST_OVER_FIRST = 0.5  # chosen by hand, not measured


class FeaturesUnscaled(Pitfall):
    """Columns of the input are in raw units, and training suffers.

    What it sees:
        Columns whose standard deviations differ a thousandfold, or a mean or standard
        deviation above 1,000, or pictures from 0 to 255, in a model that does not begin
        with a norm or with a scaling of its own; and a loss that starts huge, diverges
        or hardly falls.

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
        trend = trend_of_loss(seen)
        if trend is None or trend.num_losses < MIN_UPDATES or not _suffers(seen, trend):
            return
        for model in seen.models:
            # An input of one dimension has no columns to compare.
            inputs = [i for i in model.inputs if i.training and len(i.shape) != 1]
            first = next(iter(model.outputs), None)
            if not inputs or (first and _scales(first)):
                continue
            scales = [_unusual_scale(numbers) for numbers in inputs[:NUM_INPUTS]]
            if None in scales:
                continue
            yield self.finding(
                verdict="Features are in raw units, and the loss suffers.",
                evidence=f"{scales[0]}; {trend}",
                cure="x / 255"
                if _is_picture(inputs[0])
                else "x = (x - x_train.mean(dim=0)) / x_train.std(dim=0)",
                line=first_trained_line(seen),
            )

    def trial(self, seen: TrainingSeen) -> Trial | None:
        replay = seen.kept.replay
        inputs = [batch.args[0] for batch in replay.batches] if replay else []
        if not inputs or not isinstance(inputs[0], Tensor):
            return None
        rows = torch.cat(inputs).double()
        dims = (0,) if rows.dim() == 2 else tuple(range(rows.dim()))
        mean, std = rows.mean(dim=dims), rows.std(dim=dims).clamp_min(1e-12)

        def scaled(args: tuple[Any, ...], target: Tensor) -> Inputs:
            return (((args[0] - mean) / std).to(args[0].dtype), *args[1:]), target

        return Trial(cures=(Variant(prepare=scaled),))


def _scales(first: OutputNumbers) -> bool:
    """Tell a first module that scales its input: a norm, or one of the user's own."""
    if re.search("Norm|Embedding", first.kind):
        return True
    passes_on = re.search("Flatten|Identity|Dropout", first.kind)
    return not first.has_weights and not passes_on and 0 < first.std < MAX_SCALED_STD


def _is_picture(numbers: InputNumbers) -> bool:
    is_8_bit = MIN_LARGEST_PIXEL <= numbers.max <= MAX_PIXEL
    return numbers.is_whole and numbers.min >= 0 and is_8_bit


def _unusual_scale(numbers: InputNumbers) -> str | None:
    """Say in which unusual scale the columns of an input are, if they are."""
    if numbers.num_bad:
        return None
    std_low, std_high = numbers.std_low, numbers.std_high
    if _is_picture(numbers) and math.prod(numbers.shape[1:]) >= MIN_PIXELS:
        return f"pixels from {numbers.min:.0f} to {numbers.max:.0f}"
    if std_high >= MAX_RATIO * std_low and std_high >= MIN_STD:
        return (
            f"column {numbers.column_high} has standard deviation {std_high:.4g}, "
            f"column {numbers.column_low} {std_low:.4g}"
        )
    if max(std_high, numbers.mean_high) > MAX_SIZE:
        return (
            f"standard deviations up to {std_high:.4g}, means up to "
            f"{numbers.mean_high:.4g}"
        )
    return None


def _suffers(seen: TrainingSeen, trend: LossTrend) -> bool:
    """Tell whether the loss starts huge, diverges or hardly falls."""
    if trend.diverges:
        return True
    calls = trained_calls(seen, *CLASS_LOSS_NAMES)
    if calls and len(calls[0].input.shape) >= 2:
        chance = math.log(max(2, calls[0].input.shape[1]))
        is_huge = trend.first > MAX_FIRST_OVER_CHANCE * chance + 1
        return is_huge or trend.last > MAX_LAST_OVER_CHANCE * chance
    if trained_calls(seen, *BINARY_LOSS_NAMES):
        return trend.first > MAX_FIRST_BINARY or trend.last > MAX_LAST_BINARY
    regressions = trained_calls(seen, "mse_loss", "l1_loss", "smooth_l1_loss")
    shares = [s for c in regressions if (s := share_of_variance(c)) is not None]
    if shares:
        is_far = shares[0] > MAX_FIRST_OVER_VARIANCE
        return is_far or shares[-1] > MAX_LAST_OVER_VARIANCE
    return trend.last > MAX_LAST_OVER_FIRST * trend.first > 0
