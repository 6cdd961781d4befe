"""What PyTorch's losses expect of predictions and targets, checked before they run.

PyTorch broadcasts where it can: ``(N, 1)`` predictions against ``(N,)`` targets
train on all N x N pairs, to the mean. Here that is an error, for the losses that
PyTorch has, and a warning for those it does not know.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradatim.errors import ConfigError, GradatimWarning, LossError, ShapeMismatchError

__all__ = [
    "BINARY_LOSS_NAMES",
    "CLASS_LOSSES",
    "CLASS_LOSS_NAMES",
    "ELEMENTWISE_LOSSES",
    "WATCHED_LOSSES",
    "LossFn",
    "check_reduction",
    "check_scalar",
    "checked",
    "loss_kind",
    "loss_option",
    "reduction",
    "to_probabilities",
    "weighs_targets",
    "without_partial",
]

LossFn = Callable[[Any, Any], Any]
"""A loss: ``loss_fn(predictions, targets)`` gives a 0-dim tensor, or that tensor with
named parts: see :mod:`gradatim.named_loss`."""

LossTable = Mapping[type[nn.Module], Callable[..., Tensor]]
"""Losses of PyTorch: the module of each, and the function that it calls."""

ELEMENTWISE_LOSSES: LossTable = {
    nn.MSELoss: F.mse_loss,
    nn.L1Loss: F.l1_loss,
    nn.SmoothL1Loss: F.smooth_l1_loss,
    nn.HuberLoss: F.huber_loss,
    nn.BCELoss: F.binary_cross_entropy,
    nn.BCEWithLogitsLoss: F.binary_cross_entropy_with_logits,
    nn.PoissonNLLLoss: F.poisson_nll_loss,
    nn.GaussianNLLLoss: F.gaussian_nll_loss,
    nn.KLDivLoss: F.kl_div,
    nn.SoftMarginLoss: F.soft_margin_loss,
    nn.HingeEmbeddingLoss: F.hinge_embedding_loss,
    nn.MultiLabelMarginLoss: F.multilabel_margin_loss,
    nn.MultiLabelSoftMarginLoss: F.multilabel_soft_margin_loss,
}
"""They compare predictions and targets of one shape, number by number."""

TARGET_WEIGHING_LOSSES: LossTable = {
    nn.CrossEntropyLoss: F.cross_entropy,
    nn.NLLLoss: F.nll_loss,
}
"""Their mean ignores some targets, or weights them by their class."""

CLASS_LOSSES: LossTable = {
    **TARGET_WEIGHING_LOSSES,
    nn.MultiMarginLoss: F.multi_margin_loss,
}
"""They compare a row's scores, one for each class, with the index of its class."""

GAUSSIAN_LOSS: LossTable = {nn.GaussianNLLLoss: F.gaussian_nll_loss}
"""It takes a predicted variance beside the predicted mean."""

BINARY_LOSS_NAMES = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
"""Functions that compare a probability, or its logit, with 0 or 1."""

CLASS_LOSS_NAMES = tuple(loss.__name__ for loss in TARGET_WEIGHING_LOSSES.values())
"""Functions that compare scores of classes with the index of a class."""

WATCHED_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    loss.__name__: loss
    for loss in (
        F.binary_cross_entropy,
        F.binary_cross_entropy_with_logits,
        F.cross_entropy,
        F.huber_loss,
        F.kl_div,
        F.l1_loss,
        F.mse_loss,
        F.nll_loss,
        F.poisson_nll_loss,
        F.smooth_l1_loss,
    )
}
"""Functions whose calls the doctor notes, and can repeat, by their names."""


def without_partial(loss_fn: Any) -> Any:
    """Give the loss inside ``functools.partial``."""
    while isinstance(loss_fn, functools.partial):
        loss_fn = loss_fn.func
    return loss_fn


def loss_option(loss_fn: Any, name: str, default: Any) -> Any:
    """Give an option of a loss module, or of a function in ``functools.partial``."""
    if isinstance(loss_fn, functools.partial):
        if name in loss_fn.keywords:
            return loss_fn.keywords[name]
        return loss_option(loss_fn.func, name, default)
    return getattr(loss_fn, name, default)


def _is_in(loss_fn: Any, table: LossTable) -> bool:
    """Tell whether a loss is one of PyTorch's losses in ``table``."""
    bare = without_partial(loss_fn)
    is_module = isinstance(bare, tuple(table))
    return is_module or any(bare is function for function in table.values())


def loss_kind(loss_fn: Any) -> Literal["elementwise", "class", "other"]:
    """Tell whether a loss takes equal shapes, scores and class indices, or others.

    >>> loss_kind(nn.MSELoss()), loss_kind(F.cross_entropy), loss_kind(max)
    ('elementwise', 'class', 'other')
    """
    if _is_in(loss_fn, ELEMENTWISE_LOSSES):
        return "elementwise"
    if _is_in(loss_fn, CLASS_LOSSES):
        return "class"
    return "other"


def reduction(loss_fn: Any) -> str:
    """Tell how a loss joins its samples: ``"mean"``, ``"sum"`` or a word of its own.

    A function that does not say is taken to be a mean, as PyTorch's are.

    >>> reduction(nn.MSELoss(reduction="sum")), reduction(F.mse_loss)
    ('sum', 'mean')
    """
    return str(loss_option(loss_fn, "reduction", "mean"))


# --- Shapes -----------------------------------------------------------------------


def checked(loss_fn: LossFn, *, check_shapes: bool = True) -> LossFn:
    """Wrap ``loss_fn`` in the check of its kind.

    Args:
        loss_fn: Called as ``loss_fn(predictions, targets)``. ``GaussianNLLLoss``
            takes ``(mean, variance)`` as its predictions.
        check_shapes: ``False`` turns the checks off.

    Raises:
        ShapeMismatchError: When called, on predictions and targets that do not pair.
        LossError: When called, on class targets of a wrong dtype or range.

    >>> loss_fn = checked(nn.MSELoss())
    >>> loss_fn(torch.zeros(2, 1), torch.ones(2, 1))
    tensor(1.)
    """
    if _is_in(loss_fn, GAUSSIAN_LOSS):
        return _checked_gaussian(loss_fn, check_shapes)
    if not check_shapes:
        return loss_fn
    checks = {"elementwise": _checked_elementwise, "class": _checked_class}
    return checks.get(loss_kind(loss_fn), _checked_other)(loss_fn)


def _checked_elementwise(loss_fn: LossFn) -> LossFn:
    def elementwise(predictions: Any, targets: Any) -> Tensor:
        try:
            same = predictions.shape == targets.shape
        except AttributeError:  # a normal step pays nothing for this check
            raise LossError(_no_tensors_message(predictions, targets)) from None
        if not same:
            raise ShapeMismatchError(_shape_message(predictions, targets))
        return loss_fn(predictions, targets)

    return elementwise


def _no_tensors_message(predictions: Any, targets: Any) -> str:
    return (
        f"predictions are of type {type(predictions).__name__}, targets of type "
        f"{type(targets).__name__}.\n"
        "The loss compares one tensor with another.\n"
        "Pick them out, for example with forward=lambda model, batch: "
        "(model(batch[0])[0], batch[1])."
    )


def _shape_message(predictions: Tensor, targets: Tensor) -> str:
    return (
        f"predictions have shape {tuple(predictions.shape)}, "
        f"targets {tuple(targets.shape)}.\n"
        "PyTorch broadcasts where it can; the loss would average the wrong pairs.\n"
        f"Give both one shape, for example with {_reshape_advice(predictions, targets)}"
    )


def _reshape_advice(predictions: Tensor, targets: Tensor) -> str:
    p, t = tuple(predictions.shape), tuple(targets.shape)
    if p == (*t, 1):
        return f"targets.unsqueeze({len(t)})."
    if t == (*p, 1):
        return f"targets.squeeze({len(p)})."
    if predictions.numel() == targets.numel():
        return "targets.view_as(predictions), if their order is the same."
    if len(p) == 2 and len(t) == 1 and p[0] == t[0]:
        return (
            f"a last layer of 1 output; {p[1]} outputs for one class index per row "
            "are what nn.CrossEntropyLoss takes."
        )
    return "a last layer that gives as many outputs as the targets have columns."


def _checked_gaussian(loss_fn: LossFn, check_shapes: bool) -> LossFn:
    def gaussian(predictions: Any, targets: Tensor) -> Tensor:
        if not isinstance(predictions, (tuple, list)) or len(predictions) != 2:
            raise ShapeMismatchError(
                f"predictions are of type {type(predictions).__name__}.\n"
                "GaussianNLLLoss weighs each error by a predicted variance.\n"
                "Let the model return (mean, variance)."
            )
        mean, variance = predictions
        if check_shapes and mean.shape != targets.shape:
            raise ShapeMismatchError(_shape_message(mean, targets))
        return loss_fn(mean, targets, variance)  # type: ignore[call-arg]

    return gaussian


def _checked_class(loss_fn: LossFn) -> LossFn:
    ignore_index = loss_option(loss_fn, "ignore_index", -100)

    def class_loss(predictions: Any, targets: Any) -> Tensor:
        try:
            shape, dim = predictions.shape, targets.dim()
        except AttributeError:
            raise LossError(_no_tensors_message(predictions, targets)) from None
        if shape[1:2] == (1,) or len(shape) == dim == 1:
            # PyTorch takes one score a row, but its softmax is always 1.
            raise ShapeMismatchError(
                f"predictions have shape {tuple(predictions.shape)}, targets "
                f"{tuple(targets.shape)}: one score a sample.\n"
                "A class loss compares a sample's scores with each other, along dim 1; "
                "of one alone nothing is learned.\n"
                "Give the last layer one output per class, or use nn.BCEWithLogitsLoss."
            )
        try:
            return loss_fn(predictions, targets)
        except (RuntimeError, ValueError, IndexError) as error:
            better_error = _class_error(predictions, targets, error, ignore_index)
            if better_error is None:
                raise
            raise better_error from error

    return class_loss


def _class_error(
    predictions: Tensor, targets: Tensor, error: Exception, ignore_index: int
) -> ShapeMismatchError | LossError | None:
    """Explain why a class loss refused its arguments; None where only PyTorch knows."""
    if predictions.dim() == 0:
        return None
    p, t = tuple(predictions.shape), tuple(targets.shape)
    shapes = f"predictions have shape {p}, targets {t} of {targets.dtype}"
    torch_says = f"PyTorch says: {str(error).splitlines()[0]}"
    num_classes = p[1] if len(p) > 1 else p[0]
    index_shape = (p[0], *p[2:]) if len(p) > 1 else ()
    if t != index_shape and t != p:
        advice = f"Give targets the shape {index_shape}: one class index per sample"
        if t == (*index_shape, 1):
            advice += f", for example with targets.squeeze({len(t) - 1})"
        elif len(p) > 2 and t == p[:-1]:
            advice = "Scores lie along dim 1: give predictions.movedim(-1, 1)"
        return ShapeMismatchError(
            f"{shapes}.\nA class loss pairs (N, C) scores with N indices. "
            f"{torch_says}\n{advice}."
        )
    if t == p and t != index_shape and not targets.is_floating_point():
        return LossError(
            f"{shapes}.\nOf the predictions' shape are probabilities of classes, as "
            f"floating point. {torch_says}\nGive it targets.float(), or for one class "
            "a sample its index, targets.argmax(1)."
        )
    if t == index_shape and targets.dtype not in (torch.int64, torch.uint8):
        return LossError(
            f"{shapes}.\nA class loss takes class indices as integers of 64 bits. "
            f"{torch_says}\nGive it targets.long()."
        )
    if t == index_shape and targets.device.type == "cpu":
        kept = targets[targets != ignore_index]
        low, high = (int(kept.min()), int(kept.max())) if kept.numel() else (0, 0)
        if high >= num_classes or low < 0:
            return LossError(
                f"targets reach from {low} to {high}, predictions have {num_classes} "
                f"classes (shape {p}).\nClass indices count from 0 to the number of "
                f"classes less 1. {torch_says}\nGive the last layer {high + 1} outputs,"
                " or number the classes from 0."
            )
    return None


def _checked_other(loss_fn: LossFn) -> LossFn:
    warned = False

    def other(predictions: Any, targets: Any) -> Any:
        nonlocal warned
        if not warned and (shape := _third_shape(predictions, targets)):
            warned = True
            warnings.warn(
                f"predictions have shape {tuple(predictions.shape)}, targets "
                f"{tuple(targets.shape)}; together they broadcast to {tuple(shape)}.\n"
                "If the loss subtracts or compares them, it averages the wrong pairs.\n"
                f"Use {_reshape_advice(predictions, targets)} If the loss is meant to "
                "take these shapes, say check_shapes=False.",
                GradatimWarning,
                stacklevel=2,
            )
        return loss_fn(predictions, targets)

    return other


def _third_shape(predictions: Any, targets: Any) -> torch.Size | None:
    """Give the shape that both broadcast to, if it is that of neither."""
    if not (isinstance(predictions, Tensor) and isinstance(targets, Tensor)):
        return None
    if predictions.shape == targets.shape:
        return None
    try:
        shape = torch.broadcast_shapes(predictions.shape, targets.shape)
    except RuntimeError:
        return None
    return None if shape in (predictions.shape, targets.shape) else shape


def check_scalar(loss: Any) -> None:
    """Refuse what ``backward`` cannot start from.

    Raises:
        LossError: The loss is no 0-dim tensor, or no gradient can flow from it.
    """
    if not isinstance(loss, Tensor):
        raise LossError(
            f"the loss is a {type(loss).__name__}, not a tensor.\n"
            "A plain number has no graph, so nothing could be learned from it.\n"
            "Return the tensor itself, without .item(), float() or NumPy."
        )
    if loss.dim() != 0:
        raise LossError(
            f"the loss has shape {tuple(loss.shape)}, not ().\n"
            "backward() starts from one number; which of these is meant is open.\n"
            'Use reduction="mean", or return loss.mean().'
        )
    if not loss.requires_grad:
        raise LossError(
            "the loss depends on no parameter that requires a gradient.\n"
            "Nothing could be learned from it: the graph was cut on the way.\n"
            "Look for .detach(), .item(), .data, .numpy(), torch.no_grad() or a new "
            "torch.tensor(...) in the model or the loss, or for frozen parameters."
        )


def to_probabilities(loss_fn: LossFn | None) -> Callable[[Tensor], Tensor]:
    """Give the function from a model's outputs to the probabilities its loss implies.

    Raises:
        ConfigError: The loss is none of those for classes.

    >>> to_probabilities(nn.BCEWithLogitsLoss())(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """
    for module, to_probability in (
        (nn.CrossEntropyLoss, lambda logits: logits.softmax(dim=1)),
        (nn.NLLLoss, torch.exp),
        (nn.BCEWithLogitsLoss, torch.sigmoid),
        (nn.BCELoss, lambda probabilities: probabilities),
    ):
        function = {**ELEMENTWISE_LOSSES, **CLASS_LOSSES}[module]
        if _is_in(loss_fn, {module: function}):
            return to_probability
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    raise ConfigError(
        f"{name} does not say how outputs become probabilities.\n"
        "CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss and BCELoss do.\n"
        "Use predict(), and apply softmax or sigmoid yourself if it fits."
    )


def weighs_targets(loss_fn: LossFn) -> bool:
    """Tell whether some targets count more than others, or not at all."""
    return _is_in(loss_fn, TARGET_WEIGHING_LOSSES)


def check_reduction(loss_fn: LossFn) -> None:
    """Refuse ``reduction="none"`` before anything runs.

    Raises:
        ConfigError: The loss gives one number a sample.
    """
    if reduction(loss_fn) == "none":
        raise ConfigError(
            'the loss has reduction="none": one number a sample.\n'
            "backward() starts from one number.\n"
            'Use reduction="mean" (or "sum").'
        )
