"""How many updates a training has."""

from typing import Any

from gradatim.course.exercise import expect

TEXT = """
Write `num_updates(num_rows, batch_size, epochs)`: how many updates there are, if the
last batch of an epoch may be smaller.
"""
STUB = """
def num_updates(num_rows, batch_size, epochs):
    ...
"""
HINT = (
    "`math.ceil` rounds up. Round for each epoch: no batch holds points of two epochs."
)
SOLUTION = """
import math

def num_updates(num_rows, batch_size, epochs):
    return epochs * math.ceil(num_rows / batch_size)
"""
PRAISE = "Batch: as many as epochs. Stochastic: as many as points times epochs."
MUTANTS = """
the rest dropped: math.ceil(num_rows  => (num_rows /
not rounded: epochs * math.ceil(num_rows / batch_size) => epochs * num_rows / batch_size
rounded at the end: epochs * math.ceil(n => math.ceil(epochs * n
one epoch: epochs *  =>
always one more: math.ceil(num_rows / batch_size => (num_rows // batch_size + 1
points for updates: epochs * math.ceil(num_rows / batch_size) => epochs * batch_size
round: math.ceil => round
"""


def check(num_updates: Any) -> None:
    """Try batch, mini-batch, stochastic, and batches that do not fit."""
    for num_rows, batch_size, epochs, right in (
        (80, 80, 1, 1),
        (80, 1, 1, 80),
        (80, 16, 10, 50),
        (100, 16, 2, 14),
        (81, 16, 3, 18),
        (80, 100, 5, 5),
    ):
        answer = num_updates(num_rows, batch_size, epochs)
        expect(
            answer == right and isinstance(answer, int),
            f"{num_rows} points in batches of {batch_size}, {epochs} "
            f"epoch{'s' * (epochs > 1)}: {right} updates; yours is {answer!r}.",
        )
