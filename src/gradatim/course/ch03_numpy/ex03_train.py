"""Gradient descent by hand, the whole loop."""

from typing import Any

import numpy as np

from gradatim.course.ch03_numpy.shows import train as train_by_hand
from gradatim.course.exercise import expect, expect_tuple

TEXT = """
Write `train(x, y, a, b, lr, epochs)`: the four steps, `epochs` times. Return a, b and a
list with the loss of each epoch, **before** its update.
"""
STUB = """
def train(x, y, a, b, lr, epochs):
    losses = []
    for epoch in range(epochs):
        ...
    return a, b, losses
"""
HINT = """
Inside the loop: `error`, then the loss, two gradients, two updates. Both gradients are
of the same place, so compute both before a or b changes.
"""
SOLUTION = """
def train(x, y, a, b, lr, epochs):
    losses = []
    for epoch in range(epochs):
        error = y - (a + b * x)
        losses.append((error**2).mean())
        a_grad = -2 * error.mean()
        b_grad = -2 * (x * error).mean()
        a = a - lr * a_grad
        b = b - lr * b_grad
    return a, b, losses
"""
PRAISE = "PyTorch will take over one line of it after the other: the gradients first."
MUTANTS = r"""
the sign:
  a - lr => a + lr
  b - lr => b + lr
step 4 forgotten:
  error = y - (a + b * x) =>
  for epoch => error = y - (a + b * x)\n    for epoch
returns in the loop: return =>     return
no learning rate: lr *  =>
x forgotten: (x * error) => error
only a: b = b - lr * b_grad =>
the loss after the update:
  losses.append((error**2).mean()) =>
  return =>     losses.append(((y - (a + b * x)) ** 2).mean())\n    return
the sum of squares: (error**2).mean() => (error**2).sum()
b's gradient at the new a:
  a = a - lr * a_grad =>
  (x * error) => (x * (y - (a + b * x)))
  b_grad = -2 => a = a - lr * a_grad\n        b_grad = -2
"""


def check(train: Any) -> None:
    """Compare one epoch, then many."""
    random = np.random.RandomState(1)
    x = random.rand(20, 1)
    y = 2 - x + 0.1 * random.randn(20, 1)
    for epochs in (1, 2, 50):
        answer = train(x, y, 0.5, -0.1, 0.2, epochs)
        three = "Three things are to come back: a, b and the list of losses."
        expect_tuple(answer, 3, three)
        a, b, losses = answer
        right_a, right_b, seen = train_by_hand(x, y, 0.5, -0.1, 0.2, epochs)
        expect(
            len(losses) == epochs,
            f"{epochs} epochs make {epochs} losses; {len(losses)} came back.",
        )
        for name, got, right in (("a", a, right_a), ("b", b, right_b)):
            value = float(np.asarray(got).item())
            expect(
                bool(abs(value - right) < 1e-9),
                f"After {epochs} epoch{'s' * (epochs > 1)} from a = 0.5, b = -0.1 with "
                f"lr 0.2, {name} is {right:.6f}; yours is {value:.6f}.",
            )
        for place in (0, epochs - 1):
            value, right = float(np.asarray(losses[place]).item()), seen[place][2]
            expect(
                bool(abs(value - right) < 1e-9),
                f"The loss of epoch {place + 1}, before its update, is {right:.6f}; "
                f"yours is {value:.6f}.",
            )
