"""Notes which layers of a model are called, and how they meet."""

import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from gradatim.torch_private import Dropout, own_parameters, version_of
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ModelObserver
from gradatim.watching.module_structure import Structures
from gradatim.watching.position import Position
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.tensor_info import is_wrapped
from gradatim.watching.unregistered import UnregisteredParts

__all__ = ["BatchLayout", "Layers", "LayersSeen"]

MOST_OUTPUTS = 8  # of linear layers, remembered: chosen by hand, not measured
MOST_LAYOUTS = 50  # noted of one model: chosen by hand, not measured

_Linear = tuple["weakref.ref[Tensor]", "weakref.ref[nn.Linear]", int]
"""What a linear layer gave, the layer, and the version of what it gave."""


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """What a layer that takes the batch along dim 1 was given."""

    order: int  # the number of the event before the call
    name: str
    kind: str
    shape: tuple[int, ...]  # the shape of the layer's input
    root_shape: tuple[int, ...]  # the shape of the model's input
    line: SourceLine | None


@dataclass(slots=True)
class LayersSeen:
    """Which layers of a model are called, and how they meet."""

    called: list[str] = field(default_factory=list)
    """Modules with parameters of their own, in the order of their first calls."""
    uncalled: set[str] = field(default_factory=set)
    """Modules with parameters of their own that no forward has called yet."""
    chains: dict[tuple[str, str], tuple[int, int, int, bool]] = field(
        default_factory=dict
    )
    """Linear layers that meet with nothing between, by their two names: the sizes of
    input, middle and output, and whether the two are neighbours in a Sequential."""
    layouts: FirstAndLast[BatchLayout] = field(
        default_factory=lambda: FirstAndLast(MOST_LAYOUTS, 0)
    )


class Layers(ModelObserver[LayersSeen]):
    """Sees the modules that another one calls, in the first updates."""

    def __init__(
        self, position: Position, structures: Structures, parts: UnregisteredParts
    ) -> None:
        super().__init__(position)
        self._structures, self._unregistered = structures, parts
        self._root_shape: tuple[int, ...] = ()
        self._linears: deque[_Linear] = deque(maxlen=MOST_OUTPUTS)

    def new_record(self, module: nn.Module) -> LayersSeen:
        """Note which layers there are to be called."""
        named = module.named_modules()
        return LayersSeen(uncalled={n for n, m in named if n and own_parameters(m)})

    def model_entered(self, shape: tuple[int, ...]) -> None:
        """A model is called, with an input of a shape."""
        self._linears.clear()
        self._root_shape = shape

    def enter(self, number: int, module: nn.Module, callers: list[nn.Module]) -> None:
        """A module is called inside a model."""
        name = self._structures.records[number].modules.get(identity_of(module))
        has_own = bool(own_parameters(module))
        if name is None:
            if has_own and not self._structures.name_since(number, module, callers[0]):
                self._unregistered.enter(number, module, callers)
            return
        record = self.records[number]
        record.uncalled.discard(name)
        if has_own and name not in record.called:
            record.called.append(name)

    def leave(
        self,
        number: int,
        module: nn.Module,
        args: Any,
        output: Any,
        owner: nn.Module | None,
    ) -> None:
        """A module inside a model, or the model itself, has given its output."""
        given = args[0] if isinstance(args, tuple) and args else None
        if not isinstance(given, Tensor) or is_wrapped(given):
            return
        name = self._structures.records[number].modules.get(identity_of(module))
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            if not module.batch_first and given.dim() == 3 and name is not None:
                layout = BatchLayout(
                    order=self.position.num_events,
                    name=name,
                    kind=type(module).__name__,
                    shape=tuple(given.shape),
                    root_shape=self._root_shape,
                    line=user_line(3),
                )
                self.records[number].layouts.add(layout)
            return
        follows = isinstance(module, (nn.Linear, nn.Identity, Dropout))
        if follows and isinstance(output, Tensor) and name is not None:
            self._follow(number, name, module, given, output, owner)

    def _follow(
        self,
        number: int,
        name: str,
        module: nn.Module,
        given: Tensor,
        output: Tensor,
        owner: nn.Module | None,
    ) -> None:
        """Notice that a linear layer is given what another linear layer gave."""
        first: nn.Linear | None = None
        for made, layer, version in self._linears:
            if made() is given and version == version_of(given):
                first = layer()  # and no activation has changed the output in place
        last = first
        if isinstance(module, nn.Linear):
            last = module
            names = self._structures.records[number].modules
            if first is not None and identity_of(first) in names:
                parts = owner.children() if isinstance(owner, nn.Sequential) else ()
                are_neighbours = any(part is first for part in parts)
                sizes = first.in_features, first.out_features, module.out_features
                chain = names[identity_of(first)], name
                self.records[number].chains[chain] = *sizes, are_neighbours
        if last is not None:
            kept = weakref.ref(output), weakref.ref(last), version_of(output)
            self._linears.append(kept)
