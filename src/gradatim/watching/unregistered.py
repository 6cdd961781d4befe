"""Notes what a model uses and does not register, so that no optimizer gets it."""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.torch_private import REGISTERED
from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ModelObserver
from gradatim.watching.position import MOST_OBJECTS, Position
from gradatim.watching.source_lines import SourceLine, user_line

__all__ = ["Unregistered", "UnregisteredParts"]

MOST_ENTRIES = 200  # read of one list or dict: chosen by hand, not measured
MOST_LEAVES = 200  # noted of one model: chosen by hand, not measured


@dataclass(slots=True)
class Unregistered:
    """What a model uses and does not register."""

    modules: dict[str, SourceLine | None] = field(default_factory=dict)
    """Called modules that a plain list or dict holds, by their place in it."""
    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The identities of these modules' parameters that ask for a gradient."""
    made_anew: dict[str, tuple[int, SourceLine | None]] = field(default_factory=dict)
    """Modules with parameters that each forward makes again, by their class: how
    often, and where."""
    leaves: dict[str, int] = field(default_factory=dict)
    """The identities of leaf tensors that ask for a gradient, by their place."""


class UnregisteredParts(ModelObserver[Unregistered]):
    """Sees modules that a model calls though they are not among its own."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self._last_of_kind: dict[str, weakref.ref[nn.Module]] = {}

    def new_record(self, module: nn.Module) -> Unregistered:
        """Look for leaf tensors that a model holds as plain attributes."""
        leaves = _unregistered_leaves(module)
        return Unregistered(leaves={n: identity_of(t) for n, t in leaves.items()})

    def enter(self, number: int, module: nn.Module, callers: list[nn.Module]) -> None:
        """A module with parameters is called that is not among those of the model."""
        if not torch.is_grad_enabled():
            return
        record = self.records[number]
        place = _place_of(module, callers)
        if place is not None:
            if place not in record.modules and len(record.modules) < MOST_OBJECTS:
                own = (p for p in module.parameters() if p.requires_grad)
                record.modules[place] = user_line(4)
                record.parameters[place] = tuple(map(identity_of, own))
            return
        kind = type(module).__name__
        before = self._last_of_kind.get(kind)
        self._last_of_kind[kind] = weakref.ref(module)
        if before is not None and before() is None:
            count, line = record.made_anew.get(kind, (1, user_line(4)))
            record.made_anew[kind] = count + 1, line


def _held(value: Any, path: str, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Give what plain lists, tuples and dicts hold, with its path."""
    if depth and isinstance(value, dict):
        for key, entry in list(value.items())[:MOST_ENTRIES]:
            yield from _held(entry, f"{path}[{key!r}]", depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for place, entry in enumerate(value[:MOST_ENTRIES]):
            yield from _held(entry, f"{path}[{place}]", depth - 1)
    else:
        yield path, value


def _attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    for attribute, value in vars(module).items():
        if attribute not in REGISTERED and "hooks" not in attribute:
            yield attribute, value


def _place_of(module: nn.Module, callers: list[nn.Module]) -> str | None:
    """Find the plain list or dict of a caller that holds a module: ``layers[0]``."""
    for caller in reversed(callers):
        for attribute, value in _attributes(caller):
            if isinstance(value, (list, tuple, dict)):
                for path, entry in _held(value, attribute):
                    if entry is module:
                        return path
    return None


def _unregistered_leaves(module: nn.Module) -> dict[str, Tensor]:
    """Find leaves that ask for a gradient, held by a module and not registered."""
    leaves: dict[str, Tensor] = {}
    registered = {id(p) for p in module.parameters()}
    for name, part in module.named_modules():
        for attribute, value in _attributes(part):
            if not isinstance(value, (Tensor, list, tuple, dict)):
                continue
            for path, tensor in _held(value, attribute):
                if not isinstance(tensor, Tensor) or id(tensor) in registered:
                    continue
                if tensor.requires_grad and tensor.is_leaf:
                    leaves[f"{name}.{path}" if name else path] = tensor
        if len(leaves) >= MOST_LEAVES:
            break
    return leaves
