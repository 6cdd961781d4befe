from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import LossCall, TrainingSeen

LOGITS = "binary_cross_entropy_with_logits"
SHARE = 0.85


class OneClassPredicted(Pitfall):
    """One class makes up most batches, and the model predicts it for every row.

    What it sees:
        A class with 85% or more of the labels, others beside it, and after 50 updates
        and more the same class predicted for all rows of each batch looked at.

    Why it matters:
        With 98% of one class a constant has an accuracy of 0.98 and finds none of what
        is looked for: recall 0.

    Example::

        loss_fn = nn.CrossEntropyLoss()

    Instead::

        loss_fn = nn.CrossEntropyLoss(weight=1 / counts)

    Source: the documentation of ``torch.nn.CrossEntropyLoss``, ``weight``.
    """

    code = "GT506"
    title = "one class only is predicted"
    hides = ("GT203",)

    def find(self, seen: TrainingSeen) -> Findings:
        calls = [
            c
            for c in trained_calls(seen, *CLASS_LOSS_NAMES, *BINARY_LOSS_NAMES)
            if _share(c) is not None
        ]
        late = [c for c in calls if c.step >= 50]
        if len({c.line for c in calls}) != 1 or len(late) < 2:
            return
        if not all(_is_constant(c) for c in late):
            return
        shares = [share for c in calls if (share := _share(c)) is not None]
        share = sum(shares) / len(shares)
        if share < SHARE or min(shares) > 1 - 1e-9:
            return
        yield self.finding(
            verdict="One class makes up nearly all rows, and is predicted for all.",
            evidence=f"{share:.1%} of the labels in {len(calls)} batches; at updates "
            f"{late[0].step} to {late[-1].step} one class for every row",
            cure="weight=... (or pos_weight=...) in the loss, or "
            "WeightedRandomSampler; and look at recall, not at accuracy",
            line=calls[0].line,
        )


def _share(call: LossCall) -> float | None:
    """Give the share of the commonest class in a batch."""
    facts = call.facts
    if len(call.input.shape) > 2 or call.input.shape[0] < 16:
        return None
    if call.name in BINARY_LOSS_NAMES:
        if not facts["target_whole"] or facts["target_min"] < 0:
            return None
        if len(call.input.shape) == 2 and call.input.shape[1] > 1:
            return None
        return max(facts["target_mean"], 1 - facts["target_mean"])
    return facts.get("target_largest_share")


def _is_constant(call: LossCall) -> bool:
    if call.name in BINARY_LOSS_NAMES:
        bound = 0.0 if call.name == LOGITS else 0.5
        low, high = call.facts["input_min"], call.facts["input_max"]
        return high < bound or low > bound
    return call.facts.get("predicted_classes") == 1
