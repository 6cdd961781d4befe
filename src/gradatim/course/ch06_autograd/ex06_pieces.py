"""Gradients that are added on purpose: the gradient of all points, piece by piece."""

from typing import Any

import torch
from torch import Tensor

from gradatim.course.exercise import expect

TEXT = """
That backward adds can be of use: when not all points fit into memory. Write
`backward_in_pieces(a, b, x, y, size)`. It calls `backward()` once for each piece of
at most `size` points. In the end `a.grad` and `b.grad` are those of the mean over
**all** points. The last piece may be smaller.
"""
STUB = """
def backward_in_pieces(a, b, x, y, size):
    for xs, ys in zip(x.split(size), y.split(size)):
        error = ys - (a + b * xs)
        ...
"""
HINT = """
The mean over all points is the sum over all points by their number. The sum may be
formed piece by piece; the number is `len(x)` each time.
"""
SOLUTION = """
def backward_in_pieces(a, b, x, y, size):
    for xs, ys in zip(x.split(size), y.split(size)):
        error = ys - (a + b * xs)
        loss = (error ** 2).sum() / len(x)
        loss.backward()
"""
PRAISE = (
    "This is called gradient accumulation: a large batch in the memory of a small one."
)
MUTANTS = r"""
means are added: (error ** 2).sum() / len(x) => (error ** 2).mean()
sums are added: / len(x) =>
the mean of means: sum() / len(x => mean() / len(x.split(size)
zeroed in between:
  loss = => if a.grad is not None: a.grad.zero_(); b.grad.zero_()\n        loss =
only the last piece: \n        loss.backward => \n    loss.backward
all at once: zip(x.split(size), y.split(size)) => [(x, y)]
"""


def check(backward_in_pieces: Any) -> None:
    """Compare with one backward for all, with pieces of equal and of unequal size."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(10, 1, generator=generator)
    y = 1 + 2 * x
    for size in (5, 4, 10, 1):
        whole, parts = _pair(), _pair()
        ((y - (whole[0] + whole[1] * x)) ** 2).mean().backward()
        seen: list[int] = []
        # The gradient of a comes once with each call of backward().
        parts[0].register_hook(lambda _, seen=seen: seen.append(1))
        backward_in_pieces(*parts, x, y, size)
        for name, answer, right in zip("ab", parts, whole, strict=True):
            assert right.grad is not None
            expect(
                answer.grad is not None,
                f"`{name}.grad` is None: call `loss.backward()`.",
            )
            assert answer.grad is not None
            expect(
                torch.allclose(answer.grad, right.grad, atol=1e-5),
                f"For 10 points in pieces of {size}, `{name}.grad` is "
                f"{answer.grad.item():.4f}; of all at once it is "
                f"{right.grad.item():.4f}.",
            )
        pieces = -(-len(x) // size)
        expect(
            len(seen) == pieces,
            f"Pieces of {size} make {pieces} calls of `backward()`; there were "
            f"{len(seen)}.",
        )


def _pair() -> tuple[Tensor, Tensor]:
    a = torch.tensor([0.5], requires_grad=True)
    b = torch.tensor([-0.5], requires_grad=True)
    return a, b
