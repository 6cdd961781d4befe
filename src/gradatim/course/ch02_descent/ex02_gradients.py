"""The two derivatives of the mean squared error, by hand."""

from typing import Any

import numpy as np

from gradatim.course.exercise import expect_number, expect_tuple

TEXT = """
Write `gradients(a, b, x, y)`: the two derivatives of the mean of
`(y - (a + b * x)) ** 2`, by a and by b, as two numbers. `x` and `y` are NumPy arrays.
"""
STUB = """
def gradients(a, b, x, y):
    error = y - (a + b * x)
    by_a = ...
    by_b = ...
    return by_a, by_b
"""
HINT = """
The square gives a factor of 2 and the inner minus a sign. What is multiplied by b is x:
it stands in the second mean.
"""
SOLUTION = """
def gradients(a, b, x, y):
    error = y - (a + b * x)
    by_a = -2 * error.mean()
    by_b = -2 * (x * error).mean()
    return by_a, by_b
"""
PRAISE = "These two lines are what `backward()` will do for you from chapter 6 on."
MUTANTS = """
the sign: -2 * error => 2 * error
no factor of 2: -2 * (x => -1 * (x
the sum for the mean: error.mean() => error.sum()
x forgotten: (x * error) => (error)
"""


def check(gradients: Any) -> None:
    """Compare with a difference quotient at three places."""
    random = np.random.RandomState(1)
    x, y = random.rand(20), random.rand(20)

    def loss(a: float, b: float) -> float:
        return float(((y - (a + b * x)) ** 2).mean())

    h = 1e-5
    for a, b in ((0.5, -0.1), (2.0, 1.0), (-1.0, 3.0)):
        answer = gradients(a, b, x, y)
        expect_tuple(answer, 2, "Two numbers are to come back.")
        by_a = (loss(a + h, b) - loss(a - h, b)) / (2 * h)
        by_b = (loss(a, b + h) - loss(a, b - h)) / (2 * h)
        for name, got, right in (("a", answer[0], by_a), ("b", answer[1], by_b)):
            case = f"At a = {a}, b = {b} the derivative by {name}"
            expect_number(got, right, case, within=1e-4)
