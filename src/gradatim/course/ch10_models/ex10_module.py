"""A module with parameters of its own."""

from typing import Any

import torch
from torch import nn

from gradatim.course.exercise import expect

TEXT = """
Write a model `Parabola`: it predicts `a + b * x + c * x ** 2`. All three are to be
trained and start at 0, with one number each.
"""
STUB = """
import torch
from torch import nn

class Parabola(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = ...

    def forward(self, x):
        return ...
"""
HINT = "`nn.Parameter(torch.zeros(1))` is registered as soon as it is an attribute."
SOLUTION = """
import torch
from torch import nn

class Parabola(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(1))
        self.b = nn.Parameter(torch.zeros(1))
        self.c = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.a + self.b * x + self.c * x ** 2
"""
PRAISE = "Any formula of tensors may stand in `forward`; autograd follows it."
MUTANTS = r"""
c a plain tensor:
  self.c = nn.Parameter(torch.zeros(1)) => self.c = torch.zeros(1, requires_grad=True)
x forgotten: self.b * x + => self.b +
a cube: x ** 2 => x ** 3
no super: super().__init__() =>
random start: torch.zeros => torch.randn
cut from the graph: self.c * x => self.c.item() * x
new parameters at each call: x): => x):\n        self.c = nn.Parameter(torch.zeros(1))
"""


def check(make: Any) -> None:
    """Look at its parameters, its values, its gradients."""
    model = make()
    expect(isinstance(model, nn.Module), "`Parabola()` is to be an `nn.Module`.")
    answer = dict(model.named_parameters())
    expect(
        set(answer) == {"a", "b", "c"},
        f"`named_parameters()` finds {', '.join(answer) or 'nothing'}; it is to find "
        "a, b, c.",
    )
    for name, parameter in answer.items():
        expect(
            parameter.numel() == 1 and parameter.item() == 0,
            f"{name} is to start as one number, 0; it is {parameter.tolist()}.",
        )
    with torch.no_grad():
        for parameter, value in zip("abc", (1.0, 2.0, -3.0), strict=True):
            answer[parameter].fill_(value)
    x = torch.tensor([[0.0], [1.0], [2.0]])
    predictions = model(x)
    expected = 1 + 2 * x - 3 * x**2
    expect(
        isinstance(predictions, torch.Tensor) and predictions.shape == x.shape,
        "For x of shape (3, 1) the model is to give a tensor of shape (3, 1).",
    )
    expect(
        torch.allclose(predictions, expected),
        f"With a = 1, b = 2, c = -3 and x = 0, 1, 2 it gives "
        f"{predictions.flatten().tolist()}; {expected.flatten().tolist()} is right.",
    )
    predictions.sum().backward()
    for name, parameter in answer.items():
        expect(
            parameter.grad is not None,
            f"After `backward()` {name} has no gradient: where does the graph end?",
        )
