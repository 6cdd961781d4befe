import math
from statistics import median

from gradatim.doctor.gradients import update_ratios
from gradatim.doctor.learning_rates import lr_trial
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer, steps_of
from gradatim.doctor.trial import Trial
from gradatim.watching import SourceLine, TrainingSeen

FIRST_UPDATES = 50  # whose ratio counts; chosen by hand, not measured
FIRST_RATIOS = 5  # those that kill units; chosen by hand, not measured
MIN_LOOKS = 4  # chosen by hand, not measured
MIN_LOSSES = 20  # chosen by hand, not measured
MIN_RATIO = 0.1  # of update to weight; chosen by hand, not measured
MIN_GROWTH_TO_BREAK = 10  # times the first loss; chosen by hand, not measured
MIN_GROWTH_TO_DIVERGE = 10  # times the first loss; chosen by hand, not measured
MIN_GROWTH_TO_SWING = 5  # times the first loss; chosen by hand, not measured
MIN_END = 1.2  # times the first loss; chosen by hand, not measured
MIN_END_OF_A_SWING = 0.9  # times the first loss; chosen by hand, not measured
NUM_LAST_LOOKS = 3  # chosen by hand, not measured
MAX_SHARE_DEAD_AT_FIRST = 0.75  # of the units of a layer; chosen by hand, not measured
MIN_SHARE_DEAD_AT_LAST = 0.9  # of the units of a layer; chosen by hand, not measured


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
        number = only_optimizer(seen)
        if number is None:
            return
        steps = steps_of(seen, number, closures=False)
        ratios = update_ratios(steps[:FIRST_UPDATES])
        ratios = [ratio for ratio in ratios if not math.isnan(ratio)]
        if len(ratios) < MIN_LOOKS or not all(s.lrs for s in steps[:1]):
            return
        lr, line = max(steps[0].lrs), seen.optimizers[number].line
        if (ratio := median(ratios)) >= MIN_RATIO:
            yield from self._no_fall(seen, lr, ratio, line)
        if (ratio := median(ratios[:FIRST_RATIOS])) >= MIN_RATIO:
            yield from self._dying_units(seen, lr, ratio, line)

    def _no_fall(
        self, seen: TrainingSeen, lr: float, ratio: float, line: SourceLine | None
    ) -> Findings:
        """Find a loss that does not fall."""
        losses = [value for _, value in seen.loss_values.series]
        start = losses[0] if losses else math.nan
        if not math.isfinite(start) or start <= 0 or min(losses) < 0:
            return
        finite = [value for value in losses if math.isfinite(value)]
        is_broken = len(finite) < len(losses)
        if is_broken:
            end, shown = math.inf, "no number"
            if max(finite) < MIN_GROWTH_TO_BREAK * start:
                return  # it became NaN for another reason
        else:
            end = median(losses[-max(3, len(losses) // 4) :])
            shown = f"{end:.4g}"
            has_swung = max(finite) > MIN_GROWTH_TO_SWING * start
            least = (MIN_END_OF_A_SWING if has_swung else MIN_END) * start
            if len(losses) < MIN_LOSSES or end < least:
                return
        how = "diverges" if end > MIN_GROWTH_TO_DIVERGE * start else "swings"
        yield self.finding(
            verdict=f"With lr={lr:g} the loss does not fall but {how}.",
            evidence=f"loss {start:.4g}, {max(finite):.4g} at most, {shown} at the "
            f"end; an update is {ratio:.2g} of the weights (1e-3 is healthy)",
            cure=_smaller(lr),
            line=line,
        )

    def _dying_units(
        self, seen: TrainingSeen, lr: float, ratio: float, line: SourceLine | None
    ) -> Findings:
        """Find ReLUs that the first updates kill."""
        looks = [b.activations for b in seen.backwards if b.activations]
        if len(looks) < MIN_LOOKS:
            return
        first = {a.layer: a.dead for a in looks[0] if a.kind == "Relu"}
        last = [{a.layer: a.dead for a in look} for look in looks[-NUM_LAST_LOOKS:]]
        for layer, dead in first.items():
            ends = [shares.get(layer, 0.0) for shares in last]
            if dead >= MAX_SHARE_DEAD_AT_FIRST or min(ends) < MIN_SHARE_DEAD_AT_LAST:
                continue
            yield self.finding(
                verdict=f"With lr={lr:g} the first updates kill the ReLUs after "
                f"{layer}.",
                evidence=f"units that give 0 for every row: {dead:.0%} at first, "
                f"{ends[-1]:.0%} at the end; an update is {ratio:.2g} of the weights "
                "(1e-3 is healthy)",
                cure=_smaller(lr),
                line=line,
            )

    def trial(self, seen: TrainingSeen) -> Trial:
        return lr_trial(seen, 0.1, 0.01, 0.001)


def _smaller(lr: float) -> str:
    return f"a smaller learning rate, such as lr={lr / 100:.0e}"
