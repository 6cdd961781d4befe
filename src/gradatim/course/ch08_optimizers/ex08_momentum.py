"""The rule of momentum, for one parameter at a time."""

from typing import Any

import torch

from gradatim.course.exercise import expect

TEXT = """
Write `momentum_step(params, speeds, lr, momentum)`. `speeds` is a list with a tensor
for each parameter, all zeros at first. For each parameter: the new speed is
`momentum` times the old speed, plus the gradient. Then the parameter moves down by
`lr` times its speed. Change both **in place**.
"""
STUB = """
import torch

def momentum_step(params, speeds, lr, momentum):
    with torch.no_grad():
        for p, speed in zip(params, speeds):
            ...
"""
HINT = """
`speed *= momentum` and `speed += p.grad` change the tensor that the list holds.
`speed = ...` would make a new one, which is gone at the next call.
"""
SOLUTION = """
import torch

def momentum_step(params, speeds, lr, momentum):
    with torch.no_grad():
        for p, speed in zip(params, speeds):
            speed *= momentum
            speed += p.grad
            p -= lr * speed
"""
PRAISE = "With momentum 0 it is plain SGD again. With 1 nothing is ever forgotten."
MUTANTS = r"""
the speed is forgotten: *= momentum\n            speed += => = momentum * speed +
a mean of both: += p.grad => += (1 - momentum) * p.grad
moved before:
  p -= lr * speed =>
  speed *= momentum => p -= lr * speed\n            speed *= momentum
the gradient alone: lr * speed => lr * p.grad
momentum left out: speed *= momentum =>
the rate is kept in the speed:
  p.grad\n            p -= lr * => lr * p.grad\n            p -=
one speed for all: zip(params, speeds): => zip(params, [speeds[0]] * len(params)):
the gradient is changed: speed += p.grad => p.grad += speed; speed.copy_(p.grad)
"""


def check(momentum_step: Any) -> None:
    """Compare with torch.optim.SGD for five updates, each with a rate of its own."""
    for momentum in (0.9, 0.5, 0.0):
        ours, theirs = _two(), _two()
        speeds = [torch.zeros_like(p).detach() for p in ours]
        expected = torch.optim.SGD(theirs, lr=0.05, momentum=momentum)
        for number in range(1, 6):
            for params in (ours, theirs):
                for p in params:
                    p.grad = None
                (params[0] ** 2 + 3 * (params[1] - 1) ** 2).sum().backward()
            before = [p.grad.clone() for p in ours if p.grad is not None]
            # Another rate each time: it must not be in what is kept.
            lr = 0.05 / number
            momentum_step(ours, speeds, lr, momentum)
            expected.param_groups[0]["lr"] = lr
            expected.step()
            for name, answer, right in zip("ab", ours, theirs, strict=True):
                value, due = f"{answer.item():.4f}", f"{right.item():.4f}"
                expect(
                    torch.allclose(answer, right, atol=1e-6),
                    f"With momentum {momentum}, parameter {name} is {value} after step "
                    f"{number}; it should be {due}.",
                )
            now = [p.grad for p in ours if p.grad is not None]
            is_same = len(now) == 2 and all(map(torch.equal, now, before))
            expect(is_same, "Your step has changed a gradient: that is not its own.")


def _two() -> list[torch.Tensor]:
    return [torch.tensor([v], requires_grad=True) for v in (1.0, -2.0)]
