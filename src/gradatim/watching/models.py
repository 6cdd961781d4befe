"""The models of a program: what each observer of models has noted of them.

A new subject is a file with a record and a :class:`ModelObserver`, and a line here in
``ModelSeen`` and in ``Models``.
"""

import weakref
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gradatim.watching.direct_calls import DirectCall, DirectCalls
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.freezing import Freezing, Freezings
from gradatim.watching.held_out_rows import HeldOutRows, RowsSeen
from gradatim.watching.initial_weights import InitialWeights, WeightsAsMade
from gradatim.watching.inputs import InputNumbers, Inputs
from gradatim.watching.layers import Layers, LayersSeen
from gradatim.watching.loaders import Loaders
from gradatim.watching.model_call import ModelCall, ModelObserver
from gradatim.watching.module_structure import ModelStructure, Structures
from gradatim.watching.norm_drift import NormDrift, NormDrifts
from gradatim.watching.objects_seen import ObjectObserver, ObjectSeen
from gradatim.watching.outputs import OutputNumbers, Outputs
from gradatim.watching.parameters import ModelParameters, Parameters
from gradatim.watching.position import MOST_OBJECTS, Position
from gradatim.watching.source_lines import user_line
from gradatim.watching.unregistered import Unregistered, UnregisteredParts

__all__ = ["ModelSeen", "Models", "parameter_names"]


@dataclass
class ModelSeen(ObjectSeen):
    """A module that no other module called: its calls, and a record per observer."""

    variable: str = ""  # the variable that held the module at its first call
    num_calls: int = 0
    parameters: ModelParameters = field(default_factory=ModelParameters)
    structure: ModelStructure = field(default_factory=ModelStructure)
    layers: LayersSeen = field(default_factory=LayersSeen)
    unregistered: Unregistered = field(default_factory=Unregistered)
    direct: DirectCall = field(default_factory=DirectCall)
    rows: RowsSeen = field(default_factory=RowsSeen)
    inputs: FirstAndLast[InputNumbers] = field(default_factory=FirstAndLast)
    outputs: FirstAndLast[OutputNumbers] = field(default_factory=FirstAndLast)
    drift: NormDrift = field(default_factory=NormDrift)
    initial: InitialWeights = field(default_factory=InitialWeights)
    freezing: Freezing = field(default_factory=Freezing)

    @property
    def title(self) -> str:
        """What the user calls it: its class, or a variable if that is PyTorch's."""
        return self.variable if self.kind in vars(nn) and self.variable else self.kind


class Models(ObjectObserver[ModelSeen]):
    """The models that were called, and the observers that look at them."""

    def __init__(self, position: Position, loaders: Loaders) -> None:
        super().__init__(position)
        self.parameters = Parameters(position)
        self.structures = Structures(position)
        unregistered = UnregisteredParts(position)
        self.layers = Layers(position, self.structures, unregistered)
        self.rows = HeldOutRows(position, loaders)
        self.outputs = Outputs(position)
        self.initial = WeightsAsMade(position)
        self._observers: dict[str, ModelObserver[Any]] = {
            "parameters": self.parameters,
            "structure": self.structures,
            "layers": self.layers,
            "unregistered": unregistered,
            "direct": DirectCalls(position),
            "inputs": Inputs(position),
            "rows": self.rows,
            "freezing": Freezings(position, self.initial),
            "initial": self.initial,
            "drift": NormDrifts(position),
            "outputs": self.outputs,
        }
        """By the field of the record, in the order in which they see a call."""
        nothing = ModelObserver.on_forward
        self._see_calls = [
            observer.on_forward
            for observer in self._observers.values()
            if type(observer).on_forward is not nothing
        ]

    def add(self, module: nn.Module) -> int | None:
        """Note a model that is called for the first time; give its number."""
        if len(self.records) >= MOST_OBJECTS:
            return None
        self.position.begin_phase()
        own = {name: o.begin(module) for name, o in self._observers.items()}
        kind, line = type(module).__name__, user_line(4)
        return self.note(module, ModelSeen(weakref.ref(module), kind, line, **own))

    def look_for_new_parameters(self, number: int, module: nn.Module) -> None:
        """Notice layers that were put into a model, and those that left it."""
        owners = self.parameters.owners_of_new(number, module)
        if owners:
            self.structures.on_new_parameters(number, module)
            self.initial.on_new_parameters(number, module, owners)

    def on_forward(self, call: ModelCall) -> None:
        """Let each observer take what it wants of a call."""
        for on_forward in self._see_calls:
            on_forward(call)

    def parameter_names(self) -> dict[int, str]:
        """Name parameters as the models that were called name them, by identity."""
        return parameter_names(self.records)


def parameter_names(models: list[ModelSeen]) -> dict[int, str]:
    """Name the parameters of models, by identity; the first model's name counts."""
    names: dict[int, str] = {}
    for model in models:
        for key, name in model.parameters.names.items():
            names.setdefault(key, name)
    return names
