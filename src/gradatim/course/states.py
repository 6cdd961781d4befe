"""Which controls of a frozen chapter still move, and over which values.

A frozen page has no Python behind it: its chapter is run for each of these values (for
all combinations, where there are several controls) and the pictures are kept. The first
value is the one that the page opens with.
"""

from typing import Any

__all__ = ["STATES"]

STATES: dict[str, dict[str, list[Any]]] = {
    "ch02_descent": {
        "lr": [0.1, 0.01, 0.03, 0.3, 0.5, 0.7, 0.79, 0.82, 0.9],
        "batch_size": [80, 16, 1],
    },
}
"""By chapter and variable: the values of ``variable.value``."""
