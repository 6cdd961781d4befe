"""Which controls of a frozen chapter still move, and over which values.

A frozen page has no Python behind it: its chapter is run for each of these values (for
all combinations, where there are several controls) and the pictures are kept. The first
value is the one that the page opens with.
"""

from typing import Any

from gradatim.course.ch04_tensors.shows import MAKERS
from gradatim.course.ch05_parameters.shows import TARGETS
from gradatim.course.loss_bowl import START

__all__ = ["STATES"]

STATES: dict[str, dict[str, list[Any]]] = {
    "ch01_problem": {
        "order": ["shuffled", "sorted by x", "as they came", "seeded again"],
        "batch_size": [16, 1, 5, 30, 40, 80],
    },
    "ch02_descent": {
        "lr": [0.1, 0.01, 0.03, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
        "start": [START, (2.3, 3.2), (-0.3, 3.0)],
    },
    "ch06_autograd": {
        "zeroing": [True, False],
    },
    "ch07_graph": {
        "num_rows": [3, 1, 80],
        "limit": [0, 1, 2, 2.5, 3, 4],
    },
    "ch08_optimizers": {
        "lr": [0.1, 0.001, 0.01, 0.03, 0.3, 0.5, 0.82, 1.0],
        "updates": [60, 10],
    },
    "ch03_numpy": {
        "lr": [0.1, 0.01, 0.03, 0.3, 0.7],
    },
    "ch04_tensors": {
        "maker": list(MAKERS),
        "operation": ["v.add_(10)", "v.add(10)", "v = v.add(10)", "v += 10"],
    },
    "ch05_parameters": {
        "way": ["2", "1", "3", "4"],
        "target": list(TARGETS),
        "of_a": [True, False],
    },
    "ch09_losses": {
        "by_sum": [False, True],
        "lr": [0.1, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.7],
        "flat": [True, False],
    },
    "ch10_models": {
        "kind": [
            "two Parameters",
            "b as a plain tensor",
            "a Linear in a Module",
            "Sequential",
            "one layer in a plain list",
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
    "ch13_split": {
        "neighbours": [1, 2, 3, 5, 8, 12, 20, 40, 80],
        "tried": [10, 1, 100, 1000],
    },
    "ch14_evaluation": {
        "hidden": [8, 2, 4, 32, 128],
        "epoch": [300, 0, 30, 100, 1500],
    },
    "ch15_trainer": {
        "epochs": [30, 1, 100],
        "patience": [20, 1, 3, 5, 50, 100],
    },
    "ch16_table": {
        "size": [70, 30, 120],
        "district": ["center", "harbour", "north", "south"],
        "year": [1980, 2002],
    },
}
"""By chapter and variable: the values of ``variable.value``."""
