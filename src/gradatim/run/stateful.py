"""What has a state: what a run asks of all that it saves, and who gives it.

Models, optimizers, trainers, callbacks and batches have the two methods of
:class:`Stateful`. Here are objects that lack them.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gradatim.errors import ConfigError
from gradatim.modules import bare
from gradatim.rng import check_generator_state, rng_state, set_rng_state
from gradatim.torch_private import sparse_parts

__all__ = ["GlobalGenerators", "Gradients", "Stateful", "as_stateful"]


@runtime_checkable
class Stateful(Protocol):
    """What can be saved, and can go on from what was saved.

    Only the object itself knows what its state consists of: a run saves the state as it
    is given, and gives it back as it was.
    """

    def state_dict(self) -> dict[str, Any]:
        """Give all that training moves in the object."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take over what :meth:`state_dict` gave in another process."""


def as_stateful(name: str, value: Any) -> Stateful:
    """Give the object that has the state of ``value``: mostly ``value`` itself.

    Raises:
        ConfigError: It has no state that could be saved.
    """
    if isinstance(value, torch.Generator):
        return _GeneratorState(value)
    # Not isinstance: from Python 3.12 on, it does not see what __getattr__ gives.
    if not (hasattr(value, "state_dict") and hasattr(value, "load_state_dict")):
        raise ConfigError(
            f"track({name}=...) is a {type(value).__name__} without state_dict() and "
            "load_state_dict().\n"
            "It could be neither saved nor put back.\n"
            "Give it both, or leave it out."
        )
    return value


class _GeneratorState:
    """The state of a ``torch.Generator``, which lacks the two methods."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_generator_state(state["state"])
        self.generator.set_state(state["state"])


class GlobalGenerators:
    """The state of the random generators of torch, NumPy and Python."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state of each of them."""
        return rng_state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put each of them back."""
        set_rng_state(state)


class Gradients:
    """The gradients of all parameters of some modules that have one."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.modules = modules

    def state_dict(self) -> dict[str, Any]:
        """Give the gradients by the names of module and parameter."""
        return {
            name: {
                key: _dense_parts(gradient) if gradient.is_sparse else gradient
                for key, parameter in bare(module).named_parameters()
                if (gradient := parameter.grad) is not None
            }
            for name, module in self.modules.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the gradients back, and None where there was none."""
        for name, module in self.modules.items():
            for key, parameter in bare(module).named_parameters():
                gradient = state.get(name, {}).get(key)
                if isinstance(gradient, dict):
                    gradient = torch.sparse_coo_tensor(
                        gradient["indices"],
                        gradient["values"],
                        gradient["size"],
                        is_coalesced=gradient["is_coalesced"],
                        check_invariants=True,  # a wrong index would be followed
                    )
                if gradient is not None:
                    gradient = gradient.to(parameter.device)
                parameter.grad = gradient


def _dense_parts(gradient: Tensor) -> dict[str, Any]:
    """Take a sparse gradient apart, such as that of an embedding."""
    indices, values = sparse_parts(gradient)
    return {
        "indices": indices,
        "values": values,
        "size": gradient.shape,
        "is_coalesced": gradient.is_coalesced(),
    }
