"""Scores as the cells of a table, for the screen and for Python."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["aligned", "format_score", "score_table"]


def format_score(value: float | None) -> str:
    """Write a score with four significant digits.

    >>> format_score(0.96491), format_score(12345.6), format_score(None)
    ('0.9649', '1.235e+04', '-')
    """
    if value is None or value != value:
        return "-"
    return f"{value:.4g}"


def score_table(
    scores: Mapping[str, Mapping[str, Any]],
    intervals: Mapping[str, Sequence[float | None]] | None = None,
    folds: Sequence[Mapping[str, Any]] = (),
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Give the headers, and a row for each score with a column for each model.

    ``intervals`` are those of the model's scores. Beside a mean over several ``folds``
    stands the standard deviation.
    """
    proper = {
        "baseline": _constant_name(scores["model"]),
        "linear": "linear model",
        "model": "this model",
        "network": "network",
    }

    def cell(model: str, name: str) -> str:
        text = format_score(scores[model][name])
        values = [fold[model][name] for fold in folds]
        if len(values) < 2 or any(v is None or v != v for v in values):
            return text
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        return f"{text} ± {math.sqrt(squares / (len(values) - 1)):.2g}"

    names = list(scores["model"])
    columns = {
        proper[model]: [cell(model, name) for name in names]
        for model in ("model", "network", "linear", "baseline")
        if model in scores
    }
    headers, cells = list(columns), list(columns.values())
    if intervals:
        pairs = ([format_score(end) for end in intervals[name]] for name in names)
        headers.insert(1, "95 % interval")
        cells.insert(1, [" to ".join(pair) for pair in pairs])
    return ["", *headers], list(zip(names, *cells, strict=True))


def _constant_name(scores: Mapping[str, Any]) -> str:
    """Name the constant answer by the scores of the task."""
    if "pinball" in scores:
        return "constant"
    return "mean" if "rmse" in scores else "majority"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write the cells of each row below each other, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
