"""How many rows a batch has: what all of its parts agree on, never a guess.

A part says what its type and shape tell. A tensor says its first dimension. A list of
tensors can mean two things: sequences, one a row, or several inputs, each with all
rows. It says both, and the other parts of the batch decide. Where they leave it open,
or contradict each other, the user is asked.

A batch that is a tuple has parts. One that is a list has them as a rule; where its
entries could be rows, it says both.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gradatim.errors import DataError
from gradatim.nested import entries_of, rebuild

__all__ = ["arguments_of", "num_rows", "rows_or_none", "split_rows"]

MAX_PARTS_NAMED = 6
"""A message describes at most this many parts of a batch. Chosen by hand, not
measured."""


def num_rows(batch: Any) -> int:
    """Count the rows of ``batch``, on which all of its parts agree.

    A tensor says its first dimension; a ``PackedSequence`` how many sequences it packs;
    a list of tensors its length or the first dimension that they share; a list of
    dicts or texts its length; a dict what its values agree on. Numbers, None and single
    texts say nothing.

    Raises:
        DataError: The parts contradict each other, or leave more than one number open.

    >>> import torch
    >>> num_rows((torch.zeros(16, 1), torch.zeros(16)))
    16
    >>> num_rows(([torch.zeros(5, 3), torch.zeros(5, 3)], torch.zeros(2)))
    2
    """
    # Every step counts its rows, so the usual pair of tensors is looked at first, and
    # by type(): isinstance() of a Tensor takes as long as all the rest of this.
    if type(batch) in (tuple, list) and len(batch) == 2:
        x, y = batch
        if type(x) is Tensor is type(y):
            try:
                x_shape, y_shape = x.shape, y.shape
                if x_shape and y_shape and x_shape[0] == y_shape[0]:
                    return x_shape[0]
            except RuntimeError:  # suppress() would take longer
                pass  # a nested tensor has no shape
    possible = _agreed(map(_possible, _parts_of_batch(batch)))
    if _may_be_rows(batch) or (possible and _may_be_sequences(batch)):
        possible = {len(batch)} | (possible or set())
    if possible is None or len(possible) != 1:
        hint = ""
        if isinstance(batch, list):
            hint = " Several inputs can be given as a tuple."
        elif possible is None and isinstance(batch, Mapping):
            hint = " A list of rows needs collate_fn=, which makes batches of them."
        raise DataError(
            f"the rows of a batch cannot be counted: {_described(batch)}.\n"
            "Their number decides how much the batch's loss weighs in the mean of an "
            "epoch.\n"
            "Say what it weighs: loss_weight=lambda y: len(y); with forward= it is "
            f'given the batch: loss_weight=lambda batch: len(batch["label"]).{hint}'
        )
    return possible.pop()


def rows_or_none(batch: Any) -> int | None:
    """Count the rows of ``batch`` as :func:`num_rows`; None where they are open."""
    try:
        return num_rows(batch)
    except DataError:
        return None


def _parts_of_batch(batch: Any) -> Iterable[Any]:
    is_list = isinstance(batch, (tuple, list)) and not isinstance(batch, PackedSequence)
    return batch if is_list else (batch,)


def _may_be_rows(batch: Any) -> bool:
    """Tell whether a batch may itself be a list of rows, which nothing has collated.

    As a rule the entries of a batch are its parts, as ``default_collate`` gives
    ``[x, y]`` of rows that are tuples.
    """
    if not isinstance(batch, list) or not batch:
        return False
    if isinstance(batch[0], Mapping):
        keys = batch[0].keys()
        return all(isinstance(row, Mapping) and row.keys() == keys for row in batch)
    if isinstance(batch[0], str):
        return all(isinstance(row, str) for row in batch)
    return len(batch) > 2 and all(isinstance(row, (tuple, list)) for row in batch)


def _may_be_sequences(batch: Any) -> bool:
    """Tell whether a batch is a list of arrays alike, which may be sequences.

    Two of them are taken for inputs and targets.
    """
    is_long = isinstance(batch, list) and len(batch) > 2
    return is_long and all(map(_is_array, batch)) and _has_alike(batch)


def arguments_of(batch: Any) -> tuple[Any, ...]:
    """Give what a step is called with for a batch: its parts, or all of it as one.

    A list that may have rows for entries is one argument.

    >>> arguments_of([1.0, 2.0]), arguments_of({"x": 1.0}), arguments_of(["a", "b"])
    ((1.0, 2.0), ({'x': 1.0},), (['a', 'b'],))
    """
    if isinstance(batch, PackedSequence):
        return (batch,)
    if isinstance(batch, tuple):
        return batch
    is_row_list = _may_be_rows(batch) or _may_be_sequences(batch)
    return tuple(batch) if isinstance(batch, list) and not is_row_list else (batch,)


def _possible(part: Any) -> set[int] | None:
    """Give the numbers of rows that a part can mean; None where it says nothing."""
    if isinstance(part, PackedSequence):
        return {int(part.batch_sizes[0])}
    if isinstance(part, Tensor):  # a nested tensor has a size(0), but no shape
        return {part.size(0)} if part.dim() else None
    if isinstance(part, np.ndarray):
        return {len(part)} if part.ndim else None
    if not _has_alike(part):
        return _agreed(map(_possible, entries_of(part)))
    # What dicts and lists inside count is something else: the boxes of a picture.
    arrays = filter(_is_array, part)
    return {len(part)} | (_agreed(map(_possible, arrays)) or set())


def _has_alike(part: Any) -> bool:
    """Tell whether a part is a list of what may be rows: entries all of one kind."""
    if not isinstance(part, (tuple, list)) or hasattr(part, "_fields"):
        return False
    return len(set(map(_kind, part)) - {None}) == 1


def _kind(value: Any) -> Any:
    """Give what all rows of one list would have in common; None where one is None."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value.dtype, value.ndim
    for kind in (PackedSequence, Mapping, (tuple, list)):
        if isinstance(value, kind):
            return kind
    return None if value is None else "other"


def _is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray, PackedSequence))


def _agreed(possible: Iterable[set[int] | None]) -> set[int] | None:
    """Give the numbers that nobody contradicts; None where nobody says anything."""
    said = [numbers for numbers in possible if numbers is not None]
    return set.intersection(*said) if said else None


def _described(batch: Any) -> str:
    """Say of each part of a batch what it is, and which numbers of rows it can mean."""
    is_list = isinstance(batch, (tuple, list)) and len(batch) != 1
    name = "batch[{}]" if is_list else "batch"
    named: list[str] = []
    for index, part in enumerate(_parts_of_batch(batch)):
        named += _described_parts(part, name.format(index))
        if len(named) > MAX_PARTS_NAMED:
            named[MAX_PARTS_NAMED:] = ["and so on"]
            break
    if _may_be_rows(batch) or _may_be_sequences(batch):
        named.append(f"the list itself has {len(batch)}")
    return "; ".join(named) or f"the {type(batch).__name__} is empty"


def _described_parts(part: Any, name: str) -> Iterator[str]:
    if isinstance(part, Mapping) and part:
        for key, value in part.items():
            yield from _described_parts(value, f"{name}[{key!r}]")
        return
    kind = f"a {type(part).__name__}"
    is_nested = isinstance(part, Tensor) and part.is_nested
    if isinstance(part, (Tensor, np.ndarray)) and not is_nested:
        kind += f" of shape {tuple(part.shape)}"
    elif isinstance(part, (tuple, list)) and not isinstance(part, PackedSequence):
        inside = list(dict.fromkeys(type(value).__name__ for value in part))
        kind += f" of {len(part)} {' and '.join(inside[:3])}"
    possible = _possible(part)
    numbers = " or ".join(map(str, sorted(possible or ())))
    yield f"{name} ({kind}) has {numbers or 'none'}"


def split_rows(batch: Any, num_parts: int) -> list[Any]:
    """Cut ``batch`` into at most ``num_parts`` parts whose sizes differ by one row.

    Fewer rows than parts give one part a row; no part is empty. A list with an entry a
    row, such as one of sequences, texts or dicts, is cut between its entries.

    Raises:
        DataError: The rows cannot be counted, or a part cannot be cut by rows.

    >>> import torch
    >>> [len(part["x"]) for part in split_rows({"x": torch.zeros(7, 2)}, 3)]
    [3, 2, 2]
    """
    rows = rows_or_none(batch)
    if rows is None:
        raise DataError(
            f"a batch cannot be cut into microbatches by rows: {_described(batch)}.\n"
            "The parts would not pair the same rows.\n"
            "Give every tensor of the batch the same first dimension, and every list "
            "an entry a row."
        )
    num_parts = max(1, min(num_parts, rows))
    size, longer = divmod(rows, num_parts)
    edges = [index * size + min(index, longer) for index in range(num_parts + 1)]
    if num_parts == 1:
        return [batch]
    if _may_be_rows(batch) and len(batch) == rows:
        return [batch[start:stop] for start, stop in pairwise(edges)]
    parts = _parts_of_batch(batch)
    cut = [[_cut(part, edge, rows) for part in parts] for edge in pairwise(edges)]
    return [rebuild(batch, c) if parts is batch else c[0] for c in cut]


def _cut(part: Any, edge: tuple[int, int], rows: int) -> Any:
    """Take the rows between two edges of a part that has ``rows`` of them."""
    start, stop = edge
    if isinstance(part, (Tensor, np.ndarray)) and part.shape[:1] == (rows,):
        return part[start:stop]
    if _is_array(part):
        shape = "" if isinstance(part, PackedSequence) else f" {tuple(part.shape)}"
        raise DataError(
            f"a batch of {rows} rows holds a {type(part).__name__}{shape}.\n"
            "It cannot be cut into microbatches that pair the same rows.\n"
            "Give every tensor of the batch the same first dimension; give sequences "
            "padded or as a list, and pack them in forward."
        )
    is_list = _has_alike(part) and len(part) == rows
    if is_list and _agreed(map(_possible, filter(_is_array, part))) == {rows}:
        raise DataError(
            f"a batch of {rows} rows holds a {type(part).__name__} of {rows} tensors "
            f"of {rows} rows each.\n"
            "To cut it into microbatches, one must know whether it has a sequence a "
            "row, or several inputs with all rows.\n"
            "Give several inputs as a dict, and sequences padded."
        )
    if is_list:
        return part[start:stop]
    return rebuild(part, (_cut(entry, edge, rows) for entry in entries_of(part)))
