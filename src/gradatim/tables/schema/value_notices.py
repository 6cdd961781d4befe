"""What was met on the way from values to tensors, to be told to people."""

from dataclasses import dataclass, field

from gradatim.text import listed

__all__ = ["ValueNotices"]


@dataclass(kw_only=True, slots=True)
class ValueNotices:
    """What was met on the way from values to tensors, by column; rows are counted."""

    unseen: dict[str, int] = field(default_factory=dict)
    """Categories outside the vocabulary."""
    unseen_examples: dict[str, list[str]] = field(default_factory=dict)
    """The most frequent of them, three at most."""
    missing: dict[str, int] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)
    """Infinite numbers, also beyond float32's range: encoded as missing."""
    extra: tuple[str, ...] = ()
    """Columns of the data that the schema does not know."""

    def add(self, other: "ValueNotices") -> None:
        """Take in what was met in another part of the same data."""
        for name in ("unseen", "missing", "infinite"):
            mine = getattr(self, name)
            for column, count in getattr(other, name).items():
                mine[column] = mine.get(column, 0) + count
        for column, examples in other.unseen_examples.items():
            known = self.unseen_examples.setdefault(column, [])
            known.extend(example for example in examples if example not in known)
            del known[3:]
        self.extra = tuple(dict.fromkeys((*self.extra, *other.extra)))

    def lines(self) -> list[str]:
        """Say for people what may surprise: all but missing values."""
        lines = []
        if self.extra:
            lines.append(f"columns ignored, unknown to the model: {listed(self.extra)}")
        for name, count in self.unseen.items():
            examples = ", ".join(map(repr, self.unseen_examples.get(name, [])))
            lines.append(f"{name}: {count:,} rows with a category unseen ({examples})")
        for name, count in self.infinite.items():
            lines.append(f"{name}: {count:,} infinite values taken as missing")
        return lines
