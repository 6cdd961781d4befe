"""The networks for tables, and the model that goes from codes to answers."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradatim.modules import evaluating
from gradatim.nested import slice_rows
from gradatim.rows import num_rows
from gradatim.tables.features import TableEncoder
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.conformal import Conformal
from gradatim.tables.model.log_scale import LogScale

__all__ = ["AnsweredBy", "ResidualMLP", "TableModel", "mean_answers", "predict_rows"]

AnsweredBy = Literal["network", "linear", "mean"]
"""What answers rows: the network, the linear model, or the mean of both."""


class ResidualMLP(nn.Module):
    """A linear model, plus residual layers that learn what it misses.

    The last layer of the residual part starts at zero, so training starts from the
    linear part alone: zero, or the linear model that :meth:`start_from` is given. On
    few rows, early stopping therefore ends near that model; on many rows, the residual
    part takes over. A hidden layer has ``width`` units, a block two layers; ``dropout``
    is the probability of leaving a hidden unit out while training.

    Source: the blocks are the ResNet of Gorishniy et al. 2021, Revisiting Deep Learning
    Models for Tabular Data, https://arxiv.org/abs/2106.11959, with layer norm instead
    of batch norm, so that a row's answer does not depend on its batch. The linear
    path beside them is the wide part of Cheng et al. 2016, Wide & Deep Learning,
    https://arxiv.org/abs/1606.07792.

    >>> ResidualMLP(8, 3, width=16, num_blocks=2)(torch.zeros(5, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        *,
        width: int = 128,
        num_blocks: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_outputs)
        self.first = nn.Linear(num_features, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, num_outputs)
        for parameter in (*self.linear.parameters(), *self.last.parameters()):
            nn.init.zeros_(parameter)

    @torch.no_grad()
    def start_from(
        self,
        weight: Float[Tensor, "outputs features"],
        bias: Float[Tensor, " outputs"],
    ) -> None:
        """Make the linear part the linear model with these coefficients."""
        self.linear.weight.copy_(weight)
        self.linear.bias.copy_(bias)

    def forward(
        self, features: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs"]:
        """Add the outputs of the linear and of the residual part."""
        hidden = self.first(features)
        for block in self.blocks:
            hidden = block(hidden)
        return self.linear(features) + self.last(self.norm(hidden).relu())


class Block(nn.Module):
    """Two layers whose result is added to their input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(
        self, hidden: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch width"]:
        return hidden + self.layers(hidden)


class TableModel(nn.Module):
    """Encoder, network and the scale of the target: together they answer a raw row.

    Args:
        encoder: Makes features of codes: it imputes, scales and embeds.
        network: Takes ``encoder.num_features`` columns and gives the outputs.
        task: ``"regression"``, ``"binary"`` or ``"classification"``.
        quantiles: Those of the target that are predicted in place of its mean, if any.
        log_scale: The scale of the logarithms that are learned in place of targets, if
            they are.

    For a regression, which is trained on standardised targets, the buffers
    ``target_mean`` and ``target_std`` (float64) hold mean and standard deviation of the
    training rows' targets, or of their logarithms. For classes they are 0 and 1.

    Rows are answered by the network, if it is not said otherwise by :meth:`deliver`.
    """

    answered_by: AnsweredBy
    target_mean: Tensor
    target_std: Tensor
    conformal: Conformal | None
    """The intervals around its answers, if they were asked for; kept in
    ``model.json``."""

    def __init__(
        self,
        encoder: TableEncoder,
        network: nn.Module,
        task: str,
        quantiles: Sequence[float] = (),
        log_scale: LogScale | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.network = network
        self.task = task
        self.quantiles = tuple(quantiles)
        self.log_scale = log_scale
        self.conformal = None
        self.answered_by = "network"
        # In a tuple it is no part of the module: its numbers have a file of their own.
        self._linear: tuple[Baselines, ...] = ()
        self.register_buffer("target_mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("target_std", torch.ones((), dtype=torch.float64))

    def forward(self, x: dict[str, Tensor]) -> Float[Tensor, "batch *outputs"]:
        """Give standardised predictions or logits of two classes, both ``(batch,)``.

        Logits of more have the shape ``(batch, classes)``, quantiles
        ``(batch, quantiles)``.
        """
        outputs = self.network(self.encoder(x))
        has_several = self.task == "classification" or self.quantiles
        return outputs if has_several else outputs.squeeze(-1)

    @torch.no_grad()
    def fit_target(self, y: Float[Tensor, " rows"]) -> None:
        """Take mean and standard deviation from the targets of the training rows."""
        self.target_mean.copy_(y.double().mean())
        std = y.double().std(correction=0)
        self.target_std.copy_(std if std > 0 else torch.ones_like(std))

    def standardise(self, y: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Bring targets to mean 0 and standard deviation 1, as float32."""
        return ((y.double() - self.target_mean) / self.target_std).float()

    def answers(self, outputs: Any) -> Tensor:
        """Turn outputs into predictions in the target's units, float64 ``(rows,)``.

        Of classes they become all probabilities, ``(rows, classes)``. Quantiles of a
        row, ``(rows, quantiles)``, are put in order: where outputs cross, this brings
        them nearer to the true ones (Chernozhukov, Fernandez-Val and Galichon 2010,
        Quantile and Probability Curves Without Crossing,
        https://arxiv.org/abs/0704.3649).
        """
        if self.task == "regression":
            values = outputs.double() * self.target_std + self.target_mean
            if self.log_scale is not None:
                values = self.log_scale.from_log(values)
            return values.sort(dim=1).values if values.ndim == 2 else values
        if self.task == "binary":
            second = outputs.sigmoid()
            return torch.stack([1 - second, second], dim=1)
        return outputs.softmax(dim=1)

    def deliver(self, by: AnsweredBy, baselines: Baselines) -> "TableModel":
        """Answer rows by the linear model, or by the mean of both, from now on."""
        self.answered_by, self._linear = by, (baselines,)
        return self

    def answer(self, x: dict[str, Tensor], by: AnsweredBy | None = None) -> Tensor:
        """Answer encoded rows, as :meth:`answers` gives it.

        ``by`` is what answers them, if it is not what is delivered.
        """
        by = by or self.answered_by
        if by == "network":
            return self.answers(self(x))
        linear = self._linear[0].answers(x)["linear"]
        if by == "linear":
            return linear if self.task == "regression" else linear.float()
        return mean_answers(self.answers(self(x)), linear)


def mean_answers(network: Tensor, linear: Tensor) -> Tensor:
    """Give the mean of the answers of two models, in the dtype of the first."""
    return ((network.double() + linear) / 2).to(network.dtype)


def predict_rows(
    model: TableModel,
    x: dict[str, Tensor],
    *,
    batch_size: int = 2048,
    by: AnsweredBy | None = None,
) -> Tensor:
    """Give the model's answers for encoded rows, in batches, in eval mode.

    ``by`` is what answers, if it is not what the model delivers.
    """
    with evaluating(model):
        parts = [
            model.answer(slice_rows(x, start, start + batch_size), by=by)
            for start in range(0, num_rows(x), batch_size)
        ]
    return torch.cat(parts)
