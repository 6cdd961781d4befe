"""Notes data loaders: how they were made, when they start, what they give."""

import random
import sys
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.torch_private import ONE_SAMPLE_FOREVER
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.objects_seen import ObjectObserver, ObjectSeen
from gradatim.watching.position import MOST_OBJECTS, Position
from gradatim.watching.source_lines import SourceLine, is_user_file, user_line

__all__ = ["LoaderSeen", "Loaders", "generators_of"]

SAMPLERS_IN_ORDER = ("SequentialSampler", ONE_SAMPLE_FOREVER)
"""Samplers of ``torch.utils.data`` that do not shuffle."""
MOST_ATTRIBUTES = 50  # read of a data set: chosen by hand, not measured
GENERATORS = np.random.Generator, np.random.RandomState, random.Random, torch.Generator
"""What draws random numbers."""


@dataclass
class LoaderSeen(ObjectSeen):
    """A ``DataLoader``."""

    length: int | None
    """The number of batches of one pass; None where nobody knows."""
    batch_size: int | None
    """The number of rows of a batch; None where the user makes batches."""
    shuffles: bool
    num_workers: int
    starts: FirstAndLast[tuple[int, int]] = field(default_factory=FirstAndLast)
    """The order, and the number of updates, at each start of an iteration."""
    iter_line: SourceLine | None = None
    """The user's line that started an iteration first."""
    fetched: int = 0
    generators: tuple[str, ...] = ()
    """Generators of random numbers that the data set holds, if there are workers."""
    has_worker_init: bool = False
    """Whether a function of the user's prepares each worker."""
    num_bytes_away: int = 0
    """The size of the data set's tensors on another device than the CPU."""
    device: str = ""
    """The other device that holds such tensors; empty where there is none."""


class Loaders(ObjectObserver[LoaderSeen]):
    """Sees data loaders made, started and read."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self.last_started: weakref.ref[Any] | None = None
        """The loader whose iteration began last."""
        self._iterators: weakref.WeakKeyDictionary[Any, LoaderSeen] = (
            weakref.WeakKeyDictionary()
        )

    def loader_made(self, loader: Any) -> None:
        """A ``DataLoader`` was constructed."""
        self._record(loader, user_line(3))

    def _record(self, loader: Any, line: SourceLine | None) -> LoaderSeen | None:
        known = self.record_of(loader)
        if known is not None or len(self.records) >= MOST_OBJECTS:
            return known
        record = LoaderSeen(
            ref=weakref.ref(loader),
            kind=type(loader).__name__,
            line=line,
            length=_length(loader),
            batch_size=loader.batch_size,
            shuffles=type(loader.sampler).__name__ not in SAMPLERS_IN_ORDER,
            num_workers=loader.num_workers,
            has_worker_init=loader.worker_init_fn is not None,
        )
        if loader.num_workers:
            record.generators = self.quietly(generators_of, loader.dataset) or ()
        away = [t for t in _tensors_of(loader.dataset) if t.device.type != "cpu"]
        if away:
            record.device = str(away[0].device)
            record.num_bytes_away = sum(t.nbytes for t in away)
        self.note(loader, record)
        return record

    def loader_started(self, loader: Any) -> None:
        """An iteration of a ``DataLoader`` begins."""
        line = user_line(3)
        record = self._record(loader, line)
        if record is not None:
            record.iter_line = record.iter_line or line
            record.starts.add((self.order(), self.step))
        self.last_started = weakref.ref(loader)

    def iterator_made(self, loader: Any, iterator: Any) -> None:
        """An iterator over a ``DataLoader`` was made."""
        record = self.record_of(loader)
        if record is not None:
            self._iterators[iterator] = record

    def batch_fetched(self, iterator: Any) -> None:
        """A batch is taken from a ``DataLoader``."""
        record = self._iterators.get(iterator)
        if record is not None:
            record.fetched += 1


def _tensors_of(dataset: Any) -> list[Tensor]:
    """Give the tensors that a data set, or the one inside it, has as attributes."""
    tensors: list[Tensor] = []
    for owner in (dataset, getattr(dataset, "dataset", None)):
        for value in list(getattr(owner, "__dict__", {}).values())[:MOST_ATTRIBUTES]:
            entries = value if isinstance(value, (tuple, list)) else [value]
            tensors += [t for t in entries[:MOST_ATTRIBUTES] if isinstance(t, Tensor)]
    return tensors


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None


def generators_of(dataset: Any) -> tuple[str, ...]:
    """Name generators of random numbers that a data set holds and draws from."""
    names: list[str] = []
    for prefix, owner in [("", dataset), *_parts(dataset)]:
        codes = _codes(type(owner))
        for key, value in list(getattr(owner, "__dict__", {}).items()):
            is_drawn_from = any(key in code.co_names for code in codes)
            if isinstance(value, GENERATORS) and is_drawn_from:
                names.append(f"{prefix}{key}")
        module = sys.modules.get(type(owner).__module__)
        globals_of_file = {} if module is None else vars(module)
        for code in codes:
            for key in code.co_names:
                if isinstance(globals_of_file.get(key), GENERATORS):
                    names.append(key)
    return tuple(dict.fromkeys(names))


def _parts(dataset: Any) -> list[tuple[str, Any]]:
    """Give what a data set holds that is the user's own: a transform, an inner set."""
    values = list(getattr(dataset, "__dict__", {}).items())[:MOST_ATTRIBUTES]
    return [
        (f"{key}.", value)
        for key, value in values
        if hasattr(value, "__dict__") and _codes(type(value))
    ]


def _codes(kind: type) -> list[Any]:
    """Give the code that runs for each row, and the methods that this code calls."""
    methods = {}
    for base in reversed(kind.__mro__):
        methods.update({n: v for n, v in vars(base).items() if hasattr(v, "__code__")})
    names = [n for n in ("__getitem__", "__call__", "__iter__") if n in methods]
    names = [n for n in names if is_user_file(methods[n].__code__.co_filename)]
    for name in names:
        for other in methods[name].__code__.co_names:
            if other in methods and other not in names:
                names.append(other)
    return [methods[n].__code__ for n in names]
