from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import forwards_of, optimizers_of
from gradatim.watching import ForwardSeen, ModelSeen, SourceLine, TrainingSeen

ENOUGH = 3


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
            if model.structure.with_mode:
                found = self._of(seen, number, model)
                if found is not None:
                    yield found

    def _of(self, seen: TrainingSeen, number: int, model: ModelSeen) -> Finding | None:
        optimizers = optimizers_of(seen, model)
        updates = {s.step for s in seen.steps if s.optimizer in optimizers}
        mine = forwards_of(seen, number)
        stuck: list[ForwardSeen] = []
        line: SourceLine | None = None
        trained: dict[int, list[ForwardSeen]] = {}
        for forward in mine:
            if forward.used and forward.step in updates:
                trained.setdefault(forward.step, []).append(forward)
        before, is_stuck, has_trained = 0, False, False
        for group in trained.values():
            if any(f.training for f in group) or self._is_on_purpose(model, group):
                before, is_stuck, has_trained = group[-1].order, False, True
                continue
            if not is_stuck:
                cause = self._eval_before(seen, mine, before, group[0].order)
                is_stuck = cause is not None
                line = line or cause
            if is_stuck:
                stuck.append(group[0])
        parameters = {key for o in optimizers for key in seen.optimizers[o].parameters}
        is_frozen = not model.parameters.names.keys() <= parameters
        if len(stuck) < max(ENOUGH, 0.1 * len(trained)):
            return None
        if not has_trained and is_frozen:
            return None
        parts = list(model.structure.with_mode.items())
        names = ", ".join(f"{kind} {name!r}" for name, kind in parts[:3])
        acting = "1 layer acts" if len(parts) == 1 else f"{len(parts)} layers act"
        return self.finding(
            verdict=f"{model.kind} is trained in eval mode: train() is not called "
            "after a validation.",
            evidence=f"{len(stuck)} of {len(trained)} updates looked at, the first "
            f"after {stuck[0].step} updates; {acting} as in "
            f"evaluation: {names}",
            cure="model.train() at the start of each epoch, inside the loop",
            line=line,
        )

    @staticmethod
    def _is_on_purpose(model: ModelSeen, group: list[ForwardSeen]) -> bool:
        others = {name for f in group for name in f.modes}
        return model.structure.with_mode.keys() <= others

    @staticmethod
    def _eval_before(
        seen: TrainingSeen, mine: list[ForwardSeen], start: int, end: int
    ) -> SourceLine | None:
        """Find the call of ``eval()`` that a validation came after."""
        for order, _, training, line in seen.modes.changes:
            is_between = not training and start < order < end
            if is_between and any(not f.used and order < f.order < end for f in mine):
                return line
        return None
