"""Questions to the record about models, optimizers, losses and loaders."""

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
    "REGRESSION_LOSS_NAMES",
    "active_parts",
    "evaluations",
    "first_backward_line",
    "first_trained_line",
    "forwards_of",
    "grouped_by_update",
    "only_optimizer",
    "optimized_parameters",
    "optimizers_of",
    "steps_of",
    "trained_calls",
    "trained_line_of",
    "training_loader",
]

REGRESSION_LOSS_NAMES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
EVALUATES = re.compile("eval|valid|test|accura|score|metric|error", re.IGNORECASE)
"""How the names of functions that evaluate read."""

MIN_TRAINED_CALLS = 3  # chosen by hand, not measured
MAX_SHARE_FEEDING = 0.2  # chosen by hand, not measured
MIN_SHARE_COMPARED = 0.5  # chosen by hand, not measured
MAX_UPDATES_OF_A_FEW = 3  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.5  # chosen by hand, not measured
MIN_SHARE_OF_SAME_INPUTS = 0.8  # chosen by hand, not measured
MAX_UPDATE_LINES = 20  # chosen by hand, not measured
MIN_SHARE_OF_BATCHES = 0.9  # chosen by hand, not measured
MAX_SHARE_OF_BATCHES = 1.05  # chosen by hand, not measured


def forwards_of(seen: TrainingSeen, model: int) -> list[ForwardSeen]:
    """Give the calls of a model, which is known by its number in the record."""
    return [forward for forward in seen.forwards if forward.model == model]


def optimizers_of(seen: TrainingSeen, model: ModelSeen) -> list[int]:
    """Give the numbers of the optimizers that update parameters of a model."""
    return [
        number
        for number, optimizer in enumerate(seen.optimizers)
        if optimizer.num_steps
        and not model.parameters.names.keys().isdisjoint(optimizer.parameters)
    ]


def only_optimizer(seen: TrainingSeen) -> int | None:
    """Give the number of the optimizer that makes all updates; None for several."""
    numbers = [n for n, optimizer in enumerate(seen.optimizers) if optimizer.num_steps]
    return numbers[0] if len(numbers) == 1 else None


def optimized_parameters(seen: TrainingSeen) -> set[int]:
    """Give the identities of all parameters that an optimizer holds."""
    return {key for optimizer in seen.optimizers for key in optimizer.parameters}


def steps_of(
    seen: TrainingSeen, optimizer: int, *, closures: bool = True
) -> list[StepSeen]:
    """Give the updates of one optimizer, those with a closure (LBFGS) on demand."""
    return [
        step
        for step in seen.steps
        if step.optimizer == optimizer and (closures or not step.closure)
    ]


def first_trained_line(seen: TrainingSeen) -> SourceLine | None:
    """Give the line of the first call of a model with gradients."""
    return next((forward.line for forward in seen.forwards if forward.grad), None)


def trained_line_of(seen: TrainingSeen, number: int) -> SourceLine | None:
    """Give the line of the first call of a model that a backward goes through."""
    used = [f.line for f in forwards_of(seen, number) if f.used]
    return used[0] if used else seen.models[number].line


def first_backward_line(seen: TrainingSeen) -> SourceLine | None:
    """Give the first line that is known of a ``backward``."""
    return next((b.line for b in seen.backwards if b.line), None)


def trained_calls(seen: TrainingSeen, *names: str) -> list[LossCall]:
    """Give the calls of these losses that train and whose numbers are known."""
    return [
        call
        for call in seen.losses
        if call.name in names
        and call.grad
        and call.facts
        and (call.input.requires_grad or call.target.requires_grad)
    ]


def active_parts(model: ModelSeen, forwards: list[ForwardSeen]) -> dict[str, str]:
    """Give the parts that act otherwise in eval mode and are in their model's mode."""
    in_other_mode = {name for forward in forwards for name in forward.modes}
    return {
        name: kind
        for name, kind in model.structure.with_mode.items()
        if name not in in_other_mode
    }


def grouped_by_update(forwards: list[ForwardSeen]) -> list[list[ForwardSeen]]:
    """Group calls of a model by the update that they come after."""
    groups: dict[int, list[ForwardSeen]] = {}
    for forward in forwards:
        groups.setdefault(forward.step, []).append(forward)
    return list(groups.values())


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
    unused = [
        f
        for f in forwards
        if not f.used
        and f.outputs
        and f.order > used[0].order
        and (seen.is_whole or f is not last)
    ]
    feeding = {f.source for f in seen.forwards if f.used}
    by_line: dict[SourceLine | None, list[ForwardSeen]] = {}
    for forward in _without_repeats(forwards, unused):
        by_line.setdefault(forward.line, []).append(forward)
    evaluating: list[ForwardSeen] = []
    for line, group in by_line.items():
        num_feeding = sum(f.order in feeding for f in group)
        if num_feeding <= MAX_SHARE_FEEDING * len(group) and _evaluates(
            seen, number, line, group, used
        ):
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
    seen: TrainingSeen,
    number: int,
    line: SourceLine | None,
    group: list[ForwardSeen],
    used: list[ForwardSeen],
) -> bool:
    """Tell whether the calls at one line evaluate the model.

    Args:
        seen: The record of the training.
        number: The number of the model.
        line: The line that calls it.
        group: The calls from this line, through which no backward goes.
        used: The calls of the model through which a backward goes.
    """
    num_compared = sum(_is_compared(seen, f) for f in group)
    are_compared = num_compared >= MIN_SHARE_COMPARED * len(group)
    num_updates = len({f.step for f in group})
    num_trained = len({f.step for f in used})
    is_at_each_update = (
        num_updates > MAX_UPDATES_OF_A_FEW
        and num_updates >= MIN_SHARE_OF_UPDATES * num_trained
    )
    if is_at_each_update:
        if are_compared and any(
            line and line.function != f.line.function for f in used[:1] if f.line
        ):
            return True
        if line is not None and EVALUATES.search(line.function):
            return True
        if _have_the_same_input(used) and _have_the_same_input(group):
            return True  # all rows each time, some to train and some to evaluate
        updates = [s.line for s in seen.steps if s.line is not None][:MAX_UPDATE_LINES]
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
        len(calls) > 1 and not all(f.same_input for f in calls[1:])
        for calls in grouped_by_update(group)
    )
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
    end = None if following is None else following.order
    if (
        following is not None
        and following.source == forward.order
        and not seen.models[following.model].parameters.names
    ):
        return True  # the next call is a loss module of the user's own
    return any(
        loss.order > forward.order and (end is None or loss.order < end)
        for loss in seen.losses
    )


def training_loader(seen: TrainingSeen, optimizer: OptimizerSeen) -> LoaderSeen | None:
    """Find the loader with whose batches an optimizer made its updates."""
    for loader in seen.loaders:
        length, num_starts = loader.length, loader.starts.count
        if length and num_starts:
            num_batches = length * num_starts
            is_all = (
                MIN_SHARE_OF_BATCHES * num_batches - length
                <= optimizer.num_steps
                <= MAX_SHARE_OF_BATCHES * num_batches
            )
            if is_all and (length > 1 or num_starts > 1):
                return loader
    return None
