"""How every benchmark measures and prints."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["interleaved", "median", "print_table", "verdict"]

Prepare = Callable[[], Callable[[], float]]
"""Makes a contestant ready; the function that it gives is timed."""


def interleaved(
    contestants: Mapping[str, Prepare], *, repeats: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the contestants in turn, so that what else the machine does meets all.

    Each is run once before, untimed, and made anew for every repeat. What is taken is
    the processor's time: for the one thread that all have, it is the clock's on a
    machine that does nothing else, and it stays that on one that does.

    Returns:
        The seconds of every repeat, and what the last one returned.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    results: dict[str, float] = {}
    for repeat in range(repeats + 1):
        for name, prepare in contestants.items():
            run = prepare()
            gc.collect()
            begin = time.process_time()
            results[name] = run()
            if repeat:
                seconds[name].append(time.process_time() - begin)
    return seconds, results


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def verdict(value: float, bar: float | None) -> str:
    """Tell whether ``value`` is at most ``bar``.

    >>> verdict(0.5, 0.55), verdict(0.6, 0.55), verdict(0.6, None)
    ('met', 'missed', '')
    """
    if bar is None:
        return ""
    return "met" if value <= bar else "missed"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table that reads as well on a terminal."""
    cells = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"| {' | '.join(padded)} |", flush=True)
