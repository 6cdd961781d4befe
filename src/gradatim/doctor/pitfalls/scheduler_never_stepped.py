from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

MIN_UPDATES = 10  # chosen by hand, not measured


class SchedulerNeverStepped(Pitfall):
    """A schedule is made, and the learning rate never follows it.

    What it sees:
        A schedule with 0 steps at the end of a program whose optimizer made many.

    Why it matters:
        The learning rate is the first one throughout. With a warm-up that is the
        smallest of all: ``OneCycleLR`` starts at 1/25 of ``max_lr`` and stays there.

    Example::

        scheduler = CosineAnnealingLR(optimizer, T_max=20)
        for epoch in range(20):
            train_epoch(model, optimizer)

    Instead::

        scheduler = CosineAnnealingLR(optimizer, T_max=20)
        for epoch in range(20):
            train_epoch(model, optimizer)
            scheduler.step()

    Source: the documentation of ``torch.optim.lr_scheduler``.
    """

    code = "GT805"
    title = "scheduler never stepped"

    def find(self, seen: TrainingSeen) -> Findings:
        if not seen.is_whole or seen.error is not None:
            return
        for schedule in seen.schedulers:
            if schedule.optimizer is None or schedule.is_inner or schedule.steps:
                continue
            steps = steps_of(seen, schedule.optimizer)
            after = [step.lrs for step in steps if step.order > schedule.order]
            lrs = {lr for of_step in after for lr in of_step}
            if len(after) < MIN_UPDATES or len(lrs) > max(1, len(after[0])):
                continue  # or the learning rate is changed in some other way
            updates = seen.optimizers[schedule.optimizer].num_steps
            yield self.finding(
                verdict=f"{schedule.kind} is made, but never stepped.",
                evidence=f"0 steps of it in {updates} updates; the learning rate "
                f"stayed at {min(lrs):.3g}",
                cure="scheduler.step() after optimizer.step(), or once an epoch",
                line=schedule.line,
            )
