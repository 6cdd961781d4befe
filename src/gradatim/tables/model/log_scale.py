"""The logarithm of a positive target, which models may learn in place of the target."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gradatim.tables.schema.schema import Schema

__all__ = ["LogScale", "log_scale_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogScale:
    """From targets to their logarithms and back."""

    origin: float = 0.0
    """What was subtracted from the targets (``schema.target.origin``)."""

    def to_log(self, y: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Give the natural logarithms of targets, in float64."""
        return (y.double() + self.origin).log()

    def from_log(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Give the targets that have these logarithms, in float64.

        Of the mean of the logarithms it is the median of the targets, where the
        logarithms are spread alike to both sides; the mean of the targets is larger.
        Quantiles stay quantiles.

        >>> import torch
        >>> LogScale().from_log(LogScale().to_log(torch.tensor([1.0, 8.0])))
        tensor([1.0000, 8.0000], dtype=torch.float64)
        """
        return values.double().exp() - self.origin


def log_scale_of(schema: Schema) -> LogScale:
    """Give the scale of the logarithms of a table's target."""
    assert schema.target is not None
    return LogScale(origin=float(schema.target.origin))
