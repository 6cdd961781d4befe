"""Notes which orders are drawn for rows, and whether labels stay with their rows."""

import functools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.watching.position import Observer, Position
from gradatim.watching.row_codes import Rows, codes_of, rows_in
from gradatim.watching.sorted_batches import Slices
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.training_seen import DrawnOrder, LabelsApart

__all__ = ["DRAWING", "RowOrders"]

FEWEST, MOST = 20, 200_000
"""Rows of which orders are looked at."""
MOST_GROUPS, MOST_DRAWS, MOST_SNAPSHOTS, MOST_LOOKS = 12, 8, 4, 40
MOST_PAIRS, MOST_OF_BATCH = 2000, 256
MOST_KEPT = 24
ENOUGH = 20
"""Rows whose label would be another one, had it stayed."""
ALIGNED = 60


@dataclass
class _Draw:
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

    Before an order is drawn it notes what rows and labels there are. Of the rows that
    are trained on afterwards it knows the label that they had, and the one that they
    would have if features and labels went two ways.
    """

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self._groups: dict[int, _Group] = {}
        self._slices = Slices()
        self._initial_seed = torch.initial_seed()

    def group_of(self, num_rows: Any) -> _Group | None:
        """Give the group for an order that is about to be drawn, if it is noted."""
        if self.position.is_busy or self.position.is_elsewhere():
            return None
        if type(num_rows) is not int or not FEWEST <= num_rows <= MOST:
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
        more = [each for each in given if each is not None]
        if sampler is not None:
            more.append(sampler.data_source)
        for name, outer, value in rows_in(frame, group.num_rows, *more):
            codes = self.quietly(codes_of, value, group.num_rows)
            if codes is None or any(torch.equal(codes, r.codes) for r in group.rows):
                continue
            if len(group.rows) >= MOST_KEPT:
                return
            group.rows.append(Rows(name, outer, codes, len(group.draws)))

    def drawn(self, group: _Group, order: Any, generator: str) -> None:
        """An order was drawn."""
        kept = self.quietly(_as_order, order, group.num_rows)
        if kept is not None:
            line = user_line(3)
            group.draws.append(_Draw(kept, line))
            self.seen.row_orders.drawn.append(
                DrawnOrder(self.order(), generator, group.num_rows, line)
            )
            group.forget()

    def trained(self, given: Tensor, target: Tensor) -> None:
        """A model was given rows, and a loss is computed with their targets."""
        if torch.initial_seed() != self._initial_seed:
            self.seen.seeds.first.setdefault("torch", 0)  # in whatever way
        if not self._slices.is_over:
            self.quietly(self._slices.add, given, target.detach())
            is_sorted = self._slices.about.num_passes and not self._slices.is_over
            self.seen.row_orders.sorted = self._slices.about if is_sorted else None
            if self._slices.about.line is None:
                self._slices.about.line = user_line(3)
        groups = [g for g in self._groups.values() if g.draws and not g.is_aligned]
        for group in groups:
            if group.num_optimizers != len(self.seen.optimizers):
                group.num_optimizers, group.num_looks = len(self.seen.optimizers), 0
                group.forget()
        groups = [g for g in groups if g.num_looks < MOST_LOOKS]
        if groups and target.dim() and len(target) == len(given):
            self.quietly(self._look, groups, given, target)

    def _look(self, groups: list[_Group], given: Tensor, target: Tensor) -> None:
        codes = codes_of(given[:MOST_OF_BATCH])
        wanted = codes_of(target[:MOST_OF_BATCH])
        if codes is None or wanted is None:
            return
        for group in groups:
            group.num_looks += 1
            if sum(map(len, group.given)) > MOST_PAIRS or len(group.rows) < 2:
                continue
            group.given.append(codes)
            group.targets.append(wanted)
            found = _judge(group)
            if found == "aligned":
                group.is_aligned = True
                group.rows.clear()
                group.forget()
                if self.seen.row_orders.labels_apart is group.apart:
                    self.seen.row_orders.labels_apart = None
            elif isinstance(
                found, LabelsApart
            ) and self.seen.row_orders.labels_apart in (
                None,
                group.apart,
            ):
                self.seen.row_orders.labels_apart = group.apart = found


def _sampler(frame: FrameType | None) -> Any:
    """Give the sampler of PyTorch that draws."""
    for _ in range(4):
        if frame is None:
            return None
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.utils.data.RandomSampler):
            return owner
        frame = frame.f_back
    return None


def _as_order(order: Any, num_rows: int) -> Tensor | None:
    kept = torch.as_tensor(order).detach().cpu().long().clone()
    is_whole = kept.shape == (num_rows,) and bool(
        (kept.sort().values == torch.arange(num_rows)).all()
    )
    return kept if is_whole else None


def _judge(group: _Group) -> LabelsApart | str | None:
    """Tell that labels are "aligned" with their rows, or where they went; or None."""
    given, targets = torch.cat(group.given), torch.cat(group.targets)
    found: list[tuple[int, bool, LabelsApart | str]] = []
    for features in group.rows:
        if not features.is_told_apart:
            continue
        places, hit = features.find(given)
        if int(hit.sum()) < ENOUGH or float(hit.double().mean()) < 0.9:
            continue
        places, wanted = places[hit], targets[hit]
        for labels in group.rows:
            if labels is features or not labels.has(wanted):
                continue
            since = max(features.since, labels.since)
            same = labels.codes[places] == wanted
            if same.all():
                if len(same) >= ALIGNED and bool((wanted != wanted[0]).any()):
                    found.append((since, False, "aligned"))
            elif (num_apart := int((~same).sum())) >= ENOUGH:
                for way in _ways(group, features, labels, places, wanted):
                    way.num_looked_at, way.num_apart = len(same), num_apart
                    found.append((since, True, way))
    if not found:
        return None
    # What was there first tells: later all is in its new order.
    return min(found, key=lambda each: each[:2])[2]


def _ways(
    group: _Group, features: Rows, labels: Rows, places: Tensor, wanted: Tensor
) -> Iterator[LabelsApart]:
    """Find two orders, of the features and of the labels, that explain the labels."""
    since = max(features.since, labels.since)
    for first in group.draws[since:]:
        at = torch.empty_like(first.order)
        at[first.order] = torch.arange(group.num_rows)
        at = at[places]
        for second in group.draws[since:]:
            if second is not first and bool(
                (labels.codes[second.order[at]] == wanted).all()
            ):
                lines = first.line, second.line
                names = features.name, labels.name
                if first.line == second.line:  # in a function that is called twice
                    names = features.outer, labels.outer
                yield LabelsApart(*names, group.num_rows, *lines)
        again = [d for d in group.draws if torch.equal(d.order, first.order)]
        if len(again) == 1 and bool((labels.codes[at] == wanted).all()):
            yield LabelsApart(
                features.name, labels.name, group.num_rows, first.line, None
            )


def _randperm(orders: RowOrders, original: Any) -> Any:
    """Let ``torch.randperm`` be noted."""

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        group = orders.group_of(args[0] if args else kwargs.get("n"))
        if group is None:
            return original(*args, **kwargs)
        orders.drawing(group)
        result = original(*args, **kwargs)
        orders.drawn(group, result, "own" if kwargs.get("generator") else "torch")
        return result

    return patched


def _choice(orders: RowOrders, original: Any) -> Any:
    """Let ``np.random.choice`` of all be noted, with which pandas draws."""

    @functools.wraps(original)
    def patched(
        a: Any, size: Any = None, replace: Any = True, p: Any = None, **more: Any
    ) -> Any:
        is_order = type(a) is int and size == a and not replace and p is None
        group = orders.group_of(a) if is_order else None
        if group is None:
            return original(a, size, replace, p, **more)
        orders.drawing(group)
        result = original(a, size, replace, p, **more)
        orders.drawn(group, result, "numpy")
        return result

    return patched


def _permutation(orders: RowOrders, original: Any) -> Any:
    """Let ``np.random.permutation`` be noted, and ``np.random.shuffle``."""

    @functools.wraps(original)
    def patched(x: Any, *args: Any, **kwargs: Any) -> Any:
        group = orders.group_of(_length(x))
        if group is None:
            return original(x, *args, **kwargs)
        orders.drawing(group, x)
        state = np.random.get_state()
        result = original(x, *args, **kwargs)
        twin = np.random.RandomState(0)  # it draws the same, and nothing of the user's
        twin.set_state(state)
        orders.drawn(group, twin.permutation(group.num_rows), "numpy")
        return result

    return patched


def _shuffle(orders: RowOrders, original: Any) -> Any:
    """Let ``random.shuffle`` be noted."""

    @functools.wraps(original)
    def patched(x: Any, *args: Any, **kwargs: Any) -> Any:
        group = orders.group_of(_length(x))
        if group is None:
            return original(x, *args, **kwargs)
        orders.drawing(group, x)
        twin = random.Random(0)
        twin.setstate(random.getstate())
        result = original(x, *args, **kwargs)
        order = list(range(group.num_rows))
        twin.shuffle(order)
        orders.drawn(group, order, "random")
        return result

    return patched


def _length(x: Any) -> Any:
    if isinstance(x, (int, np.integer)):
        return int(x)
    try:
        return len(x)
    except TypeError:
        return None


DRAWING: tuple[tuple[Any, str, Callable[[RowOrders, Any], Any]], ...] = (
    (torch, "randperm", _randperm),
    (torch.utils.data.dataset, "randperm", _randperm),
    (np.random, "permutation", _permutation),
    (np.random, "shuffle", _permutation),
    (np.random, "choice", _choice),
    (random, "shuffle", _shuffle),
)
"""What draws orders: where it is, its name, and what lets it be noted."""
