import math
from dataclasses import replace
from statistics import median

from gradatim.doctor.gradients import update_ratios
from gradatim.doctor.learning_rates import lr_trial
from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.doctor.trial import Trial
from gradatim.watching import TrainingSeen

ENOUGH = 20
LARGE = 0.1
"""Update over weight; a healthy one is 1e-3."""
ALIVE, DEAD = 0.75, 0.9
"""Share of a layer's ReLUs that are 0 for all rows: at first, and at the end."""


class LrTooHigh(Pitfall):
    """Updates are so large that each throws away what those before have learned.

    What it sees:
        One optimizer; in the first updates the median ratio of update to weight is
        above 0.1; and the loss ends above where it began, or grew fivefold and did not
        come back below it, or grew tenfold and then is no number. Or nine in ten ReLUs
        of a layer, alive at first, are dead from these updates on.

    Why it matters:
        A healthy ratio is about 1e-3. Past twice the inverse of the curvature each step
        of gradient descent lands farther away than it started.

    Example::

        optimizer = torch.optim.Adam(model.parameters(), lr=1.0)

    Instead::

        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 11.4.1; Stack Overflow
    49518666.
    """

    code = "GT204"
    title = "learning rate too high"
    is_doubtful = True
    hides = ("GT107", "GT309", "GT701", "GT702", "GT704")

    def find(self, seen: TrainingSeen) -> Findings:
        if sum(o.num_steps > 0 for o in seen.optimizers) != 1:
            return
        number = next(n for n, o in enumerate(seen.optimizers) if o.num_steps)
        steps = [s for s in steps_of(seen, number) if not s.closure]
        ratio = [r for r in update_ratios(steps[:50]) if not math.isnan(r)]
        if len(ratio) < 4 or not all(s.lrs for s in steps[:1]):
            return
        lr, line = max(steps[0].lrs), seen.optimizers[number].line
        found = self._loss(seen, lr, median(ratio)) or self._dying(
            seen, lr, median(ratio[:5])
        )
        if found is not None:
            yield replace(found, line=line)

    def _loss(self, seen: TrainingSeen, lr: float, size: float) -> Finding | None:
        """Find a loss that does not fall."""
        losses = [value for _, value in seen.loss_values.series]
        start = losses[0] if losses else math.nan
        if not math.isfinite(start) or start <= 0 or min(losses) < 0 or size < LARGE:
            return None
        good = [value for value in losses if math.isfinite(value)]
        tail = losses[-max(3, len(losses) // 4) :]
        is_broken = len(good) < len(losses)
        end = math.inf if is_broken else median(tail)
        if is_broken and max(good) < 10 * start:
            return None  # no number for another reason
        if not is_broken and (len(losses) < ENOUGH or end < _least(start, good)):
            return None
        shown = "no number" if is_broken else f"{end:.4g}"
        return self.finding(
            verdict=f"With lr={lr:g} the loss does not fall but "
            f"{'diverges' if is_broken or end > 10 * start else 'swings'}.",
            evidence=f"loss {start:.4g}, {max(good):.4g} at most, {shown} at the end; "
            f"an update is {size:.2g} of the weights (1e-3 is healthy)",
            cure=_smaller(lr),
        )

    def _dying(self, seen: TrainingSeen, lr: float, size: float) -> Finding | None:
        """Find ReLUs that the first updates kill."""
        looked_at = [b.activations for b in seen.backwards if b.activations]
        if size < LARGE or len(looked_at) < 4:
            return None
        first = {a.layer: a.dead for a in looked_at[0] if a.kind == "Relu"}
        last = [{a.layer: a.dead for a in each} for each in looked_at[-3:]]
        for layer, dead in first.items():
            ends = [each.get(layer, 0.0) for each in last]
            if dead < ALIVE and min(ends) >= DEAD:
                return self.finding(
                    verdict=f"With lr={lr:g} the first updates kill the ReLUs after "
                    f"{layer}.",
                    evidence=f"units that give 0 for every row: {dead:.0%} at first, "
                    f"{ends[-1]:.0%} at the end; an update is {size:.2g} of the "
                    "weights (1e-3 is healthy)",
                    cure=_smaller(lr),
                )
        return None

    def trial(self, seen: TrainingSeen) -> Trial:
        return lr_trial(seen, 0.1, 0.01, 0.001)


def _least(start: float, losses: list[float]) -> float:
    """Give the last loss from which on it has not learned."""
    return 0.9 * start if max(losses) > 5 * start else 1.2 * start


def _smaller(lr: float) -> str:
    return f"a smaller learning rate, such as lr={lr / 100:.0e}"
