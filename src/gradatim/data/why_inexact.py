"""Why an epoch of a user's data set or ``DataLoader`` cannot be resumed exactly."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

__all__ = [
    "GENERATORS",
    "SEQUENCES",
    "dataset_why_inexact",
    "iterable_why_inexact",
    "loader_why_inexact",
    "sampler_why_inexact",
]

SAMPLERS = (
    SequentialSampler,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    DistributedSampler,
)
"""Samplers that draw an epoch's order at its start, so that it can be drawn again."""

SEQUENCES = (list, tuple, range, Tensor, np.ndarray)
"""Row numbers that stand there as they are."""

GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.RandomState,
    random.Random,
)
"""Objects that draw random numbers from a state of their own."""

MAX_DEPTH = 3
"""Attributes of attributes are searched for generators so deep. Chosen by hand, not
measured."""

MAX_PARTS = 100
"""A collection with as many parts or more is taken for data and not searched for
generators. Chosen by hand, not measured."""


def loader_why_inexact(loader: "DataLoader[Any]") -> list[str]:
    """Say why a loader's epoch cannot be resumed exactly; empty where it can."""
    reasons = []
    if isinstance(loader.dataset, IterableDataset):
        name = type(loader.dataset).__name__
        reasons.append(f"the DataLoader reads {name}, an IterableDataset")
    else:
        reasons += dataset_why_inexact(loader.dataset)
    if loader.persistent_workers:
        reasons.append("the DataLoader has persistent_workers")
    if loader.num_workers > 1 and not getattr(loader, "in_order", True):
        reasons.append("the DataLoader has in_order=False")
    for function in (loader.collate_fn, loader.worker_init_fn):
        reasons += dataset_why_inexact(function)
    batch_sampler, sampler = loader.batch_sampler, loader.sampler
    if batch_sampler is not None and type(batch_sampler) is not BatchSampler:
        reasons.append(f"{type(batch_sampler).__name__} is a batch sampler of your own")
    elif not isinstance(loader.dataset, IterableDataset):
        reasons += sampler_why_inexact(getattr(batch_sampler, "sampler", sampler))
    return reasons


def sampler_why_inexact(sampler: Any) -> list[str]:
    """Say why what a sampler draws cannot be drawn again; empty where it can."""
    if sampler is None or type(sampler) in (*SAMPLERS, *SEQUENCES):
        return []
    return [f"{type(sampler).__name__} is a sampler of your own"]


def iterable_why_inexact(data: Any, num_workers: int, collate_fn: Any) -> list[str]:
    """Say why an ``IterableDataset`` cannot be resumed exactly; empty where it can."""
    name = type(data).__name__
    if reasons := dataset_why_inexact(collate_fn):
        return reasons
    if not (hasattr(data, "state_dict") and hasattr(data, "load_state_dict")):
        return [f"{name} has no state_dict() and load_state_dict()"]
    if num_workers:
        return [f"{name} lives in workers, where its state cannot be reached"]
    return []


def dataset_why_inexact(data: Any) -> list[str]:
    """Say what a map-style data set, or a function, draws from but cannot put back."""
    if name := _generator_in(data, depth=0):
        return [f"{type(data).__name__} draws from a generator of its own ({name})"]
    return []


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    """Give the parts of a small collection with their keys; else the value itself."""
    if not isinstance(value, (Mapping, list, tuple)) or len(value) >= MAX_PARTS:
        return [(None, value)]
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def _generator_in(value: Any, *, depth: int) -> str | None:
    """Name the first generator among an object's attributes, and their attributes."""
    for name, part in getattr(value, "__dict__", {}).items():
        for key, value_inside in _inside(part):
            path = name if key is None else f"{name}.{key}"
            if isinstance(value_inside, GENERATORS):
                return path
            if depth == MAX_DEPTH:
                continue
            if rest := _generator_in(value_inside, depth=depth + 1):
                return f"{path}.{rest}"
    return None
