"""The main job: a table in, a trained model and scores on unseen rows out.

One training is what most tables get. With folds there are several, each with a model of
its own, and at last there may be one on all rows, whose model is kept.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from gradatim.callbacks import EarlyStopping, LRScheduler
from gradatim.history import History
from gradatim.interrupt import INTERRUPTED, OUT_OF_TIME
from gradatim.progress import at_work
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.deliver import (
    Validated,
    choose_model,
    intervals_of,
    val_errors,
    validated,
)
from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.fit.time_limit import StopInTime, TimeLimit
from gradatim.tables.model.baselines import Baselines, mean_scores
from gradatim.tables.model.better import Choice
from gradatim.tables.model.conformal import Errors
from gradatim.tables.model.linear import fit_logistic, fit_ridge
from gradatim.tables.model.network import (
    AnsweredBy,
    ResidualMLP,
    TableModel,
    predict_rows,
)
from gradatim.tables.model.scores import (
    HIGHER_IS_BETTER,
    confusion_matrix,
    intervals,
    score,
)
from gradatim.threads import threads
from gradatim.trainer import Trainer

__all__ = ["FittedTable", "Scored", "fit_table", "predict_rows"]

ALL_ROWS_SHARE = 1.5
"""The last training, on all rows, has so many times the time of one before it: they are
more rows, but it ends after the best epoch. Chosen by hand, not measured."""
START_ROWS = 20_000
"""The linear start is fitted on at most this many rows, as it need not be exact; chosen
by hand, not measured."""


@dataclass(frozen=True)
class Scored:
    """The test rows of one training, with the answers and scores of its model."""

    rows: Int64[Tensor, " test_rows"]
    """Their numbers in the plan's table."""
    answers: Tensor
    scores: dict[str, dict[str, float]]
    """By ``"baseline"``, ``"linear"`` or ``"model"``, and by name; empty where there
    are no test rows. ``"network"`` is beside them where it is not all that answers."""
    confusion: list[list[int]] | None = None
    """The test rows of each class (a list each) by the class that the model gives."""
    interval: tuple[float, float] | None = None
    """The level of the intervals, if there are some, and by how much they reach to both
    sides of the answers."""
    answered_by: AnsweredBy = "network"
    """What answered them."""

    def of_fold(self) -> dict[str, Any]:
        """Give what ``scores.json`` has of a fold."""
        entry: dict[str, Any] = {"rows": len(self.rows), "scores": self.scores}
        if self.answered_by != "network":
            entry["delivered"] = self.answered_by
        return entry


@dataclass(frozen=True)
class FittedTable:
    """What :func:`fit_table` returns: the trained model, how it went, its scores."""

    plan: TablePlan
    model: TableModel
    """The one to keep: trained on all rows at last, or else that of the first fold. It
    answers by the better of the network and the linear model."""
    history: History
    """The history of the first training."""
    baselines: Baselines
    """The constant answer and the linear model, fitted on the rows of ``model``."""
    tests: tuple[Scored, ...]
    """One training's test rows, or those of each fold."""
    final_epochs: int | None = None
    """For how many epochs ``model`` was trained on all rows, if it was."""
    stop_reason: str | None = None
    """Why the last training ended; None if it did all epochs."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Where the model's scores lie in 95 of 100 drawings of the test rows; empty for
    several folds, which have a spread."""
    choice: Choice | None = None
    """What ``model`` answers by; None where there is no choice, as of a network of the
    user's own."""

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The scores on the test rows, of several folds their means."""
        return mean_scores([test.scores for test in self.tests])

    @property
    def confusion(self) -> list[list[int]] | None:
        """The test rows of each class by the class that the models give."""
        counts = [t.confusion for t in self.tests if t.confusion is not None]
        return torch.tensor(counts).sum(dim=0).tolist() if counts else None

    def to_dict(self) -> dict[str, Any]:
        """Give the scores as ``scores.json`` has them."""
        entry: dict[str, Any] = {
            "rows": self.num_tested,
            "stop_reason": self.stop_reason,
            "scores": self.scores,
            "intervals": self.intervals,
        }
        if self.confusion is not None:
            entry["confusion"] = self.confusion
        if self.plan.config.folds is not None:
            entry["folds"] = [test.of_fold() for test in self.tests]
        if self.final_epochs is not None:
            entry["final_epochs"] = self.final_epochs
        if self.choice is not None and self.choice.by != "network":
            entry["delivered"] = self.choice.to_dict()
        return entry

    @property
    def num_tested(self) -> int:
        """How many rows were scored."""
        return sum(len(test.rows) for test in self.tests)


@dataclass(frozen=True)
class _Trained:
    """One training: its history, its best epoch, and what began it."""

    history: History
    best_epoch: int
    start_penalty: float | None
    baselines: Baselines
    val: Validated | None
    """None where the network answers in any case."""
    choice: Choice | None
    test: Scored
    errors: Errors | None = None
    """Those of the validation rows, if intervals are asked for."""


NamedCallbacks = Callable[[str], Sequence[Any]]
"""Gives the callbacks of a further training, named ``"fold-2"`` ... or ``"final"``."""


def fit_table(
    plan: TablePlan,
    *,
    callbacks: Sequence[Any] = (),
    progress: bool = True,
    more_callbacks: NamedCallbacks = lambda name: (),
    limit: TimeLimit | None = None,
) -> FittedTable:
    """Train the model, and score it beside a baseline and a linear model.

    Training stops when ``val_loss`` (or the score that ``config.metric`` names, on the
    validation rows) has not improved for ``config.patience`` epochs,
    and the weights of the best epoch are kept. The test rows are looked at once, at
    the end. ``callbacks`` and ``progress`` are those of ``Trainer.fit``;
    ``more_callbacks`` gives those of each training after the first, where there are
    folds or one on all rows at last. ``limit`` is when all is to be over, by default
    ``config.time_limit`` from now on; several trainings share it.
    """
    if limit is None and plan.config.time_limit is not None:
        limit = TimeLimit(plan.config.time_limit)
    shares = [1.0] * max(1, len(plan.folds))
    shares += [ALL_ROWS_SHARE] * plan.config.final
    limits = _Limits(limit, shares)
    with threads(plan.config.threads):
        trained = [_fit(plan, callbacks, progress, limits)]
        for place, rows in enumerate(plan.folds[1:], 2):
            if trained[-1].history.stop_reason == INTERRUPTED:
                break
            more = more_callbacks(f"fold-{place}")
            trained.append(_fit(plan.with_rows(rows), more, progress, limits))
        # An interrupted fold counts only if there is no other.
        stop_reason = trained[-1].history.stop_reason
        if stop_reason == INTERRUPTED and len(trained) > 1:
            trained.pop()
        elif any(each.history.stop_reason == OUT_OF_TIME for each in trained):
            stop_reason = OUT_OF_TIME
        model, baselines, epochs = plan.model, trained[0].baselines, None
        if plan.config.final and stop_reason != INTERRUPTED:
            final = plan.on_all_rows()
            epochs = max(1, round(mean(each.best_epoch for each in trained)))
            more = [*more_callbacks("final"), *limits.next(final)]
            history = _fit_final(final, trained[0], epochs, more, progress)
            if stop_reason != OUT_OF_TIME:
                stop_reason = history.stop_reason
            if history.stop_reason in (INTERRUPTED, OUT_OF_TIME):
                stop_reason, epochs = history.stop_reason, None
            else:
                model = final.model
                baselines = final.fit_baselines(trained[0].baselines.penalty)
        # The last model is chosen by the validation rows of all folds.
        choice = trained[0].choice
        if epochs is not None and len(trained) > 1:
            choice = choose_model(plan, [each.val for each in trained])
        if choice is not None:
            model.deliver(choice.by, baselines)
        tests, of_model = _tests(trained), {}
        if plan.config.folds is None and len(plan.test):
            assert plan.table.y is not None
            targets = plan.table.y[plan.test]
            weights = plan.score_weights(plan.test)
            with at_work("computing the scores' intervals", shown=progress):
                task, test = plan.model.task, tests[0]
                of_model = intervals(
                    task,
                    test.answers,
                    targets,
                    weights,
                    interval=test.interval,
                    quantiles=plan.model.quantiles,
                )
        # The last model has no validation rows: its intervals are those of all others.
        parts = [each.errors for each in trained if each.errors is not None]
        parts = parts if epochs is not None else parts[:1]
        model.conformal = intervals_of(parts, plan.config.interval, choice)
    return FittedTable(
        plan,
        model,
        trained[0].history,
        baselines,
        tests,
        final_epochs=epochs,
        stop_reason=stop_reason,
        intervals=of_model,
        choice=choice,
    )


class _Limits:
    """The limits of several trainings, one after the other, that share one."""

    def __init__(self, limit: TimeLimit | None, shares: Sequence[float]) -> None:
        self._limit = limit
        self._shares = list(shares)

    def next(self, plan: TablePlan) -> list[StopInTime]:
        """Give the callback that stops the next training in time, if there is a limit.

        What a training does not need is left to those after it.
        """
        share, whole = self._shares.pop(0), sum(self._shares)
        if self._limit is None:
            return []
        limit = self._limit.part(share, of=share + whole)
        return [StopInTime(limit, num_val=len(plan.val), num_test=len(plan.test))]


def _fit(
    plan: TablePlan, callbacks: Sequence[Any], progress: bool, limits: _Limits
) -> _Trained:
    """Do one training and score its model."""
    stop_in_time = limits.next(plan)
    # The linear model comes first, as what it takes does not depend on the training.
    with at_work("fitting the linear model", shown=progress):
        penalty, baselines = _start_linear(plan), plan.fit_baselines()
    test, y = plan.test, plan.table.y
    assert y is not None
    history = _train(plan, [*callbacks, *stop_in_time], progress)
    best_epoch = _best_epoch(history, plan.config)
    val = validated(plan, baselines)
    if (choice := choose_model(plan, [val])) is not None:
        plan.model.deliver(choice.by, baselines)
    scores, answers, confusion = {}, torch.empty(0), None
    errors = val_errors(plan, baselines, choice)
    conformal = intervals_of([errors] if errors else [], plan.config.interval, choice)
    if len(test):
        x, weights = plan.table.select(test).x, plan.score_weights(test)
        network = None
        with at_work(f"scoring {len(test):,} rows", shown=progress):
            answers = predict_rows(plan.model, x)
            if choice is not None:
                network = predict_rows(plan.model, x, by="network")
            scores = baselines.scores(
                x, y[test], answers, weights, network=network, conformal=conformal
            )
        if plan.model.task != "regression":
            confusion = confusion_matrix(answers, y[test])
    interval = None if conformal is None else conformal.of("model")
    scored = Scored(test, answers, scores, confusion, interval, plan.model.answered_by)
    return _Trained(
        history, best_epoch, penalty, baselines, val, choice, scored, errors
    )


def _tests(trained: Sequence[_Trained]) -> tuple[Scored, ...]:
    """Give the test rows of each, with scores of the network if it is not all."""
    tests = tuple(each.test for each in trained)
    if any(test.answered_by != "network" for test in tests):
        return tests
    return tuple(
        replace(t, scores={n: s for n, s in t.scores.items() if n != "network"})
        for t in tests
    )


def _fit_final(
    plan: TablePlan,
    first: _Trained,
    epochs: int,
    callbacks: Sequence[Any],
    progress: bool,
) -> History:
    """Train on all rows for so many epochs, with the penalties that were best before.

    The schedule is that of all epochs: it goes on up to where it was best to stop.
    """
    _start_linear(plan, first.start_penalty)
    return _train(plan, callbacks, progress, epochs=epochs)


def _start_linear(plan: TablePlan, penalty: float | None = None) -> float | None:
    """Start a :class:`ResidualMLP` where the linear model ends; give its penalty.

    Training then learns what a linear model misses. Where it misses little (few rows,
    much noise), early stopping soon finds nothing better. The validation rows choose
    the penalty if it is not given.
    """
    model, network, y = plan.model, plan.model.network, plan.fitted_y
    if not isinstance(network, ResidualMLP):
        return None
    train, val = plan.train[:START_ROWS], plan.val[:START_ROWS]
    features = plan.features(model.encoder)
    if model.task == "regression":
        linear = fit_ridge(
            features,
            model.standardise(y),
            train,
            val,
            penalty=penalty,
            weights=plan.row_weights,
        )
        if model.quantiles:
            linear = plan.linear_quantiles(linear, features, model.standardise(y))
    else:
        classes = max(2, network.linear.out_features)
        linear = fit_logistic(
            features,
            y,
            train,
            val,
            num_classes=classes,
            penalty=penalty,
            weights=plan.row_weights,
        )
    weight, bias = linear.weight, linear.bias
    if model.task == "binary":  # one logit, for the second class against the first
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    network.start_from(weight, bias)
    return linear.penalty


def _train(
    plan: TablePlan,
    callbacks: Sequence[Any],
    progress: bool,
    *,
    epochs: int | None = None,
) -> History:
    """Train; for ``epochs`` without validation, if these are given."""
    table, config, y = plan.table, plan.config, plan.targets
    optimizer = plan.make_optimizer()
    own: list[Any] = []
    if plan.lr_factor is not None:
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, plan.lr_factor)
        own.append(LRScheduler(schedule, per="step"))
    metrics = {}
    if config.metric is not None and epochs is None:
        metrics[config.metric] = _metric(plan)
    if config.patience is not None and epochs is None:
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
            (table.select(plan.val).x, y[plan.val]) if epochs is None else None,
            epochs=epochs or config.epochs,
            batch_size=config.batch_size,
            seed=config.seed,
            callbacks=[*own, *callbacks],
            progress=progress,
        )


def _metric(plan: TablePlan) -> Callable[[Tensor, Tensor], float]:
    """Give the function of outputs and targets that is the score to choose by.

    It gets all validation rows at once, in their order.
    """
    model, name = plan.model, plan.config.metric
    assert name is not None
    of_rows = plan.score_weights(plan.val)

    def metric(outputs: Tensor, targets: Tensor) -> float:
        if targets.ndim == 2:
            targets = targets[:, 0]  # beside them stands what they count in the loss
        if model.task == "regression":
            targets = model.answers(targets)  # in the target's units
        else:
            targets = targets.long()
        answers, quantiles = model.answers(outputs), model.quantiles
        return score(model.task, answers, targets, of_rows, quantiles=quantiles)[name]

    return metric


def _best_epoch(history: History, config: TabularConfig) -> int:
    """Give the epoch whose weights were kept: the best, or else the last."""
    epochs = history.get("epoch", [])
    values = history.get(f"val_{config.metric or 'loss'}", [])
    if config.patience is None or not values:
        return max(1, len(epochs))
    sign = -1 if config.metric in HIGHER_IS_BETTER else 1
    ranked = [math.inf if math.isnan(value) else sign * value for value in values]
    return int(epochs[ranked.index(min(ranked))])
