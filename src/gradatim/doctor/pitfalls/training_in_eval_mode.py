from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import forwards_of, grouped_by_update, optimizers_of
from gradatim.watching import ForwardSeen, SourceLine, TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.1  # chosen by hand, not measured


class TrainingInEvalMode(Pitfall):
    """After a validation the model is left in eval mode, and trained so.

    What it sees:
        ``eval()``, then calls that no backward follows, then updates of the same model
        in eval mode, with no ``train()`` between; and the model has dropout or batch
        norm. Parts that are in eval mode while their model is not are left alone, and
        so is a model that was put in eval mode and never validated.

    Why it matters:
        With ``train()`` before the loop of epochs only the first of 10 epochs is
        trained as meant: in the other 9 dropout does nothing, and batch norm uses
        running statistics that have stopped after the first.

    Example::

        model.train()
        for epoch in range(10):
            train_epoch(model)
            model.eval()
            validate(model)

    Instead::

        for epoch in range(10):
            model.train()
            train_epoch(model)
            model.eval()
            validate(model)

    Source: Stack Overflow 51433378; GitHub hendrycks/ethics issue 5.
    """

    code = "GT402"
    title = "training in eval mode"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        for number, model in enumerate(seen.models):
            parts = list(model.structure.with_mode.items())
            optimizers = optimizers_of(seen, model)
            updates = {s.step for s in seen.steps if s.optimizer in optimizers}
            used = [f for f in forwards_of(seen, number) if f.used]
            trained = grouped_by_update([f for f in used if f.step in updates])
            line, stuck, is_ever_right = _stuck_updates(seen, number, trained)
            least = max(MIN_UPDATES, MIN_SHARE_OF_UPDATES * len(trained))
            if not parts or len(stuck) < least:
                continue
            held = {key for n in optimizers for key in seen.optimizers[n].parameters}
            is_frozen = not model.parameters.names.keys() <= held
            if not is_ever_right and is_frozen:
                continue
            names = ", ".join(f"{kind} {name!r}" for name, kind in parts[:3])
            acting = "1 layer acts" if len(parts) == 1 else f"{len(parts)} layers act"
            yield self.finding(
                verdict=f"{model.kind} is trained in eval mode: train() is not called "
                "after a validation.",
                evidence=f"{len(stuck)} of {len(trained)} updates looked at, the first "
                f"after {stuck[0]} updates; {acting} as in evaluation: {names}",
                cure="model.train() at the start of each epoch, inside the loop",
                line=line,
            )


def _stuck_updates(
    seen: TrainingSeen, number: int, trained: list[list[ForwardSeen]]
) -> tuple[SourceLine | None, list[int], bool]:
    """Find updates in eval mode that follow a validation, with no ``train()`` between.

    Returns:
        The line of the first ``eval()`` that was not taken back, the number of updates
        before each such update, and whether any update was in the right mode.
    """
    with_mode = seen.models[number].structure.with_mode.keys()
    first_line: SourceLine | None = None
    stuck: list[int] = []
    last_right, is_stuck, is_ever_right = 0, False, False
    for calls in trained:
        in_other_mode = {name for call in calls for name in call.modes}
        if any(call.training for call in calls) or with_mode <= in_other_mode:
            last_right, is_stuck, is_ever_right = calls[-1].order, False, True
            continue
        if not is_stuck:
            line = _eval_between(seen, number, last_right, calls[0].order)
            is_stuck = line is not None
            first_line = first_line or line
        if is_stuck:
            stuck.append(calls[0].step)
    return first_line, stuck, is_ever_right


def _eval_between(
    seen: TrainingSeen, number: int, start: int, end: int
) -> SourceLine | None:
    """Find the call of ``eval()`` that a validation came after."""
    unused = [f.order for f in forwards_of(seen, number) if not f.used]
    for order, _, training, line in seen.modes.changes:
        is_between = not training and start < order < end
        if is_between and any(order < later < end for later in unused):
            return line
    return None
