"""What stands beside a model's scores: a constant answer, and a linear model.

Both know the training rows alone, and are saved beside the model: so a file of later is
scored against the same two.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.nested import slice_rows
from gradatim.rows import num_rows
from gradatim.tables.features import TableEncoder
from gradatim.tables.model.conformal import Conformal
from gradatim.tables.model.linear import CHUNK_ROWS, LinearModel
from gradatim.tables.model.log_scale import LogScale
from gradatim.tables.model.quantiles import weighted_quantiles
from gradatim.tables.model.scores import constant_answers, score
from gradatim.tables.schema.schema import Schema

__all__ = ["Baselines", "mean_scores"]


class Baselines(nn.Module):
    """The constant answer and the linear model of one table, as buffers in float64.

    Args:
        schema: The schema of the table.
        encoder: Makes the features of the linear model; by default a ``TableEncoder``
            without parameters.
        quantiles: Those of the target that are predicted in place of its mean, if any.
        log_scale: The scale of the logarithms that the linear model is fitted on, if it
            is. The constant is in the target's units in any case.
    """

    constant: Tensor
    weight: Tensor
    bias: Tensor
    penalty: float
    """The one of the linear model, once it is fitted; it is not saved."""

    def __init__(
        self,
        schema: Schema,
        encoder: TableEncoder | None = None,
        *,
        quantiles: Sequence[float] = (),
        log_scale: LogScale | None = None,
    ) -> None:
        super().__init__()
        assert schema.target is not None
        self.task = schema.target.task
        self.num_classes = len(schema.labels)
        self.encoder = encoder or TableEncoder(schema, linear=True)
        self.quantiles = tuple(quantiles)
        self.log_scale = log_scale
        num_outputs = len(self.quantiles) or self.num_classes or 1
        num_features = self.encoder.num_features
        zeros = torch.zeros(num_outputs, num_features, dtype=torch.float64)
        self.register_buffer("weight", zeros)
        self.register_buffer("bias", torch.zeros(num_outputs, dtype=torch.float64))
        self.register_buffer("constant", torch.zeros(num_outputs, dtype=torch.float64))

    def take(
        self, linear: LinearModel, y: Tensor, weights: Tensor | None = None
    ) -> "Baselines":
        """Take over a linear model, and the mean of ``y``.

        It is the classes' shares, or the quantiles, where these are predicted.

        ``weights`` are what each value of ``y`` counts.
        """
        self.penalty = linear.penalty
        self.weight.copy_(linear.weight)
        self.bias.copy_(linear.bias)
        if self.quantiles:
            constant = weighted_quantiles(y, self.quantiles, weights)
        else:
            constant = constant_answers(self.task, y, 1, self.num_classes, weights)
        self.constant.copy_(constant.reshape(-1))
        return self

    @torch.no_grad()
    def answers(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Answer encoded rows: by ``"baseline"``, the constant, and by ``"linear"``."""
        starts = range(0, num_rows(x), CHUNK_ROWS)
        chunks = (slice_rows(x, start, start + CHUNK_ROWS) for start in starts)
        features = (self.encoder(chunk).double() for chunk in chunks)
        outputs = torch.cat([each @ self.weight.T + self.bias for each in features])
        if self.log_scale is not None:
            outputs = self.log_scale.from_log(outputs)
        if self.quantiles:
            constant = self.constant.expand(len(outputs), -1)
            return {"baseline": constant, "linear": outputs.sort(dim=1).values}
        if self.task == "regression":
            return {
                "baseline": self.constant.expand(len(outputs)),
                "linear": outputs.squeeze(1),
            }
        shares = self.constant.expand(len(outputs), -1)
        return {"baseline": shares, "linear": outputs.softmax(dim=1)}

    def scores(
        self,
        x: dict[str, Tensor],
        y: Tensor,
        model_answers: Tensor,
        weights: Tensor | None = None,
        *,
        network: Tensor | None = None,
        conformal: Conformal | None = None,
    ) -> dict[str, dict[str, float]]:
        """Score both on encoded rows, and the answers of a model beside them.

        ``network`` are the answers of the network, where it is not all that answers.
        ``conformal`` has the intervals of each, where there are some.
        """
        answers: dict[str, Any] = {**self.answers(x), "model": model_answers}
        if network is not None:
            answers["network"] = network
        return {
            name: score(
                self.task,
                each,
                y,
                weights,
                interval=None if conformal is None else conformal.of(name),
                quantiles=self.quantiles,
            )
            for name, each in answers.items()
        }


def mean_scores(
    scores: Sequence[dict[str, dict[str, float]]],
) -> dict[str, dict[str, float]]:
    """Give the mean over folds of every score of every model.

    >>> mean_scores([{"model": {"r2": 0.5}}, {"model": {"r2": 1.0}}])
    {'model': {'r2': 0.75}}
    """
    if not scores[0]:
        return {}
    return {
        model: {name: sum(s[model][name] for s in scores) / len(scores) for name in row}
        for model, row in scores[0].items()
    }
