"""Notes views and comparisons that the user's own code makes, where shapes are odd."""

import math
import sys
import weakref
from collections import deque
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.nested import tensors_of
from gradatim.torch_private import index_sampler, tracing_state
from gradatim.watching.forwards import Forwards
from gradatim.watching.position import MOST_OBJECTS, Observer, Position
from gradatim.watching.source_lines import (
    SourceLine,
    is_our_file,
    is_user_file,
    line_of,
)
from gradatim.watching.tensor_info import is_wrapped

__all__ = [
    "Extent",
    "MetricComparison",
    "TensorCalls",
    "TensorCallsSeen",
    "ViewCall",
    "ViewPlace",
    "moved_sizes",
]

Extent = tuple[int | None, int | None, int | None, int | None]
"""Where an expression stands: first and last line, first and last column."""
Shape = tuple[int, ...]
MOST_SHAPES = 2000  # pairs of shapes, remembered: chosen by hand, not measured
MOST_CALLS = 20  # noted of one place, or forward: chosen by hand, not measured
MOST_LOOKS = 5  # at numbers, for one place: chosen by hand, not measured
MOST_NUMBERS = 100_000  # read of one tensor: chosen by hand, not measured
MOST_PENDING = 50  # views waiting for a target: chosen by hand, not measured
MOST_REMEMBERED = 4  # outputs, and targets: chosen by hand, not measured
MOST_TENSORS_OF_BATCH = 8  # remembered: chosen by hand, not measured
FEWEST_ROWS = 4  # of a comparison that is read: chosen by hand, not measured
MARGIN = 0.5  # share by which targets may lie outside: chosen by hand, not measured


@dataclass(slots=True)
class ViewCall:
    """A ``view`` or ``reshape``, by its shapes."""

    before: Shape  # the sizes of the tensor that is viewed
    after: Shape  # the sizes of the view
    given: Shape  # as the user gave them; empty where they were not plain
    moved: Shape  # the sizes in both shapes that are not in the same place
    root: Shape | None  # of the input of the model that calls it; None outside
    batch: int | None  # the rows of the batch that a loader gave last
    grad: bool  # whether the viewed tensor asks for a gradient
    target: Shape | None = None  # the shape of the target of the next loss
    is_mixed: bool = False  # whether a layer that mixes, as an LSTM, was given it
    is_undone: bool = False  # whether another view of the forward takes it back
    is_of_split: bool = False  # whether heads and times were split the other way
    most_at_once: int = 0  # the largest number of such views in one forward


@dataclass
class ViewPlace:
    """A place in the user's code where a view moved a size."""

    line: SourceLine
    place: Extent
    calls: list[ViewCall] = field(default_factory=list)
    """The calls with different shapes, also those that move nothing."""


@dataclass
class MetricComparison:
    """A model's output compared with targets so that each row meets every other."""

    step: int
    operation: str  # the operator: ``==``, ``!=`` or ``-``
    rows: int
    column_is_output: bool  # else the column is the targets, and the vector the output
    of_pairs: float  # the mean over all pairs of rows
    of_rows: float  # the mean over each row and its own target
    line: SourceLine | None = None
    place: Extent = (None, None, None, None)
    left: Shape = ()  # the shape of the tensor before the operator
    right: Shape = ()  # the shape of the tensor after the operator
    is_on_purpose: bool = False  # whether other rows are compared there, too


@dataclass(slots=True)
class TensorCallsSeen:
    """Views and comparisons in the user's code whose shapes are odd."""

    views: list[ViewPlace] = field(default_factory=list)
    metrics: list[MetricComparison] = field(default_factory=list)


class TensorCalls(Observer):
    """Sees ``view`` and ``reshape``, ``==``, ``!=`` and ``-``.

    Shapes are compared at each call. The rest is looked at only where shapes are odd: a
    view after which a size stands elsewhere, a column against a vector of its length.
    """

    def __init__(self, position: Position, forwards: Forwards) -> None:
        super().__init__(position)
        self.record = TensorCallsSeen()
        self._forwards = forwards
        self._moved: dict[tuple[Shape, Shape], Shape] = {}
        self._views: dict[tuple[str, int, int], ViewPlace] = {}
        self._looks: dict[tuple[str, int, int], int] = {}
        self._root: Shape | None = None
        self._splits: set[Shape] = set()
        self._in_forward: dict[int, tuple[ViewCall, int]] = {}
        self._has_new = False
        self._without_target: deque[ViewCall] = deque(maxlen=MOST_PENDING)
        self._outputs: deque[Tensor] = deque(maxlen=MOST_REMEMBERED)
        self._targets: deque[Tensor] = deque(maxlen=MOST_REMEMBERED)
        self._batch: list[Tensor] = []
        self._batch_rows: int | None = None
        self._with_rows_first: weakref.WeakSet[Any] = weakref.WeakSet()

    def close(self) -> None:
        """Let go of all tensors."""
        self._outputs.clear()
        self._targets.clear()
        self._batch.clear()

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called, and the forwards know of it."""
        if torch.compiler.is_compiling() or self._is_off():
            return
        if len(self._forwards.stack) == 1:
            given = next(tensors_of(args), None)
            self._root = None if given is None else tuple(given.shape)
            self._splits.clear()
            self._in_forward.clear()

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A module has given its output, and the forwards know of it."""
        if torch.compiler.is_compiling() or self._is_off():
            return
        if self._in_forward and isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            given = next(tensors_of(args), None)
            for call, _ in self._in_forward.values():
                call.is_mixed |= given is not None and tuple(given.shape) == call.after
        if self._forwards.stack:
            return
        if self._has_new or (self._in_forward and self.is_close):
            _compare(list(self._in_forward.values()))
            self._has_new = False
        self._root = None
        for tensor in list(tensors_of(output))[:MOST_REMEMBERED]:
            has_rows = tensor.dim() in (1, 2) and tensor.size(0) > 1
            is_small = tensor.numel() <= MOST_NUMBERS
            if has_rows and is_small and not is_wrapped(tensor):
                self._outputs.append(tensor.detach())

    def loss(self, arguments: dict[str, Any]) -> None:
        """One of the losses of ``torch.nn.functional`` is called."""
        target = arguments.get("target")
        if self._is_off() or not isinstance(target, Tensor) or is_wrapped(target):
            return
        for call in self._without_target:
            call.target = tuple(target.shape)
        self._without_target.clear()
        if target.dim() in (1, 2) and target.numel() <= MOST_NUMBERS:
            self._targets.append(target.detach())

    def batch_fetched(self, iterator: Any, batch: Any) -> None:
        """A batch was taken from a ``DataLoader``."""
        if self._is_off():
            return
        first = list(tensors_of(batch))[:MOST_TENSORS_OF_BATCH]
        tensors = [t for t in first if t.dim()]
        self._batch = [
            t.detach()
            for t in tensors
            if t.numel() == t.size(0) <= MOST_NUMBERS and t.dim() < 3
        ]
        sampler = index_sampler(iterator)
        rows = tensors[0].size(0) if tensors else None
        if rows is not None and rows == getattr(sampler, "batch_size", None):
            self._with_rows_first.add(sampler)
        self._batch_rows = rows if sampler in self._with_rows_first else None

    def shaped(self, before: Tensor, after: Tensor, given: Any) -> None:
        """A tensor was given another shape of two dimensions or more."""
        if torch.compiler.is_compiling() or tracing_state() is not None:
            return
        key = (before.shape, after.shape)
        moved = self._moved.get(key)
        if moved is None:
            if len(self._moved) >= MOST_SHAPES:
                self._moved.clear()
            moved = self._moved[key] = moved_sizes(*key)
        if len(key[0]) == 3 and len(key[1]) == 4 and self._root is not None:
            self._splits.add(tuple(key[1]))
        if (moved or self._views) and not self._is_off():
            self._note_view(before, after, given, moved)

    def _note_view(
        self, before: Tensor, after: Tensor, given: Any, moved: Shape
    ) -> None:
        """Note a view at its place in the user's code, once for each pair of shapes.

        A place is noted when a view there first moves a size; from then on all of its
        views are.
        """
        frame = _direct_frame(sys._getframe(3))
        if frame is None or is_wrapped(before):
            return
        key = (frame.f_code.co_filename, frame.f_lineno, frame.f_lasti)
        view = self._views.get(key)
        if view is None:
            if not moved or len(self._views) >= MOST_OBJECTS:
                return
            if isinstance(before, nn.Parameter) or self.quietly(_is_one, before):
                return
            line = line_of(frame)
            assert line is not None
            view = self._views[key] = ViewPlace(line, _place(frame))
            self.record.views.append(view)
        shapes = tuple(before.shape), tuple(after.shape)
        for call in view.calls:
            if (call.before, call.after) == shapes and call.root == self._root:
                self._again(call)
                return
        if len(view.calls) >= MOST_CALLS:
            return
        call = ViewCall(
            before=shapes[0],
            after=shapes[1],
            given=_sizes(given),
            moved=moved,
            root=self._root,
            batch=self._batch_rows,
            grad=before.requires_grad,
        )
        view.calls.append(call)
        self._without_target.append(call)
        self._has_new = True
        self._again(call)

    def _again(self, call: ViewCall) -> None:
        """Count a view in the forward at hand; tell whether it takes back a split."""
        if not call.moved or self._root is None:
            return
        _, count = self._in_forward.get(id(call), (call, 0))
        if count or len(self._in_forward) < MOST_CALLS:
            self._in_forward[id(call)] = call, count + 1
        if len(call.before) == 4:
            rows, heads, times, width = call.before
            orders = {call.before, (rows, times, heads, width)}
            call.is_of_split |= not orders.isdisjoint(self._splits)

    def compared(self, name: str, one: Tensor, other: Tensor, result: Any) -> None:
        """A vector is compared with a matrix."""
        if torch.compiler.is_compiling() or tracing_state() is not None:
            return
        column, row = (one, other) if one.dim() == 2 else (other, one)
        if column.dim() != 2 or column.size(1) != 1:
            return
        if column.size(0) < 2 or row.size(0) < 2:
            return
        frame = None if self._is_off() else _direct_frame(sys._getframe(2))
        if frame is None or is_wrapped(one) or is_wrapped(other):
            return
        key = (frame.f_code.co_filename, frame.f_lineno, frame.f_lasti)
        looks = self._looks.get(key, 0)
        if not looks and len(self._looks) >= MOST_OBJECTS:
            return
        if column.size(0) != row.size(0):
            self._looks[key] = MOST_LOOKS
            here = line_of(frame), _place(frame)
            for metric in self.record.metrics:  # each row meets all on purpose
                metric.is_on_purpose |= (metric.line, metric.place) == here
        elif looks < MOST_LOOKS:
            self._looks[key] = looks + 1
            odd = self.quietly(self._metric, name, column, row, result.detach())
            if odd is not None:
                self._looks[key] = MOST_LOOKS
                odd.line, odd.place = line_of(frame), _place(frame)
                odd.left, odd.right = tuple(one.shape), tuple(other.shape)
                self.record.metrics.append(odd)

    def _metric(
        self, name: str, column: Tensor, row: Tensor, result: Tensor
    ) -> MetricComparison | None:
        """Find out which tensor is the output; None where nobody knows."""
        if any(isinstance(tensor, nn.Parameter) for tensor in (column, row)):
            return None
        if not FEWEST_ROWS <= column.numel() <= MOST_NUMBERS:
            return None
        one, other = _numbers(column), _numbers(row)
        if torch.equal(one, other):
            return None
        if self._is_output(column, one) and self._is_target(row, other, name):
            column_is_output = True
        elif self._is_output(row, other) and self._is_known(column, one):
            column_is_output = False
        else:
            return None
        wide = result.double()
        paired = one == other if name == "==" else one != other
        if name == "-":
            wide, paired = wide.abs(), (one - other).abs()
        return MetricComparison(
            step=self.step,
            operation=name,
            rows=len(one),
            column_is_output=column_is_output,
            of_pairs=float(wide.mean()),
            of_rows=float(paired.double().mean()),
        )

    def _is_output(self, tensor: Tensor, numbers: Tensor) -> bool:
        """Tell whether a tensor is computed, row by row, of what a model gave last."""
        for output in self._outputs:
            rows = output.size(0)
            if rows > len(numbers) or output.dim() < min(tensor.dim(), 2):
                continue  # of a vector somebody made a column
            # Where outputs of several batches were joined, the last is at the end.
            last = numbers[-rows:]
            if output.dim() == 2 and output.size(1) > 1:
                is_same = torch.equal(output.argmax(dim=1).cpu().double(), last)
            else:
                is_same = _is_monotone(_numbers(output), last)
            if is_same:
                return True
        return False

    def _is_known(self, tensor: Tensor, numbers: Tensor) -> bool:
        """Tell whether a tensor has the numbers of the last targets, in their shape."""
        for target in (*self._targets, *self._batch):
            rows = target.size(0)
            is_alike = target.dim() == tensor.dim() and target.numel() == rows
            last = numbers[-rows:].float()
            if is_alike and torch.equal(_numbers(target).float(), last):
                return True
        return False

    def _is_target(self, tensor: Tensor, numbers: Tensor, name: str) -> bool:
        if self._is_known(tensor, numbers):
            return True
        # Held-out targets that no loss was given are like the targets of training.
        kept = [_numbers(t) for t in self._targets if t.numel() == t.size(0)]
        if not kept or tensor.requires_grad:
            return False
        before = torch.cat(kept)
        steps = numbers.diff()
        if bool((steps > 0).all()) or bool((steps < 0).all()):
            return False  # as edges, centres and classes are
        if name != "-" and not torch.equal(numbers, numbers.round()):
            return False
        low, high = float(before.min()), float(before.max())
        margin = MARGIN * (high - low) if name == "-" else 0.0
        least, largest = float(numbers.min()), float(numbers.max())
        return low - margin <= least and largest <= high + margin

    def _is_off(self) -> bool:
        at = self.position
        return at.is_busy or at.is_inside_backward or at.is_elsewhere()


def moved_sizes(before: Shape, after: Shape) -> Shape:
    """Give the sizes that a view leaves as they are, but in another place.

    A size is in its place if as many numbers as before are counted by the dimensions
    in front of it: then it is the same dimension.

    >>> moved_sizes((8, 5, 3), (5, 8, 3)), moved_sizes((8, 5, 6), (8, 5, 2, 3))
    ((8, 5), ())
    >>> moved_sizes((2, 8, 3), (8, 6)), moved_sizes((8, 5, 3), (40, 3))
    ((8,), ())
    """
    if before == after:
        return ()
    one, other = _in_front(before), _in_front(after)
    return tuple(n for n, front in one.items() if other.get(n, front) != front)


def _in_front(shape: Shape) -> dict[int, int]:
    """Count the entries in front of each size that comes once."""
    fronts: dict[int, int] = {}
    front = 1
    for size in shape:
        if size > 1 and shape.count(size) == 1:
            fronts[size] = front
        front *= size
    return fronts


def _compare(calls: list[tuple[ViewCall, int]]) -> None:
    """Compare the views of one forward.

    A view may be taken back by another one, with nothing between that mixes.
    """
    for number, (first, _) in enumerate(calls):
        shapes = first.before, first.after
        same = sum(n for call, n in calls if (call.before, call.after) == shapes)
        first.most_at_once = max(first.most_at_once, same)
        one, other = _squeezed(first.before), _squeezed(first.after)
        for second, _ in calls[number + 1 :]:
            back = _squeezed(second.before), _squeezed(second.after)
            if back[0][:2] == other[:2] and back[1][:2] == one[:2] != other[:2]:
                first.is_undone = second.is_undone = not first.is_mixed


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def _is_one(tensor: Tensor) -> bool:
    """Tell whether a tensor is one number throughout."""
    flat = tensor.detach().reshape(-1)[:MOST_NUMBERS]
    return bool((flat == flat[0]).all())


def _numbers(tensor: Tensor) -> Tensor:
    return tensor.detach().reshape(-1).cpu().double()


def _is_monotone(given: Tensor, numbers: Tensor) -> bool:
    """Tell whether numbers are a function of others that only rises or only falls."""
    ordered = numbers[given.argsort()].diff()
    if not math.isfinite(float(ordered.sum())):
        return False
    return bool((ordered >= 0).all()) or bool((ordered <= 0).all())


def _direct_frame(frame: FrameType | None) -> FrameType | None:
    """Give the frame that called what is patched, if it is of the user's own code."""
    while frame is not None and is_our_file(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or not is_user_file(frame.f_code.co_filename):
        return None
    return frame


def _place(frame: FrameType) -> Extent:
    """Give where in the source the call that a frame is at begins and ends."""
    positions = list(frame.f_code.co_positions())
    number = frame.f_lasti // 2
    return positions[number] if number < len(positions) else (None, None, None, None)


def _sizes(given: tuple[Any, ...]) -> Shape:
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return given if all(isinstance(n, int) for n in given) else ()
