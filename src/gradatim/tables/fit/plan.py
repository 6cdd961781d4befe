"""The plan of a table's training: rows, network, loss and optimizer, all chosen."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from gradatim.errors import ConfigError
from gradatim.modules import evaluating
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.split_doubts import SplitDoubt, split_doubts
from gradatim.tables.fit.split_table import split_choices, split_table
from gradatim.tables.model.linear import Features, fit_logistic, fit_ridge
from gradatim.tables.model.network import ResidualMLP, TableModel
from gradatim.tables.model.scores import SCORE_NAMES
from gradatim.tables.table import Table
from gradatim.text import nearest_name

__all__ = [
    "NetworkFactory",
    "TablePlan",
    "build_network",
    "needs_factory",
    "plan_table",
    "warmup_then_cosine",
]

NetworkFactory = Callable[[int, int], nn.Module]
"""``factory(num_features, num_outputs)`` gives a network that takes features."""


@dataclass(frozen=True)
class TablePlan:
    """What ``fit_table`` is about to do: on which rows, with which model and loss."""

    table: Table
    config: TabularConfig
    """What was chosen, with nothing left open."""
    train: Int[Tensor, " train_rows"]
    val: Int[Tensor, " val_rows"]
    test: Int[Tensor, " test_rows"]
    model: TableModel
    architecture: dict[str, Any]
    """What :func:`build_network` makes the network by again."""

    @cached_property
    def split_doubts(self) -> list[SplitDoubt]:
        """Where a split at random flatters. It is empty for another split."""
        is_random = self.table.time is None and self.table.group is None
        return split_doubts(self.table) if is_random else []

    @property
    def loss_fn(self) -> nn.Module:
        """The loss that fits the task."""
        if self.model.task == "regression":
            return nn.MSELoss()
        is_binary = self.model.task == "binary"
        return nn.BCEWithLogitsLoss() if is_binary else nn.CrossEntropyLoss()

    @property
    def targets(self) -> Tensor:
        """What the loss compares the model's outputs with, for all rows."""
        assert self.table.y is not None
        if self.model.task == "regression":
            return self.model.standardise(self.table.y)
        return self.table.y.float() if self.model.task == "binary" else self.table.y

    @property
    def max_norm(self) -> float | None:
        """The joint 2-norm that gradients are shortened to; None leaves them alone."""
        return self.config.max_norm

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Make AdamW. It decays what multiplies features.

        A bias, a norm or an embedding has no reason to become smaller.
        """
        linear = [m for m in self.model.modules() if isinstance(m, nn.Linear)]
        weights = {id(module.weight) for module in linear}
        decayed = [p for p in self.model.parameters() if id(p) in weights]
        others = [p for p in self.model.parameters() if id(p) not in weights]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.lr, fused=True)

    @property
    def lr_factor(self) -> Callable[[int], float] | None:
        """What ``lr`` is multiplied with at each update; None leaves it alone."""
        assert self.config.epochs and self.config.batch_size
        updates = math.ceil(len(self.train) / self.config.batch_size)
        return warmup_then_cosine(self.config.warmup, self.config.epochs * updates)

    def features(self, encoder: TableEncoder) -> Features:
        """Give the function that makes the features of some rows."""
        return torch.no_grad()(lambda rows: encoder(self.table.select(rows).x))

    def linear_answers(self) -> Tensor:
        """Fit the linear model that stands beside the scores; answer the test rows."""
        y = self.table.y
        assert y is not None
        encoder = TableEncoder(self.table.schema, linear=True)
        features = self.features(encoder.fit(self.table.select(self.train).x))
        if self.model.task == "regression":
            ridge = fit_ridge(features, y, self.train, self.val)
            return ridge.outputs(features, self.test).squeeze(1)
        classes, rows = len(self.table.schema.labels), (self.train, self.val)
        logistic = fit_logistic(features, y, *rows, num_classes=classes)
        return logistic.outputs(features, self.test).softmax(dim=1)


def warmup_then_cosine(warmup: float, num_steps: int) -> Callable[[int], float]:
    """Give the factor of each of ``num_steps`` updates.

    It rises linearly to 1 over the share ``warmup`` of them, then falls to 0.
    """
    warmup_steps = max(1, round(warmup * num_steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def plan_table(
    table: Table,
    config: TabularConfig | None = None,
    *,
    factory: NetworkFactory | None = None,
) -> TablePlan:
    """Split the rows and make the model, ready to be trained.

    The weights' start is drawn from ``config.seed``; nothing global is seeded. The
    network is a :class:`ResidualMLP`, or the one that ``factory`` makes.

    Raises:
        DataError: There are too few rows, or groups, for the split or for every class.
        ConfigError: The table has no target, or the column that ``config`` splits by
            was not named when the table was read.
    """
    config = config or TabularConfig()
    target = table.schema.target
    if target is None or table.y is None:
        raise ConfigError("the table has no target. Read it with target=COLUMN.")
    is_classes = target.task != "regression"
    _check_metric(config.metric, target.task)
    config = split_choices(table, config)
    train, val, test = split_table(table, config)
    config = config.for_rows(len(train))
    num_outputs = len(target.labels) if target.task == "classification" else 1
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        encoder = TableEncoder(table.schema)
        encoder.fit(table.select(train).x)
        sizes = {"num_features": encoder.num_features, "num_outputs": num_outputs}
        architecture: dict[str, Any] = {"name": "custom", **sizes}
        if factory is None:
            architecture |= {
                "name": "residual_mlp",
                "width": config.hidden,
                "num_blocks": config.num_blocks,
                "dropout": config.dropout,
            }
        network = build_network(architecture, factory)
    model = TableModel(encoder, network, target.task)
    if not is_classes:
        model.fit_target(table.y[train])
    return TablePlan(table, config, train, val, test, model, architecture)


def _check_metric(metric: str | None, task: str) -> None:
    known = SCORE_NAMES[task]
    if metric is not None and metric not in known:
        raise ConfigError(
            f"metric={metric!r} is no score of {task}."
            f"{nearest_name(metric, known)}\n"
            "The best epoch is chosen by it.\n"
            f"Choose one of {', '.join(known)}."
        )


def build_network(
    architecture: dict[str, Any], factory: NetworkFactory | None = None
) -> nn.Module:
    """Make a network by its description: one of our own, or the one of ``factory``.

    Raises:
        ConfigError: The name is unknown, or a custom network has no factory.
    """
    options = dict(architecture)
    name = options.pop("name")
    sizes = options.pop("num_features"), options.pop("num_outputs")
    if name == "residual_mlp":
        return ResidualMLP(*sizes, **options)
    if name == "linear":
        return nn.Linear(*sizes)
    if name == "custom" and factory is not None:
        return _custom(factory, *sizes)
    raise needs_factory(f"the network is {name!r}")


def needs_factory(what: str, or_else: str = "") -> ConfigError:
    """Make the error of a network of the user's own that came without its factory."""
    return ConfigError(
        f"{what}.\nA file never names code to import.\n"
        f"Give the factory that made it: --model FILE.py:FACTORY{or_else}."
    )


def _custom(factory: NetworkFactory, num_features: int, num_outputs: int) -> nn.Module:
    """Call a factory of the user's, and try its network on two rows."""
    sizes = f"{num_features} features and {num_outputs} outputs"
    called = f"the factory was called with {sizes}"
    try:
        network = factory(num_features, num_outputs)
    except Exception as error:
        raise ConfigError(
            f"{called} and failed: {type(error).__name__}: {error}\n"
            "It is called as FACTORY(num_features, num_outputs).\n"
            "Let it take these two numbers and return the network."
        ) from error
    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"{called} and gave a {type(network).__name__}, not an nn.Module.\n"
            "It makes the network that is trained.\n"
            "Let it return the network."
        )
    try:
        with evaluating(network):
            shape = tuple(network(torch.zeros(2, num_features)).shape)
    except Exception as error:
        raise ConfigError(
            f"{called}; its network fails on 2 rows of {num_features} features: "
            f"{type(error).__name__}: {error}\n"
            "Rows come encoded, as one float32 tensor (rows, features).\n"
            "Let the network take that."
        ) from error
    if shape != (2, num_outputs):
        raise ConfigError(
            f"{called}; its network makes shape {shape} of 2 rows.\n"
            "Each row needs one number an output.\n"
            f"Let it give the shape (rows, {num_outputs})."
        )
    return network
