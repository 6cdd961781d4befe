from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer
from gradatim.watching import TrainingSeen

MIN_UPDATES = 4  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.7  # chosen by hand, not measured
MEANS = (
    "MseLoss", "L1Loss", "NllLoss", "NllLoss2D", "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits", "SmoothL1Loss", "HuberLoss",
)  # fmt: skip
"""The autograd operations in which the mean of a loss function ends."""


class AccumulatedUnscaled(Pitfall):
    """Losses of several batches go backward undivided before one update.

    What it sees:
        Each update has the same number of backwards from one line, two or more, and
        each goes back from a loss function's mean itself.

    Why it matters:
        Gradients add up: with 4 batches an update of SGD is 4 times that of one batch
        of all their rows. It is a choice only if the learning rate was chosen for it.

    Example::

        loss.backward()
        if (i + 1) % 4 == 0:
            optimizer.step()

    Instead::

        (loss / 4).backward()
        if (i + 1) % 4 == 0:
            optimizer.step()

    Source: accelerate issue 1299.
    """

    code = "GT208"
    title = "accumulation without scaling"
    severity = "info"

    def find(self, seen: TrainingSeen) -> Findings:
        are_means = all(call.reduction == "mean" for call in seen.losses)
        if only_optimizer(seen) is None or not are_means:
            return
        counts = [step.num_backwards for step in seen.steps if not step.closure]
        most = max(counts, default=0)
        num_alike = counts.count(most)
        is_often = num_alike >= MIN_SHARE_OF_UPDATES * len(counts)
        if len(counts) < MIN_UPDATES or most < 2 or not is_often:
            return
        backwards = list(seen.backwards)
        lines = {b.line for b in backwards}
        if len(lines) != 1 or any(b.operation not in MEANS for b in backwards):
            return
        yield self.finding(
            verdict="Several losses go backward for one update, and none is divided by "
            "their number.",
            evidence=f"{most} backwards for each of {num_alike} updates, each "
            f"from {backwards[0].operation}'s mean itself",
            cure=f"(loss / {most}).backward()",
            line=backwards[0].line,
        )
