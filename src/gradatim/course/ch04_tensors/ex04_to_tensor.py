"""Arrays to tensors: dtype, device, and a memory of their own."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.course.exercise import expect

TEXT = """
Write `to_tensor(array, device)`: a float32 tensor on the device. It must not share
memory with the array, whatever dtype the array has.
"""
STUB = """
import torch

def to_tensor(array, device):
    ...
"""
HINT = """
`float()` copies only if the dtype changes: an array that is float32 already would be
shared. `torch.tensor` always copies; look at its arguments `dtype` and `device`.
"""
SOLUTION = """
import torch

def to_tensor(array, device):
    return torch.tensor(array, dtype=torch.float32, device=device)
"""
PRAISE = (
    "`torch.from_numpy(array).clone().float().to(device)` would do as well. A copy "
    "costs memory, and nobody can change your data from behind."
)
MUTANTS = r"""
the tutorial's line:
  tensor(array, dtype=torch.float32, device= => from_numpy(array).float().to(
float64: dtype=torch.float32,  =>
stays on the CPU: , device=device =>
as_tensor: torch.tensor( => torch.as_tensor(
nothing returned: return  =>
needs a gradient:
  ) => , requires_grad=True)
  (array, device, requires_grad=True) => (array, device)
sent, and not kept:
  tensor(array, dtype=torch.float32, device=device => from_numpy(array).clone().float(
  return => tensor =
  .float() => .float()\n    tensor.to(device)\n    return tensor
"""


def check(to_tensor: Any) -> None:
    """Try three dtypes and two devices; change the array and look."""
    for dtype in ("float64", "float32", "int64"):
        for device in ("cpu", "meta"):
            array = np.arange(6).reshape(3, 2).astype(dtype)
            answer = to_tensor(array, torch.device(device))
            case = f"For an array of {dtype} and the device {device}"
            expect(isinstance(answer, Tensor), f"{case} comes {answer!r}, no tensor.")
            expect(
                answer.dtype == torch.float32,
                f"{case} the dtype is {answer.dtype}; torch.float32 is right.",
            )
            place, shape = answer.device, tuple(answer.shape)
            expect(place.type == device, f"{case} the tensor is on {place}.")
            expect(shape == (3, 2), f"{case} the shape is {shape}; (3, 2) is right.")
            expect(not answer.requires_grad, f"{case}: data need no gradient.")
            if device == "cpu":
                _has_own_memory(array, answer, case)


def _has_own_memory(array: Any, answer: Tensor, case: str) -> None:
    expect(
        answer.flatten().tolist() == [0, 1, 2, 3, 4, 5],
        f"{case} the numbers are not those of the array.",
    )
    array[0, 0] = 100
    expect(
        answer[0, 0].item() == 0,
        f"{case} `array[0, 0] = 100` changed the tensor as well: they share memory.",
    )
