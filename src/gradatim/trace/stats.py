"""The statistics of a tensor: shape, range, mean, zeros, NaN."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradatim.graphs.tensors import dtype_name, stored_values

__all__ = ["TensorStats", "norm_of", "stats_of"]

MAX_FLOAT64_NUMBERS = 1 << 24
"""A larger tensor is summed in float32, because its copy in float64 would take more
than 128 MB; chosen by hand, not measured."""
RARE_KIND_ERRORS = (RuntimeError, TypeError, NotImplementedError)
"""What tensors of a rare kind raise when their numbers are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorStats:
    """What :func:`stats_of` finds. A number is None where the tensor has none."""

    shape: tuple[int, ...]
    dtype: str
    """Such as ``"float32"``."""
    device: str
    min: float | None = None
    """Like max, mean and std, of the finite values; of their sizes if complex."""
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    """The standard deviation of these numbers: divided by their count, not by one
    less."""
    zeros: float | None = None
    """The share of exact zeros, 0 to 1; None if the tensor is empty."""
    num_nan: int = 0
    num_inf: int = 0
    reason: str | None = None
    """Why there are no statistics, for a tensor of a rare kind."""


def stats_of(tensor: Tensor) -> TensorStats:
    """Look at a tensor without changing it, its graph or any random generator.

    >>> stats = stats_of(torch.tensor([0.0, 3.0, float("nan")]))
    >>> stats.shape, stats.mean, stats.std, stats.zeros, stats.num_nan
    ((3,), 1.5, 1.5, 0.3333333333333333, 1)
    """
    numbers: dict[str, Any]
    try:
        with torch.no_grad():
            numbers = _numbers(tensor)
    except RARE_KIND_ERRORS as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        numbers = {"reason": first[:120]}
    shape = (tensor.size(0),) if tensor.is_nested else map(int, tensor.shape)
    return TensorStats(
        shape=tuple(shape),
        dtype=dtype_name(tensor.dtype),
        device=str(tensor.device),
        **numbers,
    )


def norm_of(tensor: Tensor) -> float | None:
    """Give the 2-norm of all numbers of a tensor, which may be sparse.

    Returns:
        None if the numbers cannot be read, as on the device ``meta``.

    >>> norm_of(torch.tensor([[3.0, 4.0]]))
    5.0
    """
    try:
        with torch.no_grad():
            values = _stored(tensor.detach())
            return float(torch.linalg.vector_norm(values.to(_sum_dtype(values))))
    except RARE_KIND_ERRORS:
        return None


def _numbers(tensor: Tensor) -> dict[str, Any]:
    """Give the fields of :class:`TensorStats` that come from the tensor's numbers."""
    tensor = tensor.detach()
    for kind in ("nested", "quantized", "meta"):
        if getattr(tensor, f"is_{kind}"):
            return {"reason": f"no statistics of a {kind} tensor"}
    values, count = _stored(tensor), tensor.numel()
    if not count:
        return {}
    num_absent = count - values.numel()  # the zeros that a sparse tensor does not store
    num_zeros = num_absent + values.numel() - int(values.count_nonzero())
    numbers: dict[str, Any] = {"zeros": num_zeros / count}
    values = values.to(_sum_dtype(values))
    if values.is_complex():
        values = values.abs()
    num_nan, num_inf = int(values.isnan().sum()), int(values.isinf().sum())
    numbers |= {"num_nan": num_nan, "num_inf": num_inf}
    if num_nan or num_inf:
        values = values[values.isfinite()]
    num_finite = values.numel() + num_absent
    if not num_finite:
        return numbers
    mean = float(values.sum()) / num_finite
    rest = (values - mean).flatten()
    squares = float(rest.dot(rest)) + num_absent * mean**2
    ends = [float(end) for end in values.aminmax()] if values.numel() else []
    ends += [0.0] if num_absent else []
    std = math.sqrt(squares / num_finite)
    return {**numbers, "min": min(ends), "max": max(ends), "mean": mean, "std": std}


def _stored(tensor: Tensor) -> Tensor:
    """Give the numbers that a tensor stores; a nested strided one cannot be read."""
    return tensor if tensor.layout is torch.strided else stored_values(tensor)


def _sum_dtype(values: Tensor) -> torch.dtype:
    """Choose a dtype in which sums of the values do not overflow or lose digits."""
    # The device mps has no float64.
    is_small = values.numel() <= MAX_FLOAT64_NUMBERS and values.device.type != "mps"
    if values.is_complex():
        return torch.complex128 if is_small else torch.complex64
    return torch.float64 if is_small else torch.float32
