"""What is told of a tensor: shape, range, mean, zeros, NaN. It is only looked at."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["TensorStats", "norm_of", "stats_of"]

MOST_WIDE = 1 << 24
"""Numbers that are looked at in float64; more would cost more memory than a look
should."""

CANNOT = (RuntimeError, TypeError, NotImplementedError)
"""What tensors of a rare kind raise where they are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorStats:
    """What :func:`stats_of` saw. None where there is nothing to tell."""

    shape: tuple[int, ...]
    dtype: str
    """Such as ``"float32"``."""
    device: str
    min: float | None = None
    """Of the finite values, as are max, mean and std; of complex ones' sizes."""
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    """Of these very numbers: divided by their count, not by one less."""
    zeros: float | None = None
    """Share of exact zeros, 0 to 1; None of an empty tensor."""
    num_nan: int = 0
    num_inf: int = 0
    reason: str | None = None
    """Why there are no numbers of a sparse tensor and its like."""


def stats_of(tensor: Tensor) -> TensorStats:
    """Look at a tensor without changing it, its graph or any random generator.

    >>> seen = stats_of(torch.tensor([0.0, 3.0, float("nan")]))
    >>> seen.shape, seen.mean, seen.std, seen.zeros, seen.num_nan
    ((3,), 1.5, 1.5, 0.3333333333333333, 1)
    """
    numbers: dict[str, Any]
    try:
        with torch.no_grad():
            numbers = _numbers(tensor)
    except CANNOT as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        numbers = {"reason": first[:120]}
    return TensorStats(
        shape=_shape(tensor),
        dtype=str(tensor.dtype).removeprefix("torch."),
        device=str(tensor.device),
        **numbers,
    )


def norm_of(tensor: Tensor) -> float | None:
    """Give the 2-norm, as of one long vector; of a sparse tensor, too.

    None where the tensor has no numbers to look at, as on the device ``meta``.

    >>> norm_of(torch.tensor([[3.0, 4.0]]))
    5.0
    """
    try:
        with torch.no_grad():
            values = _stored(tensor.detach())
            return float(torch.linalg.vector_norm(values.to(_wide(values))))
    except CANNOT:
        return None


def _numbers(tensor: Tensor) -> dict[str, Any]:
    tensor = tensor.detach()
    if tensor.is_nested or tensor.is_quantized or tensor.is_meta:
        kind = ("nested", "quantized", "meta")[
            [tensor.is_nested, tensor.is_quantized, tensor.is_meta].index(True)
        ]
        return {"reason": f"no statistics of a {kind} tensor"}
    values, count = _stored(tensor), tensor.numel()
    if not count:
        return {}
    num_absent = count - values.numel()  # zeros that a sparse tensor does not store
    num_zeros = num_absent + values.numel() - int(values.count_nonzero())
    told: dict[str, Any] = {"zeros": num_zeros / count}
    values = values.to(_wide(values))
    if values.is_complex():
        values = values.abs()
    num_nan, num_inf = int(values.isnan().sum()), int(values.isinf().sum())
    told |= {"num_nan": num_nan, "num_inf": num_inf}
    if num_nan or num_inf:
        values = values[values.isfinite()]
    num_finite = values.numel() + num_absent
    if not num_finite:
        return told
    mean = float(values.sum()) / num_finite
    rest = (values - mean).flatten()
    squares = float(rest.dot(rest)) + num_absent * mean**2
    ends = [float(end) for end in values.aminmax()] if values.numel() else []
    ends += [0.0] if num_absent else []
    std = math.sqrt(squares / num_finite)
    return {**told, "min": min(ends), "max": max(ends), "mean": mean, "std": std}


def _stored(tensor: Tensor) -> Tensor:
    """Give the values that the tensor stores: of a sparse one, its own."""
    if tensor.layout is torch.strided:
        return tensor
    if tensor.layout is torch.sparse_coo:
        return tensor.coalesce().values()
    return tensor.values()


def _wide(values: Tensor) -> torch.dtype:
    """Choose where sums of its values neither overflow nor lose digits."""
    is_small = values.numel() <= MOST_WIDE and values.device.type != "mps"
    if values.is_complex():
        return torch.complex128 if is_small else torch.complex64
    return torch.float64 if is_small else torch.float32


def _shape(tensor: Tensor) -> tuple[int, ...]:
    if tensor.is_nested:
        return (tensor.size(0),)
    return tuple(int(size) for size in tensor.shape)
