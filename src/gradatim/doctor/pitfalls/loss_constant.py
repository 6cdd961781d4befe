from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_backward_line
from gradatim.watching import TrainingSeen

MIN_LOSSES = 10  # chosen by hand, not measured
MIN_UPDATES = 3  # chosen by hand, not measured


class LossConstant(Pitfall):
    """The loss is the same at every step, and every gradient is zero.

    What it sees:
        Ten losses or more that are equal to the last bit, and gradients that are there
        and exactly 0 for all parameters in each update that was looked at.

    Why it matters:
        Where all gradients are 0 no optimizer moves anything, at any learning rate: the
        loss of step 1 is that of step 1,000.

    Example::

        loss = F.relu(-1 - model(x) ** 2).sum()   # 0, and flat

    Instead::

        loss = ((model(x) - y) ** 2).mean()

    Source: the tutorial, "Autograd".
    """

    code = "GT309"
    title = "loss constant"
    hides = ("GT106", "GT203", "GT108")

    def find(self, seen: TrainingSeen) -> Findings:
        losses = [value for _, value in seen.loss_values.series]
        if len(losses) < MIN_LOSSES or len(set(losses)) > 1:
            return
        looks = [s.gradients for s in seen.steps if s.gradients.norms is not None]
        if len(looks) < MIN_UPDATES:
            return
        for gradients in looks:
            norms = gradients.norms or {}
            if gradients.cleared_after_backward or not norms or any(norms.values()):
                return
        yield self.finding(
            verdict="The loss never changes, and every gradient is exactly 0.",
            evidence=f"{losses[0]:.6g} in all of {seen.backwards.count} steps; "
            f"{len(looks[0].norms or ())} parameters with gradients of norm 0",
            cure="look for a flat loss: a clamp, a ReLU that is never active, a "
            "softmax of one number",
            line=first_backward_line(seen),
        )
