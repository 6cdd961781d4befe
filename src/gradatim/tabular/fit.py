"""The main job: a table in, a trained model and scores on unseen rows out."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from gradatim.callbacks import EarlyStopping, LRScheduler
from gradatim.data.encode import TableEncoder
from gradatim.data.split import split_rows_of
from gradatim.data.table import Table
from gradatim.errors import ConfigError, DataError
from gradatim.history import History
from gradatim.nested import num_rows
from gradatim.step import evaluating
from gradatim.tabular.config import TabularConfig
from gradatim.tabular.linear import fit_logistic, fit_ridge
from gradatim.tabular.network import ResidualMLP, TableModel
from gradatim.tabular.scores import score
from gradatim.trainer import Trainer

__all__ = ["FittedTable", "NetworkFactory", "TablePlan", "fit_table", "plan_table"]

NetworkFactory = Callable[[int, int], nn.Module]
"""``factory(num_features, num_outputs)`` gives a network for encoded rows."""


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What :func:`fit_table` is about to do."""

    table: Table
    config: TabularConfig
    """With nothing left open."""
    train: Int[Tensor, " train_rows"]
    val: Int[Tensor, " val_rows"]
    test: Int[Tensor, " test_rows"]
    model: TableModel
    architecture: dict[str, Any]
    """By which :func:`build_network` makes the network again."""


@dataclass(frozen=True, kw_only=True)
class FittedTable:
    """What :func:`fit_table` leaves."""

    plan: TablePlan
    model: TableModel
    history: History
    scores: dict[str, dict[str, float]]
    """By model (``"baseline"``, ``"linear"``, ``"model"``) and by score."""


def plan_table(
    table: Table,
    config: TabularConfig | None = None,
    *,
    factory: NetworkFactory | None = None,
) -> TablePlan:
    """Split the rows and make the model, ready to be trained.

    Nothing global is seeded: the weights' start is drawn from ``config.seed`` with
    torch's global generator put back afterwards.

    Args:
        table: With its target.
        config: What was chosen.
        factory: Makes the network; by default a :class:`ResidualMLP`.

    Raises:
        DataError: Too few rows for the split or for every class.
        ConfigError: The table has no target.
    """
    config = config or TabularConfig()
    target = table.schema.target
    if target is None or table.y is None:
        raise ConfigError("the table has no target. Read it with target=COLUMN.")
    is_classes = target.task != "regression"
    train, val, test = _split(table, config, is_classes)
    config = config.for_rows(len(train))
    num_outputs = len(target.labels) if target.task == "classification" else 1
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        encoder = TableEncoder(table.schema)
        encoder.fit(table.select(train).x)
        architecture: dict[str, Any] = {
            "name": "residual_mlp" if factory is None else "custom",
            "num_features": encoder.num_features,
            "num_outputs": num_outputs,
        }
        if factory is None:
            architecture |= {
                "width": config.hidden,
                "num_blocks": config.num_blocks,
                "dropout": config.dropout,
            }
        network = build_network(architecture, factory)
    model = TableModel(encoder, network, target.task)
    if not is_classes:
        model.fit_target(table.y[train])
    return TablePlan(
        table=table,
        config=config,
        train=train,
        val=val,
        test=test,
        model=model,
        architecture=architecture,
    )


def build_network(
    architecture: dict[str, Any], factory: NetworkFactory | None = None
) -> nn.Module:
    """Make a network from its description: one of our own names, or ``factory``.

    Raises:
        ConfigError: An unknown name, or a custom network without its factory.
    """
    options = dict(architecture)
    name = options.pop("name")
    sizes = options.pop("num_features"), options.pop("num_outputs")
    if name == "residual_mlp":
        return ResidualMLP(*sizes, **options)
    if name == "linear":
        return nn.Linear(*sizes)
    if name == "custom" and factory is not None:
        network = factory(*sizes)
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"the factory gave a {type(network).__name__}, not an nn.Module.\n"
                "It is called with the number of features and of outputs.\n"
                "Let it return the network."
            )
        return network
    raise ConfigError(
        f"the network is {name!r}.\n"
        "A file never names code to import.\n"
        "Give the factory that made it: --model FILE.py:FACTORY."
    )


def fit_table(
    plan: TablePlan, *, callbacks: Sequence[Any] = (), progress: bool = True
) -> FittedTable:
    """Train the model, and score it beside a baseline and a linear model.

    Stops when ``val_loss`` has not improved for ``config.patience`` epochs and keeps
    the best epoch's weights. The test rows are looked at once, at the end.

    Args:
        plan: From :func:`plan_table`; its model is trained.
        callbacks: As for ``Trainer.fit``.
        progress: As for ``Trainer.fit``.
    """
    with _threads(plan.config.threads):
        history = _train(plan, callbacks, progress)
    return FittedTable(
        plan=plan, model=plan.model, history=history, scores=score_all(plan)
    )


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _split(
    table: Table, config: TabularConfig, is_classes: bool
) -> tuple[Tensor, Tensor, Tensor]:
    assert table.y is not None
    rows = len(table)
    train = 1 - config.val - config.test
    try:
        parts = split_rows_of(
            rows,
            fractions=(train, config.val, config.test),
            seed=config.seed,
            stratify=table.y if is_classes else None,
        )
    except DataError as error:
        raise DataError(
            f"{rows} rows are too few for {config.val:g} of them to validate and "
            f"{config.test:g} to test.\n{error}"
        ) from error
    if is_classes and table.schema.target is not None:
        seen = table.y[parts[0]].unique()
        labels = table.schema.target.labels
        if len(seen) < len(labels):
            lost = [str(v) for k, v in enumerate(labels) if k not in seen.tolist()]
            raise DataError(
                f"no training row has the class {', '.join(lost[:5])}.\n"
                "A class that is never seen cannot be learned.\n"
                "Give more rows of it, or leave its rows out."
            )
    return parts[0], parts[1], parts[2]


def _train(plan: TablePlan, callbacks: Sequence[Any], progress: bool) -> History:
    table, config, model = plan.table, plan.config, plan.model
    optimizer = torch.optim.AdamW(
        _parameter_groups(model, config.weight_decay), lr=config.lr
    )
    assert (
        config.epochs and config.batch_size and config.patience and table.y is not None
    )
    updates = math.ceil(len(plan.train) / config.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _warmup_then_cosine(config.warmup, config.epochs * updates)
    )
    y = table.y
    loss_fn: nn.Module
    if model.task == "regression":
        loss_fn, y = nn.MSELoss(), model.standardise(y)
    elif model.task == "binary":
        loss_fn, y = nn.BCEWithLogitsLoss(), y.float()
    else:
        loss_fn = nn.CrossEntropyLoss()
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


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay what multiplies features; a bias, norm or embedding has no reason to."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_weight = isinstance(module, nn.Linear) and name == "weight"
            (decayed if is_weight else others).append(parameter)
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
    answers = {"baseline": _baseline(plan)}
    features = _linear_features(plan)
    with torch.random.fork_rng():
        if model.task == "regression":
            answers["linear"] = fit_ridge(features, y, plan.train, plan.val)(test)
        else:
            num_classes = len(table.schema.target.labels)
            answers["linear"] = fit_logistic(
                features, y, plan.train, plan.val, num_classes=num_classes
            )(test)
    answers["model"] = predict_rows(model, table.select(test).x)
    return {name: score(model.task, each, y[test]) for name, each in answers.items()}


def _linear_features(plan: TablePlan) -> Callable[[Tensor], Tensor]:
    encoder = TableEncoder(plan.table.schema, linear=True)
    encoder.fit(plan.table.select(plan.train).x)

    def features(rows: Tensor) -> Tensor:
        with torch.no_grad():
            return encoder(plan.table.select(rows).x)

    return features


def _baseline(plan: TablePlan) -> Tensor:
    """Answer every test row with the training rows' mean, or class shares."""
    assert plan.table.y is not None and plan.table.schema.target is not None
    y, num_test = plan.table.y[plan.train], len(plan.test)
    if plan.model.task == "regression":
        return y.double().mean().expand(num_test)
    num_classes = len(plan.table.schema.target.labels)
    shares = torch.bincount(y, minlength=num_classes).double() / len(y)
    return shares.expand(num_test, num_classes)


def predict_rows(
    model: TableModel, x: dict[str, Tensor], *, batch_size: int = 4096
) -> Tensor:
    """Give the model's answers for encoded rows, in batches, in eval mode."""
    with evaluating(model):
        parts = [
            model.answers(model(_part(x, start, start + batch_size)))
            for start in range(0, num_rows(x), batch_size)
        ]
    return torch.cat(parts)


def _part(x: dict[str, Tensor], start: int, stop: int) -> dict[str, Tensor]:
    return {name: tensor[start:stop] for name, tensor in x.items()}
