from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import LossCall, SourceLine, TrainingSeen

MIN_BATCHES = 5  # chosen by hand, not measured
MIN_ROWS = 8  # of a batch; chosen by hand, not measured
MIN_SHARE_OF_BATCHES = 0.8  # that hold one class; chosen by hand, not measured
MIN_SHARE_OF_A_CLASS = 0.98  # of a batch; chosen by hand, not measured
MIN_ROWS_OF_NEIGHBOURS = 16  # of a batch; chosen by hand, not measured
MIN_CLASSES = 3  # between the lowest and the highest; chosen by hand, not measured
MAX_RATIO_TO_AN_END = 3.5  # of all batches; chosen by hand, not measured
CURE = (
    "DataLoader(..., shuffle=True), or rows in the order of torch.randperm(len(x)) "
    "anew in each epoch"
)


class NeverShuffled(Pitfall):
    """The rows come sorted by class or by target, and are not shuffled.

    What it sees:
        One loss a step, batches of 8 rows or more of which nine in ten hold one class
        only, and another class in other batches; or batches of 16 and more that hold
        neighbouring classes, from the lower end in some and the upper in others. Or
        targets of a regression that go up from each batch to the next, pass after pass,
        while no column of the input does, as time would.

    Why it matters:
        Each run of batches teaches the model one answer for everything. By chance a
        batch of 32 from 4 classes holds one class only once in 4 ** 31 draws.

    Example::

        loader = DataLoader(train_set, batch_size=32)   # sorted by class

    Instead::

        loader = DataLoader(train_set, batch_size=32, shuffle=True)

    Source: super-gradients issue 416; the documentation of ``DataLoader``.
    """

    code = "GT501"
    title = "sorted, and never shuffled"
    severity = "error"
    max_findings = 3
    hides = ("GT205", "GT506", "GT204", "GT207")

    def find(self, seen: TrainingSeen) -> Findings:
        yield from self._by_target(seen)
        every = trained_calls(seen, *CLASS_LOSS_NAMES, *BINARY_LOSS_NAMES)
        calls = [call for call in every if _one_class(call) is not None]
        if len({call.step for call in every}) < max(MIN_BATCHES, len(every)):
            return  # several losses a step: real and generated, or one for each task
        sizes = [call.input.shape[0] for call in calls]
        if len(calls) < MIN_BATCHES or min(sizes) < MIN_ROWS:
            return
        used = [loader for loader in seen.loaders if loader.fetched]
        in_order = [loader for loader in used if not loader.shuffles]
        most_used = max(in_order, key=lambda loader: loader.fetched, default=None)
        line = None if most_used is None else most_used.line
        if line is None and len(in_order) < len(used):
            return
        yield from self._narrow(calls, line)
        classes = [_one_class(call) for call in calls]
        alone = [label for label in classes if label is not False]
        if len(alone) < MIN_SHARE_OF_BATCHES * len(calls) or len(set(alone)) < 2:
            return
        yield self.finding(
            verdict="Training rows come sorted by class: whole batches hold one class.",
            evidence=f"{len(alone)} of {len(calls)} batches of about {sizes[0]} rows "
            f"hold a single class; {len(set(alone))} classes in all",
            cure=CURE,
            line=line or calls[0].line,
        )

    def _by_target(self, seen: TrainingSeen) -> Findings:
        """Find rows in the order of what is to be predicted."""
        batches = seen.row_orders.sorted
        if batches is None or batches.num_batches < MIN_BATCHES or batches.has_column:
            return
        in_order = [loader for loader in seen.loaders if not loader.shuffles]
        same = [loader for loader in in_order if loader.length == batches.num_batches]
        yield self.finding(
            verdict="Training rows come sorted by their target: each batch holds a "
            "slice of it.",
            evidence=f"{batches.num_batches} batches a pass, in the same order each "
            f"time, targets of each above those of the one before or below; the widest "
            f"spans {batches.width:.3g} of {batches.low:.3g} to {batches.high:.3g}",
            cure=CURE,
            line=next((loader.line for loader in same), None) or batches.line,
            severity="warning",
        )

    def _narrow(self, calls: list[LossCall], line: SourceLine | None) -> Findings:
        """Find batches that hold a few neighbours of many classes."""
        sizes = [call.input.shape[0] for call in calls]
        has_classes = all("target_common" in call.facts for call in calls)
        if min(sizes) < MIN_ROWS_OF_NEIGHBOURS or not has_classes:
            return
        lows = [call.facts["target_min"] for call in calls]
        highs = [call.facts["target_max"] for call in calls]
        low, high = min(lows), max(highs)
        third = (high - low) / 3
        num_low = sum(highest < high - third for highest in highs)
        num_high = sum(lowest > low + third for lowest in lows)
        is_rare = MAX_RATIO_TO_AN_END * min(num_low, num_high) < len(calls)
        if high - low < MIN_CLASSES or is_rare:
            return
        num_alone = sum(a == b for a, b in zip(lows, highs, strict=True))
        if num_alone >= MIN_SHARE_OF_BATCHES * len(calls):
            return  # the finding is that batches hold one class
        yield self.finding(
            verdict="Training rows come sorted by class: batches hold neighbours only.",
            evidence=f"classes {low:.0f} to {high:.0f}; of {len(calls)} batches "
            f"{num_low} hold none of the upper third and {num_high} none of the lower",
            cure=CURE,
            line=line or calls[0].line,
        )


def _one_class(call: LossCall) -> float | bool | None:
    """Give the class of all rows of a batch; False for several, None for no classes."""
    facts, shape = call.facts, call.target.shape
    is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not is_column or not facts.get("target_whole") or "target_min" not in facts:
        return None
    if facts["target_min"] == facts["target_max"]:
        return facts["target_min"]
    if facts.get("target_largest_share", 0.0) >= MIN_SHARE_OF_A_CLASS:
        return facts.get("target_common", False)
    return False
