"""Rung 1: the line trained with NumPy, everything by hand.

Nothing is replaced yet. The data, the loss, its two derivatives and the update
are all written out; an update uses all 80 points, which is called batch
gradient descent.
Source: the tutorial, "Data Generation", "Gradient Descent" and "Linear
Regression in Numpy".
"""

import numpy as np

__all__ = ["run"]


def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train a and b; return them and the loss of every epoch.

    >>> a, b, losses = run(epochs=1)
    start  a 0.49671415  b -0.13826430
    end    a 0.80119529  b 0.04511107
    """
    # 100 points on y = 1 + 2x, with noise. RandomState(42) draws the numbers
    # that np.random.seed(42) would, and leaves NumPy's global generator alone.
    random = np.random.RandomState(42)
    x = random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * random.randn(100, 1)

    # Shuffle the row numbers (the generator goes on, it is not seeded again):
    # the first 80 rows train, the last 20 are kept to validate.
    rows = np.arange(100)
    random.shuffle(rows)
    x_train, y_train = x[rows[:80]], y[rows[:80]]

    # A random start, from the same seed once more.
    random = np.random.RandomState(42)
    a, b = random.randn(1), random.randn(1)
    print(f"start  a {a.item():.8f}  b {b.item():.8f}")

    lr = 0.1
    losses = []
    for _ in range(epochs):
        # Step 1, the loss: the mean squared error (MSE) of the predictions.
        predictions = a + b * x_train
        error = y_train - predictions
        losses.append((error**2).mean().item())
        # Step 2, the gradients, by the chain rule: at each point
        #   dMSE/da = dMSE/dprediction * dprediction/da = (-2 error) * 1
        #   dMSE/db = dMSE/dprediction * dprediction/db = (-2 error) * x
        # and the mean over the points.
        a_grad = -2 * error.mean()
        b_grad = -2 * (x_train * error).mean()
        # Step 3, the update: against the gradient, by a small part of it.
        a = a - lr * a_grad
        b = b - lr * b_grad
        # Step 4: all of it again, with the updated parameters.

    print(f"end    a {a.item():.8f}  b {b.item():.8f}")
    return a.item(), b.item(), {"train_loss": losses}


if __name__ == "__main__":
    run()
