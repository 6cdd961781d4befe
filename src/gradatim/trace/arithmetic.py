"""The numbers of a small model's step, with the arithmetic spelled out.

The loss is a mean of squared errors. For each number p that is trained::

    error  = y - yhat
    dMSE/dp = -2 * mean(dyhat/dp * error)
    p      <- p - lr * dMSE/dp

Autograd gives dyhat/dp, the *slope* of each prediction. If these formulas do not give
autograd's own gradient, the arithmetic is not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from gradatim.losses import reduction
from gradatim.torch_private import (
    gradient_hooks,
    has_backward_hooks,
    has_global_backward_hooks,
)

__all__ = ["Arithmetic", "Derivative", "Slopes", "slopes_of", "spell_out"]

# These were chosen by hand, not measured. A larger model or batch is too large to show.
MAX_TRAINED_NUMBERS = 10
MAX_PREDICTIONS = 1000
# By hand, a gradient may differ from autograd's by so many roundings of the
# predictions, and an update from the optimizer's by so many of its own.
GRADIENT_TOLERANCE_EPS = 64
UPDATE_TOLERANCE_EPS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Derivative:
    """How the gradient of one number is computed, and what the update does to it."""

    name: str
    """Such as ``b`` or ``0.weight[0, 2]``."""
    factor: str
    """The factor of the errors in the mean; ``""`` stands for 1."""
    mean: float
    """The mean of factor times error."""
    gradient: float
    """Autograd's gradient, which equals ``-2 * mean``."""
    before: float
    after: float | None
    """None if the update was skipped."""
    lr: float | None
    """None if the update is anything else than ``before - lr * gradient``."""

    @property
    def product(self) -> str:
        """What the mean is of."""
        return f"{self.factor} * error" if self.factor else "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """The step of a small model in numbers."""

    num_inputs: int
    columns: tuple[str, ...]
    """The headers of ``rows``: row, inputs, y, yhat, error, error^2, and the products
    of factors and errors."""
    rows: tuple[tuple[float, ...], ...]
    loss: float
    derivatives: tuple[Derivative, ...]


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Predictions, targets, and the slope of each prediction for each number."""

    predictions: Tensor
    targets: Tensor
    inputs: dict[str, Tensor]
    """The columns of the input, with one number for each prediction."""
    slopes: dict[str, Tensor]
    """dyhat/dp for each prediction, by the name of the number p."""


def slopes_of(
    model: nn.Module,
    loss_fn: Any,
    predictions: Any,
    targets: Any,
    inputs: list[tuple[str, Tensor]],
) -> Slopes | None:
    """Differentiate every prediction, before backward frees the graph.

    Returns:
        None if the model is too large, if the loss is no mean of squared errors, if
        the graph cannot be differentiated twice, or if a hook of the user would notice
        that it is.
    """
    is_mse = type(loss_fn) is nn.MSELoss or loss_fn is F.mse_loss
    if not is_mse or reduction(loss_fn) != "mean":
        return None
    if not (_is_real(predictions) and _is_real(targets)) or _has_hooks(model):
        return None
    if predictions.shape != targets.shape or predictions.grad_fn is None:
        return None
    named = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not isinstance(parameter, UninitializedParameter)
    }
    num_numbers = sum(p.numel() for p in named.values())
    is_small = 0 < predictions.numel() <= MAX_PREDICTIONS
    if num_numbers > MAX_TRAINED_NUMBERS or not is_small:
        return None
    try:
        slopes = _differentiate(predictions, named)
    except RuntimeError:  # An operation has no second derivative.
        return None
    return Slopes(
        predictions=predictions.detach().flatten().double(),
        targets=targets.detach().flatten().double(),
        inputs=_columns(inputs, predictions, targets),
        slopes=slopes,
    )


def _differentiate(
    predictions: Tensor, named: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Find the Jacobian J of the predictions by differentiating twice.

    The first backward gives J'v for a vector v. That is linear in v, so differentiating
    it by v gives a column of J for each number.

    Source: Townsend 2017, A new trick for calculating Jacobian vector products.
    """
    v = torch.zeros_like(predictions, requires_grad=True)
    products: tuple[Tensor | None, ...] = torch.autograd.grad(
        predictions, list(named.values()), v, create_graph=True, allow_unused=True
    )
    slopes = {}
    for (name, parameter), product in zip(named.items(), products, strict=True):
        if product is None:  # No prediction depends on the parameter.
            continue
        for index, entry in zip(_indices(parameter), product.flatten(), strict=True):
            slope = None
            if entry.requires_grad:
                (slope,) = torch.autograd.grad(
                    entry, v, retain_graph=True, allow_unused=True
                )
            slope = torch.zeros_like(v) if slope is None else slope
            slopes[f"{name}{index}"] = slope.detach().flatten().double()
    return slopes


def spell_out(
    slopes: Slopes,
    *,
    loss: float,
    gradients: dict[str, Tensor],
    before: dict[str, Tensor],
    after: dict[str, Tensor] | None,
    lrs: dict[str, float | None],
) -> Arithmetic | None:
    """Put the numbers together; None if a gradient by hand is not autograd's.

    Args:
        slopes: From :func:`slopes_of`.
        loss: The loss of the batch.
        gradients: Autograd's, by parameter.
        before: The parameters before the update.
        after: The parameters after it; None if it was skipped.
        lrs: The rate of each parameter, if the optimizer is plain gradient descent.
    """
    error = slopes.targets - slopes.predictions
    sizes = slopes.targets.abs() + slopes.predictions.abs()
    derivatives: list[Derivative] = []
    names = {
        f"{name}{index}": (name, place)
        for name, parameter in before.items()
        for place, index in enumerate(_indices(parameter))
    }
    for name, slope in slopes.slopes.items():
        parameter, place = names.get(name, ("", 0))
        if parameter not in gradients:  # The parameter may be new in this step.
            return None
        mean = float((slope * error).mean())
        gradient = _at(gradients[parameter], place)
        # How far apart rounding may put both, in the dtype of the predictions.
        eps = torch.finfo(gradients[parameter].dtype).eps
        bound = GRADIENT_TOLERANCE_EPS * eps * float((slope.abs() * sizes).mean())
        if not abs(-2 * mean - gradient) <= bound:  # With NaN it is not, either.
            return None
        start = _at(before[parameter], place)
        end = None if after is None else _at(after[parameter], place)
        lr = lrs.get(parameter)
        if lr is not None and end is not None:
            bound = UPDATE_TOLERANCE_EPS * eps * (abs(start) + abs(lr * gradient))
            lr = lr if abs(start - lr * gradient - end) <= bound else None
        derivatives.append(
            Derivative(
                name=name,
                factor=_factor(name, slope, slopes.inputs),
                mean=mean,
                gradient=gradient,
                before=start,
                after=end,
                lr=lr,
            )
        )
    columns = {
        **slopes.inputs,
        "y": slopes.targets,
        "yhat": slopes.predictions,
        "error": error,
        "error^2": error**2,
        # The error itself has a column already.
        **{d.product: slopes.slopes[d.name] * error for d in derivatives if d.factor},
    }
    rows = torch.stack(list(columns.values()), dim=1).tolist()
    return Arithmetic(
        num_inputs=len(slopes.inputs),
        columns=("row", *columns),
        rows=tuple((float(i), *row) for i, row in enumerate(rows)),
        loss=loss,
        derivatives=tuple(derivatives),
    )


def _factor(name: str, slope: Tensor, inputs: dict[str, Tensor]) -> str:
    """Name a slope: as 1, as a column of the input that it equals, or as dyhat/dp."""
    if bool((slope == 1).all()):
        return ""
    for column, values in inputs.items():
        if torch.allclose(slope, values, rtol=1e-6, atol=0.0):
            return column
    return f"dyhat/d{in_fraction(name)}"


def in_fraction(name: str) -> str:
    """Write a name so that it can stand after the ``d`` of a derivative.

    >>> in_fraction("a"), in_fraction("0.weight")
    ('a', '(0.weight)')
    """
    return name if name.isidentifier() else f"({name})"


def _columns(
    inputs: list[tuple[str, Tensor]], predictions: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    """Give the columns of the input that have one number for each prediction."""
    columns = {}
    rows = predictions.numel()
    if predictions.size(0) != rows if predictions.dim() else rows != 1:
        return {}  # A row has several predictions.
    for name, tensor in inputs:
        if tensor is targets:
            continue
        if not _is_real(tensor) or not tensor.dim() or tensor.size(0) != rows:
            continue
        wide = tensor.detach().reshape(rows, -1).double()
        is_one = wide.size(1) == 1
        for place, column in enumerate(wide.unbind(dim=1)[:MAX_TRAINED_NUMBERS]):
            columns[name if is_one else f"{name}[:, {place}]"] = column
    return columns


def _is_real(value: Any) -> bool:
    """Tell whether a value is a dense tensor of real numbers."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout is torch.strided
        and not value.is_nested
    )


def _has_hooks(model: nn.Module) -> bool:
    """Tell whether a hook of the user sees or changes the gradients in backward."""
    return (
        has_global_backward_hooks()
        or any(map(has_backward_hooks, model.modules()))
        or any(map(gradient_hooks, model.parameters()))
    )


def _indices(parameter: Tensor) -> list[str]:
    """Write the index of every number of a parameter; ``""`` if it has only one."""
    if parameter.numel() == 1:
        return [""]
    places = torch.ones(parameter.shape).nonzero().tolist()
    return [f"[{', '.join(map(str, place))}]" for place in places]


def _at(tensor: Tensor, place: int) -> float:
    return float(tensor.detach().flatten()[place])
