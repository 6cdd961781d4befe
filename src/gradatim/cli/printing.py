"""What commands print: tables, scores, JSON, and notes on standard error."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gradatim.tables.model.score_table import format_score, score_table
from gradatim.text import printable, say, shortened

if TYPE_CHECKING:
    from gradatim.tables.fit.fit import FittedTable
    from gradatim.tables.model.importance import Importance
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = [
    "format_score",
    "print_importance",
    "print_json",
    "print_notices",
    "print_scores",
    "print_table",
    "print_test_scores",
    "tell_end",
]


FEW_ROWS = 50
"""Below so many test rows the interval of an accuracy of 0.9 is wider than 0.16: twice
1.96 times the root of 0.9 * 0.1 / 50."""
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


def tell_end(fitted: "FittedTable", run: "TableRunFolder") -> int:
    """Print scores and where the run is; give the exit code."""
    say()
    print_test_scores(fitted.to_dict(), fitted.num_tested, kind=run.kind)
    if (conformal := fitted.model.conformal) is not None:
        half_width = format_score(conformal.half_widths["model"])
        say(
            f"predict writes lower and upper beside each prediction: ± {half_width}, "
            f"as far off as {conformal.level:g} of the validation rows were at most"
        )
    say(f"\nrun: {printable(str(run.path))}")
    return 130 if fitted.stop_reason == "interrupted" else 0


def print_test_scores(
    stored: Mapping[str, Any], num_rows: int, *, kind: str = "table"
) -> None:
    """Print the scores of all models on the test rows, each by its proper name.

    ``stored`` is what ``scores.json`` has. What makes scores say little is told, but
    for the tutorial's line (``kind`` is ``"line"``), whose rows are given.
    """
    folds = [fold["scores"] for fold in stored.get("folds", [])]
    if num_rows:
        of = f" of {len(folds)} folds" if folds else ""
        say(f"scores on {num_rows:,} test rows{of}, never trained on or chosen by:")
        print_scores(stored["scores"], stored.get("intervals"), folds)
    else:
        say(
            "nothing was scored: no row was kept to test on (--test 0). How good the "
            "model is on other rows: gradatim evaluate FILE"
        )
    if len(folds) > 1:
        say("(means over the folds, and their standard deviations)")
    if epochs := stored.get("final_epochs"):
        had = "; the scores are of models that had not seen them" if num_rows else ""
        say(f"the model kept was trained on all rows at last, for {epochs} epochs{had}")
    for line in _delivered(stored):
        say(line)
    notices = []
    if 0 < num_rows < FEW_ROWS and kind != "line":
        notices.append(
            f"{num_rows} test rows are few: the scores of other rows may lie far from "
            "these; --folds 5 scores on every row"
        )
    classes = [sum(row) > 0 for row in stored.get("confusion") or []]
    if sum(classes) == 1:
        notices.append(
            "all test rows are of one class: the scores do not say whether the "
            "classes can be told apart; another --seed, or more rows, may"
        )
    print_notices(notices)


def _delivered(stored: Mapping[str, Any]) -> list[str]:
    """Say what answers where it is not the network: in the folds, and in the end."""
    lines = []
    if "network" in stored["scores"] or "delivered" in stored:
        from gradatim.tables.model.better import Choice, folds_line

        folds = [fold.get("delivered", "network") for fold in stored.get("folds", [])]
        lines.append(folds_line(folds))
        if choice := stored.get("delivered"):
            lines.append(Choice(**choice).line())
    return [line for line in lines if line]


def print_scores(
    scores: dict[str, dict[str, Any]],
    intervals: Mapping[str, Sequence[float | None]] | None = None,
    folds: Sequence[dict[str, Any]] = (),
) -> None:
    """Print a table: a row for each score, a column for each model.

    ``intervals`` are those of the model's scores. Beside a mean over several ``folds``
    stands the standard deviation.
    """
    print_table(*score_table(scores, intervals, folds))


def print_importance(importance: "Importance") -> None:
    """Print what the score loses by each column; the notes on standard error."""
    about, *notes = importance.lines()
    say(f"{about}:")
    print_table(*importance.table())
    print_notices(notes)


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
