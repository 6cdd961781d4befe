"""One class per kind of data that batches come from."""

import inspect
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
)

from gradatim.data.digest import dataset_digest, tensor_digest
from gradatim.data.order import epoch_generator, epoch_order, mixed_seed
from gradatim.data.restart import (
    LoaderState,
    dataset_why_inexact,
    loader_why_inexact,
)
from gradatim.errors import ConfigError, DataError
from gradatim.nested import (
    as_tensors,
    map_tensors,
    num_rows,
    slice_rows,
    tensors_of,
)

if TYPE_CHECKING:
    from gradatim.data.batches import Batches

__all__ = ["comes_in_batches", "make_source", "refuse_options"]

CHUNK_BYTES = 1 << 22
"""Rows are gathered for many batches at once, about this much at a time: one gather
of 4 MB costs less than its batches' gathers, and stays near the processor."""


class _Source:
    """What all kinds of data share."""

    num_rows: int | None = None
    data: Any

    def __init__(self, options: "Batches") -> None:
        self.options = options

    def num_batches(self) -> int:
        rows, size = self.num_rows, self.options.batch_size
        if rows is None:
            raise TypeError("this data does not say how many batches it has.")
        return rows // size if self.options.drop_last else -(-rows // size)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def why_inexact(self) -> list[str]:
        return []

    def digest(self) -> dict[str, Any]:
        return dataset_digest(self.data)

    def to_device(self) -> None:
        raise ConfigError(
            "resident=True, but the data is read as it goes.\n"
            "Only tensors can be sent to the device once.\n"
            "Leave resident out, or give a tuple of tensors."
        )

    def send(self, batch: Any) -> Any:
        """Move a batch to the device; on CUDA without waiting for it."""
        device = self.options.device
        if device is None:
            return batch
        if device.type == "cuda":
            return map_tensors(lambda t: _send_pinned(t, device), batch)
        return map_tensors(lambda t: t.to(device), batch)


def _send_pinned(tensor: Tensor, device: torch.device) -> Tensor:
    # A copy from pageable memory makes the host wait; from pinned memory it does not.
    if tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class _TensorSource(_Source):
    """Tensors in memory: an epoch is gathered in chunks that are cut into batches."""

    def __init__(self, data: Any, options: "Batches", rows: Tensor | None) -> None:
        super().__init__(options)
        self.data = data
        self.rows = rows  # of a Subset: which rows of the tensors are meant
        tensors = list(tensors_of(data))
        self.num_rows = _same_num_rows(tensors) if rows is None else len(rows)
        _check_num_rows(self.num_rows, options)
        _refuse_lists(data, self.num_rows)
        bytes_per_row = sum(
            t.element_size() * (t.numel() // max(1, t.size(0))) for t in tensors
        )
        batch_bytes = max(1, bytes_per_row * options.batch_size)
        self.chunk_rows = options.batch_size * max(1, CHUNK_BYTES // batch_bytes)
        if type(data) in (tuple, list) and all(isinstance(t, Tensor) for t in data):
            self.gather: Callable[[Any], Iterator[Any]] = self._gather_flat
        else:
            self.gather = self._gather_nested

    def to_device(self) -> None:
        device = self.options.device
        if device is None:
            raise ConfigError("resident=True needs device=: where to send the data.")
        self.data = map_tensors(lambda t: t.to(device), self.data)

    def digest(self) -> dict[str, Any]:
        return tensor_digest(self.data, self.rows)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        options, total = self.options, self.num_rows
        assert total is not None
        size = options.batch_size
        if options.drop_last:
            total -= total % size
        order: Tensor | None = self.rows
        if options.shuffle:
            order = epoch_order(self.num_rows or 0, seed=options.seed, epoch=epoch)
            if self.rows is not None:
                order = self.rows[order]
        if order is not None:
            order = order.to(next(tensors_of(self.data)).device)
        for first in range(start * size, total, self.chunk_rows):
            stop = min(first + self.chunk_rows, total)
            take = slice(first, stop) if order is None else order[first:stop]
            yield from self.gather(take)

    def _gather_flat(self, take: Any) -> Iterator[Any]:
        chunk = [self.send(_take(tensor, take)) for tensor in self.data]
        size = self.options.batch_size
        return zip(*(tensor.split(size) for tensor in chunk), strict=True)

    def _gather_nested(self, take: Any) -> Iterator[Any]:
        chunk = self.send(map_tensors(lambda t: _take(t, take), self.data))
        size, rows = self.options.batch_size, num_rows(chunk)
        for start in range(0, rows, size):
            yield slice_rows(chunk, start, start + size)


def _tell_epoch(data: Any, epoch: int) -> None:
    """Call ``set_epoch`` where there is one, also on the data sets inside.

    So a data set can make what it draws a function of the epoch.
    """
    while data is not None:
        set_epoch = getattr(data, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        data = getattr(data, "dataset", None)


def _take(tensor: Tensor, take: slice | Tensor) -> Tensor:
    if isinstance(take, slice):
        return tensor[take].clone()
    return tensor.index_select(0, take)


class _DatasetSource(_Source):
    """A map-style ``Dataset``: asked for whole batches where it can give them."""

    def __init__(self, data: Dataset[Any], options: "Batches") -> None:
        super().__init__(options)
        self.data = data
        assert isinstance(data, Sized)
        self.num_rows = len(data)
        _check_num_rows(self.num_rows, options)

    def why_inexact(self) -> list[str]:
        return dataset_why_inexact(self.data)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        _tell_epoch(self.data, epoch)
        batches = list(enumerate(self._indices(epoch)))[start:]
        if not self.options.num_workers:
            for _, indices in batches:
                yield self.send(_fetch(self.data, indices))
            return
        loader: DataLoader[Any] = DataLoader(
            _SeededBatches(self.data, self.options.seed, epoch),
            sampler=batches,
            batch_size=None,
            num_workers=self.options.num_workers,
            # Without one of its own, the loader would draw from the global RNG.
            generator=epoch_generator(self.options.seed, epoch),
            collate_fn=_as_it_is,
            pin_memory=_is_cuda(self.options.device),
        )
        for batch in loader:
            yield self.send(batch)

    def _indices(self, epoch: int) -> list[list[int]]:
        options, total = self.options, self.num_rows or 0
        if options.shuffle:
            order = epoch_order(total, seed=options.seed, epoch=epoch).tolist()
        else:
            order = list(range(total))
        size = options.batch_size
        batches = [order[start : start + size] for start in range(0, total, size)]
        if options.drop_last and len(batches[-1]) < size:
            batches.pop()
        return batches


def _fetch(data: Any, indices: list[int]) -> Any:
    fetch_many = getattr(data, "__getitems__", None)
    if fetch_many is not None:
        return default_collate(fetch_many(indices))
    return default_collate([data[index] for index in indices])


class _SeededBatches(Dataset[Any]):
    """A data set of whole batches, for workers.

    What its rows draw is a function of (seed, epoch, batch): the same for any number of
    workers, and wherever the epoch is gone on with.
    """

    def __init__(self, data: Dataset[Any], seed: int, epoch: int) -> None:
        self.data = data
        self.seed = seed
        self.epoch = epoch

    def __getitem__(self, item: tuple[int, list[int]]) -> Any:
        number, indices = item
        seed = mixed_seed(self.seed, self.epoch, number)
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % (1 << 32))
        return _fetch(self.data, indices)


def _as_it_is(batch: Any) -> Any:
    return batch


class _IterableSource(_Source):
    """An ``IterableDataset``: its own order, cut into batches as it comes."""

    def __init__(self, data: IterableDataset[Any], options: "Batches") -> None:
        super().__init__(options)
        self.data = data
        self.num_rows = len(data) if isinstance(data, Sized) else None

        self._has_state = hasattr(data, "state_dict") and hasattr(
            data, "load_state_dict"
        )
        self._exhausted = False
        self._loaded: Any = None

    def why_inexact(self) -> list[str]:
        name = type(self.data).__name__
        if not self._has_state:
            return [f"{name} has no state_dict() and load_state_dict()"]
        if self.options.num_workers:
            return [f"{name} lives in workers, where its state cannot be reached"]
        return []

    def state_dict(self) -> dict[str, Any]:
        if not self._has_state or self.options.num_workers:
            return {}
        if self._loaded is not None:
            return self._loaded
        return {"dataset": self.data.state_dict(), "exhausted": self._exhausted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "dataset" in state:
            self._loaded = state

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        loaded, self._loaded = self._loaded, None
        if loaded is not None and not start:  # as it was before it was told the epoch
            self.data.load_state_dict(loaded["dataset"])
        _tell_epoch(self.data, epoch)
        if loaded is not None and start:  # its state says where it is
            self.data.load_state_dict(loaded["dataset"])
            start = 0
            if loaded["exhausted"]:
                self._exhausted = True
                return
        self._exhausted = False
        if not self.options.num_workers:
            batches = self._cut()
        else:
            batches = iter(
                DataLoader(
                    self.data,
                    batch_size=self.options.batch_size,
                    drop_last=self.options.drop_last,
                    num_workers=self.options.num_workers,
                    generator=epoch_generator(self.options.seed, epoch),
                    pin_memory=_is_cuda(self.options.device),
                )
            )
        for batch in itertools.islice(batches, start, None):
            yield self.send(batch)

    def _cut(self) -> Iterator[Any]:
        """Cut the rows into batches, none fetched before it is asked for."""
        size, rows = self.options.batch_size, iter(self.data)
        while batch := list(itertools.islice(rows, size)):
            # Its end was met, and it may count from zero again by now.
            self._exhausted = len(batch) < size
            if not (self._exhausted and self.options.drop_last):
                yield default_collate(batch)
            if self._exhausted:
                return


class _LoaderSource(_Source):
    """A user's ``DataLoader``, or any iterable of batches, used as it is."""

    def __init__(self, data: Any, options: "Batches") -> None:
        super().__init__(options)
        # Not shuffle: True is what it is by default, and False what a loader may do.
        defaults = inspect.signature(type(options)).parameters
        names = ("batch_size", "seed", "drop_last", "num_workers")
        changed = [n for n in names if getattr(options, n) != defaults[n].default]
        refuse_options(data, changed)
        self.data = data
        self._state = LoaderState(data) if isinstance(data, DataLoader) else None
        dataset = getattr(data, "dataset", None)
        self.num_rows = len(dataset) if isinstance(dataset, Sized) else None

    def num_batches(self) -> int:
        return len(self.data)

    def why_inexact(self) -> list[str]:
        return loader_why_inexact(self.data) if self._state is not None else []

    def state_dict(self) -> dict[str, Any]:
        return {} if self._state is None else self._state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._state is not None:
            self._state.load_state_dict(state)

    def digest(self) -> dict[str, Any]:
        if self._state is None:
            return tensor_digest(self.data)
        tensors, rows = _tensors_behind(self.data.dataset)
        if tensors is not None:
            return tensor_digest(tensors, rows)
        return dataset_digest(self.data.dataset)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        _tell_epoch(self.data, epoch)
        _tell_epoch(getattr(self.data, "sampler", None), epoch)
        batches: Iterator[Any]
        if self._state is None:
            batches = itertools.islice(self.data, start, None)
        elif start:
            batches = self._state.replayed(start)
        else:
            if self.options.restartable:
                self._state.begin()
            batches = iter(self.data)
        return batches if self.options.device is None else map(self.send, batches)


# --- Telling the kinds apart --------------------------------------------------------


def make_source(data: Any, options: "Batches") -> _Source:
    """Find the class for a kind of data.

    Raises:
        DataError: There is none.
    """
    if isinstance(data, DataLoader):
        return _LoaderSource(data, options)
    if isinstance(data, IterableDataset):
        return _IterableSource(data, options)
    if isinstance(data, Dataset):
        tensors, rows = _tensors_behind(data)
        if tensors is not None:
            return _TensorSource(tensors, options, rows)
        return _DatasetSource(data, options)
    if hasattr(data, "as_batch"):  # a Table
        data = data.as_batch()
    if isinstance(data, (Tensor, np.ndarray, Mapping, tuple, list)):
        data = as_tensors(data)
        if _is_list_of_batches(data):
            return _LoaderSource(data, options)
        if next(tensors_of(data), None) is not None:
            return _TensorSource(data, options, None)
    elif _is_list_of_batches(data):  # another Sequence, whose batches are its own
        return _LoaderSource(data, options)
    raise DataError(
        f"data of type {type(data).__name__} gives no batches.\n"
        "Training needs rows that can be cut into batches.\n"
        "Give a tuple of tensors or arrays, a Dataset, an IterableDataset, a "
        "DataLoader or a Table."
    )


def _is_list_of_batches(data: Any) -> bool:
    """Tell ``[(x, y), (x, y)]``, batches made by hand, from ``(x, y)``."""
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (tuple, str))
        and len(data) > 0
        and all(isinstance(batch, (tuple, list, Mapping)) for batch in data)
    )


def _tensors_behind(data: Any) -> tuple[Any, Tensor | None]:
    """Find the tensors of a ``TensorDataset``, also behind ``random_split``."""
    if type(data) is TensorDataset:
        return data.tensors, None
    if type(data) is Subset:
        tensors, rows = _tensors_behind(data.dataset)
        if tensors is not None:
            chosen = torch.as_tensor(list(data.indices), dtype=torch.int64)
            # Negative ones count from the end, as they do in the data set.
            total = len(tensors[0]) if rows is None else len(rows)
            chosen = chosen.where(chosen >= 0, chosen + total)
            return tensors, chosen if rows is None else rows[chosen]
    return None, None


def comes_in_batches(data: Any) -> bool:
    """Tell whether ``data`` is a loader, or a list of batches."""
    return isinstance(data, DataLoader) or _is_list_of_batches(data)


def refuse_options(data: Any, names: list[str]) -> None:
    """Refuse options that ``data`` would not follow.

    Raises:
        ConfigError: There is one.
    """
    if names:
        raise ConfigError(
            f"{' and '.join(names)} given, but a {type(data).__name__} has batches or "
            "an order of its own.\n"
            "What was asked for would not be done.\n"
            "Leave it out here and set it there, or give the data set itself."
        )


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
                "Only tensors and arrays are cut into batches.\n"
                "Make it one, for example with torch.tensor(...) or np.array(...)."
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


def _check_num_rows(rows: int, options: "Batches") -> None:
    if rows == 0:
        raise DataError(
            "the data have 0 rows.\n"
            "An epoch over nothing trains nothing and its mean loss is 0 / 0.\n"
            "Look at the file, filter or split that they come from."
        )
    if options.drop_last and rows < options.batch_size:
        raise DataError(
            f"the data have {rows} rows, fewer than a batch of {options.batch_size} "
            "needs, and drop_last leaves out what is no whole batch.\n"
            "Nothing would be trained.\n"
            "Give a smaller batch_size, or drop_last=False."
        )


def _is_cuda(device: torch.device | None) -> bool:
    return device is not None and device.type == "cuda"
