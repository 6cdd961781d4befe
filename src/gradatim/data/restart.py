"""Going on with a user's ``DataLoader`` in the middle of an epoch.

A loader has no place to jump to. What it drew at the epoch's start is drawn again from
the same state, the batches that were consumed are fetched again, and the generators are
put where they were.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
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

from gradatim.rng import rng_state, set_rng_state

__all__ = ["LoaderState", "dataset_why_inexact", "loader_why_inexact"]

SAMPLERS = (
    SequentialSampler,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    DistributedSampler,
)
"""They draw an epoch's order at its start, from a state that can be put back."""

GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.RandomState,
    random.Random,
)


class LoaderState:
    """The random state of a loader: at its epoch's start, and now."""

    def __init__(self, loader: "DataLoader[Any]") -> None:
        self.loader = loader
        self._began: dict[str, Any] | None = None
        self._now: list[Any] = []

    def begin(self) -> None:
        """Note the state from which an epoch begins."""
        self._began = {"rng": rng_state(), "generators": self._generator_states()}

    def state_dict(self) -> dict[str, Any]:
        """Give the state at the epoch's start and the generators' state now."""
        return {"began": self._began, "generators": self._generator_states()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._began, self._now = state["began"], state["generators"]
        self._set_generators(self._now)

    def replayed(self, start: int) -> Iterator[Any]:
        """Begin the epoch again and leave out ``start`` batches."""
        now = rng_state()
        if self._began is not None:
            set_rng_state(self._began["rng"])
            self._set_generators(self._began["generators"])
        batches = iter(self.loader)
        for _ in itertools.islice(batches, start):
            pass
        if self._began is not None:
            self._set_generators(self._now)
        set_rng_state(now)
        return batches

    def _generator_states(self) -> list[Any]:
        return [generator.get_state() for generator in self._generators()]

    def _set_generators(self, states: list[Any]) -> None:
        for generator, state in zip(self._generators(), states, strict=True):
            generator.set_state(state)

    def _generators(self) -> list[torch.Generator]:
        """Find the loader's own generators, each once."""
        found: dict[int, torch.Generator] = {}
        batch_sampler = getattr(self.loader, "batch_sampler", None)
        for owner in (
            self.loader,
            getattr(self.loader, "sampler", None),
            batch_sampler,
            getattr(batch_sampler, "sampler", None),
        ):
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator):
                found[id(generator)] = generator
        return list(found.values())


def loader_why_inexact(loader: "DataLoader[Any]") -> list[str]:
    """Say why a loader's epoch cannot be gone on with exactly; empty where it can."""
    reasons = []
    if isinstance(loader.dataset, IterableDataset):
        name = type(loader.dataset).__name__
        reasons.append(f"the DataLoader reads {name}, an IterableDataset")
    else:
        reasons += dataset_why_inexact(loader.dataset)
    if loader.persistent_workers:
        reasons.append("the DataLoader has persistent_workers")
    batch_sampler, sampler = loader.batch_sampler, loader.sampler
    if batch_sampler is not None and type(batch_sampler) is not BatchSampler:
        reasons.append(f"{type(batch_sampler).__name__} is a batch sampler of your own")
    elif not isinstance(loader.dataset, IterableDataset):
        sampler = getattr(batch_sampler, "sampler", sampler)
        if type(sampler) not in (*SAMPLERS, list, tuple, range):
            reasons.append(f"{type(sampler).__name__} is a sampler of your own")
    return reasons


def dataset_why_inexact(data: Any) -> list[str]:
    """Say what a map-style data set draws from that cannot be put back."""
    if found := _generator_in(data, depth=0):
        return [f"{type(data).__name__} draws from a generator of its own ({found})"]
    return []


def _generator_in(value: Any, *, depth: int) -> str | None:
    """Look for a generator among an object's attributes, and theirs."""
    try:
        attributes = vars(value)
    except TypeError:
        return None
    for name, part in attributes.items():
        if isinstance(part, GENERATORS):
            return name
        parts = part if isinstance(part, (list, tuple)) and len(part) < 100 else [part]
        for each in parts:
            if isinstance(each, GENERATORS):
                return name
            if depth < 3 and (found := _generator_in(each, depth=depth + 1)):
                return f"{name}.{found}"
    return None
