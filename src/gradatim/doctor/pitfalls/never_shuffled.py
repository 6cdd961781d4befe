from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.losses import BINARY_LOSS_NAMES, CLASS_LOSS_NAMES
from gradatim.watching import LossCall, SourceLine, TrainingSeen

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
        calls = [c for c in every if _label(c) is not None]
        if len({c.step for c in every}) < max(5, len(every)):
            return  # several a step: real and generated, or one for each task
        if len(calls) < 5 or any(c.input.shape[0] < 8 for c in calls):
            return
        line = _loader_line(seen)
        if line is None and any(
            each.fetched and each.shuffles for each in seen.loaders
        ):
            return
        yield from self._narrow(calls, line)
        labels = [_label(c) for c in calls]
        alone = [label for label in labels if label is not False]
        if len(alone) < 0.8 * len(labels) or len(set(alone)) < 2:
            return
        rows = calls[0].input.shape[0]
        yield self.finding(
            verdict="Training rows come sorted by class: whole batches hold one class.",
            evidence=f"{len(alone)} of {len(labels)} batches of about {rows} rows hold "
            f"a single class; {len(set(alone))} classes in all",
            cure=CURE,
            line=line or calls[0].line,
        )

    def _by_target(self, seen: TrainingSeen) -> Findings:
        """Find rows in the order of what is to be predicted."""
        about = seen.row_orders.sorted
        if about is None or about.num_batches < 5 or about.has_column:
            return
        loaders = [
            each.line
            for each in seen.loaders
            if each.length == about.num_batches and not each.shuffles
        ]
        yield self.finding(
            verdict="Training rows come sorted by their target: each batch holds a "
            "slice of it.",
            evidence=f"{about.num_batches} batches a pass, in the same order each "
            f"time, targets of each above those of the one before or below; the widest "
            f"spans {about.width:.3g} of {about.low:.3g} to {about.high:.3g}",
            cure=CURE,
            line=next(iter(loaders), None) or about.line,
            severity="warning",
        )

    def _narrow(self, calls: list[LossCall], line: SourceLine | None) -> Findings:
        """Find batches that hold a few neighbours of many classes."""
        if any(c.input.shape[0] < 16 or "target_common" not in c.facts for c in calls):
            return
        lows = [c.facts["target_min"] for c in calls]
        highs = [c.facts["target_max"] for c in calls]
        low, high = min(lows), max(highs)
        third = (high - low) / 3
        num_low = sum(1 for each in highs if each < high - third)
        num_high = sum(1 for each in lows if each > low + third)
        is_alone = [a == b for a, b in zip(lows, highs, strict=True)]
        if high - low < 3 or min(num_low, num_high) * 3.5 < len(calls):
            return
        if sum(is_alone) >= 0.8 * len(calls):
            return  # told as batches of one class
        yield self.finding(
            verdict="Training rows come sorted by class: batches hold neighbours only.",
            evidence=f"classes {low:.0f} to {high:.0f}; of {len(calls)} batches "
            f"{num_low} hold none of the upper third and {num_high} none of the lower",
            cure=CURE,
            line=line or calls[0].line,
        )


def _label(call: LossCall) -> float | bool | None:
    """Give the one class of a batch; False of several, None where there are none."""
    facts, shape = call.facts, call.target.shape
    is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not is_column or not facts.get("target_whole") or "target_min" not in facts:
        return None
    if facts["target_min"] == facts["target_max"]:
        return facts["target_min"]
    if facts.get("target_largest_share", 0.0) >= 0.98:
        return facts.get("target_common", False)
    return False


def _loader_line(seen: TrainingSeen) -> SourceLine | None:
    used = [e for e in seen.loaders if e.fetched and not e.shuffles]
    most = max(used, key=lambda each: each.fetched, default=None)
    return most.line if most is not None else None
