"""The tutorial's line as a table of one column, trained as the tutorial does."""

from typing import Any

import numpy as np
import torch
from torch import nn

from gradatim.data.line import NUM_POINTS, line, line_rows
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.linear import LinearModel
from gradatim.tables.model.network import TableModel
from gradatim.tables.table import Table, read_table

__all__ = ["LinePlan", "least_squares", "line_config", "plan_line", "trained_line"]


class LinePlan(TablePlan):
    """One linear layer, SGD and mean squared error, for all epochs.

    The 20 points that the tutorial validates with serve as test rows, too: nothing is
    chosen by them.
    """

    max_norm = None
    lr_factor = None

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Make SGD with the tutorial's learning rate."""
        return torch.optim.SGD(self.model.parameters(), lr=self.config.lr)

    def fit_baselines(self, penalty: float | None = None) -> Baselines:
        """Take the least-squares line of the training points."""
        assert self.table.y is not None
        a, b = least_squares(self)
        slope = torch.tensor([[b]], dtype=torch.float64)
        constant = torch.tensor([a], dtype=torch.float64)
        line = LinearModel(weight=slope, bias=constant)
        baselines = Baselines(self.table.schema, _unscaled_encoder(self.table))
        return baselines.take(line, self.table.y[self.train])


def line_config(**chosen: Any) -> TabularConfig:
    """Give the tutorial's choices but for those named: epochs, batch_size, lr, seed.

    The seed is that of the weights' start (the tutorial's, with 42) and of the order.
    """
    tutorial = {"epochs": 100, "batch_size": 16, "lr": 0.1, "seed": 42, "hidden": 1}
    return TabularConfig(**{**tutorial, **chosen})


def plan_line(config: TabularConfig) -> LinePlan:
    """Make the tutorial's data and model, ready to be trained."""
    import pyarrow as pa

    x, y = line()
    columns = {"x": x.squeeze(1).numpy(), "y": y.squeeze(1).numpy()}
    table = read_table(pa.table(columns), target="y")
    train, val = line_rows()
    assert len(train) + len(val) == NUM_POINTS
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = nn.Linear(1, 1)
    model = TableModel(_unscaled_encoder(table), network, "regression")
    architecture = {"name": "linear", "num_features": 1, "num_outputs": 1}
    return LinePlan(table, config, train, val, val, model, architecture)


def _unscaled_encoder(table: Table) -> TableEncoder:
    """Give an encoder that passes x on as it is: the tutorial scales nothing."""
    encoder = TableEncoder(table.schema)
    neutral = {"median": 0.0, "mean": 0.0, "std": 1.0}
    for name, buffer in encoder.named_buffers():
        if (kind := name.rpartition(".")[2]) in neutral:
            buffer.fill_(neutral[kind])
    return encoder


def trained_line(plan: TablePlan) -> tuple[float, float]:
    """Give a and b of the model."""
    network = plan.model.network
    assert isinstance(network, nn.Linear)
    return network.bias.item(), network.weight.item()


def least_squares(plan: TablePlan) -> tuple[float, float]:
    """Give a and b of the least-squares line through the training points."""
    assert plan.table.y is not None
    x = plan.table.x["numbers"][plan.train].double().numpy()
    y = plan.table.y[plan.train].double().numpy()
    (a, b), *_ = np.linalg.lstsq(np.column_stack([np.ones_like(x), x]), y, rcond=None)
    return float(a), float(b)
