"""Notes which parameters ask for a gradient, and attributes that freeze nothing."""

from dataclasses import dataclass, field

from torch import nn

from gradatim.watching.identities import identity_of
from gradatim.watching.initial_weights import WeightsAsMade
from gradatim.watching.model_call import ModelCall, ModelObserver
from gradatim.watching.position import Position

__all__ = ["Freezing", "Freezings"]

MISTYPED = (
    "requires_grad",
    "requires_grad_",
    "require_grad",
    "require_grads",
    "requires_grads",
    "required_grad",
)
"""What people write for ``requires_grad``; none of it is an attribute of a module."""


@dataclass(slots=True)
class Freezing:
    """Which parameters ask for a gradient, and which attributes freeze nothing."""

    mistyped: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By module: an attribute taken for ``requires_grad``, and how many of its
    parameters ask for a gradient all the same."""
    trainable: set[str] = field(default_factory=set)
    """The names of parameters that asked for a gradient in a forward in train mode."""
    asking: set[int] = field(default_factory=set)
    """The identities of these parameters: a name may belong to another one later."""


class Freezings(ModelObserver[Freezing]):
    """Sees the attributes of a model, and of its parameters, as it is trained."""

    record_type = Freezing

    def __init__(self, position: Position, as_made: WeightsAsMade) -> None:
        super().__init__(position)
        self._as_made = as_made

    def on_forward(self, call: ModelCall) -> None:
        """Look at a model that is trained; at its attributes the first time."""
        if not call.is_training:
            return
        record = self.records[call.number]
        if self._as_made.records[call.number].as_made is None:
            record.mistyped = self.quietly(_mistyped_freezing, call.module) or {}
        if self.is_close:
            parameters = call.module.named_parameters()
            asking = [(name, p) for name, p in parameters if p.requires_grad]
            record.trainable.update(name for name, _ in asking)
            record.asking.update(identity_of(p) for _, p in asking)


def _mistyped_freezing(model: nn.Module) -> dict[str, tuple[str, int]]:
    """Find where an attribute was set to False that freezes nothing."""
    mistyped = {}
    for name, module in model.named_modules():
        is_torchs = type(module).__module__.startswith("torch.nn.")
        names = (*MISTYPED, "trainable") if is_torchs else MISTYPED
        asking = sum(p.requires_grad for p in module.parameters())
        for attribute in names:
            if asking and vars(module).get(attribute) is False:
                mistyped[name] = attribute, asking
    for name, parameter in model.named_parameters():
        for attribute in (*MISTYPED[1:], "trainable"):
            if parameter.requires_grad and vars(parameter).get(attribute) is False:
                mistyped[name] = attribute, 1
    return mistyped
