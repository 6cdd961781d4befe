from gradatim.doctor.gradients import gradient_looks
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import StepSeen, TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured


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
            num_all = len(optimizer.parameters)
            looks = gradient_looks(steps_of(seen, number, closures=False))
            empty = [step for step in looks if _is_zeroed(step, num_all)]
            if len(empty) < max(MIN_UPDATES, len(looks)):
                continue
            first = empty[0]
            before = [b.order for b in seen.backwards if b.order < first.order]
            start = before[-1] if before else 0
            zeroings = [w for order, w in seen.zeroings if start < order < first.order]
            yield self.finding(
                verdict="Gradients are zeroed after backward and before step: no "
                "update moves anything.",
                evidence=f"at {len(empty)} of {len(looks)} updates looked at all "
                f"{num_all} parameters had no gradient",
                cure="optimizer.zero_grad() before loss.backward()",
                line=zeroings[0] if zeroings else first.line,
            )


def _is_zeroed(step: StepSeen, num_all: int) -> bool:
    """Tell whether no parameter has a gradient, as they were cleared."""
    gradients = step.gradients
    num_empty = len(gradients.missing or ()) + len(gradients.zero or ())
    return gradients.cleared_after_backward and num_empty == num_all
