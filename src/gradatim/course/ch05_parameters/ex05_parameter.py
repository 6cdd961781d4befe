"""A parameter where it is wanted."""

from typing import Any

import torch
from torch import Tensor

from gradatim.course.exercise import expect
from gradatim.rng import keeping_rng

TEXT = """
Mend `make_parameter(device, dtype)`: one random number on that device, of that dtype,
that can be trained.
"""
STUB = """
import torch

def make_parameter(device, dtype):
    return torch.randn(1, requires_grad=True).to(device, dtype)
"""
HINT = "Which of the four ways is the best one? `randn` takes `device` and `dtype`."
SOLUTION = """
import torch

def make_parameter(device, dtype):
    return torch.randn(1, requires_grad=True, device=device, dtype=dtype)
"""
PRAISE = "A leaf on every machine, with a GPU and without one."
MUTANTS = r"""
no gradient: requires_grad=True,  =>
device forgotten: device=device,  =>
dtype forgotten: , dtype=dtype =>
not random: randn => zeros
one for all calls:
  def => a = torch.randn(1, requires_grad=True, dtype=torch.float64)\n\ndef
  torch.randn(1, requires_grad=True, device=device, dtype=dtype) => a
the second way: , device=device, dtype=dtype) => ).to(device, dtype)
detached: , device=device, dtype=dtype) => ).to(device, dtype).detach()
marked too late: , device=device, dtype=dtype) => ).to(device, dtype).requires_grad_()
"""


def check(make_parameter: Any) -> None:
    """Make some on two devices in two dtypes; give them to an optimizer."""
    for device in ("cpu", "meta"):
        for dtype in (torch.float32, torch.float64):
            case = f"For the device {device} and {dtype}"
            with keeping_rng():
                a = make_parameter(torch.device(device), dtype)
                b = make_parameter(torch.device(device), dtype)
            expect(isinstance(a, Tensor), f"{case} comes {a!r}, no tensor.")
            expect(
                a.device.type == device and a.dtype == dtype,
                f"{case} the tensor is on {a.device} and of {a.dtype}.",
            )
            shape = tuple(a.shape)
            expect(shape == (1,), f"{case} the shape is {shape}; (1,) is right.")
            expect(a.requires_grad, f"{case} `requires_grad` is False.")
            expect(
                a.is_leaf,
                f"{case} it is no leaf: it has a `grad_fn`, and the optimizer says "
                '"can\'t optimize a non-leaf Tensor".',
            )
            expect(
                a is not b and (device == "meta" or a.item() != b.item()),
                f"{case} two calls gave the same number: is it random?",
            )
