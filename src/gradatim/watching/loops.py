"""Notes what a loop is made of besides its model: modes, schedules, loaders, seeds."""

import weakref
from typing import Any

import torch
from torch import nn

from gradatim.watching import inputs
from gradatim.watching.position import MOST_OBJECTS, Observer, Position
from gradatim.watching.scheduler_options import options_of
from gradatim.watching.source_lines import (
    SourceLine,
    is_called_by_user,
    is_user_file,
    line_of,
    user_frame,
    user_line,
)
from gradatim.watching.training_seen import LoaderSeen, SchedulerSeen, SeedCall
from gradatim.watching.updates import Updates

__all__ = ["Loops"]

IN_ORDER = ("SequentialSampler", "_InfiniteConstantSampler")
"""Samplers of ``torch.utils.data`` that do not shuffle."""


class Loops(Observer):
    """Sees ``train`` and ``eval``, schedules, data loaders and seeds."""

    def __init__(self, position: Position, updates: Updates) -> None:
        super().__init__(position)
        self.last_loader: weakref.ref[Any] | None = None
        """That was started last."""
        self._updates = updates
        self._loaders: dict[int, int] = {}
        self._schedulers: dict[int, int] = {}
        self._iterators: weakref.WeakKeyDictionary[Any, LoaderSeen] = (
            weakref.WeakKeyDictionary()
        )
        self._seeded: dict[str, Any] = {}
        self._last_seed: SeedCall | None = None

    def mode(self, module: nn.Module, training: bool) -> None:
        """``train`` or ``eval`` was called."""
        self.position.has_new_mode = True
        self.seen.modes.changes.add((self.order(), id(module), training, user_line(3)))

    def scheduler_made(self, scheduler: Any, optimizer: Any) -> None:
        """A schedule was constructed."""
        for inner in getattr(scheduler, "_schedulers", ()):
            if (about := self._scheduler(inner)) is not None:
                about.is_inner = True
        if len(self.seen.schedulers) >= MOST_OBJECTS:
            return
        line = user_line(3)
        number = None
        if isinstance(optimizer, torch.optim.Optimizer):
            number = self._updates.number_of(optimizer, line)
        self._schedulers[id(scheduler)] = len(self.seen.schedulers)
        self.seen.schedulers.append(
            SchedulerSeen(
                ref=weakref.ref(scheduler),
                kind=type(scheduler).__name__,
                line=line,
                optimizer=number,
                order=self.order(),
                options=self.quietly(options_of, scheduler) or {},
            )
        )

    def scheduler_stepped(self, scheduler: Any) -> None:
        """A schedule was stepped."""
        about = self._scheduler(scheduler)
        line = user_line(3)
        if about is not None and line is not None:
            about.step_line = about.step_line or line
            about.steps.add((self.order(), self.step))

    def _scheduler(self, scheduler: Any) -> SchedulerSeen | None:
        number = self._schedulers.get(id(scheduler))
        if number is None or self.seen.schedulers[number].ref() is not scheduler:
            return None
        return self.seen.schedulers[number]

    def loader_made(self, loader: Any) -> None:
        """A ``DataLoader`` was constructed."""
        self._loader(loader, user_line(3))

    def _loader(self, loader: Any, line: SourceLine | None) -> int | None:
        number = self._loaders.get(id(loader))
        if number is not None and self.seen.loaders[number].ref() is loader:
            return number
        if len(self.seen.loaders) >= MOST_OBJECTS:
            return None
        sampler = type(loader.sampler).__name__
        self._loaders[id(loader)] = number = len(self.seen.loaders)
        self.seen.loaders.append(
            LoaderSeen(
                ref=weakref.ref(loader),
                line=line,
                length=_length(loader),
                batch_size=loader.batch_size,
                shuffles=sampler not in IN_ORDER,
                num_workers=loader.num_workers,
                generators=(
                    self.quietly(inputs.generators_of, loader.dataset) or ()
                    if loader.num_workers
                    else ()
                ),
                has_worker_init=loader.worker_init_fn is not None,
            )
        )
        away = [t for t in _tensors_held(loader.dataset) if t.device.type != "cpu"]
        if away:
            about = self.seen.loaders[number]
            about.device = str(away[0].device)
            about.num_bytes_away = sum(t.nbytes for t in away)
        return number

    def loader_started(self, loader: Any) -> None:
        """An iteration of a ``DataLoader`` begins."""
        line = user_line(3)
        number = self._loader(loader, line)
        if number is not None:
            about = self.seen.loaders[number]
            about.iter_line = about.iter_line or line
            about.starts.add((self.order(), self.step))
        self.last_loader = weakref.ref(loader)

    def iterator_made(self, loader: Any, iterator: Any) -> None:
        """An iterator over a ``DataLoader`` was made."""
        number = self._loaders.get(id(loader))
        if number is not None:
            self._iterators[iterator] = self.seen.loaders[number]

    def batch_fetched(self, iterator: Any) -> None:
        """A batch is taken from a ``DataLoader``."""
        about = self._iterators.get(iterator)
        if about is not None:
            about.fetched += 1

    def seeded(self, name: str, seed: Any, before: Any, after: Any) -> None:
        """A global generator was seeded; its states, before and after, as digests."""
        frame = user_frame(3)
        while frame is not None and "seed" in frame.f_code.co_name:
            frame = frame.f_back
        if frame is None or not is_user_file(frame.f_code.co_filename):
            return
        last = self._seeded.get(name)
        event = SeedCall(
            order=self.order(),
            step=self.step,
            line=line_of(frame),
            name=name,
            seed=seed if isinstance(seed, int) else None,
            drawn=last is None or last != before,
        )
        self._seeded[name] = after
        self.seen.seeds.calls.add(event)
        self._last_seed = event

    def generator_made(self, seed: Any = None) -> None:
        """A generator of NumPy is made: noted where a row of a data set makes it."""
        if type(seed) is not int or not is_called_by_user():
            return
        frame = outer = user_frame(3)
        for _ in range(4):
            if outer is None or outer.f_code.co_name == "__getitem__":
                break
            outer = outer.f_back
        line = line_of(frame)
        if outer is None or outer.f_code.co_name != "__getitem__" or line is None:
            return
        found = self.seen.seeds.in_rows
        if (line, seed) in found or len(found) < MOST_OBJECTS:
            found[line, seed] = found.get((line, seed), 0) + 1

    def state_restored(self) -> None:
        """The state of a generator was put back: the seed was for a while."""
        if self._last_seed is not None and self._last_seed.name == "torch":
            self._last_seed.undone = True
            self._seeded.pop("torch", None)


def _tensors_held(dataset: Any) -> list[torch.Tensor]:
    """Give the tensors that a data set, or the one inside it, has as attributes."""
    found = []
    for owner in (dataset, getattr(dataset, "dataset", None)):
        for value in list(getattr(owner, "__dict__", {}).values())[:50]:
            each = value if isinstance(value, (tuple, list)) else [value]
            found += [t for t in each[:50] if isinstance(t, torch.Tensor)]
    return found


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None
