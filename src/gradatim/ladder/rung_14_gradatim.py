"""Rung 14: gradatim.

``Trainer(model, loss_fn, optimizer).fit(train_loader, val_loader,
epochs=...)`` takes the place of both of rung 13's loops. What is above that
line is rung 13's, and so is every bit of the weights and losses that come out.
Source: the tutorial's last program, trained by this library.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import gradatim as gt
from gradatim.data import line

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train and validate; return a, b and both losses of every epoch."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    torch.manual_seed(42)
    train_set, val_set = random_split(TensorDataset(*line()), [80, 20])
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=16)

    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    # Batches to the device, steps, validation in eval mode without a graph,
    # means over points. Its display of progress would only fill this page.
    trainer = gt.Trainer(model, loss_fn, optimizer)
    trainer.fit(train_loader, val_loader, epochs=epochs, progress=False)

    train_losses = trainer.history["train_loss"]
    val_losses = trainer.history["val_loss"]
    print("epoch  train_loss  val_loss")
    for epoch in range(1, epochs + 1):
        if epoch in (1, 2, 3, 6, 11, 21, 51, epochs):
            train_loss = train_losses[epoch - 1]
            val_loss = val_losses[epoch - 1]
            print(f"{epoch:5}  {train_loss:10.4f}  {val_loss:8.4f}")
    b, a = (p.item() for p in model.parameters())  # weight, then bias
    print(f"end  a {a:.4f}  b {b:.4f}")
    print("evaluate", trainer.evaluate(val_loader))
    print("predict x = 2 ->", trainer.predict(torch.tensor([[2.0]])))

    return a, b, {"train_loss": train_losses, "val_loss": val_losses}


if __name__ == "__main__":
    run()
