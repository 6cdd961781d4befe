"""A user's loader whose workers each give all rows of a stream."""

import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from gradatim.errors import GradatimWarning

__all__ = ["warn_of_repeated_rows"]

MAX_DEPTH = 2
"""Data sets inside data sets are looked at so deep. Chosen by hand, not measured."""


def warn_of_repeated_rows(loader: "DataLoader[Any]") -> None:
    """Warn where each worker of a loader would go through the same whole stream."""
    data, num_workers = loader.dataset, loader.num_workers
    if (
        num_workers < 2
        or not isinstance(data, IterableDataset)
        or loader.worker_init_fn is not None
        or _knows_of_workers(data, 0)
    ):
        return
    warnings.warn(
        f"{type(data).__name__} is read by {num_workers} workers, and neither it nor a "
        "worker_init_fn asks which worker it is in.\n"
        f"Each of them gives all rows, so that an epoch has each row {num_workers} "
        "times.\n"
        f"Give the data set itself with num_workers={num_workers}, which keeps its "
        "rows apart, or let it share them out by torch.utils.data.get_worker_info().",
        GradatimWarning,
        stacklevel=2,
    )


def _knows_of_workers(data: Any, depth: int) -> bool:
    """Tell whether code that gives the rows asks for its worker.

    All of the file of a data set's class counts, as it may leave that to a function.
    """
    for kind in type(data).__mro__[:-1]:
        if kind.__module__.partition(".")[0] in ("torch", "typing"):
            continue
        module = sys.modules.get(kind.__module__)
        owners = [vars(kind), vars(module) if module is not None else {}]
        if any(
            "worker_info" in name for owner in owners for name in _names_in(dict(owner))
        ):
            return True
    return depth < MAX_DEPTH and any(
        isinstance(part, IterableDataset) and _knows_of_workers(part, depth + 1)
        for part in getattr(data, "__dict__", {}).values()
    )


def _names_in(namespace: dict[str, Any]) -> Iterator[str]:
    """Give the names that functions and classes of a file read."""
    for value in namespace.values():
        function = getattr(value, "__func__", value)  # of a method of a class
        if isinstance(function, types.FunctionType):
            yield from _names_of(function.__code__)
        elif isinstance(value, type):
            for method in vars(value).values():
                if isinstance(method, types.FunctionType):
                    yield from _names_of(method.__code__)


def _names_of(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of(constant)
