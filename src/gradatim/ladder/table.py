"""How long the rungs are, where they end and what they cost: ``gradatim ladder``."""

import ast
import contextlib
import io
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import TensorDataset, random_split

from gradatim.data import line, line_split
from gradatim.ladder import Rung

__all__ = ["Row", "count_training_lines", "least_squares", "measure"]

FIRST_RUNG_WITH_RANDOM_SPLIT = 12
"""From this rung on, ``random_split`` chooses the 80 points that train."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What was measured of one rung; ``None`` stands for what a rung does not have."""

    number: int
    title: str
    replaces: str
    num_lines: int | None
    """The lines of its training loop, without comments and blank lines."""
    a: float | None
    b: float | None
    distance: float | None
    """The distance from ``(a, b)`` to the least-squares line of the same 80 points."""
    update_time_us: float | None
    """Microseconds for an update and all that the loop does, validation included."""


def measure(rung: Rung, *, epochs: int = 1000) -> Row:
    """Run a rung without its output, count its lines and time its updates.

    A rung also shows things before and after its loop. A run of one epoch measures how
    long that takes, and its time is subtracted; so ``epochs`` is 2 at least. Another
    run before it warms up. Of the rungs that do not train, only rung 2 is run.

    >>> from gradatim.ladder import RUNGS
    >>> row = measure(RUNGS[0])
    >>> row.num_lines, round(row.a, 4), round(row.b, 4), row.distance < 1e-6
    (8, 1.0235, 1.969, True)
    """
    num_lines = a = b = distance = update_time_us = None
    if rung.trains:
        num_lines = count_training_lines(rung.source())
        _run(rung, epochs=1)
        *_, overhead_s = _run(rung, epochs=1)
        a, b, time_s = _run(rung, epochs=epochs)
        num_updates = (epochs - 1) * rung.updates_per_epoch
        update_time_us = 1e6 * (time_s - overhead_s) / num_updates
    elif rung.module == "rung_02_check":
        a, b, _ = _run(rung)
    if a is not None and b is not None:
        best_a, best_b = least_squares(rung)
        distance = math.hypot(a - best_a, b - best_b)
    return Row(
        number=rung.number,
        title=rung.title,
        replaces=rung.replaces,
        num_lines=num_lines,
        a=a,
        b=b,
        distance=distance,
        update_time_us=update_time_us,
    )


def count_training_lines(source: str) -> int:
    """Count the lines of the training loop.

    The loop is the first statement of ``run`` that uses ``epochs``; in the last rung
    that is the call of ``fit``. Comments and blank lines are not counted.

    >>> count_training_lines('''
    ... def run(epochs=2):
    ...     lr = 0.1
    ...     for _ in range(epochs):
    ...         # a comment
    ...         train_step(x, y)
    ... ''')
    2
    """
    (run,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "run"
    )
    uses = (n for n in ast.walk(run) if isinstance(n, ast.Name) and n.id == "epochs")
    first_use = min(node.lineno for node in uses)
    loop = next(s for s in run.body if first_use <= (s.end_lineno or 0))
    lines = source.splitlines()[loop.lineno - 1 : loop.end_lineno]
    return sum(bool(text) and text[0] != "#" for text in map(str.strip, lines))


def least_squares(rung: Rung) -> tuple[float, float]:
    """Return a and b of the best line through the 80 points that a rung trains on.

    >>> from gradatim.ladder import RUNGS
    >>> "a %.8f, b %.8f" % least_squares(RUNGS[0])
    'a 1.02354075, b 1.96896447'
    """
    data = line(dtype=torch.float64)
    if rung.number < FIRST_RUNG_WITH_RANDOM_SPLIT:
        (x, y), _ = line_split(*data)
    else:
        # The rungs seed the global generator with 42. A private generator draws the
        # same numbers.
        dataset = TensorDataset(*data)
        seeded = torch.Generator().manual_seed(42)
        train_set, _ = random_split(dataset, [80, 20], generator=seeded)
        x, y = dataset[list(train_set.indices)]
    columns = np.hstack([np.ones((80, 1)), x.numpy()])
    (a, b), *_ = np.linalg.lstsq(columns, y[:, 0].numpy())
    return float(a), float(b)


def _run(rung: Rung, **arguments: int) -> tuple[float, float, float]:
    """Run a rung without its output; return a, b and the seconds that it took."""
    run = rung.load()
    with contextlib.redirect_stdout(io.StringIO()):
        start_s = time.perf_counter()
        a, b, _ = run(**arguments)
        return a, b, time.perf_counter() - start_s
