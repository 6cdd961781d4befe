import torch.nn.functional as F

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import numbers_given, trained_calls
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

SHAPE_ONLY = ("View", "UnsafeView", "Squeeze", "Unsqueeze", "Select", "T", "Permute")
SQUASHING = ("Sigmoid", "Softmax", "HardSigmoid")


class SigmoidBeforeLogits(Pitfall):
    """``binary_cross_entropy_with_logits`` is given probabilities.

    What it sees:
        What is given to it lies between 0 and 1 in every call that was looked at, and
        a sigmoid or softmax made it.

    Why it matters:
        The loss takes the sigmoid itself. Of a number between 0 and 1 that is between
        0.50 and 0.73: the loss of a negative row cannot fall below 0.69, nor that of a
        positive one below 0.31.

    Example::

        loss = nn.BCEWithLogitsLoss()(torch.sigmoid(model(x)), y)

    Instead::

        loss = nn.BCEWithLogitsLoss()(model(x), y)

    Source: the documentation of ``torch.nn.BCEWithLogitsLoss``.
    """

    code = "GT303"
    title = "sigmoid before BCEWithLogits"
    severity = "error"
    hides = ("GT106", "GT203", "GT309", "GT506", "GT702")

    def find(self, seen: TrainingSeen) -> Findings:
        calls = trained_calls(seen, "binary_cross_entropy_with_logits")
        makers = []
        for call in calls:
            made_by = next((n for n in call.before if n not in SHAPE_ONLY), "")
            low, high = call.facts["input_min"], call.facts["input_max"]
            if made_by in SQUASHING and low >= 0 and high <= 1:
                makers.append(made_by.lower())
        if not calls or len(makers) < len(calls):
            return
        call, made_by = calls[0], makers[0]
        yield self.finding(
            verdict="The sigmoid is taken twice: binary_cross_entropy_with_logits "
            f"takes logits, and is given what a {made_by} gave.",
            evidence=f"numbers {numbers_given(call)} in the first of {len(calls)} "
            "calls, all between 0 and 1",
            cure=f"leave the {made_by} out of the model, or use nn.BCELoss()",
            line=call.line,
        )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(loss=F.binary_cross_entropy),))
