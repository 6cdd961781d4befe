"""Rung 12: a data set, a loader that makes mini-batches, and a random split.

``Dataset`` and ``DataLoader`` replace the two large tensors, ``random_split``
the shuffled row numbers. An epoch is now five updates of 16 points instead of
one of 80.
Source: the tutorial, "Dataset", "DataLoader" and "Random Split".
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split

from gradatim.data import line
from gradatim.ladder.rung_11_train_step import make_train_step

__all__ = ["LineDataset", "run"]


class LineDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of x and y, one row each."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        # What is small may be kept here. What is large stays on disk: keep the
        # file names, and load one row in __getitem__, when it is asked for.
        self.x = x
        self.y = y

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]

    def __len__(self) -> int:
        return len(self.x)


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Train in mini-batches; return a, b and the loss of every update."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # All 100 points, on the CPU. TensorDataset is our class, ready made for
    # tensors.
    x, y = line()
    dataset = TensorDataset(x, y)
    print("LineDataset(x, y)[0]  ", LineDataset(x, y)[0])
    print("TensorDataset(x, y)[0]", dataset[0])

    # The split is drawn anew, over all 100 points: it is not rungs 1 to 11's.
    torch.manual_seed(42)
    train_set, val_set = random_split(dataset, [80, 20])
    print("split", len(train_set), len(val_set))

    # All N points in an update is batch gradient descent, one point
    # stochastic, n of them mini-batch: 1, N or N/n updates until every point
    # has been used once.
    for batch_size in (80, 1, 16):
        loader = DataLoader(train_set, batch_size)
        print(f"batch_size {batch_size:2}: {len(loader):2} updates an epoch")

    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    x_batch, y_batch = next(iter(train_loader))  # one batch, to look at
    print("one batch", x_batch.shape, y_batch.shape, x_batch.device)

    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, nn.MSELoss(), optimizer)

    losses = []
    for _ in range(epochs):
        for x_batch, y_batch in train_loader:
            # Only the mini-batch goes to the device: a GPU's memory is small
            # and dear, and the data set may be large.
            x_batch, y_batch = x_batch.to(device), y_batch.to(device)
            losses.append(train_step(x_batch, y_batch))

    # Each update sees 16 points, so the end wavers about the best line. The
    # best line of these 80 points, that is, which are others than rung 2's.
    b, a = (p.item() for p in model.parameters())  # weight, then bias
    x_train, y_train = (t.double().numpy() for t in dataset[train_set.indices])
    columns = np.hstack([np.ones_like(x_train), x_train])
    (best_a, best_b), *_ = np.linalg.lstsq(columns, y_train[:, 0])
    print(f"end            a {a:.4f}  b {b:.4f}")
    print(f"least squares  a {best_a:.4f}  b {best_b:.4f}  of this split")
    return a, b, {"train_loss": losses}


if __name__ == "__main__":
    run()
