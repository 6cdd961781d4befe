"""Notes how generators of random numbers are seeded, and where."""

from dataclasses import dataclass, field
from typing import Any

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.position import MOST_OBJECTS, Observer, Position
from gradatim.watching.source_lines import (
    SourceLine,
    is_called_by_user,
    is_user_file,
    line_of,
    user_frame,
)

__all__ = ["SeedCall", "Seeds", "SeedsSeen"]

MOST_CALLERS = 4  # from a seed out to a row: chosen by hand, not measured


@dataclass(slots=True)
class SeedCall:
    """A call of ``torch.manual_seed``, or of what seeds another generator."""

    order: int
    step: int
    line: SourceLine | None
    name: str  # the generator: ``torch``, ``numpy`` or ``random``
    seed: int | None  # None where it is not a whole number
    drawn: bool  # whether numbers were drawn since the seed before
    undone: bool = False  # whether the state of before was put back afterwards


@dataclass(slots=True)
class SeedsSeen:
    """How the generators of random numbers were seeded."""

    calls: FirstAndLast[SeedCall] = field(default_factory=FirstAndLast)
    in_rows: dict[tuple[SourceLine, int], int] = field(default_factory=dict)
    """Generators made in ``__getitem__``, by line and seed: how often."""
    first: dict[str, int] = field(default_factory=dict)
    """The order of each global generator's first seed, also by a library; 0 where
    that is not known."""


class Seeds(Observer):
    """Sees the seeds of global generators, and generators made for a row."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.record = SeedsSeen()
        self._state_after: dict[str, Any] = {}
        self._last: SeedCall | None = None

    def seeding(self, name: str) -> None:
        """A global generator is about to be seeded, by whomever."""
        self.record.first.setdefault(name, self.order())

    def seeded(self, name: str, seed: Any, before: Any, after: Any) -> None:
        """A global generator was seeded; its states, before and after, as digests."""
        frame = user_frame(3)
        while frame is not None and "seed" in frame.f_code.co_name:
            frame = frame.f_back
        if frame is None or not is_user_file(frame.f_code.co_filename):
            return
        last = self._state_after.get(name)
        call = SeedCall(
            order=self.order(),
            step=self.step,
            line=line_of(frame),
            name=name,
            seed=seed if isinstance(seed, int) else None,
            drawn=last is None or last != before,
        )
        self._state_after[name] = after
        self.record.calls.add(call)
        self._last = call

    def generator_made(self, seed: Any = None) -> None:
        """A generator of NumPy is made: noted where a row of a data set makes it."""
        if type(seed) is not int or not is_called_by_user():
            return
        frame = outer = user_frame(3)
        for _ in range(MOST_CALLERS):
            if outer is None or outer.f_code.co_name == "__getitem__":
                break
            outer = outer.f_back
        line = line_of(frame)
        if outer is None or outer.f_code.co_name != "__getitem__" or line is None:
            return
        counts = self.record.in_rows
        if (line, seed) in counts or len(counts) < MOST_OBJECTS:
            counts[line, seed] = counts.get((line, seed), 0) + 1

    def state_restored(self, *_: Any, **__: Any) -> None:
        """The state of a generator was put back: the seed was for a while."""
        if self._last is not None and self._last.name == "torch":
            self._last.undone = True
            self._state_after.pop("torch", None)
