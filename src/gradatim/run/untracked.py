"""What a loop of one's own moves and does not track is refused, by its name."""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from weakref import ref

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.errors import ConfigError
from gradatim.modules import bare
from gradatim.run.loose import (
    GLOBAL_GENERATORS,
    Weights,
    fingerprint_of,
    is_bundle,
    loop_variables,
    moving_objects,
    parts_inside,
    values_in,
)
from gradatim.run.noted import Noted
from gradatim.run.strangers import Strangers, parameters_of
from gradatim.run.tracked import Tracked
from gradatim.step import TrainStep
from gradatim.text import listed

__all__ = ["Untracked"]

DATA_DEPTH = 4
"""So deep the data are searched for generators and modules: chosen by hand."""

OBJECT_DEPTH = 3
"""So deep a tracked object of the user's own is searched: chosen by hand."""


class Untracked(Noted):
    """Looks for what a loop moves and does not track.

    Args:
        tracked: What is tracked, train steps by their parts.
        named: What is tracked, as it was given.
        data: The data of the loop: what draws in it is told elsewhere.
    """

    def __init__(self, tracked: Tracked, named: Mapping[str, Any], data: Any) -> None:
        super().__init__()
        self._tracked = tracked
        self._named = list(named.values())
        self._in_data = {id(part) for part in parts_inside(data, DATA_DEPTH)}
        self._seen: dict[int, tuple[Any, Any]] = {}
        """Of each object a reference, and its fingerprint when it was seen first."""
        self._num_batches = 0
        variables = loop_variables()
        self._bound = set(variables)
        self._look_at(variables)
        self._told = dict(self.digests)
        own = [o for value in self._named for o in _saved_optimizers(value)]
        present = (v for _, v in moving_objects(variables) if isinstance(v, Optimizer))
        self._strangers = Strangers([*tracked.optimizers.values(), *own], present)

    @property
    def has_updated(self) -> bool:
        """Whether the loop has made an update in the step at hand."""
        return self._strangers.has_updated

    def heard(self) -> AbstractContextManager[None]:
        """Hear of the updates of optimizers, until the loop ends."""
        return self._strangers.heard()

    def after_batch(self) -> None:
        """Refuse what the loop has moved; called when a batch is done.

        Optimizers are looked at each time, all else after the 1st, 2nd, 4th, 8th batch
        and so on, and by :meth:`look` before each checkpoint.

        Raises:
            ConfigError: Something moves that is not tracked; it is named.
        """
        if self._strangers.found:
            names = self._names_of_parameters()
            if optimizer := self._strangers.to_refuse(set(names)):
                self._tracked.parts.check()  # it may have been put in another's place
                raise ConfigError(_stranger_message(optimizer, names))
        self._num_batches += 1
        self._strangers.begin_step()
        if self._num_batches & (self._num_batches - 1) == 0:
            self.look()

    def look(self) -> None:
        """Refuse what has changed since it was seen first.

        Raises:
            ConfigError: Something has, and is not tracked; it is named.
        """
        self._look_at(loop_variables())

    def _names_of_parameters(self) -> dict[int, str]:
        return {
            id(parameter): f"{name}.{key}"
            for name, module in self._tracked.trained.items()
            for key, parameter in bare(module).named_parameters()
        }

    def _look_at(self, variables: Mapping[str, Any]) -> None:
        weights = Weights(map(bare, self._tracked.trained.values()))
        left_out = self._in_data | weights.modules | _covered_by(self._named)
        digests: dict[str, str] = {}
        for name, value in moving_objects(variables):
            if isinstance(value, Optimizer) or id(value) in left_out:
                continue
            bundled = is_bundle(value)
            if bundled and not weights.are_copied_in(value):
                continue
            left_out.add(id(value))
            fingerprint = fingerprint_of(value, weights.places)
            digest = fingerprint[1]
            if digest is None:
                continue
            if self._has_changed(value, fingerprint):
                raise ConfigError(_changed_message(name, value, variables))
            # What is made in a step may be made anew in each, as gradients are.
            is_kept = self._told is None or name in self._told or not bundled
            if _root_of(name) in self._bound and (is_kept or isinstance(value, dict)):
                digests[name] = digest
        self.digests = digests

    def _has_changed(self, value: Any, fingerprint: Any) -> bool:
        # A bundle is known by its first tensor: it is another one if that is.
        whole = next(values_in(value)) if is_bundle(value) else value
        seen, before = self._seen.get(id(whole), (None, None))
        if seen is None or seen() is not whole:
            self._seen[id(whole)] = _reference(whole), fingerprint
            return False
        return bool(before != fingerprint)


def _reference(value: Any) -> Any:
    """Refer to an object without keeping it, if its class allows that."""
    try:
        return ref(value)
    except TypeError:
        return lambda: value


def _root_of(name: str) -> str:
    return re.split(r"[.\[]", name, maxsplit=1)[0]


# --- What is saved with something else ------------------------------------------------


def _covered_by(objects: Iterable[Any]) -> set[int]:
    """Give the ``id`` of all that is saved with some objects, or by every run.

    Of what a schedule or an optimizer refers to, it saves inner schedules alone.
    """
    covered = set(map(id, GLOBAL_GENERATORS))
    for value in objects:
        covered.add(id(value))
        if isinstance(value, nn.Module):
            continue  # the run knows its modules
        saves_all = not isinstance(value, (LRScheduler, Optimizer))
        for part in parts_inside(value, OBJECT_DEPTH):
            if saves_all or isinstance(part, LRScheduler):
                covered.add(id(part))
    return covered


def _saved_optimizers(value: Any) -> list[Optimizer]:
    """Find the optimizers inside of a tracked object whose states are in its own."""
    is_plain = getattr(type(value), "state_dict", None) is Optimizer.state_dict
    if is_plain or isinstance(value, (LRScheduler, TrainStep)):
        return []
    parts = parts_inside(value, OBJECT_DEPTH)
    inside = [p for p in parts if isinstance(p, Optimizer) and p is not value]
    if not inside:
        return []
    num_saved = _num_optimizer_states(value.state_dict(), OBJECT_DEPTH)
    return inside if num_saved >= len(set(map(id, inside))) else []


def _num_optimizer_states(state: Any, depth: int) -> int:
    if isinstance(state, Mapping):
        if {"state", "param_groups"} <= set(state):
            return 1
        state = list(state.values())
    if depth == 0 or not isinstance(state, (list, tuple)):
        return 0
    return sum(_num_optimizer_states(part, depth - 1) for part in state)


# --- Messages -------------------------------------------------------------------------


def _stranger_message(optimizer: Optimizer, names: Mapping[int, str]) -> str:
    variables, kind = loop_variables(), type(optimizer).__name__
    found = (name for name, value in moving_objects(variables) if value is optimizer)
    name = next(found, None)
    moved = [names[id(p)] for p in parameters_of(optimizer) if id(p) in names]
    holds, also = "none of the tracked parameters", " Track what it moves, too."
    if moved:
        holds, also = listed(moved, quoted=False), ""
    return (
        f"{f'{name} ({kind})' if name else f'an optimizer ({kind})'} makes updates in "
        f"the loop and is not tracked; it holds {holds}.\n"
        "Its state would be in no checkpoint, and a resume would not be exact.\n"
        f"{_cure(name or 'optimizer', variables)}{also}"
    )


def _changed_message(name: str, value: Any, variables: Mapping[str, Any]) -> str:
    kind = type(value).__name__
    what, cure = f"{name} ({kind})", _cure(name, variables)
    if is_bundle(value):
        what = f"{name} (a {kind} of {len(value)} tensors, shaped as weights)"
        if f"={name})" in cure:
            cure = f"Keep it in an object with state_dict(), such as a module. {cure}"
    return (
        f"{what} changes in the loop and is not tracked.\n"
        "It would be in no checkpoint, and a resume would not be exact.\n"
        f"{cure}"
    )


def _cure(name: str, variables: Mapping[str, Any]) -> str:
    """Say what to write, given the name under which an object stands."""
    root = _root_of(name)
    owner = variables.get(root)
    key, value = re.sub(r"\W+", "_", name.rpartition(".")[2]).strip("_"), name
    if isinstance(owner, TrainStep):
        return f"Write run.track({root}) before run.batches()."
    if root != name and hasattr(owner, "state_dict") and root != "self":
        key = value = root
    return f"Write run.track(..., {key}={value}) before run.batches()."
