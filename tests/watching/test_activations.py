"""What is noted of activations between layers."""

import torch
from torch import nn

from gradatim.watching.activations import activations_of
from gradatim.watching.identities import identity_of


def test_dead_and_saturated_units():
    first, second = nn.Linear(1, 2), nn.Linear(2, 1)
    x = torch.ones(8, 1)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        first.bias.zero_()
    names = {identity_of(first.weight): "first.weight"}
    loss = second(first(x).relu()).sum()
    (relu,) = activations_of(loss.grad_fn, names)
    assert (relu.kind, relu.layer, relu.num_units) == ("Relu", "first", 2)
    assert relu.dead == 0.5
    loss = second((100 * first(x)).sigmoid()).sum()
    (sigmoid,) = activations_of(loss.grad_fn, names)
    assert sigmoid.kind == "Sigmoid" and sigmoid.saturated == 1.0
    assert activations_of(first(x).relu().sum().grad_fn, names) == ()  # at the end
