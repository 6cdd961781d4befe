"""GT204: the learning rate is so high that the loss does not fall."""

import math
from collections.abc import Iterator
from statistics import median

from gradatim.doctor.lr import lr_trial
from gradatim.doctor.movement import ratios
from gradatim.doctor.pitfall import Finding, Pitfall
from gradatim.doctor.reading import steps_of
from gradatim.doctor.trial import Trial
from gradatim.watching.seen import Seen

__all__ = ["LrTooHigh"]

ENOUGH = 20
LARGE = 0.1
"""Update over weight; a healthy one is 1e-3."""


class LrTooHigh(Pitfall):
    """Updates are so large that each throws away what those before have learned.

    What it sees:
        One optimizer; in the first updates the median ratio of update to weight is
        above 0.1; and the loss ends above where it began, or grew fivefold and did not
        come back below it, or grew tenfold and then is no number.

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

    def find(self, seen: Seen) -> Iterator[Finding]:
        if sum(o.num_steps > 0 for o in seen.optimizers) != 1:
            return
        number = next(n for n, o in enumerate(seen.optimizers) if o.num_steps)
        steps = [s for s in steps_of(seen, number) if not s.closure]
        losses = [value for _, value in seen.loss_series]
        ratio = [r for r in ratios(steps[:50]) if not math.isnan(r)]
        if len(ratio) < 4 or not losses or not all(s.lrs for s in steps[:1]):
            return
        start = losses[0]
        if not math.isfinite(start) or start <= 0 or min(losses) < 0:
            return
        good = [value for value in losses if math.isfinite(value)]
        tail = losses[-max(3, len(losses) // 4) :]
        is_broken = len(good) < len(losses)
        end = math.inf if is_broken else median(tail)
        if is_broken and max(good) < 10 * start:
            return  # no number for another reason
        if not is_broken and (len(losses) < ENOUGH or end < _least(start, good)):
            return
        size = median(ratio)
        if size < LARGE:
            return
        lr = max(steps[0].lrs)
        shown = "no number" if is_broken else f"{end:.4g}"
        yield self.finding(
            verdict=f"With lr={lr:g} the loss does not fall but "
            f"{'diverges' if is_broken or end > 10 * start else 'swings'}.",
            evidence=f"loss {start:.4g}, {max(good):.4g} at most, {shown} at the end; "
            f"an update is {size:.2g} of the weights (1e-3 is healthy)",
            cure=f"a smaller learning rate, such as lr={lr / 100:.0e}",
            line=seen.optimizers[number].line,
        )

    def trial(self, seen: Seen) -> Trial:
        return lr_trial(seen, 0.1, 0.01, 0.001)


def _least(start: float, losses: list[float]) -> float:
    """Give the last loss from which on it has not learned."""
    return 0.9 * start if max(losses) > 5 * start else 1.2 * start
