import ast
import re

from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.source_code.expressions import argument_at, expression_at
from gradatim.watching import TrainingSeen, ViewCall, ViewPlace

ATTENTION = 3
"""Queries, keys and values."""
COLOURS = (3, 4)
FEWEST_PIXELS = 8
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
            found = self._rows(view) or self._others(view)
            if found is not None:
                yield found

    def _rows(self, view: ViewPlace) -> Finding | None:
        """Find a batch that becomes another dimension."""
        calls = [call for call in view.calls if not _cannot_tell(call)]
        batches = [_batch_of(call) for call in calls]
        if not calls or None in batches:
            return None
        call, rows = calls[0], batches[0]
        assert rows is not None
        if len(set(batches)) < 2 and not _is_meant(view, call, rows):
            return None
        if any(each.is_undone for each in calls):
            return None
        return self.finding(
            verdict=f"A {_method(view)} mixes the {rows} rows of a batch: it moves "
            "no dimension.",
            evidence=f"{call.before} becomes {call.after}: {rows} is dim "
            f"{call.before.index(rows)} before and dim {call.after.index(rows)} after",
            cure=_cure(call, rows),
            line=view.line,
        )

    def _others(self, view: ViewPlace) -> Finding | None:
        """Find pixels, and heads of attention."""
        if all(map(_is_of_pixels, view.calls)):
            call = view.calls[0]
            axes = "2, 0, 1" if len(call.before) == 3 else "0, 3, 1, 2"
            what, cure = "pixels and colours of an image", f"x.permute({axes})"
        elif all(map(_is_of_channels, view.calls)):
            call = view.calls[0]
            what, cure = "steps and channels of a series", "x.transpose(1, 2)"
        elif all(map(_is_of_heads, view.calls)):
            call = view.calls[0]
            what = "steps in time and heads of attention"
            cure = "x.transpose(1, 2).reshape(rows, times, heads * width)"
            if len(call.before) == 3:
                cure = "x.view(rows, times, heads, width).transpose(1, 2)"
        else:
            return None
        return self.finding(
            verdict=f"A {_method(view)} mixes {what}: it moves no dimension.",
            evidence=f"{call.before} becomes {call.after}",
            cure=cure,
            line=view.line,
        )


def _cannot_tell(call: ViewCall) -> bool:
    """Tell a call with two sizes the same, or with one row only."""
    sizes = _sized(call.before)
    is_one = 1 in (call.batch, (call.root or (0,))[0])
    return not call.moved and (
        is_one or sizes == _sized(call.after) or len(set(sizes)) < len(sizes)
    )


def _batch_of(call: ViewCall) -> int | None:
    """Give the number of rows, if it has moved and is known to be that."""
    if not call.moved:
        return None
    target, root = call.target, call.root or ()
    is_column = target is not None and (len(target) == 1 or target[1:] == (1,))
    if target is not None and is_column and target[0] in (*call.moved, *root):
        return target[0] if target[0] in call.moved else None
    rows = root[0] if root else None
    if call.batch in call.moved and (call.root is None or rows == call.batch):
        return call.batch
    # Else both that change places: a shift by one step is done by a view, too.
    others = [n for n in call.moved if n in root[1:]]
    return rows if rows in call.moved and others else None


def _is_meant(view: ViewPlace, call: ViewCall, rows: int) -> bool:
    """Tell whether the source asks for the rows there, where one size is seen only."""
    index = call.after.index(rows)
    node = argument_at(expression_at(view.line, view.place), index)
    if node is None:
        return False
    if not OF_ROWS.search(ast.unparse(node)):
        return False
    is_permuted = sorted(_sized(call.before)) == sorted(_sized(call.after))
    if is_permuted and len(_sized(call.before)) > 2 and call.given:
        return True
    return not _may_be_split(call, rows)


def _may_be_split(call: ViewCall, rows: int) -> bool:
    """Tell whether the size may be a part of another dimension, by chance the same."""
    front = _product(call.after[: call.after.index(rows)])
    for index, size in enumerate(call.before):
        before = _product(call.before[:index])
        is_inside = front % before == 0 and (before * size) % (front * rows) == 0
        if size != rows and is_inside:
            return True
    return False


def _is_of_pixels(call: ViewCall) -> bool:
    if call.grad or not call.moved or len(call.before) not in (3, 4):
        return False
    *rows, high, wide, colours = call.before
    return (
        len(call.before) == len(call.after)
        and colours in COLOURS
        and min(high, wide) >= FEWEST_PIXELS
        and call.after in ((*rows, colours, high, wide), (*rows, colours, wide, high))
    )


def _is_of_channels(call: ViewCall) -> bool:
    """Tell the model's own input, of steps and channels, put channels first."""
    if call.grad or call.is_undone or len(call.before) != 3 or call.root != call.before:
        return False
    rows, steps, channels = call.before
    is_swapped = call.after == (rows, channels, steps)
    return is_swapped and steps >= FEWEST_PIXELS and 2 <= channels != steps


def _is_of_heads(call: ViewCall) -> bool:
    if not call.moved or call.root is None:
        return False
    one, other = call.before, call.after
    if len(one) == 4 and one[1] != one[2] and call.is_of_split:
        rows, heads, times, width = one
        joined = (rows, times, heads * width)
        return other in (joined, (rows, times, heads, width))
    if len(one) == 3 and len(other) == 4 and call.most_at_once >= ATTENTION:
        rows, heads, times, width = other
        return one == (rows, times, heads * width) and 1 not in (heads, width)
    return False


def _method(view: ViewPlace) -> str:
    node = expression_at(view.line, view.place)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr
    return "view"


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


def _sized(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
