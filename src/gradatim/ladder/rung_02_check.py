"""Rung 2: is rung 1's answer right? Least squares says so without any training.

Nothing is replaced: for a straight line the lowest loss can be computed
directly, and 1,000 epochs of gradient descent should end there.
Source: the tutorial, "Linear Regression in Numpy", its check with
scikit-learn.
"""

import numpy as np
import torch

from gradatim.data import line, line_split

__all__ = ["run"]


def run() -> tuple[float, float, dict[str, list[float]]]:
    """Solve for a and b; return them and the lowest loss that a line can have.

    >>> a, b, losses = run()
    least squares  a 1.02354075  b 1.96896447
    rung 1         a 1.02354094  b 1.96896411
    apart by       a 1.9e-07     b 3.6e-07
    lowest loss    0.00804466
    """
    # Rung 1's 80 points, to the bit.
    (x_train, y_train), _ = line_split(*line(dtype=torch.float64))
    x, y = x_train.numpy(), y_train.numpy()

    # y = a * 1 + b * x: a column of ones for a, the feature for b. The
    # tutorial asks scikit-learn, LinearRegression().fit(x, y), which solves
    # the same equations.
    columns = np.hstack([np.ones_like(x), x])
    (a, b), *_ = np.linalg.lstsq(columns, y[:, 0])
    loss = ((y[:, 0] - (a + b * x[:, 0])) ** 2).mean()

    rung_1_a, rung_1_b = 1.02354094, 1.96896411  # what rung 1 printed
    print(f"least squares  a {a:.8f}  b {b:.8f}")
    print(f"rung 1         a {rung_1_a:.8f}  b {rung_1_b:.8f}")
    a_apart, b_apart = abs(a - rung_1_a), abs(b - rung_1_b)
    print(f"apart by       a {a_apart:.1e}     b {b_apart:.1e}")
    print(f"lowest loss    {loss:.8f}")
    return a.item(), b.item(), {"train_loss": [loss.item()]}


if __name__ == "__main__":
    run()
