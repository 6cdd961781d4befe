"""What was unusual among the values of which codes were made, told to people."""

from dataclasses import dataclass, field

from torch import Tensor

from gradatim.text import listed

__all__ = ["ValueNotices"]


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
    extra: tuple[str, ...] = ()
    """Columns of the data that the schema does not know."""
    num_nan: int = 0
    """How many rows the model answered with NaN."""
    first_nan: int | None = None
    """The first of these rows, counted from 1."""

    def add(self, other: "ValueNotices") -> None:
        """Add what was unusual in another part of the same data."""
        for name in ("unseen", "missing", "infinite"):
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
        lines = []
        if self.extra:
            lines.append(f"columns ignored, unknown to the model: {listed(self.extra)}")
        for name, count in self.unseen.items():
            examples = listed(self.unseen_examples.get(name, []))
            lines.append(f"{name}: {count:,} rows with a category unseen ({examples})")
        for name, count in self.infinite.items():
            lines.append(f"{name}: {count:,} infinite values taken as missing")
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
