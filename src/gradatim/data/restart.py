"""Resuming a user's ``DataLoader`` in the middle of an epoch.

A loader cannot jump to a batch. So the generators get the state that they had at the
epoch's start, the batches that were done are fetched again, and then the generators get
the state that they had when the run was saved.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
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

from gradatim.rng import (
    check_generator_state,
    keeping_rng,
    rng_state,
    set_rng_state,
)

__all__ = [
    "LoaderState",
    "dataset_why_inexact",
    "loader_why_inexact",
    "own_generators",
]

SAMPLERS = (
    SequentialSampler,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    DistributedSampler,
)
"""Samplers that draw an epoch's order at its start, so that it can be drawn again."""

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


class LoaderState:
    """The state of what a loader draws from: at its epoch's start, and now."""

    def __init__(self, loader: "DataLoader[Any]") -> None:
        self.loader = loader
        self._at_start: dict[str, Any] | None = None
        self._generators_now: list[Any] = []

    def begin(self) -> None:
        """Note the state from which an epoch begins."""
        self._at_start = {"rng": rng_state(), "generators": self._generator_states()}

    def state_dict(self) -> dict[str, Any]:
        """Give the state at the epoch's start and the generators' state now."""
        return {"began": self._at_start, "generators": self._generator_states()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave, unless it is another loader's.

        Raises:
            ValueError: The state would have a generator read past its words.
        """
        states = state.get("generators")
        if states is not None and len(states) == len(own_generators(self.loader)):
            self._at_start, self._generators_now = state["began"], states
            if self._at_start is not None:
                with keeping_rng():  # a wrong state raises here, not in the epoch
                    set_rng_state(self._at_start["rng"])
                    self._set_generators(self._at_start["generators"])
            self._set_generators(states)

    def replayed(self, start: int) -> Iterator[Any]:
        """Begin the epoch again, and give its batches without the first ``start``."""
        now = rng_state()
        if self._at_start is not None:
            set_rng_state(self._at_start["rng"])
            self._set_generators(self._at_start["generators"])
        batches = iter(self.loader)
        for _ in itertools.islice(batches, start):
            pass
        if self._at_start is not None:
            self._set_generators(self._generators_now)
        set_rng_state(now)
        return batches

    def _generator_states(self) -> list[Any]:
        return [generator.get_state() for generator in own_generators(self.loader)]

    def _set_generators(self, states: list[Any]) -> None:
        generators = own_generators(self.loader)
        for generator, state in zip(generators, states, strict=True):
            check_generator_state(state)
            generator.set_state(state)


def own_generators(loader: "DataLoader[Any]") -> list[torch.Generator]:
    """Find the generators of a loader and its samplers; a shared one comes once."""
    batch_sampler = loader.batch_sampler
    inner = getattr(batch_sampler, "sampler", None)
    owners = (loader, loader.sampler, batch_sampler, inner)
    generators = (getattr(owner, "generator", None) for owner in owners)
    return list(dict.fromkeys(g for g in generators if isinstance(g, torch.Generator)))


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
        sampler = getattr(batch_sampler, "sampler", sampler)
        if type(sampler) not in (*SAMPLERS, list, tuple, range):
            reasons.append(f"{type(sampler).__name__} is a sampler of your own")
    return reasons


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
    try:
        attributes = vars(value)
    except TypeError:
        return None
    for name, part in attributes.items():
        if isinstance(part, GENERATORS):
            return name
        for key, value_inside in _inside(part):
            path = name if key is None else f"{name}.{key}"
            if isinstance(value_inside, GENERATORS):
                return path
            if depth < MAX_DEPTH:
                rest = _generator_in(value_inside, depth=depth + 1)
                if rest is not None:
                    return f"{path}.{rest}"
    return None
