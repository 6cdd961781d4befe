"""The order of the rows: a pure function of (seed, epoch)."""

import hashlib

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["epoch_generator", "epoch_order", "mixed_seed", "weighted_order"]


def epoch_order(num_rows: int, *, seed: int, epoch: int) -> Int[Tensor, "rows"]:
    """Give the order of the rows in an epoch, from a generator of its own.

    ``seed`` and ``epoch`` are mixed by SHA-256, which no library's version changes.

    >>> epoch_order(5, seed=42, epoch=0)
    tensor([1, 3, 4, 0, 2])
    """
    return torch.randperm(num_rows, generator=epoch_generator(seed, epoch))


def weighted_order(
    weights: Float[Tensor, "rows"], *, seed: int, epoch: int
) -> Int[Tensor, "rows"]:
    """Draw as many rows as there are, each by its weight, with replacement.

    ``torch.multinomial`` would do, but for at most 2^24 rows.

    >>> weighted_order(torch.tensor([0.0, 1.0, 3.0]).double(), seed=42, epoch=0)
    tensor([2, 2, 2])
    """
    generator = epoch_generator(seed, epoch)
    draws = torch.rand(len(weights), dtype=torch.float64, generator=generator)
    ends = weights.cumsum(0)
    rows = torch.searchsorted(ends, draws * ends[-1], right=True)
    # A draw close to 1 may be rounded up to the end itself.
    return rows.clamp(max=int(weights.nonzero()[-1]))


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Give a CPU generator that depends on ``(seed, epoch)`` alone."""
    return torch.Generator().manual_seed(mixed_seed(seed, epoch))


def mixed_seed(*numbers: int) -> int:
    """Mix numbers into one from 0 to before 2^63, which ``manual_seed`` takes.

    >>> mixed_seed(42, 0) == mixed_seed(42, 0), mixed_seed(42, 0) == mixed_seed(42, 1)
    (True, False)
    """
    digest = hashlib.sha256(" ".join(map(str, numbers)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
