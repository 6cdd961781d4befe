import math

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import NonFiniteStart, TrainingSeen

MAX_GROWTH = 20  # times the first loss; chosen by hand, not measured
MAX_LOSS = 1e6  # chosen by hand, not measured
TEXTS = {
    "input": (
        "The input holds NaN or infinity before any layer has seen it.",
        "numbers that the first operation on data was given",
        "look at the data: missing values, a division by the standard deviation of a "
        "constant column; x[x.isfinite().all(dim=1)], or x.std(dim=0).clamp(min=1e-6)",
    ),
    "target": (
        "The targets hold NaN or infinity.",
        "targets",
        "look at the data: leave those rows out with y.isfinite()",
    ),
    "log": (
        "The logarithm of 0, or of less, is taken.",
        "numbers given to the logarithm are not above 0",
        "torch.log(p.clamp(min=1e-8)); better a loss that takes logits: "
        "F.cross_entropy, F.binary_cross_entropy_with_logits",
    ),
    "div": (
        "A division by 0.",
        "divisors are 0",
        "x / (y + 1e-8), or leave those rows out",
    ),
    "exp": (
        "exp overflows: above 88.7 it is infinite in float32.",
        "results of exp are infinite",
        "torch.logsumexp, log_softmax, or softplus instead of exp and log by hand",
    ),
    "sqrt": (
        "The square root of a number below 0 is taken.",
        "results of the root are NaN",
        "torch.sqrt(x.clamp(min=1e-12))",
    ),
    "pow": (
        "A fractional or negative power of 0, or of less, is taken.",
        "numbers given to the power are not above 0",
        "x.clamp(min=1e-12) ** p",
    ),
    "operation": (
        "An operation gave NaN or infinity.",
        "numbers",
        "torch.autograd.set_detect_anomaly(True) shows its line; hold what goes into "
        "it in bounds",
    ),
}
"""The verdict, what the evidence counts, and the cure, by where it began."""


class NotANumber(Pitfall):
    """The loss becomes NaN or infinite.

    What it sees:
        The first loss that is no number, and from what its graph has saved the first
        operation, in the order of the forward, that was given or gave NaN or infinity:
        the data, a logarithm, a division, ``exp``, a root. Where the weights have it
        already, a gradient that was NaN while the loss was a number. A loss that grew
        before without end is left to the learning rate.

    Why it matters:
        One NaN in a batch makes every weight NaN at the next update; of 1,000 rows with
        a single missing value all are lost.

    Example::

        x = (x - x.mean(dim=0)) / x.std(dim=0)     # 0 / 0 in a constant column

    Instead::

        x = (x - x.mean(dim=0)) / x.std(dim=0).clamp(min=1e-6)

    Source: ``torch.autograd.set_detect_anomaly``; Stack Overflow 51125933.
    """

    code = "GT308"
    title = "loss is no number"
    severity = "error"
    hides = (
        "GT105", "GT106", "GT107", "GT108", "GT110", "GT203", "GT204", "GT205", "GT206",
        "GT207", "GT208", "GT309", "GT503", "GT504", "GT506", "GT701", "GT702", "GT704",
    )  # fmt: skip

    def find(self, seen: TrainingSeen) -> Findings:
        bad = seen.loss_values.non_finite
        if bad is None or _has_diverged(bad):
            return
        if bad.where in TEXTS:
            verdict, what, cure = TEXTS[bad.where]
            yield self.finding(
                verdict=verdict,
                evidence=f"at update {bad.step} the loss is {bad.value}: {bad.count} "
                f"{what} (in {bad.name})",
                cure=cure,
                line=bad.line,
            )
        elif bad.where == "weights":
            yield from self._slope(bad)

    def _slope(self, bad: NonFiniteStart) -> Findings:
        is_nan = bad.grad_norm is not None and math.isnan(bad.grad_norm)
        if not bad.before or not (is_nan or (bad.grad_norm is None and bad.ops)):
            return
        ops = ", ".join(bad.ops) or "an operation"
        yield self.finding(
            verdict="A gradient became NaN while the loss was still a number: "
            f"somewhere the slope is infinite ({ops} at 0).",
            evidence=f"loss {bad.before[-1]:.4g}, then {bad.value} at update "
            f"{bad.step}: {bad.count} numbers of {bad.name}; norm of the gradient "
            f"before {'nan' if is_nan else 'not seen'}",
            cure="torch.sqrt(x + 1e-12) for torch.sqrt(x), and the same in norms",
            line=bad.line,
        )


def _has_diverged(bad: NonFiniteStart) -> bool:
    """Tell whether the loss had grown so much that the learning rate is the cause."""
    finite = [abs(value) for value in bad.before if math.isfinite(value)]
    return len(finite) > 1 and finite[-1] > min(MAX_GROWTH * finite[0], MAX_LOSS)
