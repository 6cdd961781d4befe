"""Data that are cut into batches already: a user's loader, or a list of batches."""

import contextlib
import itertools
from collections.abc import Iterator, Sized
from functools import partial
from typing import Any

from torch.utils.data import default_collate

from gradatim.data.digest import dataset_digest, tensor_digest
from gradatim.data.options import BatchOptions
from gradatim.data.restart import Restart, own_generators
from gradatim.data.sources.source import Source, tell_epoch
from gradatim.data.sources.tensors import tensors_behind
from gradatim.data.why_inexact import loader_why_inexact
from gradatim.errors import ConfigError

__all__ = [
    "BatchListSource",
    "LoaderSource",
    "OwnLoaderSource",
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
        refuse_options(data, changed + options.for_rows())
        dataset = getattr(data, "dataset", None)
        self.num_rows = len(dataset) if isinstance(dataset, Sized) else None

    @property
    def makes_parts(self) -> bool:
        return False

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

    def __init__(self, data: Any, options: BatchOptions) -> None:
        super().__init__(data, options)
        # Not of self.data: in a circle, the workers that a loader keeps would end only
        # when Python looks for garbage, where PyTorch waits 5 s for each of them.
        self._restart = Restart(partial(own_generators, data))

    @property
    def makes_parts(self) -> bool:
        return getattr(self.data, "collate_fn", None) is default_collate

    def why_inexact(self) -> list[str]:
        return loader_why_inexact(self.data)

    def digest(self) -> dict[str, Any]:
        tensors, rows = tensors_behind(self.data.dataset)
        if tensors is not None:
            return tensor_digest(tensors, rows)
        return dataset_digest(self.data.dataset)

    def state_dict(self) -> dict[str, Any]:
        return self._restart.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state, unless it is another loader's."""
        self._restart.load_state_dict(state)

    @property
    def has_workers(self) -> bool | None:
        return bool(self.data.num_workers)

    def generators_now(self) -> Any:
        is_needed = self.options.restartable
        return self._restart.now() if is_needed else None

    def put_back(self, states: Any) -> None:
        if states is not None:
            self._restart.put_back(states)

    def _from(self, start: int) -> Iterator[Any]:
        with self._restart.drawing(start, restartable=self.options.restartable):
            batches = iter(self.data)
            for _ in range(start):
                next(batches, None)
        return _rest_of(batches)


def _rest_of(batches: Iterator[Any]) -> Iterator[Any]:
    """Go through the rest of an iterator, some of which begin anew at each ``iter()``.

    ``for`` and ``map`` call that.
    """
    with contextlib.suppress(StopIteration):
        while True:
            yield next(batches)


class OwnLoaderSource(LoaderSource):
    """A loader of the user's own class: whatever gives batches when it is gone through.

    What it draws from the global generators, and from a ``generator`` that it has, is
    put back as it is for a ``DataLoader``. What else it draws from is not known.
    """

    def num_batches(self) -> int:
        if isinstance(self.data, Sized):
            return len(self.data)
        raise TypeError("this data does not say how many batches it has.")

    @property
    def has_workers(self) -> bool | None:
        return None

    def why_inexact(self) -> list[str]:
        return [f"{type(self.data).__name__} is a loader of your own"]

    def digest(self) -> dict[str, Any]:
        return dataset_digest(getattr(self.data, "dataset", self.data))


def refuse_options(data: Any, names: list[str]) -> None:
    """Refuse options that ``data`` would not follow."""
    if not names:
        return
    what = f"a {type(data).__name__} has batches or an order of its own"
    cure = "Leave it out here and set it there, or give the data set itself."
    if isinstance(data, list):
        kind = type(data[0]).__name__
        what = f"a list of {len(data)} {kind} is taken for batches, made already"
        cure = (
            "If its entries are rows, say how a batch is made of them: collate_fn=, "
            "such as torch.utils.data.default_collate. If they are batches, leave "
            f"{' and '.join(names)} out."
        )
    raise ConfigError(
        f"{' and '.join(names)} given, but {what}.\n"
        f"What was asked for would not be done.\n{cure}"
    )
