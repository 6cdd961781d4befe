from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

ENOUGH = 2


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
        for about in seen.schedulers:
            if about.optimizer is None or about.is_inner:
                continue
            own = [s.order for s in seen.steps if s.optimizer == about.optimizer]
            start = max([about.order, *own])
            orders = [order for order, _ in about.steps if order > start]
            if len(orders) < ENOUGH:
                continue
            others = [
                s
                for s in seen.steps
                if s.optimizer != about.optimizer and orders[0] < s.order < orders[-1]
            ]
            if len(others) < ENOUGH:
                continue
            keys = set(seen.optimizers[about.optimizer].parameters)
            numbers = {s.optimizer for s in others}
            is_same = any(keys & set(seen.optimizers[n].parameters) for n in numbers)
            if not is_same and (own or len(numbers) > 1):
                continue
            other = seen.optimizers[others[0].optimizer]
            yield self.finding(
                verdict=f"{about.kind} is of an optimizer that makes no updates; "
                f"another one, {other.kind}, makes them.",
                evidence=f"{len(orders)} steps of the schedule with 0 updates of its "
                f"own optimizer and {len(others)} of the other"
                + (f" (made at {other.line})" if other.line else ""),
                cure=f"{about.kind}(optimizer, ...) with the optimizer that is "
                "stepped, after it is made",
                line=about.line,
            )
