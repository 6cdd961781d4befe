"""Which calls of a model evaluate it: they are recognised, nobody says so."""

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from gradatim.doctor.queries import forwards_of, grouped_by_update, optimizers_of
from gradatim.watching import ForwardSeen, SourceLine, TrainingSeen

__all__ = ["evaluations"]

EVALUATES = re.compile("eval|valid|test|accura|score|metric|error", re.IGNORECASE)
"""How the names of functions that evaluate read."""
MIN_TRAINED_CALLS = 3  # of the model; chosen by hand, not measured
MAX_SHARE_FEEDING = 0.2  # whose output a model takes; chosen by hand, not measured
MIN_SHARE_COMPARED = 0.5  # with a loss after them; chosen by hand, not measured
MAX_UPDATES_OF_A_FEW = 3  # more may be all; chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.5  # that count as each; chosen by hand, not measured
MIN_SHARE_OF_SAME_INPUTS = 0.8  # of the calls; chosen by hand, not measured
MAX_UPDATE_LINES = 20  # that are compared; chosen by hand, not measured


def evaluations(seen: TrainingSeen, number: int) -> list[ForwardSeen]:
    """Find the calls of a trained model that evaluate it.

    No backward goes through such a call, and it comes after training has begun. It is
    not part of a training step: no other model takes its output, and it does not come
    at each update before the ``backward``, as targets do that a model makes for itself.
    """
    forwards = forwards_of(seen, number)
    used = [f for f in forwards if f.used]
    if len(used) < MIN_TRAINED_CALLS or not optimizers_of(seen, seen.models[number]):
        return []
    # The backward of the last call may have been still to come when the watch ended.
    last = max(seen.forwards, key=lambda f: f.order)
    later = [f for f in forwards if f.order > used[0].order and not f.used]
    unused = [f for f in later if f.outputs and (seen.is_whole or f is not last)]
    feeding = {f.source for f in seen.forwards if f.used}
    by_line: dict[SourceLine | None, list[ForwardSeen]] = {}
    for forward in _without_repeats(forwards, unused):
        by_line.setdefault(forward.line, []).append(forward)
    evaluating: list[ForwardSeen] = []
    for group in by_line.values():
        num_feeding = sum(f.order in feeding for f in group)
        feed_few = num_feeding <= MAX_SHARE_FEEDING * len(group)
        if feed_few and _evaluates(seen, number, group, used):
            evaluating += group
    return sorted(evaluating, key=lambda f: f.order)


def _without_repeats(
    forwards: list[ForwardSeen], unused: list[ForwardSeen]
) -> Iterator[ForwardSeen]:
    """Leave out calls that repeat one input: they sample dropout on purpose."""
    orders = {f.order for f in unused}
    repeats: set[int] = set()
    for before, forward in pairwise(forwards):
        are_unused = before.order in orders and forward.order in orders
        if are_unused and forward.same_input and before.line == forward.line:
            repeats |= {before.order, forward.order}
    return (f for f in unused if f.order not in repeats)


def _evaluates(
    seen: TrainingSeen, number: int, group: list[ForwardSeen], used: list[ForwardSeen]
) -> bool:
    """Tell whether the calls at one line evaluate the model.

    No backward goes through the ``group`` of calls from this line; one goes through the
    ``used`` calls of the model.
    """
    line = group[0].line
    num_compared = sum(_is_compared(seen, f) for f in group)
    are_compared = num_compared >= MIN_SHARE_COMPARED * len(group)
    num_updates = len({f.step for f in group})
    num_trained = len({f.step for f in used})
    are_few = num_updates <= MAX_UPDATES_OF_A_FEW
    if not are_few and num_updates >= MIN_SHARE_OF_UPDATES * num_trained:
        if _have_the_same_input(used) and _have_the_same_input(group):
            return True  # all rows each time, some to train and some to evaluate
        if line is None:
            return False
        training = used[0].line
        is_elsewhere = training is not None and line.function != training.function
        if (are_compared and is_elsewhere) or EVALUATES.search(line.function):
            return True
        updates = [s.line for s in seen.steps if s.line is not None][:MAX_UPDATE_LINES]
        return any(
            (update.file, update.function) == (line.file, line.function)
            and line.number > update.number
            for update in updates
        )
    trained = {f.model for f in seen.forwards if f.used}
    trained = {n for n in trained if seen.models[n].parameters.names}
    repeats = [calls[1:] for calls in grouped_by_update(group)]
    is_loop = any(not f.same_input for calls in repeats for f in calls)
    optimizers = optimizers_of(seen, seen.models[number])
    # Several trained models must be parts of one: the same optimizers update them.
    is_alone = all(optimizers_of(seen, seen.models[n]) == optimizers for n in trained)
    return are_compared or is_loop or is_alone


def _have_the_same_input(forwards: list[ForwardSeen]) -> bool:
    num_same = sum(f.same_input for f in forwards)
    return num_same >= MIN_SHARE_OF_SAME_INPUTS * (len(forwards) - 1)


def _is_compared(seen: TrainingSeen, forward: ForwardSeen) -> bool:
    """Tell whether a loss is computed from the output, before the next call."""
    later = [f for f in seen.forwards if f.order > forward.order]
    following = min(later, key=lambda f: f.order, default=None)
    end = math.inf if following is None else following.order
    if (
        following is not None
        and following.source == forward.order
        and not seen.models[following.model].parameters.names
    ):
        return True  # the next call is a loss module of the user's own
    return any(forward.order < loss.order < end for loss in seen.losses)
