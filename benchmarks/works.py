"""The three trainings of every contestant: data, model, start, batches, epochs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import gradatim as gt

__all__ = ["WORKS", "Work"]

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One training: a ReLU network of ``sizes`` on ``train``, looked at on ``val``."""

    name: str
    train: Pair
    val: Pair
    batch_size: int
    sizes: tuple[int, ...]
    """Of the layers, from the inputs to the output."""
    optimizer: str
    """``"SGD"`` or ``"Adam"``."""
    lr: float
    epochs: int
    bars: dict[str, float]
    """gradatim's time per update over a contestant's, at most."""
    val_loss_within: float
    """How far the contestants' last losses may lie apart: each draws its own order."""

    @property
    def num_updates(self) -> int:
        return self.epochs * -(-len(self.train[0]) // self.batch_size)

    def make_model(self) -> nn.Sequential:
        """Make the network with the weights that all contestants start from."""
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return getattr(torch.optim, self.optimizer)(model.parameters(), lr=self.lr)


def tutorial() -> Work:
    train, val = gt.data.line_split(*gt.data.line())
    return Work(
        name="the tutorial: 80 + 20 x 1, batch 16, linear, SGD",
        train=train,
        val=val,
        batch_size=16,
        sizes=(1, 1),
        optimizer="SGD",
        lr=0.1,
        epochs=100,
        bars={"DataLoader": 0.55, "sliced": 1.10, "Lightning": 1 / 20, "Keras": 1 / 20},
        val_loss_within=0.25,
    )


def small() -> Work:
    train, val = _waves(num_rows=20_000, num_features=20)
    return Work(
        name="20,000 x 20, batch 64, MLP 64-64, Adam",
        train=train,
        val=val,
        batch_size=64,
        sizes=(20, 64, 64, 1),
        optimizer="Adam",
        lr=1e-3,
        epochs=3,
        bars={"DataLoader": 0.5, "sliced": 1.05, "Lightning": 1 / 8},
        val_loss_within=0.2,
    )


def large() -> Work:
    train, val = _waves(num_rows=100_000, num_features=50)
    return Work(
        name="100,000 x 50, batch 1,024, MLP 128-128, Adam",
        train=train,
        val=val,
        batch_size=1024,
        sizes=(50, 128, 128, 1),
        optimizer="Adam",
        lr=1e-3,
        epochs=3,
        bars={"DataLoader": 0.3, "sliced": 1.02, "Lightning": 1 / 5},
        val_loss_within=0.2,
    )


def _waves(*, num_rows: int, num_features: int) -> tuple[Pair, Pair]:
    """Make rows of a smooth function with noise: four fifths to train on."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(num_rows, num_features, generator=random)
    directions = torch.randn(num_features, 3, generator=random) / num_features**0.5
    noise = 0.1 * torch.randn(num_rows, 1, generator=random)
    y = (x @ directions).sin().sum(dim=1, keepdim=True) + noise
    num_train = num_rows * 4 // 5
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


WORKS: tuple[Callable[[], Work], ...] = (tutorial, small, large)
