"""Questions to the record about the learning rate of an optimizer."""

from gradatim.doctor.queries import steps_of
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

__all__ = ["MAX_SHARE_OF_PEAK", "fall_of_lr", "is_full_batch", "lr_trial", "rates_of"]

MAX_SHARE_OF_PEAK = 1 / 200  # almost zero; chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.5  # at the end; chosen by hand, not measured
MIN_SHARE_OF_SAME_INPUTS = 0.8  # of the calls; chosen by hand, not measured


def rates_of(seen: TrainingSeen, optimizer: int) -> list[float]:
    """Give the largest learning rate of an optimizer at each of its updates."""
    return [max(step.lrs) for step in steps_of(seen, optimizer) if step.lrs]


def fall_of_lr(
    seen: TrainingSeen, optimizer: int, *, share_of_peak: float = MAX_SHARE_OF_PEAK
) -> tuple[float, float, float] | None:
    """Tell whether a learning rate is almost zero long before the training ends.

    Args:
        seen: The record of the training.
        optimizer: The number of the optimizer in the record.
        share_of_peak: A learning rate below this share of its peak counts as low.

    Returns:
        The peak, the last learning rate, and the share of updates at the end for which
        it was low; None where that share is less than a half.
    """
    rates = [(s.step, max(s.lrs)) for s in steps_of(seen, optimizer) if s.lrs]
    if len(rates) < 2:
        return None
    peak = max(lr for _, lr in rates)
    high = [step for step, lr in rates if lr >= share_of_peak * peak]
    after = [step for step, _ in rates if step > high[-1]] if high else []
    if not after or peak <= 0:
        return None
    start, end = rates[0][0], rates[-1][0] + 1
    share = (end - after[0]) / (end - start)
    return (peak, rates[-1][1], share) if share > MIN_SHARE_OF_UPDATES else None


def is_full_batch(seen: TrainingSeen, optimizer: int) -> bool:
    """Tell whether each update is made of the same tensors: a step is an epoch then."""
    held = set(seen.optimizers[optimizer].parameters)
    models = {n for n, m in enumerate(seen.models) if held & m.parameters.names.keys()}
    used = [f for f in seen.forwards if f.used and f.model in models]
    num_same = sum(f.same_input for f in used)
    return len(used) > 2 and num_same > MIN_SHARE_OF_SAME_INPUTS * (len(used) - 1)


def lr_trial(seen: TrainingSeen, *factors: float) -> Trial:
    """Try the largest learning rate of the training, times each factor."""
    lr = max((lr for s in seen.steps for lr in s.lrs), default=0.0)
    return Trial(cures=tuple(Variant(name=f"lr={lr * f:.2g}", lr=f) for f in factors))
