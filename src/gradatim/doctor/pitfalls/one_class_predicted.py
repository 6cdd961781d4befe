from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import LossCall, TrainingSeen

LOGITS = "binary_cross_entropy_with_logits"
MIN_SHARE_OF_LABELS = 0.85  # chosen by hand, not measured
MIN_UPDATES = 50  # before a late call; chosen by hand, not measured
MIN_LATE_CALLS = 2  # chosen by hand, not measured
MIN_ROWS = 16  # of a batch; chosen by hand, not measured
ROUNDING = 1e-9  # of a share that is 1; chosen by hand, not measured


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
        every = trained_calls(seen, *CLASS_LOSS_NAMES, *BINARY_LOSS_NAMES)
        calls = [call for call in every if _commonest_share(call) is not None]
        late = [call for call in calls if call.step >= MIN_UPDATES]
        # Nothing is said where several lines of the program compute such a loss.
        if len({call.line for call in calls}) != 1 or len(late) < MIN_LATE_CALLS:
            return
        if not all(map(_is_constant, late)):
            return
        shares = [_commonest_share(call) or 0.0 for call in calls]
        share = sum(shares) / len(shares)
        only_one_class = min(shares) > 1 - ROUNDING  # there is no other to predict
        if share < MIN_SHARE_OF_LABELS or only_one_class:
            return
        yield self.finding(
            verdict="One class makes up nearly all rows, and is predicted for all.",
            evidence=f"{share:.1%} of the labels in {len(calls)} batches; at updates "
            f"{late[0].step} to {late[-1].step} one class for every row",
            cure="weight=... (or pos_weight=...) in the loss, or "
            "WeightedRandomSampler; and look at recall, not at accuracy",
            line=calls[0].line,
        )


def _commonest_share(call: LossCall) -> float | None:
    """Give the share of the commonest class in a batch; None where there are none."""
    facts, shape = call.facts, call.input.shape
    if len(shape) > 2 or shape[0] < MIN_ROWS:
        return None
    if call.name not in BINARY_LOSS_NAMES:
        return facts.get("target_largest_share")
    has_labels = facts["target_whole"] and facts["target_min"] >= 0
    if not has_labels or (len(shape) == 2 and shape[1] > 1):
        return None
    return max(facts["target_mean"], 1 - facts["target_mean"])


def _is_constant(call: LossCall) -> bool:
    """Tell whether one class is predicted for all rows of a batch."""
    if call.name in BINARY_LOSS_NAMES:
        bound = 0.0 if call.name == LOGITS else 0.5
        return call.facts["input_max"] < bound or call.facts["input_min"] > bound
    return call.facts.get("predicted_classes") == 1
