"""From a whole table to its schema: which columns are features, and why others are not.

``column_kinds`` judges each column alone. Here columns are compared with each other (a
feature that repeats an earlier one is left out) and with the target (a feature that is
the target under another name is refused). A column's values become codes right after
it was judged and are then freed, so that a table is seldom in memory twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from jaxtyping import Shaped
from torch import Tensor

from gradatim.errors import ConfigError, DataError
from gradatim.tables.files.arrow import numpy_of
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.schema.choices import ColumnChoices, Said
from gradatim.tables.schema.column_kinds import column_of
from gradatim.tables.schema.columns import Column, Target
from gradatim.tables.schema.remarks import remark
from gradatim.tables.schema.row_keys import (
    RowKeys,
    keys_of_groups,
    keys_of_times,
    weights_of_rows,
)
from gradatim.tables.schema.targets import (
    codes_of_target,
    target_meaning,
    target_of,
    usable_rows,
)
from gradatim.tables.schema.texts import may_be_text, text_column
from gradatim.tables.schema.typed_values import places, plain, typed
from gradatim.tables.schema.understand import (
    Meaning,
    doubt_error,
    meaning_of,
    quick_meaning,
)
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.schema.values_to_codes import codes_of_column
from gradatim.text import listed, nearest_name

__all__ = ["Inferred", "infer", "stack_codes"]

MOST_UNUSED = 8
"""So many columns that are no features are kept, to be looked at for groups."""


@dataclass(kw_only=True, slots=True)
class Inferred:
    """What the columns of a table are, and its rows as tensors."""

    columns: list[Column] = field(default_factory=list)
    codes: dict[str, Tensor] = field(default_factory=dict)
    """The tensor of each used column."""
    alike: dict[tuple[Any, ...], list[str]] = field(default_factory=dict)
    """The names of used columns that may be the same: those with equal keys."""
    target: Target | None = None
    y: Tensor | None = None
    num_rows: int
    """Rows in ``codes``: those without a target may have been left out."""
    rows: pa.BooleanArray | None = None
    """Which rows of the source have a target; None where all have."""
    notices: ValueNotices = field(default_factory=ValueNotices)
    texts: dict[str, pa.Array] = field(default_factory=dict)
    """The values of columns that are no features, and may be read as text."""
    unused: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Of columns that are no features, and may say which rows belong together: int32
    places in a vocabulary, or int64 numbers."""
    time: RowKeys | None = None
    """What puts the rows in order, if they are split by time."""
    group: RowKeys | None = None
    """Which rows belong together, if they are split by group."""
    weight: RowKeys | None = None
    """What the rows count, if a column says so."""


def infer(
    source: ColumnSource,
    *,
    target: str | None,
    task: str | None,
    drop: Sequence[str],
    keep: Sequence[str],
    drop_missing_target: bool = False,
    time: str | None = None,
    group: str | None = None,
    weight: str | None = None,
    said: Mapping[str, Said] | None = None,
) -> Inferred:
    """Say what the columns are, and make codes of the rows; see ``Schema.infer``.

    The rows will be split by the columns ``time`` or ``group``. One of groups is no
    feature unless it is to be kept: rows to predict are of other groups.
    """
    _refuse_several_targets(target, source.names)
    for name in (target, time, group, weight, *drop, *keep):
        if name is not None and name not in source.names:
            raise DataError(
                f"There is no column {name!r}.{nearest_name(name, source.names)}\n"
                f"The columns are {listed(source.names, most=20)}.\n"
                "Name one of these."
            )
    if target is not None and target in (time, group, weight):
        what = "weighed" if target == weight else "split"
        raise ConfigError(
            f"the rows are to be {what} by {target!r}, which is the target.\n"
            "Each part would have other targets, and none could be learned.\n"
            "Name another column."
        )
    choices = ColumnChoices.of(source.names, said or {})
    inferred = Inferred(num_rows=source.num_rows)
    inferred.notices.where = source.where
    inferred.notices.of_file = source.notes
    rows = None
    if target is not None:
        is_class = task is None and target in source.categories
        asked = "classification" if is_class else task
        as_values = replace(source, categories=frozenset())  # labels stay numbers
        meaning = target_meaning(as_values, target, asked, choices)
        rows = usable_rows(meaning.values, target, drop_missing=drop_missing_target)
        values = meaning.values if rows is None else meaning.values.filter(rows)
        inferred.rows = rows
        if is_class:
            task = "binary" if len(values.unique()) == 2 else "classification"
        inferred.num_rows = len(values)
        of_values = target_of(target, values, task)
        inferred.target = replace(
            of_values,
            spelling=meaning.spelling,
            missing=meaning.missing,
            reason=meaning.reason or of_values.reason,
        )
        inferred.y = codes_of_target(values, inferred.target)
    for name in source.names:
        if name != target:
            taken = source.take(name)
            if rows is not None:
                taken = taken.filter(rows)
            kept = name in keep
            left_out = "dropped by name" if name in drop else ""
            if name == group and not kept:
                left_out = "rows are split by it: new ones are of other groups"
            if name == weight and not kept:
                left_out = left_out or "it says what the rows count"
            if choices.kind(name)[0] == "id":
                left_out = left_out or "said to be an identifier"
            is_key = name in (time, group, weight)
            quick = None
            if not (left_out or is_key):
                quick = quick_meaning(name, taken, choices, source)
            values = plain(taken) if quick is None else quick.values
            del taken
            if quick is not None or (left_out and not is_key):
                meaning = quick or Meaning(values)
            else:
                meaning = meaning_of(name, values, choices, source)
            column = _add(inferred, name, meaning, left_out=left_out, kept=kept)
            may_help = not (left_out or is_key or column.used)
            if may_help and may_be_text(column, meaning.values, len(inferred.texts)):
                inferred.texts[name] = meaning.values
            if not column.used and len(inferred.unused) < MOST_UNUSED:
                _keep_unused(inferred, name, meaning.values)
            if name == time:
                inferred.time = keys_of_times(values, column)
            if name == group:
                inferred.group = keys_of_groups(name, values)
            if name == weight:
                inferred.weight = weights_of_rows(values, column)
    if target is not None and not inferred.codes and inferred.texts:
        _use_texts(inferred)
    if target is not None and not inferred.codes:
        raise _no_feature(inferred.columns)
    if rows is not None:
        inferred.notices.renumber(np.flatnonzero(numpy_of(rows)))
    return inferred


def _refuse_several_targets(target: str | None, names: Sequence[str]) -> None:
    """Refuse names of columns with commas between them; a name may hold commas, too."""
    if target is None or target in names:
        return
    parts = [part.strip() for part in target.split(",")]
    if len(parts) > 1 and set(parts) <= set(names):
        raise ConfigError(
            f"the target {target!r} names {len(parts)} columns.\n"
            "A run predicts one column.\n"
            f"Fit each in a run of its own: --target {parts[0]}, with --drop for "
            "targets that it must not see."
        )


def stack_codes(
    columns: Sequence[Column], codes: dict[str, Tensor]
) -> dict[str, Shaped[Tensor, "rows columns"]]:
    """Put the codes of each group side by side. The dict ``codes`` is emptied."""
    x = {}
    for group in ("numbers", "categories", "times"):
        names = [column.name for column in columns if column.group == group]
        if names:
            x[group] = torch.stack([codes.pop(name) for name in names], dim=1)
    texts = [column.name for column in columns if column.group == "texts"]
    if texts:
        x["texts"] = torch.cat([codes.pop(name) for name in texts], dim=1)
    return x


def _add(
    inferred: Inferred, name: str, meaning: Meaning, *, left_out: str, kept: bool
) -> Column:
    """Add one column, with its codes if it is a feature; ``left_out`` says why not."""
    values = meaning.values
    column = column_of(name, values, keep=kept or meaning.is_said)
    if meaning.is_text and not left_out and column.kind != "constant":
        column = text_column(column, values)
    if left_out:
        column = replace(column, used=False, reason=left_out, vocabulary=())
    elif meaning.doubt is not None:
        if inferred.target is not None:
            raise doubt_error(name, meaning.doubt)
        column = replace(
            column, used=False, reason=f"it {meaning.doubt.what}", vocabulary=()
        )
    elif meaning.is_said:
        column = replace(column, reason="")
    column = replace(column, spelling=meaning.spelling, missing=meaning.missing)
    if column.used:
        is_plain_number = column.group == "numbers" and not meaning.is_said
        other = remark(name, values, inferred.y) if is_plain_number else ""
        reason = "; ".join(filter(None, (column.reason, meaning.reason, other)))
        column = replace(column, reason=reason)
        meaning.note(name, inferred.notices)
        # They have been read, by the spelling where there is one.
        plain_column = replace(column, spelling=None, missing=())
        codes = codes_of_column(typed(values, plain_column), column, inferred.notices)
        column = _with_rare_values(inferred, column)
        twin = _twin(inferred, column, codes)
        if twin is not None and not kept:
            reason = f"the same as {twin!r} in every row"
            column = replace(
                column, kind="duplicate", used=False, reason=reason, vocabulary=()
            )
        else:
            if inferred.target is not None and not kept:
                _refuse_target(inferred.target, inferred.y, column, codes)
            inferred.codes[name] = codes
    inferred.columns.append(column)
    if column.used and meaning.bounds is not None:
        _add_bounds(inferred, column, meaning.bounds)
    return column


def _use_texts(inferred: Inferred) -> None:
    """Read the columns that may be text, where there is no other feature."""
    for place, column in enumerate(inferred.columns):
        if column.name in inferred.texts:
            values = inferred.texts.pop(column.name)
            column = text_column(column, values)
            column = replace(column, reason="no other column is a feature")
            codes = codes_of_column(values, column, inferred.notices)
            inferred.columns[place], inferred.codes[column.name] = column, codes


def _with_rare_values(inferred: Inferred, column: Column) -> Column:
    """Say of a category with too many values that the rare ones share a code."""
    inferred.notices.unseen_examples.pop(column.name, None)
    num_rows = inferred.notices.unseen.pop(column.name, 0)  # all values were seen here
    if not num_rows:
        return column
    count, _, _ = column.seen.partition(":")  # "12,345 values"
    rare = (
        f"of {count} the {len(column.vocabulary):,} most frequent have a code each, "
        f"the others ({num_rows:,} rows) share one; if it only says which row it is: "
        f"--id {column.name}"
    )
    return replace(column, reason="; ".join(filter(None, (column.reason, rare))))


def _add_bounds(
    inferred: Inferred, column: Column, bounds: npt.NDArray[np.int64]
) -> None:
    """Add the column that flags which numbers of another one are bounds."""
    flag = Column(
        name=f"{column.name} is a bound",
        kind="number",
        type="double",
        used=True,
        seen=f"{np.count_nonzero(bounds):,} rows",
        spelling=column.spelling,
        of=column.name,
    )
    inferred.codes[flag.name] = torch.from_numpy(bounds.astype(np.float32))
    inferred.columns.append(flag)


def _keep_unused(inferred: Inferred, name: str, values: pa.Array) -> None:
    """Keep the values of a column that is no feature, if some of them may be equal."""
    if values.null_count or len(values) == 0:
        return
    if pa.types.is_integer(values.type):
        inferred.unused[name] = numpy_of(values)
    elif pa.types.is_dictionary(values.type) and len(values.dictionary) < len(values):
        inferred.unused[name] = places(values)


def _twin(inferred: Inferred, column: Column, codes: Tensor) -> str | None:
    """Give the name of an earlier feature with the same values in all rows."""
    key = (column.group, column.seen, column.origin, column.vocabulary)
    alike = inferred.alike.setdefault(key, [])
    for name in alike:
        earlier = inferred.codes[name]
        if earlier.shape != codes.shape:  # texts that need other room
            continue
        if ((earlier == codes) | (earlier.isnan() & codes.isnan())).all():
            return name
    alike.append(column.name)
    return None


def _refuse_target(
    target: Target, y: Tensor | None, column: Column, codes: Tensor
) -> None:
    """Refuse a feature that is the target under another name."""
    assert y is not None
    if target.labels:
        may_leak = column.num_missing == 0 and codes.ndim == 1
        leaks = may_leak and _renames(codes, y, len(target.labels))
    else:
        alike = column.seen == target.seen and column.origin == target.origin
        leaks = alike and torch.equal(codes, y)
    if leaks:
        raise DataError(
            f"The column {column.name!r} is the target {target.name!r} under another "
            f"name: in all {len(y):,} rows one tells the other.\n"
            "Scores would be perfect, and worth nothing on rows to predict.\n"
            f"Leave it out with --drop {column.name}; if it will be known before the "
            f"target is, say --keep {column.name}."
        )


def _renames(feature: Tensor, y: Tensor, num_classes: int) -> bool:
    """Say whether each value of the feature goes with one class, and the reverse.

    That holds where feature and target have as many values each as there are pairs.
    """
    # Fewer than two rows a class prove nothing.
    if len(y) < 2 * num_classes or len(feature[:1_000].unique()) > num_classes:
        return False
    values, codes = feature.unique(return_inverse=True)
    if len(values) != num_classes:
        return False
    return len((codes * num_classes + y).unique()) == num_classes


def _no_feature(columns: Sequence[Column]) -> DataError:
    reasons = "; ".join(f"{c.name}: {c.reason}" for c in columns[:8])
    return DataError(
        f"None of the {len(columns)} columns beside the target is a feature"
        f"{' (' + reasons + ')' if reasons else ''}.\n"
        "There is nothing to predict from.\n"
        "Use a column all the same with --keep COLUMN, or drop fewer."
    )
