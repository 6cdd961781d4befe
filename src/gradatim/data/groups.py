"""Splitting rows by groups: all rows of a group go to one part."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from gradatim.errors import DataError

__all__ = ["by_group"]

MOST_PLACED = 10_000
"""So many groups, the largest ones, are placed one by one, which takes 0.2 s; those
that are left are so small that chance shares them out well enough."""
MOST_COUNTS = 10_000_000
"""Groups times classes that are counted (80 MB); with more, classes are not looked
at."""


def by_group(
    groups: Shaped[Tensor, " rows"],
    order: Int[Tensor, " rows"],
    fractions: Sequence[float],
    classes: Shaped[Tensor, " rows"] | None = None,
) -> list[Int[Tensor, " part_rows"]]:
    """Split rows into parts that share no group, close to ``fractions`` of the rows.

    From the largest group to the smallest, each goes where it lessens the squared
    distance from the wished number of rows of each class most. No part stays empty.

    Args:
        groups: The group of each row.
        order: The row numbers in random order; it decides between equal groups, and
            parts have their rows in it.
        fractions: The share of each part.
        classes: The class of each row, to be shared out as well as whole groups allow.

    Raises:
        DataError: There are fewer groups than parts.

    >>> rows = torch.arange(6)
    >>> [part.tolist() for part in by_group(rows // 2, rows, (0.6, 0.4))]
    [[0, 1, 4, 5], [2, 3]]
    """
    names, group_of = np.unique(groups.numpy(), return_inverse=True)
    if len(names) < len(fractions):
        raise DataError(
            f"there are {len(names)} groups for {len(fractions)} parts.\n"
            "The rows of a group stay together, so each part needs a group.\n"
            "Give rows of more groups, or split into fewer parts."
        )
    counts = _counts_by_class(group_of, len(names), classes)
    # The groups in the order in which the random order meets them, largest first.
    _, first = np.unique(group_of[order.numpy()], return_index=True)
    met = np.argsort(first, kind="stable")
    ranked = met[np.argsort(-counts[met].sum(axis=1), kind="stable")]
    part_of = np.empty(len(names), dtype=np.int64)
    have = _place(ranked[:MOST_PLACED], counts, fractions, part_of)
    if len(rest := ranked[MOST_PLACED:]):
        sizes = counts[rest].sum(axis=1)
        lacking = np.array(fractions) * counts.sum() - have
        edges = lacking.clip(min=0).cumsum()
        middles = (sizes.cumsum() - sizes / 2) / sizes.sum() * edges[-1]
        part_of[rest] = np.searchsorted(edges, middles).clip(max=len(edges) - 1)
    part_of_row = torch.from_numpy(part_of[group_of])[order]
    return [order[part_of_row == part] for part in range(len(fractions))]


def _counts_by_class(
    group_of: npt.NDArray[np.int64], num_groups: int, classes: Tensor | None
) -> npt.NDArray[np.float64]:
    """Count the rows of each group: a column for each class, or one for all."""
    class_of, num_classes = np.zeros_like(group_of), 1
    if classes is not None:
        names, places = np.unique(classes.numpy(), return_inverse=True)
        if num_groups * len(names) <= MOST_COUNTS:
            class_of, num_classes = places, len(names)
    cells = group_of * num_classes + class_of
    counts = np.bincount(cells, minlength=num_groups * num_classes)
    return counts.reshape(num_groups, num_classes).astype(np.float64)


def _place(
    ranked: npt.NDArray[np.int64],
    counts: npt.NDArray[np.float64],
    fractions: Sequence[float],
    part_of: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Fill in the part of each ranked group; give how many rows each part then has."""
    wanted = np.array(fractions)[:, None] * counts.sum(axis=0)
    have = np.zeros_like(wanted)
    num_groups = np.zeros(len(wanted), dtype=np.int64)
    for place, group in enumerate(ranked):
        added = counts[group]
        # By how much sum((have - wanted)^2 / wanted) changes, in each part.
        change = ((2 * (have - wanted) + added) * added / wanted).sum(axis=1)
        if len(ranked) - place <= np.count_nonzero(num_groups == 0):
            change[num_groups > 0] = np.inf
        part = int(change.argmin())
        part_of[group] = part
        have[part] += added
        num_groups[part] += 1
    return have.sum(axis=1)
