"""skorch: its default callbacks, which keep the losses, without the printed log."""

from collections.abc import Callable

import torch
from skorch import NeuralNetRegressor
from skorch.helper import predefined_split
from torch import nn
from torch.utils.data import TensorDataset

from works import Work


def prepare(work: Work) -> Callable[[], float]:
    net = NeuralNetRegressor(
        work.make_model(),
        criterion=nn.MSELoss,
        optimizer=getattr(torch.optim, work.optimizer),
        lr=work.lr,
        max_epochs=work.epochs,
        batch_size=work.batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(TensorDataset(*work.val)),
        callbacks__print_log=None,
    )

    def run() -> float:
        net.fit(TensorDataset(*work.train), None)
        return net.history[-1, "valid_loss"]

    return run
