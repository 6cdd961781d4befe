"""Notes which orders are drawn for rows, and whether labels stay with their rows."""

import functools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gradatim.watching.position import Observer, Position
from gradatim.watching.row_codes import Rows, codes_of, rows_in
from gradatim.watching.seeds import Seeds
from gradatim.watching.sorted_batches import BatchOrder, SortedBatches
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.updates import Updates

__all__ = ["DRAWING", "DrawnOrder", "LabelsApart", "RowOrders", "RowOrdersSeen"]

FEWEST_ROWS = 20  # of an order that is noted: chosen by hand, not measured
MOST_ROWS = 200_000  # of an order that is noted: chosen by hand, not measured
MOST_GROUPS = 12  # numbers of rows with orders: chosen by hand, not measured
MOST_DRAWS = 8  # orders of one number of rows: chosen by hand, not measured
MOST_SNAPSHOTS = 4  # taken before draws: chosen by hand, not measured
MOST_VARIABLES = 24  # of one number of rows: chosen by hand, not measured
MOST_LOOKS = 40  # at batches, for one group: chosen by hand, not measured
MOST_PAIRS = 2000  # compared for one group: chosen by hand, not measured
MOST_ROWS_OF_BATCH = 256  # compared: chosen by hand, not measured
FEWEST_ROWS_FOUND = 20  # of those trained on: chosen by hand, not measured
LEAST_SHARE_FOUND = 0.9  # of the rows trained on: chosen by hand, not measured
FEWEST_ROWS_APART = 20  # with another label than before: chosen by hand, not measured
FEWEST_ROWS_ALIGNED = 60  # that prove it for all: chosen by hand, not measured
MOST_CALLERS = 4  # from a draw out to the sampler: chosen by hand, not measured


@dataclass(frozen=True, slots=True)
class DrawnOrder:
    """An order of rows that was drawn at random."""

    order: int
    generator: str  # ``torch``, ``numpy`` or ``random``; ``own`` if it is the user's
    num_rows: int
    line: SourceLine | None


@dataclass(slots=True)
class LabelsApart:
    """Features and labels that were put into two orders, by the rows trained on."""

    features: str  # the variable of the features; empty where none is known
    labels: str  # the variable of the labels; empty where none is known
    num_rows: int
    features_line: SourceLine | None  # the line that drew the order of the features
    labels_line: SourceLine | None  # the line that drew theirs; None where they stayed
    num_looked_at: int = 0  # the number of trained rows that were compared
    num_apart: int = 0  # those whose label is not the one that they had


@dataclass(slots=True)
class RowOrdersSeen:
    """The orders in which rows are trained on."""

    drawn: list[DrawnOrder] = field(default_factory=list)
    labels_apart: LabelsApart | None = None
    sorted: SortedBatches | None = None
    """Batches in the order of their targets, pass after pass."""


class _Draw(NamedTuple):
    order: Tensor
    line: SourceLine | None


@dataclass
class _Group:
    """Orders of the same number of rows, and what had so many."""

    num_rows: int
    draws: list[_Draw] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    given: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    num_looks: int = 0
    num_optimizers: int = 0
    is_aligned: bool = False
    apart: LabelsApart | None = None

    def forget(self) -> None:
        """Leave out what was trained on before."""
        self.given.clear()
        self.targets.clear()


class RowOrders(Observer):
    """Sees orders drawn at random, and which label a row is trained with.

    Before an order is drawn, this notes which rows and labels there are. It then knows
    the label that each trained row had, and the label that the row would have if
    features and labels were put into two orders.
    """

    def __init__(self, position: Position, updates: Updates, seeds: Seeds) -> None:
        super().__init__(position)
        self.record = RowOrdersSeen()
        self._updates, self._seeds = updates, seeds
        self._groups: dict[int, _Group] = {}
        self._batch_order = BatchOrder()
        self._initial_seed = torch.initial_seed()

    def group_of(self, num_rows: Any) -> _Group | None:
        """Give the group for an order that is about to be drawn, if it is noted."""
        if self.position.is_busy or self.position.is_elsewhere():
            return None
        if type(num_rows) is not int or not FEWEST_ROWS <= num_rows <= MOST_ROWS:
            return None
        group = self._groups.get(num_rows)
        if group is None and len(self._groups) < MOST_GROUPS:
            group = self._groups[num_rows] = _Group(num_rows)
        if group is None or group.is_aligned or len(group.draws) >= MOST_DRAWS:
            return None
        return group

    def drawing(self, group: _Group, *given: Any) -> None:
        """An order is about to be drawn: note what has so many rows."""
        if len(group.draws) < MOST_SNAPSHOTS:
            self.quietly(self._note_rows, group, sys._getframe(1), given)

    def _note_rows(self, group: _Group, frame: FrameType, given: Any) -> None:
        sampler = _sampler(frame)
        more = [value for value in given if value is not None]
        if sampler is not None:
            more.append(sampler.data_source)
        for name, outer, value in rows_in(frame, group.num_rows, *more):
            codes = self.quietly(codes_of, value, group.num_rows)
            known = [rows.codes for rows in group.rows]
            if codes is None or any(torch.equal(codes, other) for other in known):
                continue
            if len(group.rows) >= MOST_VARIABLES:
                return
            group.rows.append(Rows(name, outer, codes, len(group.draws)))

    def drawn(self, group: _Group, order: Any, generator: str) -> None:
        """An order was drawn."""
        kept = self.quietly(_as_order, order, group.num_rows)
        if kept is not None:
            line = user_line(3)
            group.draws.append(_Draw(kept, line))
            drawn = DrawnOrder(self.order(), generator, group.num_rows, line)
            self.record.drawn.append(drawn)
            group.forget()

    def on_loss(self, data: Tensor, target: Tensor) -> None:
        """A model was given rows, and a loss is computed with their targets."""
        if torch.initial_seed() != self._initial_seed:
            self._seeds.record.first.setdefault("torch", 0)  # in whatever way
        batches = self._batch_order
        if not batches.is_over:
            self.quietly(batches.add, data, target.detach())
            is_sorted = batches.record.num_passes and not batches.is_over
            self.record.sorted = batches.record if is_sorted else None
            if batches.record.line is None:
                batches.record.line = user_line(3)
        groups = [g for g in self._groups.values() if g.draws and not g.is_aligned]
        num_optimizers = len(self._updates.records)
        for group in groups:
            if group.num_optimizers != num_optimizers:
                group.num_optimizers, group.num_looks = num_optimizers, 0
                group.forget()
        groups = [g for g in groups if g.num_looks < MOST_LOOKS]
        if groups and target.dim() and len(target) == len(data):
            self.quietly(self._look, groups, data, target)

    def _look(self, groups: list[_Group], data: Tensor, target: Tensor) -> None:
        codes = codes_of(data[:MOST_ROWS_OF_BATCH])
        wanted = codes_of(target[:MOST_ROWS_OF_BATCH])
        if codes is None or wanted is None:
            return
        record = self.record
        for group in groups:
            group.num_looks += 1
            if sum(map(len, group.given)) > MOST_PAIRS or len(group.rows) < 2:
                continue
            group.given.append(codes)
            group.targets.append(wanted)
            verdict = _judge(group)
            if verdict == "aligned":
                group.is_aligned = True
                group.rows.clear()
                group.forget()
                if record.labels_apart is group.apart:
                    record.labels_apart = None
            elif isinstance(verdict, LabelsApart) and (
                record.labels_apart in (None, group.apart)
            ):
                record.labels_apart = group.apart = verdict


def _sampler(frame: FrameType | None) -> Any:
    """Give the sampler of PyTorch that draws."""
    for _ in range(MOST_CALLERS):
        if frame is None:
            return None
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.utils.data.RandomSampler):
            return owner
        frame = frame.f_back
    return None


def _as_order(order: Any, num_rows: int) -> Tensor | None:
    kept = torch.as_tensor(order).detach().cpu().long().clone()
    is_whole = torch.equal(kept.sort().values, torch.arange(num_rows))
    return kept if is_whole else None


def _judge(group: _Group) -> LabelsApart | str | None:
    """Tell that labels are "aligned" with their rows, or where they went; or None."""
    given, targets = torch.cat(group.given), torch.cat(group.targets)
    verdicts: list[tuple[int, bool, LabelsApart | str]] = []
    for features in group.rows:
        if not features.is_told_apart:
            continue
        places, is_there = features.find(given)
        share = float(is_there.double().mean())
        if int(is_there.sum()) < FEWEST_ROWS_FOUND or share < LEAST_SHARE_FOUND:
            continue
        places, wanted = places[is_there], targets[is_there]
        for labels in group.rows:
            if labels is features or not labels.has(wanted):
                continue
            since = max(features.since, labels.since)
            same = labels.codes[places] == wanted
            num_apart = int((~same).sum())
            if not num_apart:
                varies = bool((wanted != wanted[0]).any())
                if len(same) >= FEWEST_ROWS_ALIGNED and varies:
                    verdicts.append((since, False, "aligned"))
            elif num_apart >= FEWEST_ROWS_APART:
                for apart in _explanations(group, features, labels, places, wanted):
                    apart.num_looked_at, apart.num_apart = len(same), num_apart
                    verdicts.append((since, True, apart))
    if not verdicts:
        return None
    # Variables noted first decide: later ones have been put in their new order.
    return min(verdicts, key=lambda verdict: verdict[:2])[2]


def _explanations(
    group: _Group, features: Rows, labels: Rows, places: Tensor, wanted: Tensor
) -> Iterator[LabelsApart]:
    """Find two orders, of the features and of the labels, that explain the labels."""
    since = max(features.since, labels.since)
    for first in group.draws[since:]:
        at = torch.empty_like(first.order)
        at[first.order] = torch.arange(group.num_rows)
        at = at[places]
        for second in group.draws[since:]:
            if second is first:
                continue
            if torch.equal(labels.codes[second.order[at]], wanted):
                lines = first.line, second.line
                names = features.name, labels.name
                if first.line == second.line:  # in a function that is called twice
                    names = features.outer, labels.outer
                yield LabelsApart(*names, group.num_rows, *lines)
        again = [d for d in group.draws if torch.equal(d.order, first.order)]
        if len(again) == 1 and torch.equal(labels.codes[at], wanted):
            names = features.name, labels.name
            yield LabelsApart(*names, group.num_rows, first.line, None)


def _noted(
    rows_of: Callable[..., Any],
    generator: str,
    twin_of: Callable[[], Callable[[int], Any]] | None = None,
) -> Callable[[Callable[[], list[RowOrders]], Any], Any]:
    """Let a function that draws orders be noted.

    Args:
        rows_of: Gives the number of rows, and the rows if the function is given any.
        generator: The name of the global generator that the function draws from.
        twin_of: Makes a second generator, which draws the same order and leaves the
            user's alone; None where the function gives the order itself.
    """

    def made(orders_here: Callable[[], list[RowOrders]], original: Any) -> Any:
        @functools.wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return original(*args, **kwargs)
            num_rows, *rows = rows_of(*args, **kwargs)
            noting = [
                (orders, group)
                for orders in orders_here()
                if (group := orders.group_of(num_rows)) is not None
            ]
            if not noting:
                return original(*args, **kwargs)
            for orders, group in noting:
                orders.drawing(group, *rows)
            twin = None if twin_of is None else twin_of()
            result = original(*args, **kwargs)
            drawn_from = "own" if kwargs.get("generator") else generator
            order = result if twin is None else twin(noting[0][1].num_rows)
            for orders, group in noting:
                orders.drawn(group, order, drawn_from)
            return result

        return patched

    return made


def _rows_of_choice(
    a: Any, size: Any = None, replace: Any = True, p: Any = None
) -> tuple[Any]:
    """Count the rows where all of them are drawn, as pandas does."""
    return (a if type(a) is int and size == a and not replace and p is None else None,)


def _rows_of_shuffle(x: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
    if isinstance(x, (int, np.integer)):
        return int(x), x
    try:
        return len(x), x
    except TypeError:
        return None, x


def _twin_of_numpy() -> Callable[[int], Any]:
    twin = np.random.RandomState(0)
    twin.set_state(np.random.get_state())
    return twin.permutation


def _twin_of_random() -> Callable[[int], Any]:
    twin = random.Random(0)
    twin.setstate(random.getstate())

    def draw(num_rows: int) -> list[int]:
        order = list(range(num_rows))
        twin.shuffle(order)
        return order

    return draw


_of_torch = _noted(lambda n=None, *_, **__: (n,), "torch")
_of_numpy = _noted(_rows_of_shuffle, "numpy", _twin_of_numpy)
DRAWING: tuple[
    tuple[Any, str, Callable[[Callable[[], list[RowOrders]], Any], Any]], ...
] = (
    (torch, "randperm", _of_torch),
    (torch.utils.data.dataset, "randperm", _of_torch),
    (np.random, "permutation", _of_numpy),
    (np.random, "shuffle", _of_numpy),
    (np.random, "choice", _noted(_rows_of_choice, "numpy")),
    (random, "shuffle", _noted(_rows_of_shuffle, "random", _twin_of_random)),
)
"""Functions that draw orders: where they are, their names, and what notes them."""
