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
        for about in seen.schedulers:
            if about.optimizer is None or about.is_inner or about.steps.count < 2:
                continue
            updates = [
                s.order
                for s in steps_of(seen, about.optimizer)
                if s.order > about.order
            ]
            orders = [order for order, _ in about.steps]
            if not updates or orders[0] > updates[0] or orders[-1] > updates[-1]:
                continue
            yield self.finding(
                verdict=f"{about.kind} is stepped before its optimizer: the first "
                "learning rate is skipped.",
                evidence=f"{about.steps.count} steps of the schedule, the first after "
                f"0 of {len(updates)} updates",
                cure="scheduler.step() after optimizer.step(), at the end of the loop",
                line=about.step_line,
            )
