"""Which controls of a frozen chapter still move, and over which values.

A frozen page has no Python behind it: its chapter is run for each of these values (for
all combinations, where there are several controls) and the pictures are kept. The first
value is the one that the page opens with.
"""

from typing import Any

from gradatim.course.line import START

__all__ = ["STATES"]

STATES: dict[str, dict[str, list[Any]]] = {
    "ch02_descent": {
        "lr": [0.1, 0.01, 0.03, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
        "start": [START, (2.3, 3.2), (-0.3, 3.0)],
    },
    "ch09_losses": {
        "by_sum": [False, True],
        "lr": [0.1, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.7],
        "flat": [True, False],
    },
    "ch10_models": {
        "kind": [
            "two Parameters",
            "b a plain tensor",
            "a Linear in a Module",
            "Sequential",
            "a layer in a plain list",
        ],
        "epochs": [1000, 0, 10, 100],
    },
    "ch11_step": {
        "calls_before": [0, 1, 10, 100, 1000],
        "rows": [3, 1, 16, 80],
    },
    "ch12_loaders": {
        "batch_size": [16, 1, 2, 4, 8, 32, 80],
        "whole": [False, True],
    },
}
"""By chapter and variable: the values of ``variable.value``."""
