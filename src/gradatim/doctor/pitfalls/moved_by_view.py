import ast
import math
import re

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.expressions import argument_at, expression_at
from gradatim.doctor.source_code.syntax import called_method
from gradatim.watching import TrainingSeen, ViewCall, ViewPlace

NUM_SPLITS = 3  # queries, keys and values
COLOURS = (3, 4)  # red, green and blue; these and how opaque a pixel is
MIN_PIXELS = 8  # along a side, or steps in time; chosen by hand, not measured
OF_ROWS = re.compile(
    r"batch|\bn?bsz?\b|\b[bBnN]\b|size\(-?\d\)|shape\[-?\d\]|\blen\(|num_rows"
)
"""How people write the number of rows."""


class MovedByView(Pitfall):
    """A ``view`` or ``reshape`` stands where dimensions should change places.

    What it sees:
        A ``view`` after which the batch is another dimension than before, with batches
        of several sizes, or where the source asks for it; images ``(..., H, W, 3)``
        that become ``(..., 3, H, W)``, and series ``(N, T, C)`` that become
        ``(N, C, T)``; heads of attention put before time or back.

    Why it matters:
        ``view`` reads the same numbers in the same order. Of ``(64, 20, 8)`` made
        ``(20, 64, 8)`` the first series is not that of the first row, but three rows
        one after the other, and the last steps belong to a fourth.

    Example::

        x = x.view(time, batch, features)   # from (batch, time, features)

    Instead::

        x = x.transpose(0, 1)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks"; Informer2020 issue
    59.
    """

    code = "GT609"
    title = "view where a transpose is meant"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        for view in seen.tensor_calls.views:
            yield from self._rows(view)
            yield from self._others(view)

    def _rows(self, view: ViewPlace) -> Findings:
        """Find a batch that becomes another dimension."""
        calls = [call for call in view.calls if not _is_ambiguous(call)]
        batches = [rows for call in calls if (rows := _batch_of(call)) is not None]
        if not calls or len(batches) < len(calls):
            return
        call, rows = calls[0], batches[0]
        is_unsure = len(set(batches)) < 2 and not _is_asked_for(view, call, rows)
        if is_unsure or any(call.is_undone for call in calls):
            return
        yield self.finding(
            verdict=f"A {_method(view)} mixes the {rows} rows of a batch: it moves "
            "no dimension.",
            evidence=f"{call.before} becomes {call.after}: {rows} is dim "
            f"{call.before.index(rows)} before and dim {call.after.index(rows)} after",
            cure=_cure(call, rows),
            line=view.line,
        )

    def _others(self, view: ViewPlace) -> Findings:
        """Find pixels, series and heads of attention."""
        call = view.calls[0] if view.calls else None
        if call is None:
            return
        if all(map(_is_of_pixels, view.calls)):
            axes = "2, 0, 1" if len(call.before) == 3 else "0, 3, 1, 2"
            what, cure = "pixels and colours of an image", f"x.permute({axes})"
        elif all(map(_is_of_channels, view.calls)):
            what, cure = "steps and channels of a series", "x.transpose(1, 2)"
        elif all(map(_is_of_heads, view.calls)):
            what = "steps in time and heads of attention"
            cure = "x.transpose(1, 2).reshape(rows, times, heads * width)"
            if len(call.before) == 3:
                cure = "x.view(rows, times, heads, width).transpose(1, 2)"
        else:
            return
        yield self.finding(
            verdict=f"A {_method(view)} mixes {what}: it moves no dimension.",
            evidence=f"{call.before} becomes {call.after}",
            cure=cure,
            line=view.line,
        )


def _is_ambiguous(call: ViewCall) -> bool:
    """Tell whether a call says nothing: two equal sizes, or one row alone."""
    sizes = _without_ones(call.before)
    is_one_row = 1 in (call.batch, (call.root or (0,))[0])
    has_equal_sizes = len(set(sizes)) < len(sizes)
    is_same = sizes == _without_ones(call.after)
    return not call.moved and (is_one_row or is_same or has_equal_sizes)


def _batch_of(call: ViewCall) -> int | None:
    """Give the size that moved and is known to be the number of rows."""
    if not call.moved:
        return None
    target, root = call.target, call.root or ()
    is_column = target is not None and (len(target) == 1 or target[1:] == (1,))
    if target is not None and is_column and target[0] in (*call.moved, *root):
        return target[0] if target[0] in call.moved else None
    rows = root[0] if root else None
    if call.batch in call.moved and (call.root is None or rows == call.batch):
        return call.batch
    # Otherwise two sizes must change places: a view shifts by one step, too.
    others = [n for n in call.moved if n in root[1:]]
    return rows if rows in call.moved and others else None


def _is_asked_for(view: ViewPlace, call: ViewCall, rows: int) -> bool:
    """Tell whether the source asks for the rows at their new place.

    It decides where all batches have one size, which may be another one by chance.
    """
    index = call.after.index(rows)
    node = argument_at(expression_at(view.line, view.place), index)
    if node is None or not OF_ROWS.search(ast.unparse(node)):
        return False
    sizes = _without_ones(call.before)
    is_permuted = sorted(sizes) == sorted(_without_ones(call.after))
    if is_permuted and len(sizes) > 2 and call.given:
        return True
    return not _may_be_split(call, rows)


def _may_be_split(call: ViewCall, rows: int) -> bool:
    """Tell whether the size may be a part of another dimension that is split."""
    front = math.prod(call.after[: call.after.index(rows)])
    for index, size in enumerate(call.before):
        before = math.prod(call.before[:index])
        is_inside = front % before == 0 and (before * size) % (front * rows) == 0
        if size != rows and is_inside:
            return True
    return False


def _is_of_pixels(call: ViewCall) -> bool:
    """Tell whether an image, colours last, gets its colours first."""
    if call.grad or not call.moved or len(call.before) not in (3, 4):
        return False
    *rows, high, wide, colours = call.before
    return (
        len(call.before) == len(call.after)
        and colours in COLOURS
        and min(high, wide) >= MIN_PIXELS
        and call.after in ((*rows, colours, high, wide), (*rows, colours, wide, high))
    )


def _is_of_channels(call: ViewCall) -> bool:
    """Tell whether the model's own input, steps by channels, gets channels first."""
    if call.grad or call.is_undone or len(call.before) != 3 or call.root != call.before:
        return False
    rows, steps, channels = call.before
    is_swapped = call.after == (rows, channels, steps)
    return is_swapped and steps >= MIN_PIXELS and 2 <= channels != steps


def _is_of_heads(call: ViewCall) -> bool:
    """Tell whether heads of attention and steps in time change places."""
    if not call.moved or call.root is None:
        return False
    one, other = call.before, call.after
    if len(one) == 4 and one[1] != one[2] and call.is_of_split:
        rows, heads, times, width = one
        joined = (rows, times, heads * width)
        return other in (joined, (rows, times, heads, width))
    if len(one) == 3 and len(other) == 4 and call.most_at_once >= NUM_SPLITS:
        rows, heads, times, width = other
        return one == (rows, times, heads * width) and 1 not in (heads, width)
    return False


def _method(view: ViewPlace) -> str:
    node = expression_at(view.line, view.place)
    return (called_method(node) if node is not None else "") or "view"


def _cure(call: ViewCall, rows: int) -> str:
    one, other = call.before, call.after
    if sorted(one) == sorted(other) and len(set(one)) == len(one):
        axes = [one.index(n) for n in other]
        moved = [n for n, axis in enumerate(axes) if n != axis]
        if len(moved) == 2:
            return f"x.transpose({moved[0]}, {moved[1]})"
        return f"x.permute({', '.join(map(str, axes))})"
    place = max(one.index(rows), 1)
    return f"x.transpose(0, {place}) first, then reshape"


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]
