"""Rung 10: a model inside a model, and a model without a class.

The layer ``nn.Linear(1, 1)`` replaces rung 9's own parameters and formula;
``nn.Sequential`` then replaces the class.
Source: the tutorial, "Nested Models", "Layers" and "Sequential Models".
"""

import torch
from torch import Tensor, nn

from gradatim.data import line, line_split

__all__ = ["LayerLine", "run"]


class LayerLine(nn.Module):
    """A line, ``linear.bias + linear.weight * x``."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.unused = nn.Linear(1, 1)  # forward() never calls it

    def forward(self, x: Tensor) -> Tensor:
        """Predict y."""
        predictions: Tensor = self.linear(x)
        return predictions


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train the sequential model; return a, b and the loss of every epoch."""
    (x_train, y_train), _ = line_split(*line())
    loss_fn = nn.MSELoss()

    # Parameters are found through all levels, also those of a layer that is
    # never used: the optimizer holds them, but no gradient ever reaches them.
    torch.manual_seed(42)
    nested = LayerLine()
    print("nested")
    loss_fn(nested(x_train), y_train).backward()
    for name, p in nested.named_parameters():
        grad = "None" if p.grad is None else f"{p.grad.item():.4f}"
        print(f"  {name:<13} {p.item():7.4f}  gradient {grad}")

    # The same layer, from the same seed, without a class of our own. The bias
    # is a, the weight is b; the layer's name is its place.
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1))
    print("sequential", model)
    print("start", model.state_dict())

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(epochs):
        model.train()
        predictions = model(x_train)
        loss = loss_fn(predictions, y_train)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    print("end  ", model.state_dict())
    b, a = (p.item() for p in model.parameters())  # weight, then bias
    return a, b, {"train_loss": losses}


if __name__ == "__main__":
    run()
