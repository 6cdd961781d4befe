"""How much each column matters to a model: permutation importance.

The values of one column are shuffled among the rows, so that they tell nothing any
more, and the model answers again. What its score loses is the column's importance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from gradatim.errors import ConfigError
from gradatim.tables.model.score_table import aligned, format_score
from gradatim.tables.model.scores import HIGHER_IS_BETTER, check_metric, score
from gradatim.tables.schema.schema import Schema

__all__ = ["Importance", "permutation_importance"]

METRICS = {
    "regression": "rmse",
    "binary": "log_loss",
    "classification": "log_loss",
}
"""The score of each task where none is named: one that moves with every answer."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Importance:
    """What a model's score loses where the values of a column are shuffled.

    Printed, it is a table, the most important column first.
    """

    columns: Mapping[str, tuple[float, float]]
    """By column, the most important first: by how much the score becomes worse, the
    mean of the repeats, and their standard deviation. Around 0 or below, the model does
    without the column on these rows."""
    metric: str
    """The score; what counts is how much worse it becomes, whichever way that is."""
    score: float
    """The score of the rows as they are."""
    rows: int
    """How many rows were scored."""
    part: str = "given"
    """Which rows these are: ``"test"``, ``"validation"``, or ``"given"`` by the caller.
    """
    repeats: int
    seed: int
    seen: bool = False
    """Whether the model was trained on these rows, too."""

    def lines(self) -> list[str]:
        """Say what the numbers are, and what to beware of, for people."""
        lines = [
            f"importance on {self.rows:,} {self.part} rows: how much worse "
            f"{self.metric} ({format_score(self.score)}) becomes where a column is "
            f"shuffled; mean and spread of {self.repeats}"
        ]
        if self.seen:
            lines.append(
                "the model was trained on these rows, too: columns that it knows by "
                "heart look more important than they are for new rows"
            )
        return lines

    def table(self) -> tuple[list[str], list[tuple[str, str, str]]]:
        """Give the headers, and a row for each column."""
        return ["column", "importance", "±"], [
            (name, format_score(mean), format_score(spread))
            for name, (mean, spread) in self.columns.items()
        ]

    def __repr__(self) -> str:
        headers, rows = self.table()
        return "\n".join([*self.lines(), *aligned([headers, *rows])])

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers as JSON has them."""
        return {
            "metric": self.metric,
            "score": self.score,
            "rows": self.rows,
            "part": self.part,
            "repeats": self.repeats,
            "seed": self.seed,
            "seen": self.seen,
            "columns": [
                {"name": name, "importance": mean, "spread": spread}
                for name, (mean, spread) in self.columns.items()
            ],
        }


def permutation_importance(
    answer: Callable[[dict[str, Tensor]], Tensor],
    x: dict[str, Tensor],
    y: Shaped[Tensor, " rows"],
    schema: Schema,
    *,
    weights: Float[Tensor, " rows"] | None = None,
    metric: str | None = None,
    repeats: int = 5,
    seed: int = 0,
    part: str = "given",
    seen: bool = False,
    quantiles: Sequence[float] = (),
) -> Importance:
    """Shuffle the columns one by one, and see what the score of the answers loses.

    In each repeat the rows are shuffled in the same way for every column, so that the
    numbers do not depend on which other columns there are. Columns that tell the same
    share their importance: the model has the other one while one is shuffled.

    Args:
        answer: Gives a model's answers for encoded rows.
        x: The rows to score, encoded.
        y: Their targets.
        schema: Says which column is where in ``x``.
        weights: What the rows count in the score.
        metric: A score of the task; by default the root of the mean squared error, log
            loss, or the mean pinball loss of quantiles.
        repeats: How often each column is shuffled.
        seed: Decides the shuffling, with a generator of its own.
        part: What the rows are called.
        seen: Whether the model was trained on them.
        quantiles: What the answers are, where quantiles are predicted.

    Raises:
        ConfigError: There is no such score, or ``repeats`` is less than 1.

    Source: Breiman 2001, Random Forests, https://doi.org/10.1023/A:1010933404324. The
    computation is that of ``sklearn.inspection.permutation_importance``, but for the
    shuffling, which is drawn once for all columns, and the standard deviation, which is
    that of a sample.
    """
    assert schema.target is not None
    task = schema.target.task
    check_metric(metric, task, quantiles)
    if repeats < 1:
        raise ConfigError(
            f"repeats is {repeats}.\nEach column is shuffled so many times.\n"
            "Give 1 or more."
        )
    name = metric or ("pinball" if quantiles else METRICS[task])
    sign = 1 if name in HIGHER_IS_BETTER else -1

    def score_of(rows: dict[str, Tensor]) -> float:
        return score(task, answer(rows), y, weights, quantiles=quantiles)[name]

    before = score_of(x)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(y), generator=generator) for _ in range(repeats)]

    def loss(column: str, order: Int64[Tensor, " rows"]) -> float:
        shuffled = _shuffled(x, schema, column, order)
        return sign * (before - score_of(shuffled))

    losses = {
        column.name: torch.tensor(
            [loss(column.name, order) for order in orders], dtype=torch.float64
        )
        for column in schema.read_features
    }
    found = {
        column: (each.mean().item(), each.std().item() if repeats > 1 else math.nan)
        for column, each in losses.items()
    }
    ranked = sorted(found.items(), key=lambda pair: _rank(pair[1][0]))
    return Importance(
        columns=dict(ranked),
        metric=name,
        score=before,
        rows=len(y),
        part=part,
        repeats=repeats,
        seed=seed,
        seen=seen,
    )


def _rank(mean: float) -> float:
    return math.inf if math.isnan(mean) else -mean


def _shuffled(
    x: dict[str, Tensor], schema: Schema, name: str, order: Int64[Tensor, " rows"]
) -> dict[str, Tensor]:
    """Shuffle one column of a file, and with it what was made of its texts."""
    shuffled = dict(x)
    for group in x:
        columns = schema.group(group)
        # A text has a place for each n-gram, all else one.
        owners = [c for c in columns for _ in range(c.num_ngrams or 1)]
        places = [i for i, c in enumerate(owners) if name in (c.name, c.of)]
        if places:
            codes = x[group].clone()
            codes[:, places] = codes[order][:, places]
            shuffled[group] = codes
    return shuffled
