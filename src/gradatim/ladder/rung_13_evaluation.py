"""Rung 13: evaluation on the 20 points that never train.

Nothing is replaced; a second inner loop measures the validation loss after
every epoch. What is kept is two losses an epoch. A scheduler is the obvious
next thing.
Source: the tutorial, "Evaluation".
"""

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split

from gradatim.data import line
from gradatim.ladder.rung_11_train_step import make_train_step

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
    val_loader = DataLoader(val_set, batch_size=16)  # 16 points, then 4

    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, loss_fn, optimizer)

    train_losses, val_losses = [], []
    for _ in range(epochs):
        # An epoch's loss is the mean over its points: a batch of n points
        # counts n times, or a short last batch would weigh as much as a full
        # one.
        total = 0.0
        for x_batch, y_batch in train_loader:
            x_batch, y_batch = x_batch.to(device), y_batch.to(device)
            total += train_step(x_batch, y_batch) * len(x_batch)
        train_losses.append(total / len(train_set))

        total = 0.0
        model.eval()  # dropout off, and batch norm by its running statistics
        with torch.no_grad():  # no graph is built: less memory, less time
            for x_batch, y_batch in val_loader:
                x_batch, y_batch = x_batch.to(device), y_batch.to(device)
                loss = loss_fn(model(x_batch), y_batch)
                total += loss.item() * len(x_batch)
        val_losses.append(total / len(val_set))
        model.train()  # and back

    print("epoch  train_loss  val_loss")
    for epoch in range(1, epochs + 1):
        if epoch in (1, 2, 3, 6, 11, 21, 51, epochs):
            train_loss = train_losses[epoch - 1]
            val_loss = val_losses[epoch - 1]
            print(f"{epoch:5}  {train_loss:10.4f}  {val_loss:8.4f}")
    b, a = (p.item() for p in model.parameters())  # weight, then bias
    print(f"end  a {a:.4f}  b {b:.4f}")

    # What no_grad() saves: without it every prediction drags its graph along.
    print("a graph behind the predictions:", model(x_batch).requires_grad)
    with torch.no_grad():
        print("and under no_grad():           ", model(x_batch).requires_grad)

    # The obvious next thing, shown on a model of its own: a scheduler lowers
    # the learning rate, here to a tenth every 20 epochs, and the wavering dies
    # down. It steps once an epoch, after the optimizer.
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, step_size=20, gamma=0.1)
    train_step = make_train_step(model, loss_fn, optimizer)
    rates = []
    for _ in range(60):
        rates.append(optimizer.param_groups[0]["lr"])
        for x_batch, y_batch in train_loader:
            train_step(x_batch.to(device), y_batch.to(device))
        scheduler.step()
    print("with StepLR the rate is", [round(rate, 6) for rate in rates[::20]])

    return a, b, {"train_loss": train_losses, "val_loss": val_losses}


if __name__ == "__main__":
    run()
