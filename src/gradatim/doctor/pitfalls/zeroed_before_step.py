from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

ENOUGH = 3


class ZeroedBeforeStep(Pitfall):
    """Gradients are cleared after they were computed and before they are used.

    What it sees:
        ``zero_grad`` between ``backward`` and ``step``, and at each update that was
        looked at every gradient is None or zero.

    Why it matters:
        An update with no gradients moves no weight: the loss after 1,000 updates is
        that of the first.

    Example::

        loss.backward()
        optimizer.zero_grad()
        optimizer.step()

    Instead::

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    Source: the documentation of ``torch.optim``.
    """

    code = "GT102"
    title = "gradients zeroed before the step"
    severity = "error"
    hides = ("GT103", "GT108", "GT201", "GT203", "GT206", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        for number, optimizer in enumerate(seen.optimizers):
            steps = [s for s in steps_of(seen, number) if not s.closure]
            looks = [s for s in steps if s.gradients.missing is not None]
            empty = [
                s
                for s in looks
                if s.gradients.cleared_after_backward
                and len(s.gradients.missing or ()) + len(s.gradients.zero or ())
                == len(optimizer.parameters)
            ]
            if len(empty) < ENOUGH or len(empty) < len(looks):
                continue
            last = [b.order for b in seen.backwards if b.order < empty[0].order]
            line = next(
                (
                    where
                    for order, where in seen.zeroings
                    if (last[-1] if last else 0) < order < empty[0].order
                ),
                empty[0].line,
            )
            yield self.finding(
                verdict="Gradients are zeroed after backward and before step: no "
                "update moves anything.",
                evidence=f"at {len(empty)} of {len(looks)} updates looked at all "
                f"{len(optimizer.parameters)} parameters had no gradient",
                cure="optimizer.zero_grad() before loss.backward()",
                line=line,
            )
