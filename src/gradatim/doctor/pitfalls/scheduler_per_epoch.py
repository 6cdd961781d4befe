import re

from gradatim.doctor.learning_rates import rates_of
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import SchedulerSeen, TrainingSeen

MIN_UPDATES = 10  # chosen by hand, not measured
MAX_STEPS_A_SELDOM_UPDATE = 0.5  # of the schedule; chosen by hand, not measured
MIN_LENGTH = 10  # of a schedule that counts updates; chosen by hand, not measured
MIN_SHARE_OF_LENGTH = 0.8  # in updates; chosen by hand, not measured
MAX_SHARE_OF_LENGTH = 1.3  # in updates; chosen by hand, not measured
MIN_STEPS_OF_WARM_UP = 3  # chosen by hand, not measured
MIN_RATIO_OF_WARM_UP = 3  # of its length to its steps; chosen by hand, not measured
WARM_UPS = ("LinearLR", "ConstantLR")
OF_UPDATES = re.compile("step|iter|batch|updates", re.IGNORECASE)
LENGTHS = ("T_max", "total_steps", "total_iters")
"""Options of a schedule that are the number of its steps."""


class SchedulerPerEpoch(Pitfall):
    """A schedule that counts updates is stepped once an epoch.

    What it sees:
        A schedule whose length (``total_steps``, ``T_max``, ``total_iters``, or a
        number of steps in the function that ``LambdaLR`` is given) is about the number
        of updates, and that had made less than half of its steps at the end. Or one
        that is stepped a few times and was in its warm-up still.

    Why it matters:
        ``OneCycleLR`` over 1,000 updates that is stepped at each of 10 epochs is at 1%
        of its way: the learning rate stays where the warm-up begins, 1/25 of the peak.

    Example::

        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=epochs * len(loader))
        for epoch in range(epochs):
            train_epoch(model, optimizer)
            scheduler.step()

    Instead::

        for epoch in range(epochs):
            for x, y in loader:
                step(x, y)
                scheduler.step()

    Source: the documentation of ``torch.optim.lr_scheduler.OneCycleLR``.
    """

    code = "GT804"
    title = "scheduler stepped per epoch, counted in updates"
    severity = "error"
    hides = ("GT204",)

    def find(self, seen: TrainingSeen) -> Findings:
        if not seen.is_whole or seen.error is not None:
            return
        for schedule in seen.schedulers:
            if schedule.optimizer is None or schedule.is_inner:
                continue
            num_updates = seen.optimizers[schedule.optimizer].num_steps
            most = MAX_STEPS_A_SELDOM_UPDATE * num_updates
            if num_updates < MIN_UPDATES or not 0 < schedule.steps.count < most:
                continue
            evidence = _share_of_its_length(schedule, num_updates)
            evidence = evidence or _is_in_warm_up(seen, schedule, schedule.optimizer)
            if evidence is None:
                continue
            yield self.finding(
                verdict=f"{schedule.kind} counts updates, but is stepped less often: "
                "it hardly moves.",
                evidence=evidence,
                cure="scheduler.step() after each optimizer.step(), inside the loop "
                "over batches",
                line=schedule.step_line,
            )


def _share_of_its_length(schedule: SchedulerSeen, num_updates: int) -> str | None:
    """Say how much of its way a schedule made that is as long as the training."""
    length, num_steps = _length_of(schedule, num_updates), schedule.steps.count
    if length is None or num_updates < MIN_SHARE_OF_LENGTH * length:
        return None
    if schedule.kind != "OneCycleLR" and num_updates > MAX_SHARE_OF_LENGTH * length:
        return None
    if num_steps >= MAX_STEPS_A_SELDOM_UPDATE * min(length, num_updates):
        return None
    return (
        f"{num_steps} of {length} steps made at the end of {num_updates} updates "
        f"({num_steps / length:.0%})"
    )


def _is_in_warm_up(
    seen: TrainingSeen, schedule: SchedulerSeen, optimizer: int
) -> str | None:
    """Say that a training was over before the warm-up was."""
    num_steps, options = schedule.steps.count, schedule.options
    num_updates = seen.optimizers[optimizer].num_steps
    first_factor = options.get("start_factor", options.get("factor", 1))
    if schedule.kind in WARM_UPS and first_factor < 1:
        named = {"total_iters": options.get("total_iters")}
    elif OF_UPDATES.search(options.get("argument", "")):
        named = {k: v for k, v in options["counted"].items() if "warm" in k.lower()}
    else:
        return None
    least = MIN_RATIO_OF_WARM_UP * num_steps
    lengths = {k: n for k, n in named.items() if n and least <= n <= num_updates}
    if not lengths or num_steps < MIN_STEPS_OF_WARM_UP:
        return None
    rates = rates_of(seen, optimizer)
    if rates[0] >= rates[-1] or rates != sorted(rates):
        return None
    name, length = max(lengths.items(), key=lambda item: item[1])
    return (
        f"{num_steps} steps of it in {num_updates} updates, of a warm-up of "
        f"{name}={length}; the learning rate has come to {rates[-1]:.3g}"
    )


def _length_of(schedule: SchedulerSeen, num_updates: int) -> int | None:
    """Give the number of steps that a schedule is made for, where it has one.

    Of the numbers in the function of a ``LambdaLR`` it is the one that is nearest to
    the number of updates.
    """
    for length in map(schedule.options.get, LENGTHS):
        if type(length) is int and length >= MIN_LENGTH:
            return length
    if not OF_UPDATES.search(schedule.options.get("argument", "")):
        return None
    named = schedule.options.get("counted", {}).items()
    long = [(name, value) for name, value in named if value >= MIN_LENGTH]
    of_updates = [(n, value) for n, value in long if OF_UPDATES.search(n)]
    counted = [value for n, value in of_updates if "epoch" not in n.lower()]
    return min(counted, key=lambda value: abs(value - num_updates), default=None)
