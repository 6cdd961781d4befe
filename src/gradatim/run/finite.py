"""No checkpoint of weights that are NaN or infinite is written."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from gradatim.errors import NonFiniteLossError
from gradatim.modules import bare
from gradatim.torch_private import norms_of

__all__ = ["check_finite"]


def check_finite(
    modules: Mapping[str, nn.Module], step: int, newest: Callable[[], str]
) -> None:
    """Refuse trained parameters with a value that is NaN or infinite.

    Args:
        modules: Modules by their names.
        step: Updates done, for the message.
        newest: Says which checkpoint there is to go on from.

    Raises:
        NonFiniteLossError: One has; the message names the first.
    """
    trained = {
        f"{name}.{key}": parameter
        for name, module in modules.items()
        for key, parameter in bare(module).named_parameters()
        if parameter.requires_grad and not nn.parameter.is_lazy(parameter)
    }
    if _are_finite(trained.values()):
        return
    for name, parameter in trained.items():
        # A norm is infinite, too, where finite values are large.
        if num_others := int((~parameter.detach().isfinite()).sum()):
            raise NonFiniteLossError(
                f"{name} has {num_others:,} of {parameter.numel():,} values that are "
                f"NaN or infinite after step {step:,}.\n"
                "No training goes on from there, so no checkpoint of it is written. "
                f"{newest()}\n"
                "Look for NaN in the data, log or division by zero in the loss, or a "
                "learning rate that is too high."
            )


def _are_finite(parameters: Iterable[Tensor]) -> bool:
    """Look at all values in one pass, and wait once for each device."""
    norms: dict[torch.device, list[Tensor]] = {}
    tensors = [parameter.detach() for parameter in parameters]
    for norm in norms_of(tensors) if tensors else ():
        norms.setdefault(norm.device, []).append(norm.float())
    return all(bool(torch.stack(each).isfinite().all()) for each in norms.values())
