"""Notes how the layers of a model meet, and which are not registered."""

import weakref
from collections import deque
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.watching import module_structure
from gradatim.watching.identities import identity_of
from gradatim.watching.position import MOST_OBJECTS, Observer, Position, is_wrapped
from gradatim.watching.source_lines import user_line
from gradatim.watching.training_seen import BatchLayout, ModelSeen

__all__ = ["Layers"]

_Linear = tuple["weakref.ref[Tensor]", "weakref.ref[nn.Linear]", int]
"""What a linear layer gave, the layer, and the version of what it gave."""


class Layers(Observer):
    """Sees the modules that another one calls, in the first updates."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self._root_shape: tuple[int, ...] = ()
        self._strangers: dict[str, weakref.ref[nn.Module]] = {}
        self._linears: deque[_Linear] = deque(maxlen=8)

    def begin(self, shape: tuple[int, ...]) -> None:
        """A model is called, with an input of a shape."""
        self._linears.clear()
        self._root_shape = shape

    def stranger(
        self, model: ModelSeen, module: nn.Module, callers: list[nn.Module]
    ) -> None:
        """A module is called that is not among those of the model."""
        root = callers[0]
        for name, each in root.named_modules():
            if each is module:  # it was added since
                model.structure.modules[identity_of(module)] = name
                return
        if not torch.is_grad_enabled():
            return
        found = module_structure.holder_of(module, callers)
        if found is not None:
            place, _ = found
            if (
                place not in model.unregistered.modules
                and len(model.unregistered.modules) < MOST_OBJECTS
            ):
                model.unregistered.modules[place] = user_line(4)
                model.unregistered.parameters[place] = tuple(
                    identity_of(p) for p in module.parameters() if p.requires_grad
                )
            return
        key = type(module).__name__
        before = self._strangers.get(key)
        self._strangers[key] = weakref.ref(module)
        if before is not None and before() is None:
            count, line = model.unregistered.made_anew.get(key, (1, user_line(4)))
            model.unregistered.made_anew[key] = count + 1, line

    def layer(
        self,
        model: ModelSeen,
        module: nn.Module,
        args: Any,
        output: Any,
        owner: nn.Module | None,
    ) -> None:
        """Notice linear layers that meet, and the layout that a layer was given."""
        given = args[0] if isinstance(args, tuple) and args else None
        if not isinstance(given, Tensor) or is_wrapped(given):
            return
        name = model.structure.modules.get(identity_of(module))
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            if not module.batch_first and given.dim() == 3 and name is not None:
                root = self._root_shape
                model.layers.layouts.add(
                    BatchLayout(
                        order=self.position.num_events,
                        name=name,
                        kind=type(module).__name__,
                        shape=tuple(given.shape),
                        root_shape=root,
                        line=user_line(3),
                    )
                )
            return
        passes = isinstance(module, (nn.Identity, nn.modules.dropout._DropoutNd))
        if not isinstance(output, Tensor) or name is None:
            return
        if not isinstance(module, nn.Linear) and not passes:
            return
        first: nn.Linear | None = None
        for made, layer, version in self._linears:
            if made() is given and version == given._version:
                first = layer()  # and no activation has changed it in place
        if not isinstance(module, nn.Linear):
            if first is not None:
                kept = weakref.ref(output), weakref.ref(first), output._version
                self._linears.append(kept)
            return
        if first is not None and identity_of(first) in model.structure.modules:
            are_neighbours = isinstance(owner, nn.Sequential) and any(
                each is first for each in owner.children()
            )
            model.layers.chains[model.structure.modules[identity_of(first)], name] = (
                first.in_features,
                first.out_features,
                module.out_features,
                are_neighbours,
            )
        self._linears.append(
            (weakref.ref(output), weakref.ref(module), output._version)
        )
