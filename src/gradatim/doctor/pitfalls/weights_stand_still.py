from statistics import median

from gradatim.doctor.gradients import update_ratios
from gradatim.doctor.learning_rates import lr_trial
from gradatim.doctor.loss_trend import fall_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer, steps_of
from gradatim.doctor.trial import Trial
from gradatim.watching import TrainingSeen

HEALTHY_RATIO = 1e-3  # of update to weight: Karpathy, CS231n
TRIED_TIMES = (1, 10, 100)  # the healthy ratio; chosen by hand, not measured
MIN_UPDATES = 50  # chosen by hand, not measured
MIN_LOOKS = 5  # chosen by hand, not measured
MAX_RATIO = 1e-6  # of update to weight; chosen by hand, not measured
MAX_RATIO_OF_ALL = 3e-3  # of all updates to weight; chosen by hand, not measured
MAX_FALL = 0.02  # of the loss; chosen by hand, not measured
NEAR_PEAK = 0.5  # the learning rate of updates that count; chosen by hand
MAX_GROWTH = 2  # of the loss; chosen by hand, not measured


class WeightsStandStill(Pitfall):
    """Updates are far too small to change anything in the time there is.

    What it sees:
        No schedule, one optimizer, and a learning rate that does not rise; the ratio of
        update to weight is below 1e-6, or all updates together come to less than 0.3%
        of the weights; and the loss has not fallen by 2%.

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
        number, fall = only_optimizer(seen), fall_of_loss(seen)
        if seen.schedulers or number is None or fall is None:
            return
        # While a warm-up lasts, small updates are meant; those near its peak count.
        steps = steps_of(seen, number)
        rates = [max(step.lrs, default=0.0) for step in steps]
        peak = max(rates, default=0.0)
        if rates and rates[0] < rates[-1] == peak:
            return
        pairs = zip(steps, rates, strict=True)
        steps = [step for step, rate in pairs if rate >= NEAR_PEAK * peak]
        num_updates = seen.optimizers[number].num_steps
        ratios = update_ratios(steps)
        if num_updates < MIN_UPDATES or len(ratios) < MIN_LOOKS or not median(ratios):
            return
        ratio, (first, last) = median(ratios), fall
        is_tiny = ratio < MAX_RATIO or ratio * num_updates < MAX_RATIO_OF_ALL
        has_fallen = first - last > MAX_FALL * abs(first)
        if not is_tiny or has_fallen or last > MAX_GROWTH * abs(first):
            return
        lr = max(lr for step in steps for lr in step.lrs)
        healthy = min(1.0, lr * HEALTHY_RATIO / ratio)
        yield self.finding(
            verdict=f"With lr={lr:g} the weights stand still.",
            evidence=f"an update is {ratio:.2g} of the weights (median of "
            f"{len(ratios)} looks; 1e-3 is healthy); loss {first:.4g} -> {last:.4g} in "
            f"{num_updates:,} updates",
            cure=f"a larger learning rate, such as lr={healthy:.0e}",
            line=seen.optimizers[number].line,
        )

    def trial(self, seen: TrainingSeen) -> Trial | None:
        number = only_optimizer(seen)
        if number is None:
            return None
        # The rate that makes the healthy ratio is tried, and two larger ones.
        factor = HEALTHY_RATIO / median(update_ratios(steps_of(seen, number)))
        return lr_trial(seen, *(times * factor for times in TRIED_TIMES))
