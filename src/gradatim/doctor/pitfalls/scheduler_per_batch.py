from gradatim.doctor.learning_rates import (
    MAX_SHARE_OF_PEAK,
    fall_of_lr,
    is_full_batch,
    rates_of,
)
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import training_loader
from gradatim.watching import SchedulerSeen, TrainingSeen

MIN_UPDATES = 10  # chosen by hand, not measured
MIN_STEPS_AN_UPDATE = 0.9  # of the schedule; chosen by hand, not measured
MAX_STEPS_AN_UPDATE = 1.1  # of the schedule; chosen by hand, not measured
MAX_SHARE_OF_PEAK_IF_SHORT = 1 / 10  # for epochs; chosen by hand, not measured
MIN_PASSES_OF_EPOCHS = 1.5  # of a T_max in epochs; chosen by hand, not measured
MIN_PASSES = 2.5  # of another T_max; chosen by hand, not measured
MAX_RATIO_OF_EPOCHS = 2  # of T_max and epochs; chosen by hand, not measured
MAX_SHARE_AFTER_EPOCHS = 0.9  # of the peak; chosen by hand, not measured
MAX_SHARE_AT_THE_END = 1 / 100  # of the peak; chosen by hand, not measured
COSINES = ("CosineAnnealingLR", "SequentialLR")


class SchedulerPerBatch(Pitfall):
    """A schedule that counts epochs is stepped at each batch.

    What it sees:
        A schedule that is stepped at each update, several times an epoch. With more
        than half of the updates still to come, the learning rate falls below 1/200 of
        its peak (1/10 where its lengths are at most the number of epochs, or where the
        function given to ``LambdaLR`` calls its argument an epoch); or
        ``CosineAnnealingLR`` goes down and up again several times.

    Why it matters:
        ``StepLR(optimizer, step_size=10, gamma=0.1)`` over 100 batches an epoch has
        divided the learning rate by 10 ten times at the end of the first: 1e-3 is
        1e-13, and nothing is learnt any more.

    Example::

        for x, y in loader:
            step(x, y)
            scheduler.step()

    Instead::

        for x, y in loader:
            step(x, y)
        scheduler.step()

    Source: GitHub ivadomed issue 55, SRGAN-PyTorch issue 1.
    """

    code = "GT803"
    title = "scheduler stepped per batch, counted in epochs"
    severity = "error"
    hides = ("GT807", "GT204")

    def find(self, seen: TrainingSeen) -> Findings:
        for schedule in seen.schedulers:
            if schedule.optimizer is None or schedule.kind == "OneCycleLR":
                continue
            optimizer = seen.optimizers[schedule.optimizer]
            num_updates, num_steps = optimizer.num_steps, schedule.steps.count
            low, high = MIN_STEPS_AN_UPDATE, MAX_STEPS_AN_UPDATE
            is_per_batch = low * num_updates <= num_steps <= high * num_updates
            if num_updates < MIN_UPDATES or not is_per_batch:
                continue
            loader = training_loader(seen, optimizer)
            num_batches = loader.length if loader is not None else None
            if num_batches == 1 or is_full_batch(seen, schedule.optimizer):
                continue
            # One that follows the loss must lose patience within an epoch.
            patience = schedule.options.get("patience", 0)
            is_patient = num_batches is None or patience >= num_batches
            if schedule.kind == "ReduceLROnPlateau" and is_patient:
                continue
            num_epochs = loader.starts.count if loader is not None else None
            length = schedule.options.get("T_max")
            if isinstance(length, int) and schedule.kind in COSINES:
                how = _passes_its_length(schedule, length, num_epochs)
            else:
                how = _falls_early(seen, schedule, num_epochs)
            if how is None:
                continue
            epochs = "" if num_epochs is None else f" in {num_epochs} epochs"
            yield self.finding(
                verdict=f"{schedule.kind} is stepped at each batch, but counts epochs.",
                evidence=f"{num_steps} steps of it for {num_updates} updates{epochs}; "
                f"{how}",
                cure=_per_epoch(schedule),
                line=schedule.step_line,
            )


def _passes_its_length(
    schedule: SchedulerSeen, length: int, num_epochs: int | None
) -> str | None:
    """Say that a cosine goes down and up again several times."""
    num_steps, ratio = schedule.steps.count, MAX_RATIO_OF_EPOCHS
    is_epochs = num_epochs is not None and (
        num_epochs / ratio <= length <= ratio * num_epochs
    )
    passes = MIN_PASSES_OF_EPOCHS if is_epochs else MIN_PASSES
    if num_steps < passes * length:
        return None
    if schedule.kind == "SequentialLR":
        return f"its {length} steps are made after {length} updates"
    return f"T_max={length} is passed {num_steps / length:.3g} times"


def _falls_early(
    seen: TrainingSeen, schedule: SchedulerSeen, num_epochs: int | None
) -> str | None:
    """Say that the learning rate is almost zero for most of the training."""
    assert schedule.optimizer is not None
    low = MAX_SHARE_OF_PEAK
    if _is_of_epochs(seen, schedule, num_epochs):
        low = MAX_SHARE_OF_PEAK_IF_SHORT
    fall = fall_of_lr(seen, schedule.optimizer, share_of_peak=low)
    if fall is None:
        return None
    peak, last, share = fall
    return (
        f"the learning rate falls from {peak:.3g} to {last:.3g}, and is below "
        f"1/{1 / low:.0f} of its peak for {share:.0%} of the updates"
    )


def _per_epoch(schedule: SchedulerSeen) -> str:
    if schedule.kind == "ReduceLROnPlateau":
        return (
            "scheduler.step(loss) once an epoch, with the mean loss of validation, "
            "outside the loop over batches"
        )
    outside = "scheduler.step() once an epoch, outside the loop over batches"
    if argument := schedule.options.get("argument"):
        return f"{outside}; or with {argument} / len(loader) in the function"
    return f"{outside}; or lengths in updates: epochs * len(loader)"


def _is_of_epochs(
    seen: TrainingSeen, schedule: SchedulerSeen, num_epochs: int | None
) -> bool:
    """Tell whether a schedule's own numbers say that it counts epochs.

    Its first fall comes before the last epoch. Or it has a function whose argument is
    called an epoch, and that would go down well over so many epochs, but is almost zero
    after all updates.
    """
    if num_epochs is None or schedule.optimizer is None:
        return False
    first_fall = schedule.options.get("milestones", schedule.options.get("step_size"))
    if isinstance(first_fall, int):
        return first_fall <= num_epochs
    if "epoch" not in schedule.options.get("argument", "").lower():
        return False
    rates = rates_of(seen, schedule.optimizer)
    peak = max(rates, default=0.0)
    if len(rates) <= num_epochs or peak <= 0:
        return False
    is_gone = rates[-1] < MAX_SHARE_AT_THE_END * peak
    return is_gone and rates[num_epochs] <= MAX_SHARE_AFTER_EPOCHS * peak
