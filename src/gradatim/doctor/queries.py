"""What several pitfalls ask of what was seen: who trains, and what is validation."""

import re
from collections.abc import Iterator
from itertools import pairwise

from gradatim.watching import (
    ForwardSeen,
    LoaderSeen,
    LossCall,
    ModelSeen,
    OptimizerSeen,
    SourceLine,
    StepSeen,
    TrainingSeen,
)

__all__ = [
    "active_parts",
    "evaluations",
    "forwards_of",
    "grouped_by_update",
    "optimized_parameters",
    "optimizers_of",
    "steps_of",
    "trained_calls",
    "training_loader",
]

EVALUATES = re.compile("eval|valid|test|accura|score|metric|error", re.IGNORECASE)
"""How functions are named that evaluate."""


def forwards_of(seen: TrainingSeen, number: int) -> list[ForwardSeen]:
    """Give the calls of a model."""
    return [f for f in seen.forwards if f.model == number]


def optimizers_of(seen: TrainingSeen, model: ModelSeen) -> list[int]:
    """Number the optimizers that update parameters of a model."""
    return [
        number
        for number, each in enumerate(seen.optimizers)
        if each.num_steps
        and not model.parameters.names.keys().isdisjoint(each.parameters)
    ]


def optimized_parameters(seen: TrainingSeen) -> set[int]:
    """Give the identities of all parameters that an optimizer holds."""
    return {key for each in seen.optimizers for key in each.parameters}


def steps_of(seen: TrainingSeen, optimizer: int) -> list[StepSeen]:
    """Give the updates of one optimizer."""
    return [each for each in seen.steps if each.optimizer == optimizer]


def active_parts(model: ModelSeen, forwards: list[ForwardSeen]) -> dict[str, str]:
    """Leave out of ``with_mode`` what was put into the other mode than its model."""
    others = {name for f in forwards for name in f.modes}
    return {
        name: kind
        for name, kind in model.structure.with_mode.items()
        if name not in others
    }


def grouped_by_update(forwards: list[ForwardSeen]) -> list[list[ForwardSeen]]:
    """Group calls by the update that they come after."""
    found: dict[int, list[ForwardSeen]] = {}
    for each in forwards:
        found.setdefault(each.step, []).append(each)
    return list(found.values())


def evaluations(seen: TrainingSeen, number: int) -> list[ForwardSeen]:
    """Find the calls of a trained model that evaluate it.

    No backward goes through them; they begin after training has begun; and they are
    not part of a step: no other model takes their output, nor do they come at each
    update before its ``backward``, as targets that a model makes for itself do.
    """
    mine = forwards_of(seen, number)
    used = [f for f in mine if f.used]
    if len(used) < 3 or not optimizers_of(seen, seen.models[number]):
        return []
    # A call whose backward was still to come when the watch ended is none of them.
    last = max(seen.forwards, key=lambda f: f.order)
    unused = [
        f
        for f in mine
        if not f.used
        and f.outputs
        and f.order > used[0].order
        and (seen.is_whole or f is not last)
    ]
    feeding = {f.source for f in seen.forwards if f.used}
    lines: dict[SourceLine | None, list[ForwardSeen]] = {}
    for each in _without_repeats(mine, unused):
        lines.setdefault(each.line, []).append(each)
    found: list[ForwardSeen] = []
    for line, group in lines.items():
        feeds = sum(f.order in feeding for f in group)
        if feeds <= 0.2 * len(group) and _evaluates(seen, number, line, group, used):
            found += group
    return sorted(found, key=lambda f: f.order)


def _without_repeats(
    mine: list[ForwardSeen], unused: list[ForwardSeen]
) -> Iterator[ForwardSeen]:
    """Leave out calls with one and the same input: they sample dropout on purpose."""
    keys = {f.order for f in unused}
    repeats: set[int] = set()
    for before, each in pairwise(mine):
        both = before.order in keys and each.order in keys
        if both and each.same_input and before.line == each.line:
            repeats |= {before.order, each.order}
    return (f for f in unused if f.order not in repeats)


def _evaluates(
    seen: TrainingSeen,
    number: int,
    line: SourceLine | None,
    group: list[ForwardSeen],
    used: list[ForwardSeen],
) -> bool:
    is_compared = sum(_is_compared(seen, f) for f in group) >= 0.5 * len(group)
    num_times = len({f.step for f in group})
    num_steps = len({f.step for f in used})
    if num_times > 3 and num_times >= 0.5 * num_steps:  # at each update
        if is_compared and any(
            line and line.function != f.line.function for f in used[:1] if f.line
        ):
            return True
        if line is not None and EVALUATES.search(line.function):
            return True
        if _are_the_same(used) and _are_the_same(group):
            return True  # all rows each time, some to train and some to evaluate
        updates = [s.line for s in seen.steps if s.line is not None][:20]
        return line is not None and any(
            update.file == line.file
            and update.function == line.function
            and line.number > update.number
            for update in updates
        )
    trained = {
        f.model
        for f in seen.forwards
        if f.used and seen.models[f.model].parameters.names
    }
    is_loop = any(
        len(run) > 1 and not all(f.same_input for f in run[1:])
        for run in grouped_by_update(group)
    )
    own = optimizers_of(seen, seen.models[number])
    # Parts of one model, if there are several: one optimizer updates them all.
    is_alone = all(optimizers_of(seen, seen.models[n]) == own for n in trained)
    return is_compared or is_loop or is_alone


def _are_the_same(forwards: list[ForwardSeen]) -> bool:
    return sum(f.same_input for f in forwards) >= 0.8 * (len(forwards) - 1)


def _is_compared(seen: TrainingSeen, forward: ForwardSeen) -> bool:
    """Tell whether a loss is computed of what a call gave, before the next call."""
    after = [f for f in seen.forwards if f.order > forward.order]
    following = min(after, key=lambda f: f.order, default=None)
    end = None if following is None else following.order
    if (
        following is not None
        and following.source == forward.order
        and not seen.models[following.model].parameters.names
    ):
        return True  # a loss of the user's own
    return any(
        loss.order > forward.order and (end is None or loss.order < end)
        for loss in seen.losses
    )


def training_loader(seen: TrainingSeen, about: OptimizerSeen) -> LoaderSeen | None:
    """Find the loader whose batches an optimizer's updates were made of."""
    for loader in seen.loaders:
        length, times = loader.length, loader.starts.count
        if length and times:
            batches = length * times
            is_all = 0.9 * batches - length <= about.num_steps <= 1.05 * batches
            if is_all and (length > 1 or times > 1):
                return loader
    return None


def trained_calls(seen: TrainingSeen, *names: str) -> list[LossCall]:
    """Give the calls of these losses that were looked at and that trained."""
    return [
        call
        for call in seen.losses
        if call.name in names
        and call.grad
        and call.facts
        and (call.input.requires_grad or call.target.requires_grad)
    ]
