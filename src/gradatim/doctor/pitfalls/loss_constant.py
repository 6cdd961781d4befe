from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

ENOUGH = 10


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
        losses = {value for _, value in seen.loss_values.series}
        if len(seen.loss_values.series) < ENOUGH or len(losses) != 1:
            return
        steps = [s for s in seen.steps if s.gradients.norms is not None]
        if len(steps) < 3 or any(s.gradients.cleared_after_backward for s in steps):
            return
        if any(not s.gradients.norms or any(s.gradients.norms.values()) for s in steps):
            return
        line = next((b.line for b in seen.backwards if b.line), None)
        num = len(steps[0].gradients.norms or ())
        yield self.finding(
            verdict="The loss never changes, and every gradient is exactly 0.",
            evidence=f"{losses.pop():.6g} in all of {seen.backwards.count} steps; "
            f"{num} parameters with gradients of norm 0",
            cure="look for a flat loss: a clamp, a ReLU that is never active, a "
            "softmax of one number",
            line=line,
        )
