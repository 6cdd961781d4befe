"""What commands print: tables, scores, JSON, and notes on standard error."""

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from gradatim.text import printable, say, shortened

if TYPE_CHECKING:
    from gradatim.tables.fit.fit import FittedTable
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = [
    "format_score",
    "print_json",
    "print_notices",
    "print_scores",
    "print_table",
    "print_test_scores",
    "tell_end",
]


MOST_SHOWN = 1_000
"""A longer cell or note is shown without its middle: a file may have a name of 1 MB."""


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1
) -> None:
    """Print rows under headers; all but the first ``text_columns`` stand to the right.

    Where the output is no terminal, no column is cut: a log or a pipe gets all of it,
    but for names of a thousand characters and more.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        justify: Literal["left", "right"] = "left" if index < text_columns else "right"
        table.add_column(Text(printable(header)), justify=justify)
    for row in rows:
        # Text is not read as markup: a column of the user's may be called [red].
        table.add_row(*(Text(printable(shortened(cell, MOST_SHOWN))) for cell in row))
    console.print(table)


def format_score(value: float | None) -> str:
    """Write a score with four significant digits.

    >>> format_score(0.96491), format_score(12345.6), format_score(None)
    ('0.9649', '1.235e+04', '-')
    """
    if value is None or value != value:
        return "-"
    return f"{value:.4g}"


def tell_end(fitted: "FittedTable", run: "TableRunFolder") -> int:
    """Print scores and where the run is; give the exit code."""
    say()
    print_test_scores(fitted.scores, len(fitted.plan.test))
    say(f"\nrun: {printable(str(run.path))}")
    return 130 if fitted.history.stop_reason == "interrupted" else 0


def print_test_scores(scores: dict[str, dict[str, Any]], num_rows: int) -> None:
    """Print the scores of all models on the test rows, each by its proper name."""
    is_regression = "rmse" in scores["model"]
    proper = {
        "baseline": "mean" if is_regression else "majority",
        "linear": "linear model",
        "model": "this model",
    }
    say(f"scores on {num_rows:,} test rows, never trained on or chosen by:")
    print_scores({proper.get(model, model): row for model, row in scores.items()})


def print_scores(scores: dict[str, dict[str, Any]]) -> None:
    """Print a table of scores: a row for each model, a column for each score."""
    names = list(next(iter(scores.values())))
    rows = [
        [model, *(format_score(row[name]) for name in names)]
        for model, row in scores.items()
    ]
    print_table(["", *names], rows)


def print_json(value: Any) -> None:
    """Print JSON for another program."""
    from gradatim.store.json import to_json

    unseen = re.compile(r"[^\n -~]")  # JSON's own escapes leave what Unicode adds

    def escaped(match: re.Match[str]) -> str:
        character = match[0]
        return character if character.isprintable() else json.dumps(character)[1:-1]

    print(unseen.sub(escaped, to_json(value, indent=2)))


def print_notices(lines: Sequence[str]) -> None:
    """Print notes on standard error, so that the output holds results alone."""
    for line in lines:
        say(f"note: {printable(shortened(line, MOST_SHOWN))}", file=sys.stderr)
