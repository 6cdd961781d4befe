"""The plan of a table's training: rows, network, loss and optimizer, all chosen."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from gradatim.errors import ConfigError, DataError
from gradatim.modules import evaluating
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.class_notes import class_notes
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.log_target import check_log_target, skewed_line
from gradatim.tables.fit.outlying_targets import outliers_line, without_outliers
from gradatim.tables.fit.own_rows import with_own_rows
from gradatim.tables.fit.split_doubts import SplitDoubt, split_doubts
from gradatim.tables.fit.split_table import Rows, split_choices, split_table
from gradatim.tables.fit.telling_features import telling_line
from gradatim.tables.fit.text_choice import with_texts
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.conformal import rows_needed
from gradatim.tables.model.linear import Features, LinearModel, fit_logistic, fit_ridge
from gradatim.tables.model.log_scale import log_scale_of
from gradatim.tables.model.network import ResidualMLP, TableModel
from gradatim.tables.model.quantiles import PinballLoss, linear_quantiles
from gradatim.tables.model.row_weights import WeightedRows, balanced, with_weights
from gradatim.tables.model.scores import check_metric
from gradatim.tables.schema.columns import Target
from gradatim.tables.table import Table

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
    factory: NetworkFactory | None = None
    """What made the network, if it is one of the user's own."""
    folds: tuple[Rows, ...] = ()
    """The rows of each training: of one, or of each fold. The first has the rows of
    this plan."""
    has_val: bool = False
    """Whether the rows to validate with are those of a table of their own."""
    has_test: bool = False
    """Whether the rows to test on are."""
    notices: tuple[str, ...] = ()
    """What is to be said of the rows, for people."""

    def with_rows(self, rows: Rows) -> "TablePlan":
        """Plan the training of another model like this one, on other rows."""
        model, _ = _make_model(self.table, self.config, rows, self.factory)
        return replace(self, **rows._asdict(), model=model, folds=(rows,))

    def on_all_rows(self) -> "TablePlan":
        """Plan the last training: on all rows but a table of their own to test on."""
        rows = self.train, self.val, *([] if self.has_test else [self.test])
        return self.with_rows(Rows(torch.cat(rows), self.val[:0], self.test[:0]))

    @cached_property
    def split_doubts(self) -> list[SplitDoubt]:
        """Where a split at random flatters. It is empty for another split."""
        is_chosen = self.config.time or self.config.group or self.has_test
        return [] if is_chosen else split_doubts(self.table)

    @property
    def notes(self) -> list[str]:
        """What the reader of the scores should know of the rows, for people."""
        dropped, notes = self.table.num_dropped, []
        if dropped:
            notes.append(f"{dropped:,} rows without a target left out")
        doubts = [doubt.line() for doubt in self.split_doubts]
        own = {"val": self.val} if self.has_val else {}
        own |= {"test": self.test} if self.has_test else {}
        said = [outliers_line(self.table, own), telling_line(self.table)]
        if not self.config.log_target:
            said.append(skewed_line(self.table))
        notes += [line for line in said if line] + class_notes(self.table)
        return [*notes, *self.table.notices.lines(), *self.notices, *doubts]

    @property
    def loss_fn(self) -> nn.Module:
        """The loss that fits the task, with the weights of rows where there are."""
        quantiles = self.model.quantiles
        if self.row_weights is not None:
            return WeightedRows(self.model.task, quantiles)
        if quantiles:
            return PinballLoss(quantiles)
        if self.model.task == "regression":
            return nn.MSELoss()
        is_binary = self.model.task == "binary"
        return nn.BCEWithLogitsLoss() if is_binary else nn.CrossEntropyLoss()

    @cached_property
    def learned_y(self) -> Tensor:
        """The targets that are learned from and chosen by: those of the table.

        Targets of the training and validation rows that lie far from all others are
        the nearest of these.
        """
        assert self.table.y is not None
        return _learned(self.table, self.train, self.val)

    @cached_property
    def fitted_y(self) -> Tensor:
        """What models are fitted on: ``learned_y``, or its logarithms."""
        scale = self.model.log_scale
        return self.learned_y if scale is None else scale.to_log(self.learned_y)

    @cached_property
    def row_weights(self) -> Tensor | None:
        """What each row counts in the loss; None where all count the same."""
        weight = self.table.weight
        of_rows = None if weight is None else weight.values
        if self.config.class_weight is None:
            return of_rows
        assert self.table.y is not None
        num_classes = len(self.table.schema.labels)
        return balanced(self.table.y, of_rows, self.train, num_classes)

    def score_weights(self, rows: Tensor) -> Tensor | None:
        """Give what some rows count in the scores; None where all count the same.

        A ``class_weight`` is no part of it: it changes what is learned, not what
        happens.
        """
        weight = self.table.weight
        return None if weight is None else weight.values[rows]

    @property
    def targets(self) -> Tensor:
        """What the loss compares the model's outputs with, for all rows.

        Where rows have weights, these stand beside, as a second column.
        """
        targets = self.fitted_y
        if self.model.task == "regression":
            targets = self.model.standardise(targets)
        if self.row_weights is not None:
            return with_weights(targets, self.row_weights, self.train, self.val)
        if self.model.quantiles:
            return targets.unsqueeze(1)
        return targets.float() if self.model.task == "binary" else targets

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

    def linear_quantiles(
        self, linear: LinearModel, features: Features, y: Tensor
    ) -> LinearModel:
        """Make quantiles of a linear model, by its errors on the validation rows.

        Those of the training rows take their place where there are none.
        """
        rows = self.val if len(self.val) else self.train
        quantiles, weights = self.model.quantiles, self.row_weights
        return linear_quantiles(linear, features, y, rows, quantiles, weights)

    def fit_baselines(self, penalty: float | None = None) -> Baselines:
        """Fit what stands beside the scores, on the training rows.

        The validation rows choose the penalty of the linear model if it is not given.
        """
        y, model = self.fitted_y, self.model
        quantiles, scale = model.quantiles, model.log_scale
        baselines = Baselines(self.table.schema, quantiles=quantiles, log_scale=scale)
        encoder = baselines.encoder.fit(self.table.select(self.train).x)
        features, rows = self.features(encoder), (self.train, self.val)
        if self.model.task == "regression":
            linear = fit_ridge(
                features, y, *rows, penalty=penalty, weights=self.row_weights
            )
            if quantiles:
                linear = self.linear_quantiles(linear, features, y)
        else:
            linear = fit_logistic(
                features,
                y,
                *rows,
                num_classes=len(self.table.schema.labels),
                penalty=penalty,
                weights=self.row_weights,
            )
        targets = self.learned_y[self.train]
        return baselines.take(linear, targets, self.score_weights(self.train))


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
    val: Table | None = None,
    test: Table | None = None,
) -> TablePlan:
    """Split the rows and make the model, ready to be trained.

    The weights' start is drawn from ``config.seed``; nothing global is seeded. The
    network is a :class:`ResidualMLP`, or the one that ``factory`` makes.

    Args:
        table: The rows to train on, and to split.
        config: The choices; by default those for its number of rows.
        factory: Makes a network of one's own.
        val: Rows to validate with, in place of some of ``table``; read with its schema.
        test: Rows to test on, likewise.

    Raises:
        DataError: There are too few rows, or groups, for the split or for every class.
        ConfigError: The table has no target, or the column that ``config`` splits by
            was not named when the table was read.
    """
    config = config or TabularConfig()
    if table.schema.target is None or table.y is None:
        raise ConfigError("the table has no target. Read it with target=COLUMN.")
    check_metric(config.metric, table.schema.target.task, config.quantiles or ())
    _check_class_weight(config.class_weight, table.schema.target)
    _check_task_of("interval", config.interval, table.schema.target)
    _check_task_of("quantiles", config.quantiles, table.schema.target)
    config = split_choices(table, config)
    if config.folds is not None and (val is not None or test is not None):
        raise ConfigError(
            f"folds is {config.folds}, and rows to validate with or to test on are "
            "given.\nEach fold takes these from the rows of the table itself.\n"
            "Leave one of the two out."
        )
    if config.test == 0 and test is None:
        config = replace(config, final=True)
    has_val, has_test = val is not None, test is not None
    notices: list[str] = []
    folds = split_table(table, config, has_val=has_val, has_test=has_test)
    if has_val or has_test:
        table, rows, notices = with_own_rows(table, folds[0], val=val, test=test)
        folds = [rows]
    if config.log_target:
        own = {"val": folds[0].val} if has_val else {}
        check_log_target(table, own | ({"test": folds[0].test} if has_test else {}))
    _check_weights(table, folds)
    _check_rows_of_interval(config.interval, folds)
    table = with_texts(table, folds[0])
    config = config.for_rows(len(folds[0].train))
    model, architecture = _make_model(table, config, folds[0], factory)
    return TablePlan(
        table,
        config,
        *folds[0],
        model,
        architecture,
        factory=factory,
        folds=tuple(folds),
        notices=tuple(notices),
        has_val=has_val,
        has_test=has_test,
    )


def _make_model(
    table: Table, config: TabularConfig, rows: Rows, factory: NetworkFactory | None
) -> tuple[TableModel, dict[str, Any]]:
    """Make a model that knows the training rows' statistics; describe its network."""
    target, train = table.schema.target, rows.train
    assert target is not None and table.y is not None
    num_outputs = len(target.labels) if target.task == "classification" else 1
    quantiles = config.quantiles or ()
    num_outputs = len(quantiles) or num_outputs
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
    scale = log_scale_of(table.schema) if config.log_target else None
    model = TableModel(encoder, network, target.task, quantiles, scale)
    if target.task == "regression":
        learned = _learned(table, train, rows.val)[train]
        model.fit_target(learned if scale is None else scale.to_log(learned))
    return model, architecture


def _learned(table: Table, train: Tensor, val: Tensor) -> Tensor:
    """Give the targets to learn from; those of classes as they are."""
    assert table.y is not None
    if table.schema.labels:
        return table.y
    return without_outliers(table.y, torch.cat([train, val]))


def _check_class_weight(class_weight: str | None, target: Target) -> None:
    if class_weight is not None and target.task == "regression":
        raise ConfigError(
            f"class_weight is {class_weight!r}, and the target {target.name!r} is a "
            "number.\nOnly classes can count the same.\n"
            "Leave it out, or weigh the rows by a column: --weight COLUMN."
        )


def _check_task_of(name: str, value: Any, target: Target) -> None:
    """Refuse what is said of numbers where the target is a class."""
    if value is not None and target.task != "regression":
        raise ConfigError(
            f"{name} is {value}, and the target {target.name!r} is a class.\n"
            "Only numbers lie between others.\n"
            "Leave it out: predictions of classes have their probabilities beside them."
        )


def _check_rows_of_interval(interval: float | None, folds: Sequence[Rows]) -> None:
    fewest = min(len(fold.val) for fold in folds)
    if interval is not None and fewest < (needed := rows_needed(interval)):
        raise DataError(
            f"interval is {interval:g}, and there are {fewest:,} rows to validate.\n"
            f"It takes {needed:,} errors or more to say how wide such an interval is.\n"
            "Give more rows, a larger --val, or a lower --interval."
        )


def _check_weights(table: Table, folds: Sequence[Rows]) -> None:
    """Refuse a part in which no row counts anything."""
    if table.weight is None:
        return
    for fold in folds:
        for name, rows in fold._asdict().items():
            if len(rows) and not table.weight.values[rows].any():
                raise DataError(
                    f"the weight {table.weight.name!r} is 0 in all {len(rows):,} rows "
                    f"of the part {name!r}.\nThe mean over them is not defined.\n"
                    "Give more rows, or another --seed."
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
