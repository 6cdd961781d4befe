"""What is to be predicted, numbers or classes, and the codes of these values.

Text and booleans are classes. So are whole numbers, integers or floats, of two values,
or of at most 20 where each value has ten rows or more on average. All else is
regression. The user can say otherwise with ``task``.
"""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from gradatim.errors import ConfigError, DataError
from gradatim.tables.files.arrow import array_of, numpy_of
from gradatim.tables.files.column_source import ColumnSource
from gradatim.tables.schema.choices import ColumnChoices
from gradatim.tables.schema.column_kinds import number_entries, text_counts
from gradatim.tables.schema.columns import Label, Target, Task
from gradatim.tables.schema.typed_values import plain, stands_for_missing, typed
from gradatim.tables.schema.understand import (
    Meaning,
    doubt_error,
    meaning_of,
    quick_meaning,
)
from gradatim.tables.schema.values_to_codes import LARGEST_FLOAT32, less_origin
from gradatim.text import shown

__all__ = [
    "codes_of_target",
    "take_target",
    "target_meaning",
    "target_of",
    "usable_rows",
]

# The numbers were chosen by hand, not measured.
MAX_CLASS_NUMBERS = 20
"""Whole numbers of more values are a regression."""
ROWS_A_VALUE = 10
"""Whole numbers with fewer rows for each value are a regression."""
MAX_CLASSES = 1_000
"""More classes are refused."""


SEPARATORS = ("|", ";", ",")
"""What stands between several labels of one row."""

OTHERWISE = "not written as the numbers of the other rows"

UNFIT = (
    pa.types.is_temporal,
    pa.types.is_nested,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
"""Kinds of values that are neither numbers nor classes."""


def target_of(name: str, values: pa.Array, task: str | None) -> Target:
    """Say what the column to predict is; without ``task`` its values decide.

    The values are made plain, and none is missing.

    Raises:
        ConfigError: There is no such task.
        DataError: One class only, more classes than rows allow, or a task that the
            values do not fit.

    >>> target_of("grade", pa.array(["a", "b", "a"]).dictionary_encode(), None).labels
    ('a', 'b')
    """
    if task is not None and task not in get_args(Task):
        tasks = ", ".join(get_args(Task))
        raise ConfigError(
            f"There is no task {task!r}.\n"
            "The task decides the loss and the scores.\n"
            f"Take one of {tasks}, or none to have it told by the column."
        )
    kind = values.type
    if any(is_kind(kind) for is_kind in UNFIT):
        raise _unfit(name, f"holds {kind}", "a number or a class")
    if task is None:
        task = _task_of(values)
    if task == "regression":
        return _regression(name, values)
    return _classes(name, values, task)


def _has_target(values: pa.Array) -> pa.BooleanArray:
    has_target = values.is_valid()
    if pa.types.is_floating(values.type):
        has_target = pc.and_kleene(has_target, pc.is_finite(values))
    if pa.types.is_dictionary(values.type):
        strings = values.dictionary
        absent = pc.or_(stands_for_missing(strings), strings.is_null())
        absent = absent.take(values.indices)
        has_target = pc.and_kleene(has_target, pc.invert(absent))
    return has_target


def _task_of(values: pa.Array) -> Task:
    if pa.types.is_dictionary(values.type) or pa.types.is_boolean(values.type):
        return "binary" if len(values.unique()) == 2 else "classification"
    if pa.types.is_floating(values.type) and not _all_whole(values):
        return "regression"
    num_values = len(values.unique())
    if num_values == 2:
        return "binary"
    if num_values > MAX_CLASS_NUMBERS or len(values) < ROWS_A_VALUE * num_values:
        return "regression"
    return "classification"


def _refuse_beyond_float32(values: pa.Array, name: str) -> None:
    """Refuse finite numbers whose differences float32 cannot hold; name the row."""
    if not pa.types.is_floating(values.type):
        return
    numbers = numpy_of(values)
    beyond = np.flatnonzero((np.abs(numbers) > LARGEST_FLOAT32) & np.isfinite(numbers))
    if len(beyond):
        row = int(beyond[0])
        raise DataError(
            f"The target {name!r}, row {row + 1}: {numbers[row]:g} is beyond "
            f"{LARGEST_FLOAT32:.2g}.\n"
            "Losses are computed in float32, in which it and its differences to other "
            "targets would be infinite.\n"
            "Correct the value, leave the row out, or divide the column by a power of "
            "ten."
        )


def _all_whole(values: pa.Array) -> bool:
    numbers = numpy_of(values)
    parts = (numbers[:1_000], numbers)  # mostly the first ones tell
    return all((part == np.floor(part)).all() for part in parts)


def _regression(name: str, values: pa.Array) -> Target:
    if pa.types.is_dictionary(values.type) or pa.types.is_boolean(values.type):
        what = "text" if pa.types.is_dictionary(values.type) else "booleans"
        raise _unfit(name, f"holds {what}", "numbers, for regression")
    ends = pc.min_max(values).as_py()
    low, high = ends["min"], ends["max"]
    if low == high:
        raise _one_value(name, low, len(values))
    return Target(name=name, task="regression", **number_entries(values, low, high))


def _classes(name: str, values: pa.Array, task: Any) -> Target:
    is_text = pa.types.is_dictionary(values.type)
    counts: dict[Any, int] = text_counts(values) if is_text else _counts(values)
    labels: tuple[Label, ...] = tuple(sorted(counts))
    if len(labels) == 1:
        raise _one_value(name, labels[0], len(values))
    joined = _joined_labels(labels) if is_text else ""
    most = min(len(values) / 2, MAX_CLASSES)
    if len(labels) > most and len(labels) > 2:
        raise DataError(
            f"The target {name!r} has {len(labels):,} classes in {len(values):,} "
            "rows.\n"
            f"At most {int(most):,} can be learned: two rows for each class, and no "
            f"more than {MAX_CLASSES:,}.\n"
            "Choose another target, merge rare classes, or take --task regression if "
            f"it is a quantity.{f' ({joined}.)' if joined else ''}"
        )
    if task == "binary" and len(labels) != 2:
        raise _unfit(name, f"has {len(labels)} classes", "two, for a binary task")
    seen = ", ".join(f"{label!r} {counts[label] / len(values):.0%}" for label in labels)
    return Target(
        name=name,
        task=task,
        type="string" if is_text else str(values.type),
        labels=labels,
        seen=f"{len(labels)} classes: {seen}"[:80],
        reason=joined,
    )


def _joined_labels(labels: Sequence[Any]) -> str:
    """Say it where classes look like several labels a row, joined by a separator.

    They do where their parts are fewer than they are: ``a``, ``b``, ``a|b``, ``b|a``.
    """
    for separator in SEPARATORS:
        parts = {part.strip() for label in labels for part in label.split(separator)}
        if len(parts) < len(labels):
            return (
                f"{len(parts)} labels joined by {separator!r}: each way to join them "
                "is a class of its own here, in another order another one. To learn "
                "one label by itself, make a column that says whether a row has it"
            )
    return ""


def _counts(values: pa.Array) -> dict[Any, int]:
    rows = values.value_counts()
    return {row["values"].as_py(): row["counts"].as_py() for row in rows}


def _unfit(name: str, what: str, wanted: str) -> DataError:
    return DataError(
        f"The target {name!r} {what}.\n"
        f"A target has to be {wanted}.\n"
        "Choose another target or another --task."
    )


def _one_value(name: str, value: Label, num_rows: int) -> DataError:
    return DataError(
        f"The target {name!r} is {value!r} in all {num_rows:,} rows.\n"
        "With one class or value only there is nothing to learn.\n"
        "Choose another target, or add rows with other values."
    )


def codes_of_target(values: pa.Array, target: Target) -> Tensor:
    """Turn the target's values into a tensor ``(rows,)``.

    Returns:
        float32 for regression, less the target's origin; int64 codes of classes.

    Raises:
        DataError: A value is missing, or is none of the classes; its row is named.
    """
    values = typed(values, target)
    usable_rows(values, target.name, drop_missing=False)
    if target.task == "regression":
        return torch.from_numpy(less_origin(values, target.origin).astype(np.float32))
    if pa.types.is_dictionary(values.type):
        labels = array_of(target.labels, pa.string())
        codes = pc.index_in(values.dictionary, value_set=labels).take(values.indices)
    else:
        labels = array_of(target.labels, values.type)
        codes = pc.index_in(values, value_set=labels)
    if codes.null_count:
        row = int(np.flatnonzero(numpy_of(codes.is_null()))[0])
        raise DataError(
            f"The target {target.name!r}, row {row + 1}: "
            f"{shown(values[row].as_py())} is none of the {len(labels)} classes of the "
            "training file.\n"
            "The model has no output for it.\n"
            "Leave such rows out, or train again with them."
        )
    return torch.from_numpy(numpy_of(codes).astype(np.int64))


def target_meaning(
    source: ColumnSource, name: str, task: str | None, choices: ColumnChoices
) -> Meaning:
    """Take the target of a new table, and say what its values mean.

    Raises:
        DataError: A value is written otherwise than the others, or is a bound.
    """
    option, _ = choices.kind(name)
    if option in ("date", "text", "id"):
        raise _unfit(name, f"is said to be {option}", "a number or a class")
    taken = source.take(name)
    quick = quick_meaning(name, taken, choices, source)
    if quick is not None and not quick.strays[0] and task is None:
        known = quick.values.drop_null()
        if _task_of(known) == "regression":
            return quick
    values = plain(taken)
    meaning = meaning_of(name, values, choices, source)
    if meaning.doubt is not None:
        raise doubt_error(name, meaning.doubt)
    spelling, is_number = (
        meaning.spelling,
        not pa.types.is_temporal(meaning.values.type),
    )
    if pa.types.is_dictionary(values.type) and not meaning.is_said:
        known = meaning.values.drop_null()
        is_class = task in ("binary", "classification") or (
            task is None
            and is_number
            and len(known)
            and _task_of(known) != "regression"
        )
        # "3 stars" stays the name of a class, where few of them make classes.
        if not is_number or (is_class and spelling is not None and spelling.unit):
            return Meaning(values, missing=meaning.missing)
    if meaning.strays[0]:
        row, text = meaning.strays[1][0]
        raise _stray_target(name, text, source.where([row])[0], OTHERWISE)
    if meaning.bounds is not None:
        row = int(np.flatnonzero(meaning.bounds)[0])
        text = values[row].as_py()
        raise _stray_target(name, text, source.where([row])[0], "a bound, no number")
    return meaning


def _stray_target(name: str, text: str, where: str, what: str) -> DataError:
    return DataError(
        f"The target {name!r} has the value {shown(text)} ({where}), which is {what}.\n"
        "A loss cannot be computed there.\n"
        "Correct it, or leave out the rows that have it: "
        f"--missing '{name}={text}' --drop-missing-target."
    )


def take_target(
    source: ColumnSource, target: Target, drop_missing: bool
) -> tuple[pa.Array, pa.BooleanArray | None]:
    """Take the target of the rows that have one; give also which, None for all."""
    name = target.name
    values = plain(source.take(name))
    if target.spelling is not None or target.missing:
        values = typed(values, target)
    rows = usable_rows(values, name, drop_missing=drop_missing)
    return (values if rows is None else values.filter(rows)), rows


def usable_rows(
    values: pa.Array, name: str, *, drop_missing: bool
) -> pa.BooleanArray | None:
    """Say which rows of the target called ``name`` have one; None where all have.

    It is a ``DataError`` if none has one, or one has none and must not be dropped.
    """
    _refuse_beyond_float32(values, name)
    has_target = _has_target(values)
    absent = np.flatnonzero(~numpy_of(has_target))
    if len(absent) == len(values):
        raise DataError(
            f"None of the {len(values):,} rows has a target {name!r}.\n"
            "There is nothing to learn from, or to compare with.\n"
            "Choose another target, or fill it in."
        )
    if len(absent) == 0:
        return None
    if drop_missing:
        return has_target
    rows = ", ".join(str(row + 1) for row in absent[:5])
    more = ", ..." if len(absent) > 5 else ""
    raise DataError(
        f"The target {name!r} is missing, NaN or infinite in {len(absent):,} of "
        f"{len(values):,} rows (rows {rows}{more}, counted without the header).\n"
        "A loss cannot be computed there.\n"
        "Leave these rows out with --drop-missing-target (drop_missing_target=True), "
        "or fill them in."
    )
