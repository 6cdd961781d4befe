"""What was unusual among the values of which codes were made, told to people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gradatim.tables.files.column_source import rows_by_number
from gradatim.text import listed, shortened

__all__ = ["MOST_NAMED", "ValueNotices"]

MOST_NAMED = 3
"""At most so many values of a column are named with their rows."""


@dataclass(kw_only=True, slots=True)
class ValueNotices:
    """What was unusual among the values, by column. The numbers are counts of rows."""

    unseen: dict[str, int] = field(default_factory=dict)
    """How often a category outside the vocabulary occurred."""
    unseen_examples: dict[str, list[str]] = field(default_factory=dict)
    """The most frequent unseen categories, at most three of a column."""
    missing: dict[str, int] = field(default_factory=dict)
    """How often there was no value."""
    infinite: dict[str, int] = field(default_factory=dict)
    """How often a number was infinite or beyond half of float32's range: taken as
    missing."""
    strays: dict[str, int] = field(default_factory=dict)
    """How often a value was not written as the others of its column: taken as missing.
    """
    first_strays: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """The first of them, with their rows, counted from 0."""
    cut: dict[str, int] = field(default_factory=dict)
    """How often a text had more n-grams than there is room for."""
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    """How often a word such as ``?`` stood for a missing value, by column."""
    where: Callable[[Sequence[int]], list[str]] = rows_by_number
    """Says where rows stand in the data."""
    of_file: tuple[str, ...] = ()
    """What of the file is no part of the table."""
    extra: tuple[str, ...] = ()
    """Columns of the data that the schema does not know."""
    num_nan: int = 0
    """How many rows the model answered with NaN."""
    first_nan: int | None = None
    """The first of these rows, counted from 1."""

    def note_strays(
        self, column: str, count: int, first: list[tuple[int, str]]
    ) -> None:
        """Note values of a column that are not written as the others."""
        self.strays[column], self.first_strays[column] = count, first

    def renumber(self, rows: npt.NDArray[np.int64]) -> None:
        """Count rows as the data have them: they are ``rows`` of the data."""
        for column, strays in self.first_strays.items():
            self.first_strays[column] = [(int(rows[row]), text) for row, text in strays]

    def add(self, other: "ValueNotices", num_rows_before: int = 0) -> None:
        """Add what was unusual in another part of the same data, which comes later."""
        for column, strays in other.first_strays.items():
            first = self.first_strays.setdefault(column, [])
            first += [(num_rows_before + row, text) for row, text in strays]
            del first[MOST_NAMED:]
        for column, words in other.words.items():
            for word, count in words.items():
                counts = self.words.setdefault(column, {})
                counts[word] = counts.get(word, 0) + count
        for name in ("unseen", "missing", "infinite", "strays", "cut"):
            counts = getattr(self, name)
            for column, count in getattr(other, name).items():
                counts[column] = counts.get(column, 0) + count
        for column, examples in other.unseen_examples.items():
            known = self.unseen_examples.setdefault(column, [])
            known.extend(example for example in examples if example not in known)
            del known[3:]
        self.extra = tuple(dict.fromkeys((*self.extra, *other.extra)))

    def lines(self) -> list[str]:
        """Write for people what may surprise them: all but missing values."""
        lines = list(self.of_file)
        if self.extra:
            lines.append(f"columns ignored, unknown to the model: {listed(self.extra)}")
        for name, count in self.unseen.items():
            examples = listed(self.unseen_examples.get(name, []))
            lines.append(f"{name}: {count:,} rows with a category unseen ({examples})")
        for name, count in self.infinite.items():
            lines.append(f"{name}: {count:,} infinite values taken as missing")
        for name, count in self.cut.items():
            lines.append(
                f"{name}: {count:,} long texts are read in part: words go before "
                "pairs of words, and these before sequences of characters"
            )
        for name, words in self.words.items():
            each = ", ".join(f"{word!r} ({n:,} rows)" for word, n in words.items())
            lines.append(f"{name}: {each} taken as missing")
        for name, count in self.strays.items():
            rows, texts = zip(*self.first_strays[name], strict=True)
            places = zip(texts, self.where(rows), strict=True)
            each = ", ".join(f"{shortened(t, 40)!r} ({where})" for t, where in places)
            more = f" and {count - len(rows):,} more" if count > len(rows) else ""
            lines.append(
                f"{name}: {each}{more} taken as missing, as the column's other values "
                "are written otherwise"
            )
        if self.num_nan:
            lines.append(
                f"{self.num_nan:,} predictions are NaN, the first in row "
                f"{self.first_nan:,}: its values lie so far from those of training "
                "that the network's numbers overflow"
            )
        return lines

    def look_at(self, answers: Tensor, num_rows_before: int) -> None:
        """Count the rows of ``answers``, a tensor with a row each, that hold NaN."""
        is_nan = answers.reshape(len(answers), -1).isnan().any(dim=1)
        if count := int(is_nan.sum()):
            self.num_nan += count
            if self.first_nan is None:
                self.first_nan = num_rows_before + int(is_nan.nonzero()[0]) + 1
