"""How a learning rate went, as several pitfalls ask."""

from gradatim.doctor.queries import steps_of
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

__all__ = ["LOW", "fall_of", "full_batch", "lr_trial"]

LOW, LONG = 1 / 200, 0.5
"""Of its peak; for what share of the updates."""


def fall_of(
    seen: TrainingSeen, optimizer: int, *, low: float = LOW
) -> tuple[float, float, float] | None:
    """Tell whether a learning rate falls to nothing long before the end.

    Args:
        seen: By a watch.
        optimizer: Its number.
        low: What is nothing, as a share of the peak.

    Returns:
        Its peak, the last one, and the share of updates for which it was low.
    """
    rates = [(s.step, max(s.lrs)) for s in steps_of(seen, optimizer) if s.lrs]
    if len(rates) < 2:
        return None
    peak = max(lr for _, lr in rates)
    high = [step for step, lr in rates if lr >= low * peak]
    after = [step for step, _ in rates if step > high[-1]] if high else []
    if not after or peak <= 0:
        return None
    start, end = rates[0][0], rates[-1][0] + 1
    share = (end - after[0]) / (end - start)
    return (peak, rates[-1][1], share) if share > LONG else None


def full_batch(seen: TrainingSeen, optimizer: int) -> bool:
    """Tell whether each update was of the same tensors: then it is an epoch."""
    keys = set(seen.optimizers[optimizer].parameters)
    models = {n for n, m in enumerate(seen.models) if keys & m.parameters.names.keys()}
    used = [f for f in seen.forwards if f.used and f.model in models]
    again = sum(f.same_input for f in used)
    return len(used) > 2 and again > 0.8 * (len(used) - 1)


def lr_trial(seen: TrainingSeen, *factors: float) -> Trial:
    """Try other learning rates."""
    lr = max((lr for s in seen.steps for lr in s.lrs), default=0.0)
    return Trial(cures=tuple(Variant(name=f"lr={lr * f:.2g}", lr=f) for f in factors))
