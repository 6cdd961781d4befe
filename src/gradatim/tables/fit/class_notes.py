"""Classes that may be a slip: written in two ways, or in one row alone."""

import torch

from gradatim.tables.table import Table
from gradatim.text import listed

__all__ = ["class_notes"]

MOST_NAMED = 3


def class_notes(table: Table) -> list[str]:
    """Say which classes differ by case or spaces alone, and which have one row.

    >>> from gradatim.tables.table import read_table
    >>> data = {"x": [1.5, 2.5, 3.0, 4.5, 5.5, 7.0], "y": ["Yes", "yes "] + ["no"] * 4}
    >>> len(class_notes(read_table(data, target="y")))
    2
    """
    target, y = table.schema.target, table.y
    if target is None or y is None or not target.labels:
        return []
    notes, alike = [], dict[str, list[str]]()
    for label in target.labels:
        if isinstance(label, str):
            alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    variants = [labels for labels in alike.values() if len(labels) > 1]
    for labels in variants[:MOST_NAMED]:
        each = ", ".join(map(repr, labels))
        notes.append(
            f"{target.name}: {each} are classes of their own, though they differ by "
            "case or spaces alone: write them in one way if they mean the same"
        )
    counts = torch.bincount(y, minlength=len(target.labels)).tolist()
    pairs = zip(target.labels, counts, strict=True)
    if single := [str(label) for label, count in pairs if count == 1]:
        what = "class has" if len(single) == 1 else "classes have"
        notes.append(
            f"{target.name}: {len(single)} {what} one row ({listed(single)}), and "
            "cannot be both learned and scored: add rows, merge, or leave them out"
        )
    return notes
