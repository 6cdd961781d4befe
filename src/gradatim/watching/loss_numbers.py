"""What the numbers tell that a loss compares."""

import torch
from torch import Tensor

__all__ = ["leaking_column", "loss_facts"]

MOST_NUMBERS = 1_000_000  # read of one tensor: chosen by hand, not measured
MOST_ROWS = 5_000  # compared with their targets: chosen by hand, not measured
FEWEST_ROWS = 16  # of a column that is compared: chosen by hand, not measured
LEAST_NORM = 1e-300  # stands for zero, to divide by: chosen by hand, not measured
MOST_ANGLE = 1e-10  # of rounding, from 1: chosen by hand, not measured


def loss_facts(input: Tensor, target: Tensor) -> dict[str, float]:
    """Look at what a loss compares: its two tensors, and its classes or error."""
    facts: dict[str, float] = {}
    for name, tensor in (("input", input), ("target", target)):
        numbers = tensor.flatten()[:MOST_NUMBERS].double()
        if not numbers.numel():
            continue
        facts[f"{name}_min"] = float(numbers.min())
        facts[f"{name}_max"] = float(numbers.max())
        facts[f"{name}_mean"] = float(numbers.mean())
        facts[f"{name}_std"] = float(numbers.std(correction=0))
        facts[f"{name}_whole"] = float((numbers == numbers.round()).all())
        facts[f"{name}_bad"] = float((~numbers.isfinite()).sum())
    if input.dim() >= 2 and input.is_floating_point() and input.size(1) > 1:
        wide = _first_rows(input)
        facts["input_row_sum_error"] = float((wide.sum(dim=1) - 1).abs().max())
        facts["input_log_sum_error"] = float(wide.logsumexp(dim=1).abs().max())
    if target.dim() >= 2 and target.size(1) > 1:
        wide = _first_rows(target)
        facts["target_row_sum_error"] = float((wide.sum(dim=1) - 1).abs().max())
    if target.dim() and not target.is_floating_point():
        counts = target.flatten()[:MOST_NUMBERS].unique(return_counts=True)[1]
        facts["target_classes"] = float(len(counts))
        facts["target_largest_share"] = float(counts.max()) / float(counts.sum())
    if not target.is_floating_point() and target.dim() == 1:
        facts["target_common"] = float(target.mode().values)
    if input.dim() == 2 and input.size(1) > 1 and target.dim() == 1:
        facts["predicted_classes"] = float(len(input.argmax(dim=1).unique()))
    if input.shape == target.shape and target.is_floating_point():
        given, wanted = input.flatten()[:MOST_NUMBERS], target.flatten()[:MOST_NUMBERS]
        error = (given.double() - wanted.double()).square().mean()
        facts["squared_error"] = float(error)
    return facts


def _first_rows(tensor: Tensor) -> Tensor:
    return tensor[: max(1, MOST_NUMBERS // max(1, tensor[0].numel()))].double()


def leaking_column(data: Tensor, target: Tensor) -> tuple[int, bool] | None:
    """Find a column of the input that is the target, or the target moved and scaled.

    Returns:
        The column, and whether it is equal; None without one.
    """
    if data.dim() != 2 or data.size(1) < 2 or len(data) < FEWEST_ROWS:
        return None
    if not len(target) == target.numel() == len(data) or not data.is_floating_point():
        return None
    x = data[:MOST_ROWS].double()
    y = target.reshape(-1)[:MOST_ROWS].double()
    if not float(y.std()) or not bool(y.isfinite().all()):
        return None
    equal = (x == y.unsqueeze(1)).all(dim=0)
    if equal.any():
        return int(equal.int().argmax()), True
    if bool((y != y.round()).any()):
        return None  # y = 2 * x of a first example
    centered, wanted = x - x.mean(dim=0), y - y.mean()
    norms = centered.norm(dim=0) * wanted.norm()
    correlations = (wanted @ centered).abs() / norms.clamp(min=LEAST_NORM)
    best = int(torch.nan_to_num(correlations).argmax())
    return (best, False) if float(correlations[best]) > 1 - MOST_ANGLE else None
