"""Notes the parameters of a model, and those that are put in or taken out later."""

from dataclasses import dataclass, field

from torch import nn
from torch.nn.parameter import is_lazy

from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ModelObserver

__all__ = ["ModelParameters", "Parameters"]


@dataclass(slots=True)
class ModelParameters:
    """The parameters of a model."""

    names: dict[int, str] = field(default_factory=dict)
    """The name of each parameter, by its identity."""
    num_tensors: int = 0
    numels: dict[str, int] = field(default_factory=dict)
    """How many numbers each parameter holds, by its name."""
    replaced: set[int] = field(default_factory=set)
    """The identities of parameters that the model had, and has no more."""


class Parameters(ModelObserver[ModelParameters]):
    """Sees which parameters a model has at its first call, and later."""

    def new_record(self, module: nn.Module) -> ModelParameters:
        """Name and count the parameters of a model."""
        record = ModelParameters()
        self._note(record, module)
        return record

    def owners_of_new(self, number: int, module: nn.Module) -> set[str]:
        """Name the modules into which parameters were put since the last look."""
        record = self.records[number]
        parameters = {identity_of(p): name for name, p in module.named_parameters()}
        record.replaced |= record.names.keys() - parameters.keys()
        new = parameters.keys() - record.names.keys()
        if new:
            self.position.begin_phase()
            self._note(record, module)
        return {parameters[key].rpartition(".")[0] for key in new}

    def _note(self, record: ModelParameters, module: nn.Module) -> None:
        parameters = list(module.named_parameters())
        record.names.update({identity_of(p): name for name, p in parameters})
        record.num_tensors = len(parameters)
        record.numels = {n: 0 if is_lazy(p) else p.numel() for n, p in parameters}
