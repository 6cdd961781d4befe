"""GT803 and GT804: a schedule that is stepped too often, or too seldom."""

from collections.abc import Iterator

from gradatim.doctor.lr import LOW, fall_of, full_batch
from gradatim.doctor.pitfall import Finding, Pitfall
from gradatim.doctor.reading import training_loader
from gradatim.watching.seen import SchedulerSeen, Seen

__all__ = ["SchedulerPerBatch", "SchedulerPerEpoch"]

ENOUGH = 10
MUCH = 1 / 10
LENGTHS = ("T_max", "total_steps", "total_iters")
"""What a schedule's own length is called."""


class SchedulerPerBatch(Pitfall):
    """A schedule that counts epochs is stepped at each batch.

    What it sees:
        A schedule stepped with each update, several a epoch: the learning rate falls
        below 1/200 of its peak (1/10 where its lengths are at most the number of
        epochs) with more than half of the updates still to come, or
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

    def find(self, seen: Seen) -> Iterator[Finding]:
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
            epochs = loader.starts.count if loader is not None else None
            told = "" if epochs is None else f" in {epochs} epochs"
            length = about.options.get("T_max")
            place = about.options.get("milestones", about.options.get("step_size"))
            counts_epochs = epochs is not None and place is not None and place <= epochs
            low = MUCH if counts_epochs else LOW
            fall = fall_of(seen, about.optimizer, low=low)
            if about.kind == "CosineAnnealingLR" and isinstance(length, int):
                is_epochs = epochs is not None and 0.5 * epochs <= length <= 2 * epochs
                if count < (1.5 if is_epochs else 2.5) * length:
                    continue
                seen_here = f"T_max={length} is passed {count / length:.3g} times"
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
                cure="scheduler.step() once an epoch, outside the loop over batches; "
                "or lengths in updates: epochs * len(loader)",
                line=about.step_line,
            )
            return


class SchedulerPerEpoch(Pitfall):
    """A schedule that counts updates is stepped once an epoch.

    What it sees:
        A schedule whose length (``total_steps``, ``T_max``, ``total_iters``) is about
        the number of updates, and that had made less than half of its steps at the end.

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

    def find(self, seen: Seen) -> Iterator[Finding]:
        if not seen.is_whole or seen.error is not None:
            return
        for about in seen.schedulers:
            length = length_of(about)
            if about.optimizer is None or length is None or about.is_inner:
                continue
            updates, count = (
                seen.optimizers[about.optimizer].num_steps,
                about.steps.count,
            )
            is_of_updates = 0.8 * length <= updates <= 1.3 * length
            if about.kind == "OneCycleLR":
                is_of_updates = updates >= 0.8 * length
            if not is_of_updates or not 0 < count < 0.5 * min(length, updates):
                continue
            if updates < ENOUGH:
                continue
            yield self.finding(
                verdict=f"{about.kind} counts updates, but is stepped less often: it "
                "hardly moves.",
                evidence=f"{count} of {length} steps made at the end of "
                f"{updates} updates ({count / length:.0%})",
                cure="scheduler.step() after each optimizer.step(), inside the loop "
                "over batches",
                line=about.step_line,
            )
            return


def length_of(about: SchedulerSeen) -> int | None:
    """Give the number of steps that a schedule is made for, where it has one."""
    for name in LENGTHS:
        value = about.options.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= ENOUGH:
            return value
    return None
