"""Back to NumPy, from any tensor."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.course.exercise import expect

TEXT = """
Write `to_numpy(tensor)`: the numbers as a NumPy array, also of a tensor that needs a
gradient, and of one on a GPU. The tensor stays as it is.
"""
STUB = """
def to_numpy(tensor):
    return tensor.numpy()
"""
HINT = (
    "Two calls are missing before `numpy()`: one for the gradient, one for the device."
)
SOLUTION = """
def to_numpy(tensor):
    return tensor.detach().cpu().numpy()
"""
PRAISE = "`tensor.numpy(force=True)` is short for the same."
MUTANTS = r"""
no detach: .detach() =>
no cpu: .cpu() =>
a list: .numpy() => .tolist()
a tensor: .numpy() =>
the tensor changed:
  return tensor.detach() => tensor.requires_grad_(False)\n    return tensor
detached in place: .detach() => .detach_()
neither: .detach().cpu() =>
cpu() not kept:
  return tensor.detach() => tensor = tensor.detach()\n    return tensor
  return tensor.cpu() => tensor.cpu()\n    return tensor
"""


class _Elsewhere(Tensor):
    """Refuses ``numpy()`` as a tensor of a GPU does; ``cpu()`` gives a plain one."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        is_home = name == "cpu" or (name == "to" and "cpu" in map(str, args[1:]))
        if name in ("numpy", "__array__") and not kwargs.get("force"):
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to "
                "copy the tensor to host memory first."
            )
        parent: Any = super()
        answer = parent.__torch_function__(func, types, args, kwargs)
        return answer.as_subclass(Tensor) if is_home else answer


def check(to_numpy: Any) -> None:
    """Try plain tensors, one with a gradient, and one that acts as a GPU's."""
    values = [1.5, -2.0, 3.0]
    far = torch.tensor(values).as_subclass(_Elsewhere)
    tensors = {
        "a plain tensor": torch.tensor(values),
        "one that needs a gradient": torch.tensor(values, requires_grad=True),
        "one that acts as if it lived on a GPU": far,
    }
    for case, tensor in tensors.items():
        needs = tensor.requires_grad
        try:
            answer = to_numpy(tensor)
        except (TypeError, RuntimeError) as error:
            expect(False, f"For {case}: `{type(error).__name__}`: {error}")
        expect(
            isinstance(answer, np.ndarray),
            f"For {case} a {type(answer).__name__} came back, not an array.",
        )
        expect(answer.tolist() == values, f"For {case} other numbers came back.")
        expect(
            tensor.requires_grad == needs,
            f"For {case}: its `requires_grad` was {needs} and is not any more.",
        )
    result = tensors["one that needs a gradient"] * 2
    to_numpy(result)
    expect(
        result.grad_fn is not None,
        "A tensor that was computed has lost its `grad_fn`: what ends in `_` works in "
        "place.",
    )
