"""A model's error, beside that of the mean."""

from typing import Any

import numpy as np

from gradatim.course.exercise import expect, expect_tuple

TEXT = """
Write `scores(predictions, test, train)`, of three NumPy arrays: what a model predicts
for the test rows, their true values, and the true values of the training rows. Return
two numbers: the root of the mean squared error of the model on the test rows, and that
of **always answering the mean**. Which rows may that mean know?
"""
STUB = """
def scores(predictions, test, train):
    model = ...
    baseline = ...
    return model, baseline
"""
HINT = """
`((predictions - test) ** 2).mean() ** 0.5`. The mean is learned from the training rows,
as all else is; its error is taken on the test rows.
"""
SOLUTION = """
def scores(predictions, test, train):
    model = ((predictions - test) ** 2).mean() ** 0.5
    baseline = ((train.mean() - test) ** 2).mean() ** 0.5
    return model, baseline
"""
PRAISE = "A number without its neighbour says little. You now have both."
MUTANTS = """
the mean of the test rows: train.mean() => test.mean()
scored on the training rows: (train.mean() - test) => (train.mean() - train)
no root: ** 0.5 =>
the mean of absolutes:
  ((predictions - test) ** 2).mean() ** 0.5 => abs(predictions - test).mean()
the sum: ((predictions - test) ** 2).mean() => ((predictions - test) ** 2).sum()
the mean of predictions: train.mean() => predictions.mean()
the median: train.mean() => sorted(train)[len(train) // 2]
the other way round: model, baseline => baseline, model
the root before the mean:
  predictions - test) ** 2).mean() ** 0.5 => (predictions - test) ** 2) ** 0.5).mean()
"""


def check(scores: Any) -> None:
    """Compare on two sets of numbers."""
    random = np.random.RandomState(3)
    for rows in (5, 40):
        train = random.gamma(2.0, 100.0, size=3 * rows)
        test = random.gamma(2.0, 120.0, size=rows)
        predictions = test + random.normal(0, 30, size=rows)
        answer = scores(predictions, test, train)
        expect_tuple(answer, 2, "Two numbers are to come back.")
        expected = (
            ("model", float(((predictions - test) ** 2).mean() ** 0.5)),
            ("mean", float(((train.mean() - test) ** 2).mean() ** 0.5)),
        )
        by_test = float(((test.mean() - test) ** 2).mean() ** 0.5)
        for (name, right), got in zip(expected, answer, strict=True):
            value = float(got)
            hint = "Take both errors on the test rows."
            if name == "mean" and abs(value - by_test) < 1e-6:
                hint = "Yours is the mean of the test rows: nobody knows it beforehand."
            expect(
                abs(value - right) < 1e-6 * right,
                f"The error of the {name} is {right:.3f} on {rows} test rows; "
                f"{value:.3f} came back. {hint}",
            )
