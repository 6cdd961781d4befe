"""What a tensor is, without its numbers."""

from dataclasses import dataclass

from torch import Tensor

from gradatim.torch_private import is_functorch_wrapped

__all__ = ["TensorInfo", "info_of", "is_wrapped"]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a tensor is, without its numbers."""

    shape: tuple[int, ...]  # the sizes of the tensor; -1 for a size that is a symbol
    dtype: str
    device: str  # the kind of device that holds the tensor, such as ``cuda``
    requires_grad: bool = False


def info_of(tensor: Tensor) -> TensorInfo:
    """Describe a tensor."""
    return TensorInfo(
        tuple(n if type(n) is int else -1 for n in tensor.shape),
        str(tensor.dtype).removeprefix("torch."),
        tensor.device.type,
        tensor.requires_grad,
    )


def is_wrapped(tensor: Tensor) -> bool:
    """Tell a tensor of ``torch.func``, whose numbers cannot be looked at."""
    return bool(is_functorch_wrapped(tensor))
