"""Questions to the record about models, optimizers, losses and loaders."""

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
    "first_backward_line",
    "first_trained_line",
    "forwards_of",
    "grouped_by_update",
    "numbers_given",
    "only_optimizer",
    "optimized_parameters",
    "optimizers_of",
    "steps_of",
    "trained_calls",
    "trained_line_of",
    "training_loader",
]

REGRESSION_LOSS_NAMES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")

MIN_SHARE_OF_BATCHES = 0.9  # that are updates; chosen by hand, not measured
MAX_SHARE_OF_BATCHES = 1.05  # that are updates; chosen by hand, not measured


def forwards_of(seen: TrainingSeen, model: int) -> list[ForwardSeen]:
    """Give the calls of a model, which is known by its number in the record."""
    return [forward for forward in seen.forwards if forward.model == model]


def optimizers_of(seen: TrainingSeen, model: ModelSeen) -> list[int]:
    """Give the numbers of the optimizers that update parameters of a model."""
    own = model.parameters.names.keys()
    used = [(n, o) for n, o in enumerate(seen.optimizers) if o.num_steps]
    return [n for n, optimizer in used if not own.isdisjoint(optimizer.parameters)]


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
    """Give the updates of one optimizer; ``closures=False`` leaves out LBFGS's."""
    steps = [step for step in seen.steps if step.optimizer == optimizer]
    return [step for step in steps if closures or not step.closure]


def first_trained_line(seen: TrainingSeen) -> SourceLine | None:
    """Give the line of the first call of a model with gradients."""
    return next((forward.line for forward in seen.forwards if forward.grad), None)


def trained_line_of(seen: TrainingSeen, number: int) -> SourceLine | None:
    """Give the line of the first call of a model that a backward goes through."""
    used = (f.line for f in forwards_of(seen, number) if f.used)
    return next(used, seen.models[number].line)


def first_backward_line(seen: TrainingSeen) -> SourceLine | None:
    """Give the first line that is known of a ``backward``."""
    return next((b.line for b in seen.backwards if b.line), None)


def trained_calls(seen: TrainingSeen, *names: str) -> list[LossCall]:
    """Give the calls of these losses that train and whose numbers are known."""
    calls = [c for c in seen.losses if c.name in names and c.grad and c.facts]
    return [c for c in calls if c.input.requires_grad or c.target.requires_grad]


def numbers_given(call: LossCall) -> str:
    """Say between which bounds the numbers lie that a loss is given first."""
    return f"from {call.facts['input_min']:.4g} to {call.facts['input_max']:.4g}"


def active_parts(model: ModelSeen, forwards: list[ForwardSeen]) -> dict[str, str]:
    """Give the parts that act otherwise in eval mode and are in their model's mode."""
    in_other_mode = {name for forward in forwards for name in forward.modes}
    parts = model.structure.with_mode.items()
    return {name: kind for name, kind in parts if name not in in_other_mode}


def grouped_by_update(forwards: list[ForwardSeen]) -> list[list[ForwardSeen]]:
    """Group calls of a model by the update that they come after."""
    groups: dict[int, list[ForwardSeen]] = {}
    for forward in forwards:
        groups.setdefault(forward.step, []).append(forward)
    return list(groups.values())


def training_loader(seen: TrainingSeen, optimizer: OptimizerSeen) -> LoaderSeen | None:
    """Find the loader with whose batches an optimizer made its updates."""
    for loader in seen.loaders:
        length = loader.length or 0
        num_batches = length * loader.starts.count
        least = MIN_SHARE_OF_BATCHES * num_batches - length
        most = MAX_SHARE_OF_BATCHES * num_batches
        if num_batches > 1 and least <= optimizer.num_steps <= most:
            return loader
    return None
