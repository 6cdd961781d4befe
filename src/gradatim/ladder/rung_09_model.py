"""Rung 9: a model.

A ``Module`` with two ``Parameter``s replaces the formula in the loop and the
list of what to train: the optimizer asks ``model.parameters()``.
Source: the tutorial, "Model".
"""

import torch
from torch import Tensor, nn

from gradatim.data import line, line_split

__all__ = ["ManualLine", "run"]


class ManualLine(nn.Module):
    """A line, ``a + b * x``."""

    def __init__(self) -> None:
        super().__init__()
        # A Parameter is a tensor that requires a gradient and that the Module
        # registers under its name. A plain tensor here would never be trained.
        self.a = nn.Parameter(torch.randn(1))
        self.b = nn.Parameter(torch.randn(1))

    def forward(self, x: Tensor) -> Tensor:
        """Predict y."""
        return self.a + self.b * x


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train the model; return a, b and the loss of every epoch."""
    (x_train, y_train), _ = line_split(*line())
    torch.manual_seed(42)
    model = ManualLine()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    print("parameters", list(model.parameters()))
    print("start", model.state_dict())

    losses = []
    for _ in range(epochs):
        model.train()  # sets a mode; the lines after the loss are what trains
        predictions = model(x_train)
        loss = loss_fn(predictions, y_train)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    print("end  ", model.state_dict())

    # Call the model, not its forward(): the call also runs the hooks.
    calls = []
    hook = model.register_forward_hook(lambda *_: calls.append("hook"))
    model.forward(x_train)
    print("hooks run by model.forward(x):", len(calls))
    model(x_train)
    print("hooks run by model(x):        ", len(calls))
    hook.remove()

    # train() and eval() set a flag that some layers read. Dropout is one: it
    # zeroes half of its inputs (and doubles the others) while training, none
    # when evaluating.
    before = model.a.item()
    model.train()
    print("train() changed the weights:", before != model.a.item())
    dropout = nn.Dropout(p=0.5)
    dropout.train()
    print("dropout in train mode", dropout(torch.ones(6)).tolist())
    dropout.eval()
    print("dropout in eval mode ", dropout(torch.ones(6)).tolist())

    # Data and model must live on one device; without a GPU "meta" is the other
    # one.
    elsewhere = "cuda" if torch.cuda.is_available() else "meta"
    try:
        model(x_train.to(elsewhere))
    except RuntimeError as exception:
        print(f"x on {elsewhere} -> RuntimeError: {exception}")

    # And have one dtype: NumPy's float64 does not go into a layer's float32.
    try:
        nn.Linear(1, 1)(x_train.double())
    except RuntimeError as exception:
        print(f"x in float64 -> RuntimeError: {exception}")

    return model.a.item(), model.b.item(), {"train_loss": losses}


if __name__ == "__main__":
    run()
