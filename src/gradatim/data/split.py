"""Splitting rows into parts: at random, by class, by group, or by time."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.utils.data import Subset

from gradatim.data.groups import by_group
from gradatim.data.in_memory import tensors_from
from gradatim.data.kinds import is_in_memory
from gradatim.errors import ConfigError, DataError
from gradatim.nested import map_tensors, tensors_of

__all__ = ["split", "split_rows_of"]


def split(
    *data: Any,
    fractions: Sequence[float] = (0.8, 0.2),
    seed: int = 0,
    stratify: Any = None,
    time: Any = None,
    groups: Any = None,
) -> tuple[Any, ...]:
    """Split data into parts that share no row.

    Args:
        data: Tensors, arrays, data frames or lists of numbers with the same rows along
            dim 0, alone or in a dict, or one data set (``len(data)`` and ``data[row]``)
            or ``Table``. float64 becomes PyTorch's default dtype.
        fractions: The share of each part; together 1.
        seed: Decides the order before the cut. Nothing global is seeded.
        stratify: A class per row; every class is shared out in the same proportion,
            to within a row. Classes with fewer rows than parts go to the first part.
        time: A time (any number) per row. The first part holds the earliest rows, the
            last the latest, as in the use that follows; rows of the same time stay
            together, and in their order. ``seed`` is not used.
        groups: A group per row, such as the patient. All rows of a group go to one
            part. The parts come as close to their shares, with ``stratify`` of each
            class, as whole groups allow.

    Returns:
        A tuple of parts. Of several tensors each part is a tuple ``(x, y)``, of a
        single one a tensor, of a data set a ``Subset``, of a ``Table`` a ``Table``.

    Raises:
        DataError: A part would be empty, the data have different numbers of rows, or
            there are fewer groups than parts.
        ConfigError: The fractions do not add up to 1, or ``time`` is given beside
            ``stratify`` or ``groups``.

    >>> x, y = torch.arange(10.0), torch.arange(10) % 2
    >>> (x_train, y_train), (x_val, y_val) = split(x, y, stratify=y)
    >>> len(x_train), y_val.tolist()
    (8, [1, 0])
    """
    whole = data[0] if len(data) == 1 else data
    if is_in_memory(whole):
        whole = tensors_from(whole)
        lengths = [len(tensor) if tensor.dim() else 1 for tensor in tensors_of(whole)]
        if len(set(lengths)) != 1:
            raise DataError(
                f"the data have {', '.join(map(str, lengths)) or 'no'} rows.\n"
                "Rows are paired by their number along dim 0.\n"
                "Give all of them the same first dimension."
            )
        total = lengths[0]
    else:
        total = len(whole)
    parts = split_rows_of(
        total,
        fractions=fractions,
        seed=seed,
        stratify=stratify,
        time=time,
        groups=groups,
    )
    return tuple(_select(whole, rows) for rows in parts)


def split_rows_of(
    total: int,
    *,
    fractions: Sequence[float] = (0.8, 0.2),
    seed: int = 0,
    stratify: Any = None,
    time: Any = None,
    groups: Any = None,
) -> list[Int[Tensor, "rows"]]:
    """Split the row numbers 0 to ``total - 1``; arguments as in :func:`split`.

    >>> [rows.tolist() for rows in split_rows_of(5, time=[3, 1, 4, 0, 2])]
    [[3, 1, 4, 0], [2]]
    """
    _check_fractions(fractions)
    if stratify is not None and time is not None:
        raise ConfigError(
            "stratify= and time= are both given.\n"
            "Rows in the order of time cannot also be shared out by class.\n"
            "Choose one."
        )
    if groups is not None and time is not None:
        raise ConfigError(
            "groups= and time= are both given.\n"
            "Rows in the order of time cannot also keep their groups together.\n"
            "Choose one."
        )
    counts = _counts(total, fractions)
    if time is not None:
        return _by_time(_per_row(time, total, "time"), counts)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    classes = None if stratify is None else _per_row(stratify, total, "stratify")
    if groups is not None:
        return by_group(_per_row(groups, total, "groups"), order, fractions, classes)
    if classes is not None:
        return _by_class(classes, order, len(counts), fractions)
    return list(order.split(counts))


def _check_fractions(fractions: Sequence[float]) -> None:
    are_shares = all(0 < fraction <= 1 for fraction in fractions)
    if not (are_shares and math.isclose(sum(fractions), 1, abs_tol=1e-9)):
        raise ConfigError(
            f"fractions are {tuple(fractions)}; their sum is {sum(fractions):g}.\n"
            "Each part needs a share, and every row goes to one part.\n"
            "Give positive numbers that add up to 1, such as (0.8, 0.2)."
        )


def _counts(total: int, fractions: Sequence[float]) -> list[int]:
    """Round the shares to whole rows that add up; refuse an empty part."""
    shares = [sum(fractions[:index]) for index in range(len(fractions))]
    edges = [*(round(total * share) for share in shares), total]
    counts = [after - before for before, after in pairwise(edges)]
    if min(counts) < 1:
        empty = counts.index(min(counts))
        raise DataError(
            f"part {empty + 1} of {len(counts)} would be empty: {total} rows, share "
            f"{fractions[empty]:g}.\n"
            "A score over no rows says nothing.\n"
            "Give more rows, or that part a larger share."
        )
    return counts


def _per_row(values: Any, total: int, name: str) -> Shaped[Tensor, "rows"]:
    """Turn a value per row into numbers that sort and compare as the values do."""
    if isinstance(values, Tensor):
        tensor = values.detach().cpu()
    else:
        array = np.asarray(values)
        if array.dtype.kind in "mM" and (num_bad := int(np.isnat(array).sum())):
            raise _no_value(name, "NaT", num_bad)
        if array.dtype.kind in "OUSmM":  # text or times: their places in sorted order
            array = np.unique(array, return_inverse=True)[1]
        tensor = torch.as_tensor(array)
    if tensor.shape != (total,):
        raise DataError(
            f"{name} has shape {tuple(tensor.shape)}, the data {total} rows.\n"
            "Each row needs one value.\n"
            f"Give {name} the shape ({total},)."
        )
    if tensor.is_floating_point() and (num_bad := int((~tensor.isfinite()).sum())):
        raise _no_value(name, "NaN or infinite", num_bad)
    return tensor


def _no_value(name: str, value: str, rows: int) -> DataError:
    return DataError(
        f"{name} is {value} in {rows} rows.\n"
        "Such rows belong to no part.\n"
        "Fill in or leave out these rows first."
    )


def _by_time(time: Tensor, counts: list[int]) -> list[Tensor]:
    order = torch.argsort(time, stable=True)
    sorted_time = time[order]
    edges, parts, start = torch.tensor(counts).cumsum(0).tolist(), [], 0
    for edge in edges[:-1]:
        # Rows of one moment on both sides of an edge would let the future leak.
        while edge < len(order) and sorted_time[edge] == sorted_time[edge - 1]:
            edge += 1
        parts.append(order[start:edge])
        start = edge
    parts.append(order[start:])
    for index, part in enumerate(parts):
        if len(part) == 0:
            raise DataError(
                f"part {index + 1} of {len(parts)} would be empty: rows of the same "
                "time stay together.\nA score over no rows says nothing.\n"
                "Give a finer time, or other fractions."
            )
    return parts


def _by_class(
    classes: Tensor, order: Tensor, num_parts: int, fractions: Sequence[float]
) -> list[Tensor]:
    _, inverse, sizes = torch.unique(classes, return_inverse=True, return_counts=True)
    shuffled = order[torch.argsort(inverse[order], stable=True)]  # class after class
    chosen: list[list[Tensor]] = [[] for _ in range(num_parts)]
    common = [size for size in sizes.tolist() if size >= num_parts]
    quotas = iter(_quotas(common, _counts(sum(common), fractions) if common else []))
    for rows in shuffled.split(sizes.tolist()):
        if len(rows) < num_parts:
            chosen[0].append(rows)
            continue
        for part, share in zip(chosen, rows.split(next(quotas)), strict=True):
            part.append(share)
    parts = [torch.cat(rows) if rows else order[:0] for rows in chosen]
    if any(len(part) == 0 for part in parts):
        raise DataError(
            f"a part would be empty: all {len(order)} rows belong to classes of fewer "
            f"than {num_parts} rows, which stay together.\n"
            "A score over no rows says nothing.\n"
            "Give more rows, or leave stratify out."
        )
    # So far the rows of a part are sorted by class: they get the order's places back.
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return [part[torch.argsort(place[part])] for part in parts]


def _quotas(sizes: list[int], counts: list[int]) -> list[list[int]]:
    """Share out each class to within a row, and each part its number of rows.

    Shares are rounded down; what a class has left goes, a row each, to the parts that
    lack most. (That this always comes out even is Ryser's construction of a matrix of
    zeros and ones from its sums, 1957.)

    >>> _quotas([5, 5], [6, 2, 2])
    [[3, 1, 1], [3, 1, 1]]
    """
    total = sum(counts)
    quotas = [[size * count // total for count in counts] for size in sizes]
    lacking = [
        count - sum(column)
        for count, column in zip(counts, zip(*quotas, strict=True), strict=True)
    ]
    for size, quota in zip(sizes, quotas, strict=True):
        neediest = sorted(range(len(counts)), key=lambda part: -lacking[part])
        for part in neediest[: size - sum(quota)]:
            quota[part] += 1
            lacking[part] -= 1
    return quotas


def _select(whole: Any, rows: Tensor) -> Any:
    if hasattr(whole, "as_batch"):  # a Table
        return whole.select(rows)
    if is_in_memory(whole):
        return map_tensors(lambda t: t[rows.to(t.device)], whole)
    return Subset(whole, rows.tolist())
