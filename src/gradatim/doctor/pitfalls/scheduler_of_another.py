from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

MIN_STEPS = 2  # of the schedule; chosen by hand, not measured
MIN_UPDATES = 2  # of the other optimizer; chosen by hand, not measured


class SchedulerOfAnother(Pitfall):
    """The schedule changes the learning rate of an optimizer that does not update.

    What it sees:
        A schedule that is stepped while its own optimizer makes no update, and another
        one that has the same parameters, or is the only one to update, makes all.

    Why it matters:
        The optimizer that trains keeps its first learning rate: 0 of the schedule's
        steps reach it.

    Example::

        scheduler = StepLR(optimizer, step_size=10)
        optimizer = torch.optim.Adam(model.parameters())

    Instead::

        optimizer = torch.optim.Adam(model.parameters())
        scheduler = StepLR(optimizer, step_size=10)

    Source: the documentation of ``torch.optim.lr_scheduler``.
    """

    code = "GT802"
    title = "scheduler of another optimizer"
    severity = "error"
    hides = ("GT801", "GT803", "GT804", "GT807")

    def find(self, seen: TrainingSeen) -> Findings:
        for schedule in seen.schedulers:
            if schedule.optimizer is None or schedule.is_inner:
                continue
            own = [step.order for step in steps_of(seen, schedule.optimizer)]
            start = max([schedule.order, *own])
            orders = [order for order, _ in schedule.steps if order > start]
            if len(orders) < MIN_STEPS:
                continue
            between = [s for s in seen.steps if orders[0] < s.order < orders[-1]]
            others = [s for s in between if s.optimizer != schedule.optimizer]
            if len(others) < MIN_UPDATES:
                continue
            held = set(seen.optimizers[schedule.optimizer].parameters)
            numbers = {s.optimizer for s in others}
            has_same = any(held & set(seen.optimizers[n].parameters) for n in numbers)
            if not has_same and (own or len(numbers) > 1):
                continue
            other = seen.optimizers[others[0].optimizer]
            yield self.finding(
                verdict=f"{schedule.kind} is of an optimizer that makes no updates; "
                f"another one, {other.kind}, makes them.",
                evidence=f"{len(orders)} steps of the schedule with 0 updates of its "
                f"own optimizer and {len(others)} of the other"
                + (f" (made at {other.line})" if other.line else ""),
                cure=f"{schedule.kind}(optimizer, ...) with the optimizer that is "
                "stepped, after it is made",
                line=schedule.line,
            )
