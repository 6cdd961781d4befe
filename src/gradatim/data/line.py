"""The tutorial's data: 100 points on the line y = 1 + 2x, with noise.

Source: the tutorial's cells "Data generation" and "Train-validation split";
the numbers that follow from them are asserted in ``tests/ladder``.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["line", "line_rows", "line_split"]

NUM_POINTS = 100
NUM_TRAIN = 80
SEED = 42
"""All three are the tutorial's."""


def line(
    *, dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "100 1"], Float[Tensor, "100 1"]]:
    """Make the tutorial's 100 points, ``y = 1 + 2x + 0.1 * noise``.

    The numbers are those of ``np.random.seed(42)``; NumPy's global generator is
    neither read nor moved.

    Args:
        dtype: The dtype of both tensors. NumPy computes in float64; the default is
            what PyTorch's layers expect.

    Returns:
        ``x`` uniform in [0, 1) and ``y``, both of shape ``(100, 1)``.

    >>> x, y = line()
    >>> x.shape, y.dtype, round(x[0].item(), 4), round(y[0].item(), 4)
    (torch.Size([100, 1]), torch.float32, 0.3745, 1.7578)
    """
    x, y = _points(np.random.RandomState(SEED))
    return torch.from_numpy(x).to(dtype), torch.from_numpy(y).to(dtype)


def line_split(
    x: Float[Tensor, "100 1"], y: Float[Tensor, "100 1"]
) -> tuple[
    tuple[Float[Tensor, "80 1"], Float[Tensor, "80 1"]],
    tuple[Float[Tensor, "20 1"], Float[Tensor, "20 1"]],
]:
    """Split the 100 points as the tutorial does: 80 to train, 20 to validate.

    The tutorial shuffles the indices with the generator that made the data, without
    seeding it again; the same draws are made here before the shuffle, from a
    generator of this function's own.

    Raises:
        ValueError: ``x`` and ``y`` are not the 100 points. Use ``data.split``.

    >>> (x_train, y_train), (x_val, y_val) = line_split(*line())
    >>> len(x_train), len(x_val), round(x_train[0].item(), 4)
    (80, 20, 0.7713)
    """
    if len(x) != NUM_POINTS or len(y) != NUM_POINTS:
        raise ValueError(
            f"x has {len(x)} rows, y {len(y)}; the tutorial's line has {NUM_POINTS}.\n"
            "This split holds that line's own row numbers.\n"
            "Use gradatim.data.split(x, y, fractions=(0.8, 0.2)) for other data."
        )
    train, val = line_rows()
    return (x[train], y[train]), (x[val], y[val])


def line_rows() -> tuple[Int[Tensor, "80"], Int[Tensor, "20"]]:
    """Give the numbers of the rows that the tutorial trains on and validates with.

    >>> line_rows()[0][:5]
    tensor([76, 83, 80, 98,  2])
    """
    random = np.random.RandomState(SEED)
    _points(random)
    rows = np.arange(NUM_POINTS)
    random.shuffle(rows)
    return torch.from_numpy(rows[:NUM_TRAIN]), torch.from_numpy(rows[NUM_TRAIN:])


def _points(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    x = random.rand(NUM_POINTS, 1)
    y = 1 + 2 * x + 0.1 * random.randn(NUM_POINTS, 1)
    return x, y
