"""The main job: a table in, a trained model and scores on unseen rows out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.callbacks import EarlyStopping, LRScheduler
from gradatim.history import History
from gradatim.modules import evaluating
from gradatim.nested import num_rows, slice_rows
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.model.linear import fit_logistic, fit_ridge
from gradatim.tables.model.network import ResidualMLP, TableModel
from gradatim.tables.model.scores import constant_answers, score
from gradatim.threads import threads
from gradatim.trainer import Trainer

__all__ = ["FittedTable", "fit_table", "predict_rows", "score_all", "table_parts"]

START_ROWS = 20_000
"""Rows that the linear start is found from, at most: it need not be exact."""


@dataclass(frozen=True, kw_only=True)
class FittedTable:
    """What :func:`fit_table` leaves."""

    plan: TablePlan
    model: TableModel
    history: History
    scores: dict[str, dict[str, float]]
    """By model (``"baseline"``, ``"linear"``, ``"model"``) and by score."""


def fit_table(
    plan: TablePlan, *, callbacks: Sequence[Any] = (), progress: bool = True
) -> FittedTable:
    """Train the model, and score it beside a baseline and a linear model.

    Stops when ``val_loss`` has not improved for ``config.patience`` epochs and keeps
    the best epoch's weights. The test rows are looked at once, at the end.

    Args:
        plan: From ``plan_table``; its model is trained.
        callbacks: As for ``Trainer.fit``.
        progress: As for ``Trainer.fit``.
    """
    with threads(plan.config.threads):
        _start_linear(plan)
        history = _train(plan, callbacks, progress)
        scores = score_all(plan)
    return FittedTable(plan=plan, model=plan.model, history=history, scores=scores)


def _start_linear(plan: TablePlan) -> None:
    """Start a :class:`ResidualMLP` where the linear model ends.

    Training then learns what a linear model misses, and where it misses little (few
    rows, much noise) early stopping finds nothing better soon.
    """
    table, model, network = plan.table, plan.model, plan.model.network
    if not isinstance(network, ResidualMLP):
        return
    assert table.y is not None
    train, val = plan.train[:START_ROWS], plan.val[:START_ROWS]

    @torch.no_grad()
    def features(rows: Tensor) -> Tensor:
        return model.encoder(table.select(rows).x)

    if model.task == "regression":
        found = fit_ridge(features, model.standardise(table.y), train, val)
        network.start_from(found.weight, found.bias)
        return
    num_classes = max(2, network.linear.out_features)
    found = fit_logistic(features, table.y, train, val, num_classes=num_classes)
    weight, bias = found.weight, found.bias
    if model.task == "binary":  # one logit, for the second class against the first
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    network.start_from(weight, bias)


def _train(plan: TablePlan, callbacks: Sequence[Any], progress: bool) -> History:
    table, config, model = plan.table, plan.config, plan.model
    loss_fn, optimizer, y = table_parts(plan)
    assert config.epochs and config.batch_size and config.patience
    updates = math.ceil(len(plan.train) / config.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _warmup_then_cosine(config.warmup, config.epochs * updates)
    )
    trainer = Trainer(model, loss_fn, optimizer, max_norm=config.max_norm)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # dropout
        return trainer.fit(
            (table.select(plan.train).x, y[plan.train]),
            (table.select(plan.val).x, y[plan.val]),
            epochs=config.epochs,
            batch_size=config.batch_size,
            seed=config.seed,
            callbacks=[
                LRScheduler(schedule, per="step"),
                EarlyStopping("val_loss", patience=config.patience),
                *callbacks,
            ],
            progress=progress,
        )


def table_parts(plan: TablePlan) -> tuple[nn.Module, torch.optim.Optimizer, Tensor]:
    """Give loss, optimizer and targets (of all rows) that a table is trained with."""
    model, config, y = plan.model, plan.config, plan.table.y
    assert y is not None
    groups = _parameter_groups(model, config.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=True)
    if model.task == "regression":
        return nn.MSELoss(), optimizer, model.standardise(y)
    if model.task == "binary":
        return nn.BCEWithLogitsLoss(), optimizer, y.float()
    return nn.CrossEntropyLoss(), optimizer, y


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay what multiplies features; a bias, norm or embedding has no reason to."""
    weights = {
        id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)
    }
    decayed = [p for p in model.parameters() if id(p) in weights]
    others = [p for p in model.parameters() if id(p) not in weights]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _warmup_then_cosine(warmup: float, num_steps: int) -> Callable[[int], float]:
    warmup_steps = max(1, round(warmup * num_steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def score_all(plan: TablePlan) -> dict[str, dict[str, float]]:
    """Score baseline, linear model and model on the test rows."""
    table, model, test = plan.table, plan.model, plan.test
    assert table.y is not None and table.schema.target is not None
    y = table.y
    num_classes = len(table.schema.target.labels)
    answers = {
        "baseline": constant_answers(
            model.task, y[plan.train], len(test), num_classes=num_classes
        )
    }
    features = _linear_features(plan)
    if model.task == "regression":
        ridge = fit_ridge(features, y, plan.train, plan.val)
        answers["linear"] = ridge.outputs(features, test).squeeze(1)
    else:
        logistic = fit_logistic(
            features, y, plan.train, plan.val, num_classes=num_classes
        )
        answers["linear"] = logistic.outputs(features, test).softmax(dim=1)
    answers["model"] = predict_rows(model, table.select(test).x)
    return {name: score(model.task, each, y[test]) for name, each in answers.items()}


def _linear_features(plan: TablePlan) -> Callable[[Tensor], Tensor]:
    encoder = TableEncoder(plan.table.schema, linear=True)
    encoder.fit(plan.table.select(plan.train).x)

    def features(rows: Tensor) -> Tensor:
        with torch.no_grad():
            return encoder(plan.table.select(rows).x)

    return features


def predict_rows(
    model: TableModel, x: dict[str, Tensor], *, batch_size: int = 2048
) -> Tensor:
    """Give the model's answers for encoded rows, in batches, in eval mode."""
    with evaluating(model):
        parts = [
            model.answers(model(slice_rows(x, start, start + batch_size)))
            for start in range(0, num_rows(x), batch_size)
        ]
    return torch.cat(parts)
