"""An update in place that autograd does not record, and the zeroing."""

from typing import Any

import torch

from gradatim.course.exercise import expect, shown

TEXT = """
Write `update(params, lr)`. `params` is a list of leaf tensors, and `backward()` has
just run. Move each one down by `lr` times its gradient, in place, and clear its
gradient. A tensor that has none (`.grad` is None) is left as it is.
"""
STUB = """
import torch

def update(params, lr):
    for p in params:
        ...
"""
HINT = """
`p -= ...` must stand under `with torch.no_grad():`. Clear with `p.grad.zero_()`, after
the update. Ask first whether `p.grad is None`.
"""
SOLUTION = """
import torch

def update(params, lr):
    for p in params:
        if p.grad is None:
            continue
        with torch.no_grad():
            p -= lr * p.grad
        p.grad.zero_()
"""
PRAISE = (
    "Chapter 8 gives this function a name: an optimizer's `step()` and `zero_grad()`."
)
MUTANTS = r"""
a new tensor:
  -= lr * p.g => = p - lr * p.g
  p.grad.zero_() => params[0].grad.zero_()
recorded: with torch.no_grad(): => if True:
never zeroed: p.grad.zero_() =>
zeroed first:
  p.grad.zero_() =>
  with torch => p.grad.zero_()\n        with torch
uphill: -= lr => += lr
without the rate: lr * p.grad => p.grad
None not asked for: if p.grad is None:\n            continue =>
the first None ends it: continue => return
detached: p.grad.zero_() => p.grad.zero_()\n        p.detach_()
"""


def check(update: Any) -> None:
    """Compare two updates with those by hand, a tensor without gradient between."""
    a = torch.tensor([1.0], requires_grad=True)
    unused = torch.tensor([5.0], requires_grad=True)
    b = torch.tensor([2.0, -1.0], requires_grad=True)
    wanted_a, wanted_b = a.detach().clone(), b.detach().clone()
    for number in (1, 2):
        (3 * a.sum() + (b**2).sum()).backward()
        update([a, unused, b], 0.1)
        wanted_a -= 0.1 * 3
        wanted_b -= 0.1 * 2 * wanted_b
        expect(
            a.is_leaf and a.requires_grad and b.requires_grad,
            "A parameter asks for no gradient after your update.",
        )
        for answer, right in ((a, wanted_a), (b, wanted_b)):
            expect(
                torch.allclose(answer, right),
                f"After update {number} a parameter is {shown(answer)}; it should be "
                f"{shown(right)}. Did you change the tensor itself, and was its "
                "gradient cleared before?",
            )
            expect(
                answer.grad is None or not answer.grad.any(),
                f"After update {number} a gradient is still there: {answer.grad}.",
            )
        expect(unused.item() == 5, "The tensor without a gradient has moved.")
