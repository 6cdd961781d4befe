"""The models of a program: what each observer of models has noted of them.

A new subject is a file with a record and a :class:`ModelObserver`, and a line here in
``ModelSeen`` and in ``Models``.
"""

import weakref
from dataclasses import dataclass, field

from torch import nn

from gradatim.watching.direct_calls import DirectCall, DirectCalls
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.freezing import Freezing, Freezings
from gradatim.watching.held_out_rows import HeldOutRows, RowsSeen
from gradatim.watching.initial_weights import InitialWeights, WeightsAsMade
from gradatim.watching.inputs import InputNumbers, Inputs
from gradatim.watching.layers import Layers, LayersSeen
from gradatim.watching.loaders import Loaders
from gradatim.watching.model_call import ModelCall
from gradatim.watching.module_structure import ModelStructure, Structures
from gradatim.watching.norm_drift import NormDrift, NormDrifts
from gradatim.watching.outputs import OutputNumbers, Outputs
from gradatim.watching.parameters import ModelParameters, Parameters
from gradatim.watching.position import MOST_OBJECTS, Position
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.unregistered import Unregistered, UnregisteredParts

__all__ = ["ModelSeen", "Models", "parameter_names"]


@dataclass
class ModelSeen:
    """A module that no other module called: its calls, and a record per observer."""

    ref: "weakref.ReferenceType[nn.Module]"
    """A weak reference to the module."""
    kind: str
    """The name of the module's class."""
    line: SourceLine | None
    """The user's line that called the module first."""
    variable: str = ""
    """The name of the variable that held the module at its first call."""
    num_calls: int = 0
    """How often the module was called."""
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


class Models:
    """The models that were called, and the observers that look at them."""

    def __init__(self, position: Position, loaders: Loaders) -> None:
        self.records: list[ModelSeen] = []
        self._position = position
        self._numbers: dict[int, int] = {}
        self.parameters = Parameters(position)
        self.structures = Structures(position)
        self.unregistered = UnregisteredParts(position)
        self.layers = Layers(position, self.structures, self.unregistered)
        self.direct = DirectCalls(position)
        self.rows = HeldOutRows(position, loaders)
        self.inputs = Inputs(position)
        self.outputs = Outputs(position)
        self.drifts = NormDrifts(position)
        self.initial = WeightsAsMade(position)
        self.freezing = Freezings(position, self.initial)

    def number_of(self, module: nn.Module) -> int | None:
        """Give the number of a model; None of a module that is not noted."""
        number = self._numbers.get(id(module))
        if number is None or self.records[number].ref() is not module:
            return None
        return number

    def add(self, module: nn.Module) -> int | None:
        """Note a model that is called for the first time; give its number."""
        if len(self.records) >= MOST_OBJECTS:
            return None
        self._numbers[id(module)] = number = len(self.records)
        self._position.begin_phase()
        self.records.append(
            ModelSeen(
                ref=weakref.ref(module),
                kind=type(module).__name__,
                line=user_line(4),
                parameters=self.parameters.begin(module),
                structure=self.structures.begin(module),
                layers=self.layers.begin(module),
                unregistered=self.unregistered.begin(module),
                direct=self.direct.begin(module),
                rows=self.rows.begin(module),
                inputs=self.inputs.begin(module),
                outputs=self.outputs.begin(module),
                drift=self.drifts.begin(module),
                initial=self.initial.begin(module),
                freezing=self.freezing.begin(module),
            )
        )
        return number

    def look_for_new_parameters(self, number: int, module: nn.Module) -> None:
        """Notice layers that were put into a model, and those that left it."""
        owners = self.parameters.owners_of_new(number, module)
        if owners:
            self.structures.on_new_parameters(number, module, owners)
            self.initial.on_new_parameters(number, module, owners)

    def on_forward(self, call: ModelCall) -> None:
        """Let each observer take what it wants of a call."""
        self.direct.on_forward(call)
        self.inputs.on_forward(call)
        self.rows.on_forward(call)
        self.freezing.on_forward(call)
        self.initial.on_forward(call)
        self.drifts.on_forward(call)

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
