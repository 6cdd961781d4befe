"""The main job: a table in, a trained model and scores on unseen rows out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradatim.callbacks import EarlyStopping, LRScheduler
from gradatim.history import History
from gradatim.modules import evaluating
from gradatim.nested import slice_rows
from gradatim.rows import num_rows
from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.model.linear import fit_logistic, fit_ridge
from gradatim.tables.model.network import ResidualMLP, TableModel
from gradatim.tables.model.scores import (
    HIGHER_IS_BETTER,
    confusion_matrix,
    constant_answers,
    intervals,
    score,
)
from gradatim.threads import threads
from gradatim.trainer import Trainer

__all__ = ["FittedTable", "fit_table", "predict_rows", "score_all"]

START_ROWS = 20_000
"""The linear start is fitted on at most this many rows, as it need not be exact; chosen
by hand, not measured."""


@dataclass(frozen=True)
class FittedTable:
    """What :func:`fit_table` returns: the trained model, how it went, its scores."""

    plan: TablePlan
    model: TableModel
    history: History
    scores: dict[str, dict[str, float]]
    """On the test rows: by ``"baseline"``, ``"linear"`` or ``"model"``, and by name."""
    intervals: dict[str, tuple[float, float]]
    """Where the model's scores lie in 95 of 100 drawings of the test rows."""
    confusion: list[list[int]] | None
    """The test rows of each class (a list each) by the class that the model gives."""


def fit_table(
    plan: TablePlan, *, callbacks: Sequence[Any] = (), progress: bool = True
) -> FittedTable:
    """Train the model, and score it beside a baseline and a linear model.

    Training stops when ``val_loss`` (or the score that ``config.metric`` names, on the
    validation rows) has not improved for ``config.patience`` epochs,
    and the weights of the best epoch are kept. The test rows are looked at once, at
    the end. ``callbacks`` and ``progress`` are those of ``Trainer.fit``.
    """
    with threads(plan.config.threads):
        _start_linear(plan)
        history = _train(plan, callbacks, progress)
        return score_all(plan, history)


def _start_linear(plan: TablePlan) -> None:
    """Start a :class:`ResidualMLP` where the linear model ends.

    Training then learns what a linear model misses. Where it misses little (few rows,
    much noise), early stopping soon finds nothing better.
    """
    model, network, y = plan.model, plan.model.network, plan.table.y
    if not isinstance(network, ResidualMLP):
        return
    assert y is not None
    train, val = plan.train[:START_ROWS], plan.val[:START_ROWS]
    features = plan.features(model.encoder)
    if model.task == "regression":
        linear = fit_ridge(features, model.standardise(y), train, val)
    else:
        num_classes = max(2, network.linear.out_features)
        linear = fit_logistic(features, y, train, val, num_classes=num_classes)
    weight, bias = linear.weight, linear.bias
    if model.task == "binary":  # one logit, for the second class against the first
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    network.start_from(weight, bias)


def _train(plan: TablePlan, callbacks: Sequence[Any], progress: bool) -> History:
    table, config, y = plan.table, plan.config, plan.targets
    optimizer = plan.make_optimizer()
    own: list[Any] = []
    if plan.lr_factor is not None:
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, plan.lr_factor)
        own.append(LRScheduler(schedule, per="step"))
    metrics = {} if config.metric is None else {config.metric: _metric(plan)}
    if config.patience is not None:
        own.append(
            EarlyStopping(
                f"val_{config.metric or 'loss'}",
                mode="max" if config.metric in HIGHER_IS_BETTER else "min",
                patience=config.patience,
            )
        )
    trainer = Trainer(
        plan.model, plan.loss_fn, optimizer, max_norm=plan.max_norm, metrics=metrics
    )
    assert config.epochs is not None
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # dropout draws from the global generator
        return trainer.fit(
            (table.select(plan.train).x, y[plan.train]),
            (table.select(plan.val).x, y[plan.val]),
            epochs=config.epochs,
            batch_size=config.batch_size,
            seed=config.seed,
            callbacks=[*own, *callbacks],
            progress=progress,
        )


def _metric(plan: TablePlan) -> Callable[[Tensor, Tensor], float]:
    """Give the function of outputs and targets that is the score to choose by."""
    model, name = plan.model, plan.config.metric
    assert name is not None

    def metric(outputs: Tensor, targets: Tensor) -> float:
        if model.task == "regression":
            targets = model.answers(targets)  # in the target's units
        else:
            targets = targets.long()
        return score(model.task, model.answers(outputs), targets)[name]

    return metric


def score_all(plan: TablePlan, history: History) -> FittedTable:
    """Score baseline, linear model and model on the test rows."""
    table, task, test = plan.table, plan.model.task, plan.test
    assert table.y is not None
    targets, classes = table.y[test], len(table.schema.labels)
    mean = constant_answers(task, table.y[plan.train], len(test), classes)
    answers = predict_rows(plan.model, table.select(test).x)
    of_models = {"baseline": mean, "linear": plan.linear_answers(), "model": answers}
    return FittedTable(
        plan,
        plan.model,
        history,
        scores={name: score(task, x, targets) for name, x in of_models.items()},
        intervals=intervals(task, answers, targets),
        confusion=None if task == "regression" else confusion_matrix(answers, targets),
    )


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
