import math

from gradatim.doctor.loss_trend import fall_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

MIN_DECAY = 0.1  # chosen by hand, not measured
MIN_LOOKS = 6  # chosen by hand, not measured
MAX_SHARE_OF_WEIGHTS = 0.3  # that are left; chosen by hand, not measured
MIN_SHARE_OF_LOSS = 0.67  # that is left; chosen by hand, not measured


class DecayTooStrong(Pitfall):
    """Weight decay pulls harder than the loss does.

    What it sees:
        A ``weight_decay`` of 0.1 or more, weights that shrink to less than 30% of
        what they were, and a loss that has not fallen by a third.

    Why it matters:
        Decay multiplies weights by ``1 - lr * weight_decay`` at each update. With
        ``lr=0.1`` and ``weight_decay=1`` half of them is gone after 7 updates.

    Example::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1.0)

    Instead::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)

    Source: Loshchilov, Hutter 2019, https://arxiv.org/abs/1711.05101.
    """

    code = "GT205"
    title = "weight decay too strong"
    hides = ("GT106", "GT203", "GT309", "GT701", "GT702")

    def find(self, seen: TrainingSeen) -> Findings:
        trend = fall_of_loss(seen)
        if trend is None:
            return
        first, last = trend
        for number, optimizer in enumerate(seen.optimizers):
            decays = [options.get("weight_decay", 0) for options in optimizer.options]
            decay = max(decays, default=0)
            looks = [s for s in steps_of(seen, number) if s.weights.updates]
            has_fallen = last < MIN_SHARE_OF_LOSS * first
            if decay < MIN_DECAY or has_fallen or len(looks) < MIN_LOOKS:
                continue
            pairs = [(step.weights.updates or {}).values() for step in looks]
            norms = [math.hypot(*(weight for _, weight in look)) for look in pairs]
            if not 0 <= norms[-1] < MAX_SHARE_OF_WEIGHTS * norms[0]:
                continue
            yield self.finding(
                verdict=f"weight_decay={decay:g} shrinks the weights away.",
                evidence=f"norm of the weights {norms[0]:.4g} -> {norms[-1]:.4g} by "
                f"update {looks[-1].step}; loss {first:.4g} -> {last:.4g}",
                cure="weight_decay=1e-4 for SGD or Adam, 1e-2 for AdamW",
                line=optimizer.line,
            )
