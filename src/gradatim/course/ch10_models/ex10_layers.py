"""Layers that are found, and called in turn."""

from typing import Any

import torch
from torch import nn

from gradatim.course.exercise import expect

TEXT = """
Mend this model: it has `depth` layers, and none of them is found. `forward` is to call
one after the other, with `torch.tanh` after each.
"""
STUB = """
import torch
from torch import nn

class Deep(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = [nn.Linear(4, 4) for _ in range(depth)]

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer.forward(x))
        return x
"""
HINT = "A list that registers what is in it is `nn.ModuleList`. Look at the call, too."
SOLUTION = """
import torch
from torch import nn

class Deep(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(depth)])

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x
"""
PRAISE = "Now they are trained, saved, moved to a device, and hooks on them run."
MUTANTS = """
forward is still called: layer(x) => layer.forward(x)
one layer, many times: 4) for _ in range(depth)] => 4)] * depth
tanh only at the end:
  torch.tanh(layer(x) => layer(x
  return x => return torch.tanh(x)
returns in the loop: return x =>     return x
a fixed depth: range(depth) => range(2)
as it is:
  nn.ModuleList([ => [
  (depth)]) => (depth)]
  layer(x) => layer.forward(x)
"""


def check(make: Any) -> None:
    """Count parameters, compare values, look whether hooks run."""
    x = torch.linspace(-1, 1, 8).reshape(2, 4)
    for depth in (1, 3):
        model = make(depth)
        expect(isinstance(model, nn.Module), "`Deep(...)` is to be an `nn.Module`.")
        answer = len(list(model.parameters()))
        expect(
            answer == 2 * depth,
            f"`parameters()` of {depth} layers finds {answer}; each layer has a weight "
            f"and a bias, so {2 * depth} are right.",
        )
        layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
        seen: list[int] = []
        for layer in layers:
            layer.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        with torch.no_grad():
            predictions, expected = model(x), x
            ran = len(seen)
            for layer in layers:
                expected = torch.tanh(layer(expected))
        expect(
            isinstance(predictions, torch.Tensor)
            and predictions.shape == expected.shape
            and torch.allclose(predictions, expected),
            f"With {depth} layers the values are not those of layer, tanh, layer, "
            "tanh and so on to the last.",
        )
        expect(
            ran == depth,
            f"Of {depth} hooks {ran} ran: call `layer(x)`, not its `forward`.",
        )
