"""An optimizer as a class: plain gradient descent."""

from typing import Any

import torch

from gradatim.course.exercise import expect, shown

TEXT = """
Write the class `SGD` yourself: made with `SGD(params, lr)`, and with the methods
`step()` and `zero_grad()`. `params` may be a generator, as `model.parameters()` gives
one: it can be gone through **once**. A parameter whose `.grad` is None is passed
over. After `zero_grad()` every `.grad` is None.
"""
STUB = """
import torch

class SGD:
    def __init__(self, params, lr):
        ...

    def step(self):
        ...

    def zero_grad(self):
        ...
"""
HINT = """
`list(params)` keeps what a generator gives. `step` is chapter 6's third attempt, for
each parameter. `zero_grad` assigns None.
"""
SOLUTION = """
import torch

class SGD:
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    p -= self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None
"""
PRAISE = (
    "It can stand where `torch.optim.SGD` stood: the loop does not see the difference."
)
MUTANTS = r"""
the generator kept: list(params) => params
a new tensor: p -= self.lr * p.grad => p = p - self.lr * p.grad
recorded: with torch.no_grad(): => if True:
None not asked for: if p.grad is not None: => if True:
step zeroes: p -= self.lr * p.grad => p -= self.lr * p.grad; p.grad = None
zero_grad does nothing: p.grad = None => p
zeros for None: p.grad = None => p.grad = 0 * p.detach()
uphill: -= => +=
the rate typed in: self.lr * => 0.1 *
zero_grad moves: p.grad = None => p.grad = None\n            p.data *= 0.9
"""


def check(made: Any) -> None:
    """Compare with torch.optim.SGD for three updates, one without zeroing."""
    ours, theirs = _three(), _three()
    optimizer = made((p for p in ours), 0.05)
    right = torch.optim.SGD(theirs, lr=0.05)
    for number, zeroes in ((1, True), (2, False), (3, True)):
        for params in (ours, theirs):
            (3 * params[0].sum() + (params[2] ** 2).sum()).backward()
        optimizer.step()
        right.step()
        _compare(ours, theirs, f"after step {number}")
        expect(
            ours[0].grad is not None,
            "`step()` has cleared the gradients; only `zero_grad()` may.",
        )
        if zeroes:
            optimizer.zero_grad()
            right.zero_grad()
            _compare(ours, theirs, "after zero_grad()")
            expect(
                all(p.grad is None for p in ours),
                "After `zero_grad()` a `.grad` is there; each should be None. A "
                "generator is used up when it was gone through once.",
            )


def _three() -> list[torch.Tensor]:
    values = ([1.0], [5.0], [2.0, -1.0])
    return [torch.tensor(value, requires_grad=True) for value in values]


def _compare(ours: list[torch.Tensor], theirs: list[torch.Tensor], when: str) -> None:
    for number, (answer, right) in enumerate(zip(ours, theirs, strict=True), 1):
        expect(
            torch.allclose(answer, right),
            f"Parameter {number} is {shown(answer)} {when}; it should be "
            f"{shown(right)}.",
        )
