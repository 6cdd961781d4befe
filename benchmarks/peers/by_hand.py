"""The loops that people write: with a DataLoader, and with tensors sliced by hand.

``prepare_steps`` is no loop to use: the four steps alone, on one batch again and again.
What PyTorch itself takes for them is about the least for every contestant.
"""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from works import Work


def prepare_loader(work: Work) -> Callable[[], float]:
    model = work.make_model()
    loss_fn = nn.MSELoss()
    optimizer = work.make_optimizer(model)
    train_loader = DataLoader(
        TensorDataset(*work.train), batch_size=work.batch_size, shuffle=True
    )
    val_loader = DataLoader(TensorDataset(*work.val), batch_size=work.batch_size)

    def run() -> float:
        train_losses, val_losses = [], []
        for _ in range(work.epochs):
            model.train()
            total = 0.0
            for x, y in train_loader:
                loss = loss_fn(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            train_losses.append(total / len(work.train[0]))

            model.eval()
            total = 0.0
            with torch.no_grad():
                for x, y in val_loader:
                    total += loss_fn(model(x), y).item() * len(x)
            val_losses.append(total / len(work.val[0]))
        return val_losses[-1]

    return run


def prepare_sliced(work: Work) -> Callable[[], float]:
    model = work.make_model()
    loss_fn = nn.MSELoss()
    optimizer = work.make_optimizer(model)
    (x_train, y_train), (x_val, y_val) = work.train, work.val
    size = work.batch_size

    def run() -> float:
        train_losses, val_losses = [], []
        for _ in range(work.epochs):
            model.train()
            total = 0.0
            order = torch.randperm(len(x_train))
            for start in range(0, len(x_train), size):
                rows = order[start : start + size]
                x, y = x_train[rows], y_train[rows]
                loss = loss_fn(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            train_losses.append(total / len(x_train))

            model.eval()
            total = 0.0
            with torch.no_grad():
                for start in range(0, len(x_val), size):
                    x, y = x_val[start : start + size], y_val[start : start + size]
                    total += loss_fn(model(x), y).item() * len(x)
            val_losses.append(total / len(x_val))
        return val_losses[-1]

    return run


def prepare_steps(work: Work) -> Callable[[], float]:
    model = work.make_model()
    loss_fn = nn.MSELoss()
    optimizer = work.make_optimizer(model)
    x, y = (tensor[: work.batch_size].clone() for tensor in work.train)

    def run() -> float:
        model.train()
        for _ in range(work.num_updates):
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return math.nan

    return run
