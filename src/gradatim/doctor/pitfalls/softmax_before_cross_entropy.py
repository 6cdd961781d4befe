import torch.nn.functional as F
from torch import Tensor

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import numbers_given
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import LossCall, TrainingSeen

MAX_SUM_ERROR = 1e-3  # of a row of probabilities; chosen by hand, not measured


class SoftmaxBeforeCrossEntropy(Pitfall):
    """``cross_entropy`` is given probabilities, and takes their softmax again.

    What it sees:
        The rows given to ``cross_entropy`` are between 0 and 1 and sum to 1, in every
        call that was looked at, and a softmax made them.

    Why it matters:
        The loss takes logits. Probabilities differ by 1 at most, so it cannot fall
        below ``ln(1 + (C - 1) / e)``: 0.55 for 3 classes, 1.46 for 10; and gradients
        shrink by the softmax's own slope.

    Example::

        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        loss = nn.CrossEntropyLoss()(model(x), y)

    Instead::

        model = nn.Sequential(nn.Linear(4, 3))
        loss = nn.CrossEntropyLoss()(model(x), y)

    Source: the documentation of ``torch.nn.CrossEntropyLoss``; Stack Overflow 47065172.
    """

    code = "GT302"
    title = "softmax before cross-entropy"
    severity = "error"
    hides = ("GT106", "GT203", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        calls = [c for c in seen.losses if c.name == "cross_entropy" and c.facts]
        if not calls or not all(map(_is_given_probabilities, calls)):
            return
        # The last call of the line: what the model's outputs are by then.
        call = [call for call in calls if call.line == calls[0].line][-1]
        yield self.finding(
            verdict="Softmax is taken twice: cross_entropy takes logits.",
            evidence=f"all {call.input.shape[0]} rows sum to 1 (within "
            f"{call.facts['input_row_sum_error']:.1g}), numbers {numbers_given(call)}",
            cure="leave the softmax out of the model, and take it of its output where "
            "probabilities are needed",
            line=call.line,
        )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(loss=_of_probabilities),))


def _is_given_probabilities(call: LossCall) -> bool:
    error = call.facts.get("input_row_sum_error", 1.0)
    is_softmax = call.before[:1] in (("Softmax",), ("SafeSoftmax",))
    is_share = call.facts["input_min"] >= 0 and error < MAX_SUM_ERROR
    return is_share and (is_softmax or not call.before)


def _of_probabilities(given: Tensor, target: Tensor) -> Tensor:
    """Give what cross-entropy gives without the softmax before it."""
    return F.nll_loss(given.clamp_min(1e-30).log(), target)
