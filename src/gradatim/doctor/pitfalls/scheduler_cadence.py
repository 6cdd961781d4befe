import re

from gradatim.doctor.learning_rates import LOW, fall_of, full_batch
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of, training_loader
from gradatim.watching import LoaderSeen, SchedulerSeen, TrainingSeen

ENOUGH = 10
MUCH = 1 / 10
WARM = ("LinearLR", "ConstantLR")
COSINE = ("CosineAnnealingLR", "SequentialLR")
OF_UPDATES = re.compile("step|iter|batch|updates", re.IGNORECASE)
LENGTHS = ("T_max", "total_steps", "total_iters")
"""What a schedule's own length is called."""


class SchedulerPerBatch(Pitfall):
    """A schedule that counts epochs is stepped at each batch.

    What it sees:
        A schedule stepped with each update, several a epoch: the learning rate falls
        below 1/200 of its peak (1/10 where its lengths are at most the number of
        epochs, or where the function given to ``LambdaLR`` calls its argument an epoch)
        with more than half of the updates still to come, or ``CosineAnnealingLR`` goes
        down and up again several times.

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
        for about in seen.schedulers:
            if about.optimizer is None or about.kind == "OneCycleLR":
                continue
            optimizer = seen.optimizers[about.optimizer]
            updates, count = optimizer.num_steps, about.steps.count
            is_each = updates >= ENOUGH and 0.9 * updates <= count <= 1.1 * updates
            if not is_each or full_batch(seen, about.optimizer):
                continue
            loader = training_loader(seen, optimizer)
            if loader is not None and loader.length == 1:
                continue
            if about.kind == "ReduceLROnPlateau" and not _is_impatient(about, loader):
                continue
            epochs = loader.starts.count if loader is not None else None
            told = "" if epochs is None else f" in {epochs} epochs"
            length = about.options.get("T_max")
            is_short = _is_of_epochs(seen, about, epochs)
            low = MUCH if is_short else LOW
            fall = fall_of(seen, about.optimizer, low=low)
            if isinstance(length, int) and about.kind in COSINE:
                is_epochs = epochs is not None and 0.5 * epochs <= length <= 2 * epochs
                if count < (1.5 if is_epochs else 2.5) * length:
                    continue
                seen_here = f"T_max={length} is passed {count / length:.3g} times"
                if about.kind == "SequentialLR":
                    seen_here = f"its {length} steps are made after {length} updates"
            elif fall is not None:
                peak, last, share = fall
                seen_here = (
                    f"the learning rate falls from {peak:.3g} to {last:.3g}, and is "
                    f"below 1/{1 / low:.0f} of its peak for {share:.0%} of the updates"
                )
            else:
                continue
            yield self.finding(
                verdict=f"{about.kind} is stepped at each batch, but counts epochs.",
                evidence=f"{count} steps of it for {updates} updates{told}; "
                f"{seen_here}",
                cure=_per_epoch(about),
                line=about.step_line,
            )


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
        for about in seen.schedulers:
            if about.optimizer is None or about.is_inner:
                continue
            updates = seen.optimizers[about.optimizer].num_steps
            if updates < ENOUGH or not 0 < about.steps.count < 0.5 * updates:
                continue
            evidence = _of_its_length(about, updates) or _in_warm_up(seen, about)
            if evidence is None:
                continue
            yield self.finding(
                verdict=f"{about.kind} counts updates, but is stepped less often: it "
                "hardly moves.",
                evidence=evidence,
                cure="scheduler.step() after each optimizer.step(), inside the loop "
                "over batches",
                line=about.step_line,
            )


def _per_epoch(about: SchedulerSeen) -> str:
    outside = "scheduler.step() once an epoch, outside the loop over batches"
    if about.kind == "ReduceLROnPlateau":
        return (
            "scheduler.step(loss) once an epoch, with the mean loss of validation, "
            "outside the loop over batches"
        )
    if argument := about.options.get("argument"):
        return f"{outside}; or with {argument} / len(loader) in the function"
    return f"{outside}; or lengths in updates: epochs * len(loader)"


def _is_impatient(about: SchedulerSeen, loader: LoaderSeen | None) -> bool:
    """Tell whether a schedule that follows the loss loses patience within an epoch."""
    if loader is None or loader.length is None:
        return False  # steps without epochs, for all that is known
    return bool(about.options.get("patience", 0) < loader.length)


def _is_of_epochs(seen: TrainingSeen, about: SchedulerSeen, epochs: int | None) -> bool:
    """Tell whether a schedule's own numbers say that it counts epochs.

    Its first fall is before the last of them. Or it has a function whose argument is
    called so, and that would go down well over so many epochs, but is at almost
    nothing after all updates.
    """
    if epochs is None or about.optimizer is None:
        return False
    place = about.options.get("milestones", about.options.get("step_size"))
    if isinstance(place, int):
        return place <= epochs
    if "epoch" not in about.options.get("argument", "").lower():
        return False
    rates = [max(s.lrs) for s in steps_of(seen, about.optimizer) if s.lrs]
    if len(rates) <= epochs or max(rates) <= 0:
        return False
    return rates[epochs] <= 0.9 * max(rates) and rates[-1] < max(rates) / 100


def _of_its_length(about: SchedulerSeen, updates: int) -> str | None:
    """Tell how much of its way a schedule made that is as long as the training."""
    length, count = length_of(about, updates), about.steps.count
    if length is None:
        return None
    is_of_updates = 0.8 * length <= updates <= 1.3 * length
    if about.kind == "OneCycleLR":
        is_of_updates = updates >= 0.8 * length
    if not is_of_updates or count >= 0.5 * min(length, updates):
        return None
    return (
        f"{count} of {length} steps made at the end of {updates} updates "
        f"({count / length:.0%})"
    )


def _in_warm_up(seen: TrainingSeen, about: SchedulerSeen) -> str | None:
    """Tell that a training was over before the warm-up was."""
    assert about.optimizer is not None
    count, options = about.steps.count, about.options
    updates = seen.optimizers[about.optimizer].num_steps
    if about.kind in WARM and options.get("start_factor", options.get("factor", 1)) < 1:
        named = {"total_iters": options.get("total_iters")}
    elif OF_UPDATES.search(options.get("argument", "")):
        named = {k: v for k, v in options["counted"].items() if "warm" in k.lower()}
    else:
        return None
    lengths = {
        k: v for k, v in named.items() if v is not None and 3 * count <= v <= updates
    }
    if not lengths or count < 3:
        return None
    rates = [max(s.lrs) for s in steps_of(seen, about.optimizer) if s.lrs]
    is_rising = rates[0] < rates[-1] and rates == sorted(rates)
    if not is_rising:
        return None
    name, length = max(lengths.items(), key=lambda each: each[1])
    return (
        f"{count} steps of it in {updates} updates, of a warm-up of {name}={length}; "
        f"the learning rate has come to {rates[-1]:.3g}"
    )


def length_of(about: SchedulerSeen, updates: int) -> int | None:
    """Give the number of steps that a schedule is made for, where it has one."""
    for name in LENGTHS:
        value = about.options.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= ENOUGH:
            return value
    if not OF_UPDATES.search(about.options.get("argument", "")):
        return None
    counted = [
        value
        for name, value in about.options.get("counted", {}).items()
        if OF_UPDATES.search(name) and "epoch" not in name.lower() and value >= ENOUGH
    ]
    return min(counted, key=lambda each: abs(each - updates), default=None)
