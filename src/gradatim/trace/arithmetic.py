"""The numbers of a small model's step, with the arithmetic spelled out.

Of a mean of squared errors, for each number p that is trained::

    error  = y - yhat
    dMSE/dp = -2 * mean(dyhat/dp * error)
    p      <- p - lr * dMSE/dp

where dyhat/dp is what autograd has for every prediction. What does not come out as
autograd's own gradient is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_all
from torch.nn.parameter import UninitializedParameter

from gradatim.losses import reduction

__all__ = ["Arithmetic", "Derivative", "Slopes", "slopes_of", "spell_out"]

MOST_NUMBERS = 10
"""Numbers that train, in all."""
MOST_PREDICTIONS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Derivative:
    """How the gradient of one number comes about, and what the update does to it."""

    name: str
    """Such as ``b`` or ``0.weight[0, 2]``."""
    factor: str
    """What the errors are multiplied with before their mean; ``""`` is 1."""
    mean: float
    """Of factor times error."""
    gradient: float
    """``-2 * mean``; autograd has the same."""
    before: float
    after: float | None
    """None where the update was left out."""
    lr: float | None
    """Where the update is ``before - lr * gradient`` and nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """A small model's step in numbers."""

    num_inputs: int
    columns: tuple[str, ...]
    """Of ``rows``: row, inputs, y, yhat, error, error^2, and each factor * error."""
    rows: tuple[tuple[float, ...], ...]
    loss: float
    derivatives: tuple[Derivative, ...]


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Predictions, targets, and how each prediction moves with each number."""

    predictions: Tensor
    targets: Tensor
    inputs: dict[str, Tensor]
    """Columns of the input, one number a prediction."""
    slopes: dict[str, Tensor]
    """By the number's name: dyhat/dp."""


def slopes_of(
    model: nn.Module,
    loss_fn: Any,
    predictions: Any,
    targets: Any,
    inputs: list[tuple[str, Tensor]],
) -> Slopes | None:
    """Differentiate every prediction, before backward frees the graph.

    Returns:
        None where the model is too large, the loss is another, or the graph cannot
        be gone through twice without being noticed.
    """
    is_mse = type(loss_fn) is nn.MSELoss or loss_fn is F.mse_loss
    if not is_mse or reduction(loss_fn) != "mean":
        return None
    named = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not isinstance(parameter, UninitializedParameter)
    }
    if not (_is_real(predictions) and _is_real(targets)) or _has_hooks(model):
        return None
    num_numbers = sum(p.numel() for p in named.values())
    if predictions.shape != targets.shape or predictions.grad_fn is None:
        return None
    if num_numbers > MOST_NUMBERS or not 0 < predictions.numel() <= MOST_PREDICTIONS:
        return None
    try:
        slopes = _differentiate(predictions, named)
    except RuntimeError:  # an operation without a second derivative
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
    """Go through the graph backward twice: J'v is linear in v, and gives J that way.

    Source: Townsend 2017, A new trick for calculating Jacobian vector products.
    """
    v = torch.zeros_like(predictions, requires_grad=True)
    products: tuple[Tensor | None, ...] = torch.autograd.grad(
        predictions, list(named.values()), v, create_graph=True, allow_unused=True
    )
    slopes = {}
    for (name, parameter), product in zip(named.items(), products, strict=True):
        if product is None:  # no prediction depends on it
            continue
        for index, each in zip(_indices(parameter), product.flatten(), strict=True):
            slope = None
            if each.requires_grad:
                (slope,) = torch.autograd.grad(
                    each, v, retain_graph=True, allow_unused=True
                )
            slope = torch.zeros_like(v) if slope is None else slope
            slopes[f"{name}{index}"] = slope.detach().flatten().double()
    return slopes


def spell_out(
    found: Slopes,
    *,
    loss: float,
    gradients: dict[str, Tensor],
    before: dict[str, Tensor],
    after: dict[str, Tensor] | None,
    lrs: dict[str, float | None],
) -> Arithmetic | None:
    """Put the numbers together, if they come out as autograd's.

    Args:
        found: From :func:`slopes_of`.
        loss: The batch's.
        gradients: Autograd's, by parameter.
        before: Parameters before the update.
        after: And after it; None where it was left out.
        lrs: The rate of each parameter that plain gradient descent moves.
    """
    error = found.targets - found.predictions
    sizes = found.targets.abs() + found.predictions.abs()
    derivatives, products = [], {}
    names = {
        f"{name}{index}": (name, place)
        for name, parameter in before.items()
        for place, index in enumerate(_indices(parameter))
    }
    for name, slope in found.slopes.items():
        parameter, place = names.get(name, ("", 0))
        if parameter not in gradients:  # or it was made in this very step
            return None
        factor = _factor(name, slope, found.inputs)
        mean = float((slope * error).mean())
        gradient = _at(gradients[parameter], place)
        # Rounding of the predictions, in the dtype that they were computed in.
        eps = torch.finfo(gradients[parameter].dtype).eps
        bound = 64 * eps * float((slope.abs() * sizes).mean())
        if not abs(-2 * mean - gradient) <= bound:  # NaN is not, either
            return None
        start = _at(before[parameter], place)
        end = None if after is None else _at(after[parameter], place)
        lr = lrs.get(parameter)
        if lr is not None and end is not None:
            bound = 4 * eps * (abs(start) + abs(lr * gradient))
            lr = lr if abs(start - lr * gradient - end) <= bound else None
        products[f"{factor} * error" if factor else "error"] = slope * error
        derivatives.append(
            Derivative(
                name=name,
                factor=factor,
                mean=mean,
                gradient=gradient,
                before=start,
                after=end,
                lr=lr,
            )
        )
    products.pop("error", None)  # it has its column
    columns = {
        **found.inputs,
        "y": found.targets,
        "yhat": found.predictions,
        "error": error,
        "error^2": error**2,
        **products,
    }
    rows = torch.stack(list(columns.values()), dim=1).tolist()
    return Arithmetic(
        num_inputs=len(found.inputs),
        columns=("row", *columns),
        rows=tuple((float(i), *row) for i, row in enumerate(rows)),
        loss=loss,
        derivatives=tuple(derivatives),
    )


def _factor(name: str, slope: Tensor, inputs: dict[str, Tensor]) -> str:
    """Name what the predictions' slope is: 1, a column of the input, or itself."""
    if bool((slope == 1).all()):
        return ""
    for column, values in inputs.items():
        if torch.allclose(slope, values, rtol=1e-6, atol=0.0):
            return column
    return f"dyhat/d{in_fraction(name)}"


def in_fraction(name: str) -> str:
    """Write a name so that ``d`` can stand before it.

    >>> in_fraction("a"), in_fraction("0.weight")
    ('a', '(0.weight)')
    """
    return name if name.isidentifier() else f"({name})"


def _columns(
    inputs: list[tuple[str, Tensor]], predictions: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    """Give the input's columns that have one number a prediction, by name."""
    columns = {}
    rows = predictions.numel()
    if predictions.size(0) != rows if predictions.dim() else rows != 1:
        return {}  # several predictions a row
    for name, tensor in inputs:
        if tensor is targets:
            continue
        if not _is_real(tensor) or not tensor.dim() or tensor.size(0) != rows:
            continue
        wide = tensor.detach().reshape(rows, -1).double()
        is_one = wide.size(1) == 1
        for place, column in enumerate(wide.unbind(dim=1)[:MOST_NUMBERS]):
            columns[name if is_one else f"{name}[:, {place}]"] = column
    return columns


def _is_real(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout is torch.strided
        and not value.is_nested
    )


def _has_hooks(model: nn.Module) -> bool:
    """Tell whether somebody counts or changes what goes backward."""
    if hooks_of_all._global_backward_hooks or hooks_of_all._global_backward_pre_hooks:
        return True
    return any(
        each._backward_hooks or each._backward_pre_hooks for each in model.modules()
    ) or any(parameter._backward_hooks for parameter in model.parameters())


def _indices(parameter: Tensor) -> list[str]:
    """Give the index of every number, as it is written; none of a single one."""
    if parameter.numel() == 1:
        return [""]
    places = torch.ones(parameter.shape).nonzero().tolist()
    return [f"[{', '.join(map(str, place))}]" for place in places]


def _at(tensor: Tensor, place: int) -> float:
    return float(tensor.detach().flatten()[place])
