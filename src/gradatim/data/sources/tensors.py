"""Tensors in memory: sliced batch by batch, never collated row by row."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from gradatim.data.digest import tensor_digest
from gradatim.data.options import BatchOptions
from gradatim.data.sources.numbered import NumberedSource
from gradatim.errors import ConfigError, DataError
from gradatim.nested import map_tensors, slice_rows, tensors_of

__all__ = ["CHUNK_BYTES", "TensorSource", "tensors_behind"]

CHUNK_BYTES = 1 << 22
"""Rows are gathered for many batches at once, about so many bytes at a time. Measured
(benchmarks/LOG.md): below 1 MB it is slower, above 4 MB the difference is noise."""


class TensorSource(NumberedSource):
    """Tensors in memory: an epoch is gathered in chunks that are cut into batches.

    ``rows`` are those of the tensors that a ``Subset`` chose; None for all of them.
    """

    def __init__(self, data: Any, options: BatchOptions, rows: Tensor | None) -> None:
        tensors = list(tensors_of(data))
        num_rows = _same_num_rows(tensors) if rows is None else len(rows)
        super().__init__(data, options, num_rows)
        self.rows = rows
        self.home = tensors[0].device
        _refuse_lists(data, num_rows)
        if options.collate_fn is not None:
            raise ConfigError(
                "collate_fn given, but the data are tensors.\n"
                "They are sliced batch by batch: there are no rows to put together.\n"
                "Leave it out, or give a data set whose rows it takes."
            )
        bytes_per_row = sum(
            t.element_size() * (t.numel() // max(1, t.size(0))) for t in tensors
        )
        batch_bytes = max(1, bytes_per_row * options.batch_size)
        self.chunk_batches = max(1, CHUNK_BYTES // batch_bytes)
        if type(data) in (tuple, list) and all(isinstance(t, Tensor) for t in data):
            self.gather: Callable[[Any], Iterator[Any]] = self._gather_flat
        else:
            self.gather = self._gather_nested

    @property
    def has_workers(self) -> bool:
        return False

    def to_device(self) -> None:
        device = self.options.device
        if device is None:
            raise ConfigError("resident=True needs device=: where to send the data.")
        self.data = map_tensors(lambda t: t.to(device), self.data)
        self.home = next(tensors_of(self.data)).device

    def digest(self) -> dict[str, Any]:
        return tensor_digest(self.data, self.rows)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        home, chosen = self.home, self.rows
        if chosen is not None:
            chosen = chosen.to(home)

        def place(order: Tensor) -> Tensor:
            order = order.to(home)
            return order if chosen is None else chosen[order]

        for rows in self.row_numbers(epoch, start, self.chunk_batches, place):
            if chosen is not None and isinstance(rows, slice):
                rows = chosen[rows]
            yield from self.gather(rows)

    def _gather_flat(self, rows: slice | Tensor) -> Iterator[Any]:
        chunk = [self.send(_copy_rows(tensor, rows)) for tensor in self.data]
        size = self.options.batch_size
        return zip(*(tensor.split(size) for tensor in chunk), strict=True)

    def _gather_nested(self, rows: slice | Tensor) -> Iterator[Any]:
        chunk = self.send(map_tensors(lambda t: _copy_rows(t, rows), self.data))
        size, chunk_rows = self.options.batch_size, len(next(tensors_of(chunk)))
        for start in range(0, chunk_rows, size):
            yield slice_rows(chunk, start, start + size)


def _copy_rows(tensor: Tensor, rows: slice | Tensor) -> Tensor:
    if isinstance(rows, slice):
        return tensor[rows].clone()
    return tensor.index_select(0, rows)


def tensors_behind(data: Any) -> tuple[Any, Tensor | None]:
    """Find the tensors of a ``TensorDataset``, also behind ``random_split``.

    Returns:
        The tensors and the rows that are meant (None for all); twice None for any
        other data set.
    """
    if type(data) is TensorDataset:
        return data.tensors, None
    if type(data) is Subset:
        tensors, rows = tensors_behind(data.dataset)
        if tensors is not None:
            chosen = torch.as_tensor(list(data.indices), dtype=torch.int64)
            # Negative ones count from the end, as they do in the data set.
            total = len(tensors[0]) if rows is None else len(rows)
            chosen = chosen.where(chosen >= 0, chosen + total)
            return tensors, chosen if rows is None else rows[chosen]
    return None, None


def _refuse_lists(data: Any, rows: int) -> None:
    """Refuse what looks like a column and could not be sliced with the tensors."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if not isinstance(data, (tuple, list)):
        return
    for part in data:
        is_list = isinstance(part, (tuple, list))
        if is_list and len(part) == rows and next(tensors_of(part), None) is None:
            raise DataError(
                f"the data hold a {type(part).__name__} of {rows} "
                f"{type(part[0]).__name__}.\n"
                "Only tensors, arrays and numbers are cut into batches.\n"
                "Make numbers of it, or give a data set with a collate_fn=."
            )
        _refuse_lists(part, rows)


def _same_num_rows(tensors: list[Tensor]) -> int:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        raise DataError(
            f"the tensors have shapes {', '.join(map(str, shapes))}.\n"
            "Rows of different tensors are paired by their number along dim 0.\n"
            "Give all of them the same first dimension."
        )
    return shapes[0][0]
