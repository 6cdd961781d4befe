from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen


class SchedulerBeforeOptimizer(Pitfall):
    """``scheduler.step()`` comes before the updates that it belongs to.

    What it sees:
        A schedule's first step before the first update of its optimizer, and its last
        one before the last update.

    Why it matters:
        The first learning rate is never used: a ``StepLR`` whose drop is due after 10
        epochs drops after 9, and a warm-up starts one step too far.

    Example::

        for epoch in range(10):
            scheduler.step()
            train_epoch(model, optimizer)

    Instead::

        for epoch in range(10):
            train_epoch(model, optimizer)
            scheduler.step()

    Source: PyTorch, "How to adjust learning rate" in ``torch.optim``.
    """

    code = "GT801"
    title = "scheduler stepped before the optimizer"

    def find(self, seen: TrainingSeen) -> Findings:
        for schedule in seen.schedulers:
            if schedule.optimizer is None or schedule.is_inner:
                continue
            steps = steps_of(seen, schedule.optimizer)
            updates = [step.order for step in steps if step.order > schedule.order]
            orders = [order for order, _ in schedule.steps]
            if schedule.steps.count < 2:
                continue
            if not updates or orders[0] > updates[0] or orders[-1] > updates[-1]:
                continue
            yield self.finding(
                verdict=f"{schedule.kind} is stepped before its optimizer: the first "
                "learning rate is skipped.",
                evidence=f"{schedule.steps.count} steps of the schedule, the first "
                f"after 0 of {len(updates)} updates",
                cure="scheduler.step() after optimizer.step(), at the end of the loop",
                line=schedule.step_line,
            )
