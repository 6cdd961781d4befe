"""Scaling by what the training rows tell."""

from typing import Any

import torch

from gradatim.course.exercise import expect, expect_tuple

TEXT = """
Write `scale(train, val)`: it returns both tensors, of shape `(rows, columns)`,
scaled. The training part is to have mean 0 and standard deviation 1 **in each
column**. The other part is changed in the same way, and must not be looked at.
"""
STUB = """
def scale(train, val):
    mean = ...
    spread = ...
    return (train - mean) / spread, (val - mean) / spread
"""
HINT = "`train.mean(dim=0)` gives one mean for each column; `std` works likewise."
SOLUTION = """
def scale(train, val):
    mean = train.mean(dim=0)
    spread = train.std(dim=0)
    return (train - mean) / spread, (val - mean) / spread
"""
PRAISE = "Mean and spread are learned numbers: from training rows only."
MUTANTS = r"""
each by itself: (val - mean) / spread => (val - val.mean(dim=0)) / val.std(dim=0)
one mean for all columns: train.mean(dim=0) => train.mean()
not divided: (train - mean) / spread => train - mean
val as it was: (val - mean) / spread => val
by all rows:
  def => import torch\n\ndef
  train.mean( => torch.cat([train, val]).mean(
  train.std( => torch.cat([train, val]).std(
by rows:
  (val - mean) / spread => (val - val.mean(dim=0)) / val.std(dim=0)
  dim=0 => dim=1, keepdim=True
"""


def check(scale: Any) -> None:
    """Change the part held out: the training part must not move."""
    generator = torch.Generator().manual_seed(3)
    factors, offsets = torch.tensor([1.0, 20.0, 0.1]), torch.tensor([0.0, 5.0, -3.0])
    train = torch.randn(50, 3, generator=generator) * factors + offsets
    val = torch.randn(12, 3, generator=generator) * factors + offsets
    answer = scale(train.clone(), val.clone())
    expect_tuple(answer, 2, "Two tensors are to come back.")
    one, other = answer
    expect(
        one.shape == train.shape and other.shape == val.shape,
        f"Shapes {tuple(one.shape)} and {tuple(other.shape)} came back; they are to "
        f"stay {tuple(train.shape)} and {tuple(val.shape)}.",
    )
    expect(
        torch.equal(one, scale(train.clone(), val + 100)[0]),
        "With other rows in `val`, the scaled `train` changes: it knows rows that it "
        "must not know.",
    )
    for name, got, right in (
        ("mean", one.mean(dim=0), torch.zeros(3)),
        ("standard deviation", one.std(dim=0), torch.ones(3)),
    ):
        expect(
            bool((got - right).abs().max() < 0.03),
            f"The {name} of the training columns is to be {right.tolist()}; it is "
            f"{[round(v, 2) for v in got.tolist()]}.",
        )
    same = scale(train.clone(), train[:4].clone())[1]
    expect(
        torch.allclose(same, one[:4], atol=1e-5),
        "A row must come out the same in both parts: scale `val` by mean and spread of "
        "`train`.",
    )
