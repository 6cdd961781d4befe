"""The main job without a file: the tutorial's line, as a table of one column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim.data.line import NUM_POINTS, line, line_rows
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import FittedTable, predict_rows
from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.model.network import TableModel
from gradatim.tables.model.scores import constant_answers, regression_scores
from gradatim.tables.table import Table, read_table
from gradatim.trainer import Trainer

__all__ = [
    "fit_line",
    "least_squares",
    "line_config",
    "line_parts",
    "plan_line",
    "trained_line",
]


def line_config(**chosen: Any) -> TabularConfig:
    """Give the tutorial's choices, but for those named: epochs, batch_size, lr, seed.

    The seed is of the start (the tutorial's, with 42) and the order.
    """
    tutorial = {"epochs": 100, "batch_size": 16, "lr": 0.1, "seed": 42, "hidden": 1}
    return TabularConfig(**{**tutorial, **chosen})


def fit_line(
    plan: TablePlan, *, callbacks: Sequence[Any] = (), progress: bool = True
) -> FittedTable:
    """Train the tutorial's line as the tutorial does: one linear layer, SGD, MSE.

    The 20 points that the tutorial validates with serve as test rows, too: nothing is
    chosen by them.

    Args:
        plan: From :func:`plan_line`.
        callbacks: As for ``Trainer.fit``.
        progress: As for ``Trainer.fit``.
    """
    table, model, config = plan.table, plan.model, plan.config
    assert config.epochs is not None
    loss_fn, optimizer, y = line_parts(plan)
    trainer = Trainer(model, loss_fn, optimizer)
    history = trainer.fit(
        (table.select(plan.train).x, y[plan.train]),
        (table.select(plan.val).x, y[plan.val]),
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        callbacks=callbacks,
        progress=progress,
    )
    return FittedTable(plan=plan, model=model, history=history, scores=_scores(plan))


def line_parts(plan: TablePlan) -> tuple[nn.Module, torch.optim.Optimizer, Tensor]:
    """Give loss, optimizer and targets (of all rows) that the line is trained with."""
    assert plan.table.y is not None
    optimizer = torch.optim.SGD(plan.model.parameters(), lr=plan.config.lr)
    return nn.MSELoss(), optimizer, plan.table.y


def plan_line(config: TabularConfig) -> TablePlan:
    """Make the tutorial's data and model, ready to be trained."""
    import pyarrow as pa

    x, y = line()
    columns = {"x": x.squeeze(1).numpy(), "y": y.squeeze(1).numpy()}
    table: Table = read_table(pa.table(columns), target="y")
    train, val = line_rows()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = nn.Linear(1, 1)
    model = TableModel(_unscaled_encoder(table), network, "regression")
    assert len(train) + len(val) == NUM_POINTS
    return TablePlan(
        table=table,
        config=config,
        train=train,
        val=val,
        test=val,
        model=model,
        architecture={"name": "linear", "num_features": 1, "num_outputs": 1},
    )


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


def _scores(plan: TablePlan) -> dict[str, dict[str, float]]:
    table, test = plan.table, plan.test
    assert table.y is not None
    a, b = least_squares(plan)
    x, y = table.x["numbers"][test].squeeze(1).double(), table.y[test]
    answers = {
        "baseline": constant_answers(
            "regression", table.y[plan.train], len(test), num_classes=0
        ),
        "linear": a + b * x,
        "model": predict_rows(plan.model, table.select(test).x),
    }
    return {name: regression_scores(each, y) for name, each in answers.items()}
