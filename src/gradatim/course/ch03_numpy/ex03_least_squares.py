"""The best line without any training."""

from typing import Any

import numpy as np

from gradatim.course.exercise import expect

TEXT = """
Write `fit(x, y)`: the a and b of least squares, as two numbers. `x` and `y` are arrays
of shape (n, 1).
"""
STUB = """
import numpy as np

def fit(x, y):
    columns = ...
    solution, *_ = np.linalg.lstsq(columns, y[:, 0])
    ...
"""
HINT = (
    "`np.hstack` puts columns side by side. The first one belongs to a: it is all ones."
)
SOLUTION = """
import numpy as np

def fit(x, y):
    columns = np.hstack([np.ones_like(x), x])
    solution, *_ = np.linalg.lstsq(columns, y[:, 0])
    a, b = solution
    return a, b
"""
PRAISE = (
    "A check of another kind is worth more than a second look at the same program. "
    "For models that are no line there is no such formula; descent is what is left."
)
MUTANTS = """
no ones:
  np.hstack([np.ones_like(x), x]) => x
  a, b = solution => a, b = 0.0, solution[0]
a and b swapped: [np.ones_like(x), x] => [x, np.ones_like(x)]
zeros for ones: ones_like => zeros_like
x twice: np.ones_like(x) => x
below each other: hstack => vstack
nothing returned: return a, b =>
y without shape: y[:, 0] => y[0]
"""


def check(fit: Any) -> None:
    """Try lines without noise, then one with noise."""
    random = np.random.RandomState(2)
    x = random.rand(30, 1)
    noise = random.randn(30, 1)
    for a, b, size in ((1.0, 2.0, 0.0), (-0.5, 3.0, 0.0), (2.0, -1.0, 0.3)):
        y = a + b * x + size * noise
        answer = fit(x, y)
        expect(
            isinstance(answer, (tuple, list, np.ndarray)) and len(answer) == 2,
            f"Two numbers are to come back, a and b; {answer!r} did.",
        )
        expected = np.polyfit(x[:, 0], y[:, 0], 1)[::-1]
        for name, got, right in zip("ab", answer, expected, strict=True):
            value = float(np.asarray(got).item())
            case = f"{a:g} + {b:g} x, {'with' if size else 'without'} noise"
            expect(
                bool(abs(value - right) < 1e-6),
                f"For points on {case}, {name} is {right:.4f}; yours is {value:.4f}.",
            )
