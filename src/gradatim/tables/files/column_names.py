"""Names of columns: each column needs one of its own, and is asked for by it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gradatim.errors import FileReadError
from gradatim.text import listed, nearest_name

__all__ = ["check_names", "check_present"]


def check_names(where: str, names: Sequence[str]) -> None:
    """Check that each column has a name, and one of its own.

    Raises:
        FileReadError: With the place or the names.
    """
    empty = [place for place, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise FileReadError(
            f"{where}: column {empty[0]} of {len(names)} has no name.\n"
            "Columns are matched by name; this one could never be found again.\n"
            "Name it, or leave it out (pandas: to_csv(..., index=False))."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise FileReadError(
            f"{where}: more than one column is named {listed(repeated)}.\n"
            "Columns are matched by name; either could be meant.\n"
            "Give each column a name of its own."
        )


def check_present(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Check that a file has columns.

    Raises:
        FileReadError: It lacks one; with the nearest name.
    """
    for column in columns:
        if column not in names:
            raise FileReadError(
                f"{path} has no column {column!r}.{nearest_name(column, names)}\n"
                f"Its columns are {listed(names, most=20)}.\n"
                "Name one of these, or add the column to the file."
            )
