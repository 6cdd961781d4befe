import re

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import REGRESSION_LOSS_NAMES, trained_calls
from gradatim.losses import BINARY_LOSS_NAMES
from gradatim.watching import LossCall, TrainingSeen

CLASSES = re.compile(r"label|class(?!\w*\()|categor|\bcls", re.IGNORECASE)
"""How people name class indices, and no function that makes another thing of them."""
MIN_CALLS = 3  # chosen by hand, not measured
MIN_SHARE_OF_CALLS = 0.8  # with several classes a row; chosen by hand, not measured
MIN_CALLS_OUTSIDE = 2  # chosen by hand, not measured
MIN_SHARE_OF_CALLS_OUTSIDE = 0.5  # chosen by hand, not measured
MAX_ROUNDING = 1e-3  # outside 0 to 1; chosen by hand, not measured
MIN_ROWS = 16  # of a batch; chosen by hand, not measured
MIN_LARGEST_CLASS = 2  # two classes are a yes or no
MAX_LARGEST_CLASS = 9  # chosen by hand, not measured


class LossOfAnotherTarget(Pitfall):
    """The loss is made for another kind of target than it is given.

    What it sees:
        ``cross_entropy`` of a single column, or of rows with several classes; binary
        cross-entropy with targets below 0 or above 1, such as class indices or -1 and
        1; an elementwise loss between a row of several outputs and one class index,
        which is broadcast over them. As advice: a squared error of one output against
        whole numbers that the line calls labels or classes.

    Why it matters:
        The softmax of one number is 1: the loss is 0 and so is every gradient, from the
        first step. A binary cross-entropy with a target of 2 has no lower bound.

    Example::

        model = nn.Linear(8, 1)
        loss = nn.CrossEntropyLoss()(model(x), y)

    Instead::

        loss = nn.BCEWithLogitsLoss()(model(x).squeeze(1), y.float())

    Source: the documentation of ``torch.nn.CrossEntropyLoss``; Stack Overflow 49886369.
    """

    code = "GT306"
    title = "loss of another target"
    severity = "error"
    max_findings = 4
    hides = (
        "GT106", "GT107", "GT203", "GT204", "GT301", "GT303", "GT308", "GT309", "GT506"
    )  # fmt: skip

    def find(self, seen: TrainingSeen) -> Findings:
        yield from self._one_column(trained_calls(seen, "cross_entropy"))
        yield from self._several(trained_calls(seen, "cross_entropy"))
        yield from self._outside(trained_calls(seen, *BINARY_LOSS_NAMES))
        yield from self._index(trained_calls(seen, *REGRESSION_LOSS_NAMES))

    def _one_column(self, calls: list[LossCall]) -> Findings:
        """Find a softmax of a single number."""
        one = [c for c in calls if len(c.input.shape) >= 2 and c.input.shape[1] == 1]
        if one and len(one) == len(calls):
            yield self.finding(
                verdict="cross_entropy is given one column: the softmax of a single "
                "number is 1, whatever it is.",
                evidence=f"shape {one[0].input.shape} against targets "
                f"{one[0].target.shape}, in {len(one)} calls",
                cure="F.binary_cross_entropy_with_logits(logits, y.float()) of the "
                "same shapes; or one output for each class",
                line=one[0].line,
            )

    def _several(self, calls: list[LossCall]) -> Findings:
        """Find rows with several classes at once."""
        many = [c for c in calls if _has_several(c)]
        if len(many) < max(MIN_CALLS, MIN_SHARE_OF_CALLS * len(calls)):
            return
        yield self.finding(
            verdict="cross_entropy is given rows with several classes at once: it "
            "makes them share one.",
            evidence=f"targets of 0 and 1 of shape {many[0].target.shape}; a row sums "
            f"to {many[0].facts['target_row_sum_error'] + 1:.0f}, in {len(many)} of "
            f"{len(calls)} calls",
            cure="F.binary_cross_entropy_with_logits(logits, y): a yes or no for each",
            line=many[0].line,
        )

    def _outside(self, calls: list[LossCall]) -> Findings:
        """Find targets below 0 or above 1."""
        out = [
            call
            for call in calls
            if call.facts["target_max"] > 1 + MAX_ROUNDING
            or call.facts["target_min"] < -MAX_ROUNDING
        ]
        least = max(MIN_CALLS_OUTSIDE, MIN_SHARE_OF_CALLS_OUTSIDE * len(calls))
        if len(out) < least:
            return
        facts = out[0].facts
        low, high = facts["target_min"], facts["target_max"]
        cure = "targets of 0 and 1, such as (y > 0).float()"
        if facts["target_whole"] and high > 1 and low >= 0:
            cure = "one output for each class and F.cross_entropy(logits, y)"
        yield self.finding(
            verdict=f"{out[0].name} takes targets from 0 to 1, and is given others.",
            evidence=f"targets from {low:.4g} to {high:.4g}, outside 0 to 1 in "
            f"{len(out)} of {len(calls)} calls",
            cure=cure,
            line=out[0].line,
        )

    def _index(self, calls: list[LossCall]) -> Findings:
        """Find class indices that are taken for amounts."""
        wide = [c for c in calls if _is_index_against_row(c)]
        few = [call for call in calls if _is_few_classes(call)]
        if wide and len(wide) == len(calls):
            call = wide[0]
            yield self.finding(
                verdict="One class index is compared with each of several outputs.",
                evidence=f"shapes {call.input.shape} and {call.target.shape}; targets "
                f"are whole, from 0 to {call.facts['target_max']:.0f}",
                cure="F.cross_entropy(logits, y.flatten().long())",
                line=call.line,
            )
        elif len(few) >= max(MIN_CALLS, len(calls)):
            call = few[0]
            yield self.finding(
                severity="info",
                verdict="Targets look like class indices, and the loss takes them for "
                "amounts: class 0 is further from 2 than from 1.",
                evidence=f"whole numbers from 0 to {call.facts['target_max']:.0f} in "
                f"{len(few)} calls of {call.name}",
                cure="if they are classes: one output each and F.cross_entropy",
                line=call.line,
            )


def _largest_class(call: LossCall) -> float:
    """Give the largest of class indices; -1 where the targets are other numbers."""
    are_classes = call.facts["target_whole"] and call.facts["target_min"] == 0
    return call.facts["target_max"] if are_classes else -1


def _has_several(call: LossCall) -> bool:
    return (
        call.input.shape == call.target.shape
        and len(call.target.shape) == 2
        and _largest_class(call) == 1
        and call.facts.get("target_row_sum_error", 0.0) >= 1
    )


def _is_index_against_row(call: LossCall) -> bool:
    match call.input.shape, call.target.shape:
        case (rows, outputs), (num_targets, 1) if rows == num_targets:
            return 1 <= _largest_class(call) < outputs
    return False


def _is_few_classes(call: LossCall) -> bool:
    """Tell whether the line speaks of classes: counts would look the same."""
    if call.line is None or not CLASSES.search(call.line.code):
        return False
    match call.input.shape:
        case (rows,) | (rows, 1) if rows >= MIN_ROWS:
            return MIN_LARGEST_CLASS <= _largest_class(call) <= MAX_LARGEST_CLASS
    return False
