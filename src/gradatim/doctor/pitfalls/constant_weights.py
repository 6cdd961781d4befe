from torch import nn

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen


class ConstantWeights(Pitfall):
    """All matrices of weights are zero, or another one number, at the first update.

    What it sees:
        Two matrices or more, each one number throughout, and none other in the
        optimizer; and a gradient with equal rows or columns. A last layer of zeros, or
        a single one, is left alone: it is often meant.

    Why it matters:
        Units with equal weights get equal gradients and stay equal: a hidden layer of
        64 is one of 1. From zeros nothing moves but the last bias.

    Example::

        for p in model.parameters():
            nn.init.zeros_(p)

    Instead::

        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    Source: Goodfellow, Bengio, Courville 2016, section 8.4; Stack Overflow 52111149.
    """

    code = "GT703"
    title = "constant initial weights"
    severity = "error"
    hides = (
        "GT105", "GT106", "GT107", "GT203", "GT204",
        "GT309", "GT506", "GT701", "GT702", "GT704",
    )  # fmt: skip

    def find(self, seen: TrainingSeen) -> Findings:
        for step in seen.steps:
            matrices = step.weights.constant
            are_all = 2 <= len(matrices) == step.weights.num_matrices
            if not are_all or not any(matrix.is_same for matrix in matrices):
                continue
            values = ", ".join(f"{m.name} {m.value:g}" for m in matrices[:4])
            yield self.finding(
                verdict="All weights start as one number: the units of a layer are "
                "equal and stay so.",
                evidence=f"at the first update {len(matrices)} of "
                f"{step.weights.num_matrices} matrices are constant: {values}",
                cure="leave PyTorch's own initial weights, or "
                "nn.init.kaiming_uniform_(weight); zeros for biases only",
                line=seen.optimizers[step.optimizer].line,
            )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(change=_draw_anew),))


def _draw_anew(model: nn.Module) -> None:
    for module in model.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
