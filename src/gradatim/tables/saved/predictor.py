"""A trained model of a table that answers raw rows."""

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from gradatim.errors import ConfigError, GradatimWarning, SchemaError
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.model.importance import Importance, permutation_importance
from gradatim.tables.model.network import TableModel
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table
from gradatim.threads import threads

__all__ = ["Predictor"]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A table's model with its columns: raw rows in, answers out."""

    model: TableModel
    schema: Schema
    scores: dict[str, dict[str, float]]
    """The scores on the test rows of the training: of baseline, linear model, model."""

    def predict(self, rows: Any) -> Any:
        """Answer raw rows.

        Args:
            rows: The path of a file, or a table, as ``gradatim.fit`` takes them.
                Columns are matched by name. What is unusual among the values, such as
                an unseen category, is a ``GradatimWarning``.

        Returns:
            A NumPy array ``(rows,)``: numbers in the target's units, float64, or the
            most probable labels. Of quantiles it is ``(rows, quantiles)``.

        Raises:
            DataError: A column is missing, or not as the schema has it.
        """
        answers, target = self._answers(rows), self.schema.target
        assert target is not None
        if target.task == "regression":
            return answers.numpy() + target.origin
        return np.array(target.labels)[answers.argmax(dim=1).numpy()]

    def predict_proba(self, rows: Any) -> Any:
        """Give the probability of every class, in the order of ``schema.labels``.

        Args:
            rows: As for :meth:`predict`.

        Returns:
            A NumPy array ``(rows, classes)``, float32.

        Raises:
            ConfigError: The target is a number.
        """
        if self.model.task == "regression":
            raise ConfigError(
                "the target is a number, so there are no classes to be probable.\n"
                "Use predict()."
            )
        return self._answers(rows).numpy()

    def predict_interval(self, rows: Any) -> Any:
        """Give the interval of each row, in which the target should lie.

        There are such intervals where the model was trained with ``interval=0.9`` or
        another share, which is the share of new rows that should lie within.

        Args:
            rows: As for :meth:`predict`.

        Returns:
            A NumPy array ``(rows, 2)`` of lower and upper ends, float64.

        Raises:
            ConfigError: The model has no intervals.
        """
        if self.model.conformal is None:
            raise ConfigError(
                "the model has no intervals.\n"
                "How wide they are is seen on the validation rows of the training.\n"
                "Train a regression with interval=0.9, or another share."
            )
        assert self.schema.target is not None
        answers = self._answers(rows).numpy() + self.schema.target.origin
        half_width = self.model.conformal.half_widths["model"]
        return np.stack([answers - half_width, answers + half_width], axis=1)

    def importance(
        self,
        rows: Any,
        *,
        weight: Hashable | None = None,
        metric: str | None = None,
        repeats: int = 5,
        seed: int = 0,
    ) -> Importance:
        """Say how much each column matters: what the score loses without it.

        The values of one column at a time are shuffled among the rows.

        Args:
            rows: As for :meth:`predict`, with the target. Of rows that the model was
                trained on, columns look more important than they are.
            weight: The column that says what each row counts, if one does.
            metric: A score of the task, such as ``"r2"``; ``"rmse"`` or ``"log_loss"``
                by default.
            repeats: How often each column is shuffled.
            seed: Decides the shuffling.

        Returns:
            The mean and the standard deviation of each column, in ``columns``, the most
            important first.

        Raises:
            DataError: A column is missing, or not as the schema has it.
            ConfigError: There is no such score.
        """
        table = read_table(rows, schema=self.schema, weight=weight)
        if table.y is None:
            assert self.schema.target is not None
            raise SchemaError(
                f"The rows have no column {self.schema.target.name!r}, the target.\n"
                "Without it no score can be computed.\nAdd the column."
            )
        with threads(1):
            return permutation_importance(
                lambda x: predict_rows(self.model, x),
                table.x,
                table.y,
                self.schema,
                weights=None if table.weight is None else table.weight.values,
                quantiles=self.model.quantiles,
                metric=metric,
                repeats=repeats,
                seed=seed,
            )

    def _answers(self, rows: Any) -> Tensor:
        # The target is not read: rows to predict may lack it, or have new labels.
        table = read_table(rows, schema=replace(self.schema, target=None))
        with threads(1):  # `gradatim predict` uses one too, and gives the same answers
            answers = predict_rows(self.model, table.x)
        table.notices.look_at(answers, 0)
        # Columns that the model does not know are mostly there on purpose.
        for line in replace(table.notices, extra=()).lines():
            warnings.warn(line, GradatimWarning, stacklevel=3)
        return answers
