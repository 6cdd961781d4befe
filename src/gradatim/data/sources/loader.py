"""Data that are cut into batches already: a user's loader, or a list of batches."""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader

from gradatim.data.digest import dataset_digest, tensor_digest
from gradatim.data.options import BatchOptions
from gradatim.data.sources.source import Source, tell_epoch
from gradatim.data.sources.tensors import tensors_behind
from gradatim.data.why_inexact import loader_why_inexact
from gradatim.errors import ConfigError
from gradatim.rng import check_generator_state, keeping_rng, rng_state, set_rng_state

__all__ = [
    "BatchListSource",
    "LoaderSource",
    "is_list_of_batches",
    "own_generators",
    "refuse_options",
]


class BatchListSource(Source):
    """A list of batches, or another sequence of them, used as it is."""

    def __init__(self, data: Any, options: BatchOptions) -> None:
        super().__init__(data, options)
        # Not shuffle: True is what it is by default, and False what a loader may do.
        names = ("batch_size", "seed", "drop_last", "num_workers")
        defaults = BatchOptions()
        changed = [n for n in names if getattr(options, n) != getattr(defaults, n)]
        refuse_options(data, changed)
        dataset = getattr(data, "dataset", None)
        self.num_rows = len(dataset) if isinstance(dataset, Sized) else None

    def num_batches(self) -> int:
        return len(self.data)

    def digest(self) -> dict[str, Any]:
        return tensor_digest(self.data)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        tell_epoch(self.data, epoch)
        tell_epoch(getattr(self.data, "sampler", None), epoch)
        batches = self._from(start)
        return batches if self.options.device is None else map(self.send, batches)

    def _from(self, start: int) -> Iterator[Any]:
        return itertools.islice(self.data, start, None)


class LoaderSource(BatchListSource):
    """A user's ``DataLoader``, used as it is.

    A loader cannot jump to a batch. To resume an epoch, the generators get the state
    that they had at its start, the batches that were done are fetched again, and then
    the generators get the state that they had when the run was saved.
    """

    def __init__(self, data: "DataLoader[Any]", options: BatchOptions) -> None:
        super().__init__(data, options)
        self._at_start: dict[str, Any] | None = None
        """The generators at the epoch's start, the global ones (``rng``) among them."""
        self._generators_now: list[Any] = []

    def why_inexact(self) -> list[str]:
        return loader_why_inexact(self.data)

    def digest(self) -> dict[str, Any]:
        tensors, rows = tensors_behind(self.data.dataset)
        if tensors is not None:
            return tensor_digest(tensors, rows)
        return dataset_digest(self.data.dataset)

    def state_dict(self) -> dict[str, Any]:
        return {"began": self._at_start, "generators": self._generator_states()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state, unless it is another loader's."""
        states = state.get("generators")
        if states is not None and len(states) == len(own_generators(self.data)):
            self._at_start, self._generators_now = state["began"], states
            with keeping_rng():  # a wrong state raises here, not in the epoch
                self._go_to_start()
            self._set_generators(states)

    def _from(self, start: int) -> Iterator[Any]:
        if not start:
            if self.options.restartable:
                states = self._generator_states()
                self._at_start = {"rng": rng_state(), "generators": states}
            return iter(self.data)
        now = rng_state()
        self._go_to_start()
        batches = iter(self.data)
        for _ in itertools.islice(batches, start):
            pass
        if self._at_start is not None:
            self._set_generators(self._generators_now)
        set_rng_state(now)
        return batches

    def _go_to_start(self) -> None:
        if self._at_start is not None:
            set_rng_state(self._at_start["rng"])
            self._set_generators(self._at_start["generators"])

    def _generator_states(self) -> list[Any]:
        return [generator.get_state() for generator in own_generators(self.data)]

    def _set_generators(self, states: list[Any]) -> None:
        for generator, state in zip(own_generators(self.data), states, strict=True):
            check_generator_state(state)
            generator.set_state(state)


def own_generators(loader: "DataLoader[Any]") -> list[torch.Generator]:
    """Find the generators of a loader and its samplers; a shared one comes once."""
    batch_sampler = loader.batch_sampler
    inner = getattr(batch_sampler, "sampler", None)
    owners = (loader, loader.sampler, batch_sampler, inner)
    generators = (getattr(owner, "generator", None) for owner in owners)
    return list(dict.fromkeys(g for g in generators if isinstance(g, torch.Generator)))


def is_list_of_batches(data: Any) -> bool:
    """Tell ``[(x, y), (x, y)]``, batches made by hand, from ``(x, y)``."""
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (tuple, str))
        and len(data) > 0
        and all(isinstance(batch, (tuple, list, Mapping)) for batch in data)
    )


def refuse_options(data: Any, names: list[str]) -> None:
    """Refuse options that ``data`` would not follow."""
    if names:
        raise ConfigError(
            f"{' and '.join(names)} given, but a {type(data).__name__} has batches or "
            "an order of its own.\n"
            "What was asked for would not be done.\n"
            "Leave it out here and set it there, or give the data set itself."
        )
