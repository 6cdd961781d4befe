from statistics import median

from gradatim.doctor.gradients import update_ratios
from gradatim.doctor.learning_rates import lr_trial
from gradatim.doctor.loss_trend import fall_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.doctor.trial import Trial
from gradatim.watching import TrainingSeen

ENOUGH = 50
TINY, LITTLE = 1e-6, 3e-3
"""Update over weight in one update, and in all of them."""
FALL = 0.02


class WeightsStandStill(Pitfall):
    """Updates are far too small to change anything in the time there is.

    What it sees:
        No schedule, one optimizer; the ratio of update to weight is below 1e-6, or all
        updates together come to less than 0.3% of the weights; and the loss has not
        fallen by 2%.

    Why it matters:
        A healthy ratio is about 1e-3. At 1e-6 a weight needs 10,000 updates to change
        by 1%.

    Example::

        optimizer = torch.optim.Adam(model.parameters(), lr=1e-8)

    Instead::

        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    Source: Karpathy, CS231n, "Ratio of weights:updates".
    """

    code = "GT203"
    title = "learning rate too low"
    is_doubtful = True

    def find(self, seen: TrainingSeen) -> Findings:
        if seen.schedulers or sum(o.num_steps > 0 for o in seen.optimizers) != 1:
            return
        number = next(n for n, o in enumerate(seen.optimizers) if o.num_steps)
        steps = steps_of(seen, number)
        num_steps = seen.optimizers[number].num_steps
        found, trend = update_ratios(steps), fall_of_loss(seen)
        if num_steps < ENOUGH or len(found) < 5 or trend is None or not median(found):
            return
        ratio = median(found)
        is_tiny = ratio < TINY or (num_steps >= ENOUGH and ratio * num_steps < LITTLE)
        first, last = trend
        if not is_tiny or first - last > FALL * abs(first) or last > 2 * abs(first):
            return
        rates = sorted({lr for s in steps for lr in s.lrs})
        yield self.finding(
            verdict=f"With lr={rates[-1]:g} the weights stand still.",
            evidence=f"an update is {ratio:.2g} of the weights (median of {len(found)} "
            f"looks; 1e-3 is healthy); loss {first:.4g} -> {last:.4g} in "
            f"{num_steps:,} updates",
            cure=f"a larger learning rate, such as lr={_larger(rates[-1], ratio):.0e}",
            line=seen.optimizers[number].line,
        )

    def trial(self, seen: TrainingSeen) -> Trial:
        number = next(n for n, o in enumerate(seen.optimizers) if o.num_steps)
        factor = 1e-3 / median(update_ratios(steps_of(seen, number)))
        return lr_trial(seen, factor, 10 * factor, 100 * factor)


def _larger(lr: float, ratio: float) -> float:
    """Give the rate at which an update is a thousandth, as a power of ten."""
    return float(f"{min(1.0, lr * 1e-3 / ratio):.0e}")
