"""What the pairs of loops share: small data, and the losses of our steps."""

import torch

import gradatim as gt
from tests.bits import assert_same_bits


class Losses(gt.Callback):
    """Keep the loss of each update."""

    def __init__(self):
        self.values = []

    def on_step_end(self, trainer, loss):
        self.values.append(loss.item())


def digits(num_rows, *, size=8, classes=10, seed=0):
    """Give pictures, from 0 to 1, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (num_rows,), generator=generator)
    noise = torch.rand(num_rows, 1, size, size, generator=generator)
    return (noise + labels.view(-1, 1, 1, 1) / classes) / 2, labels


def assert_same(theirs, ours):
    """Compare what two loops give, each from the same seed, bit for bit.

    Each is called without arguments and gives weights, and numbers by their names;
    means over rows, whose sums are in another order, are under ``"means"``.
    """
    found = []
    for loop in (theirs, ours):
        torch.manual_seed(1)
        found.append(loop())
    (expected, numbers), (weights, given) = found
    assert_same_bits(weights, expected)
    means, own_means = numbers.pop("means"), given.pop("means")
    assert given == numbers
    assert numbers["losses"], "nothing was trained"
    for name, values in means.items():
        torch.testing.assert_close(
            torch.tensor(own_means[name]), torch.tensor(values), rtol=1e-6, atol=0
        )
