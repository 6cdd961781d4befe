from gradatim.doctor.evaluations import evaluations
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import active_parts, forwards_of, optimizers_of
from gradatim.watching import ForwardSeen, TrainingSeen

NORMS = ("BatchNorm", "SyncBatchNorm", "InstanceNorm", "LazyBatchNorm")


class ValidationInTrainMode(Pitfall):
    """A model with dropout or batch norm is evaluated as if it were trained.

    What it sees:
        Calls of a model that no backward follows, in train mode while dropout or batch
        norm is active in it. The model is being trained, or it is made like one whose
        training has ended. Repeated calls with one input, which sample dropout on
        purpose, are left out.

    Why it matters:
        With dropout of 0.5 half of the units are off at random: the same model and the
        same rows give another loss each time. Batch norm uses the statistics of the
        validation batch, and moves its running ones towards the validation data.

    Example::

        model.train()
        for epoch in range(10):
            train_epoch(model)
            with torch.no_grad():
                val_loss = loss_fn(model(x_val), y_val)

    Instead::

        for epoch in range(10):
            model.train()
            train_epoch(model)
            model.eval()
            with torch.no_grad():
                val_loss = loss_fn(model(x_val), y_val)

    Source: the documentation of ``torch.nn.Module.eval``; Stack Overflow 50233272.
    """

    code = "GT401"
    title = "validation in train mode"
    hides = ("GT403",)

    def find(self, seen: TrainingSeen) -> Findings:
        for number, model in enumerate(seen.models):
            if not model.structure.with_mode:
                continue
            every = evaluations(seen, number) or _calls_of_a_copy(seen, number)
            calls = [forward for forward in every if forward.training]
            parts = active_parts(model, calls)
            if not calls or not parts:
                continue
            names = ", ".join(f"{kind} {n!r}" for n, kind in list(parts.items())[:3])
            has_norms = any(kind.startswith(NORMS) for kind in parts.values())
            moved = ""
            if has_norms and any(forward.moved for forward in calls):
                moved = "; the running statistics of batch norm moved with them"
            yield self.finding(
                verdict=f"{model.kind} is evaluated in train mode.",
                evidence=f"{len(calls)} calls without a backward, after "
                f"{len({forward.step for forward in calls})} different updates, with "
                f"{len(parts)} of its layers active as in training: {names}{moved}",
                cure="model.eval() before validation, model.train() after it",
                line=calls[0].line,
            )


def _calls_of_a_copy(seen: TrainingSeen, number: int) -> list[ForwardSeen]:
    """Give the calls of a copy of the trained model that is made after training."""
    model, calls = seen.models[number], forwards_of(seen, number)
    if optimizers_of(seen, model) or not seen.num_steps or any(f.used for f in calls):
        return []
    last = max(step.order for step in seen.steps)
    trained = [other for other in seen.models if optimizers_of(seen, other)]
    what = [(other.kind, other.parameters.num_tensors) for other in trained]
    is_copy = (model.kind, model.parameters.num_tensors) in what
    is_late = all(f.order > last and not f.grad for f in calls)
    is_sampled = any(f.same_input for f in calls)
    return calls if is_copy and is_late and not is_sampled else []
