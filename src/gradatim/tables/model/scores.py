"""How good predictions are, on rows that were never trained on or chosen by."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["class_scores", "constant_answers", "regression_scores", "score"]

SMALLEST_PROBABILITY = 1e-15
"""Log loss clips probabilities at this number, as scikit-learn's did, so that no single
row makes it infinite."""


def score(task: str, answers: Tensor, targets: Tensor) -> dict[str, float]:
    """Score a model's answers by the scores that fit the task."""
    if task == "regression":
        return regression_scores(answers, targets)
    return class_scores(answers, targets)


def constant_answers(task: str, y: Tensor, num_rows: int, num_classes: int) -> Tensor:
    """Answer every row with the mean of ``y``, or with the classes' shares of ``y``.

    >>> constant_answers("binary", torch.tensor([0, 1, 1, 1]), 2, num_classes=2)
    tensor([[0.2500, 0.7500],
            [0.2500, 0.7500]], dtype=torch.float64)
    """
    if task == "regression":
        return y.double().mean().expand(num_rows)
    shares = torch.bincount(y, minlength=num_classes).double() / len(y)
    return shares.expand(num_rows, num_classes)


def regression_scores(
    predictions: Float[Tensor, " rows"], targets: Float[Tensor, " rows"]
) -> dict[str, float]:
    """Give root mean squared error, mean absolute error and R2, in double precision.

    R2 is 1 for a perfect prediction, 0 for the mean of these very targets, and may be
    negative. Where all targets are equal it is not defined, and NaN.

    >>> regression_scores(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    {'rmse': 0.7071067811865476, 'mae': 0.5, 'r2': 0.5}
    """
    errors = predictions.double() - targets.double()
    spread = (targets.double() - targets.double().mean()).square().sum()
    r2 = 1 - errors.square().sum() / spread if spread > 0 else spread * float("nan")
    return {
        "rmse": errors.square().mean().sqrt().item(),
        "mae": errors.abs().mean().item(),
        "r2": r2.item(),
    }


def class_scores(
    probabilities: Float[Tensor, "rows classes"], targets: Int[Tensor, " rows"]
) -> dict[str, float]:
    """Give accuracy, balanced accuracy, log loss and, for two classes, ROC AUC.

    Balanced accuracy is the mean of the classes' accuracies, over the classes that
    occur.

    >>> class_scores(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 1]))
    {'accuracy': 1.0, 'balanced_accuracy': 1.0, 'log_loss': 0.308..., 'roc_auc': 1.0}
    """
    is_right = (probabilities.argmax(dim=1) == targets).double()
    by_class = [is_right[targets == k].mean() for k in targets.unique()]
    of_targets = probabilities.double().gather(1, targets.unsqueeze(1)).squeeze(1)
    scores = {
        "accuracy": is_right.mean().item(),
        "balanced_accuracy": torch.stack(by_class).mean().item(),
        "log_loss": -of_targets.clamp(min=SMALLEST_PROBABILITY).log().mean().item(),
    }
    if probabilities.size(1) == 2:
        scores["roc_auc"] = _roc_auc(probabilities[:, 1], targets)
    return scores


def _roc_auc(values: Tensor, targets: Tensor) -> float:
    """Give the share of (positive, negative) pairs in the right order; ties count half.

    It is computed from the ranks, after Mann and Whitney 1947, https://doi.org/10.1214/aoms/1177730491.
    """
    positive = targets == 1
    num_positive = int(positive.sum())
    num_negative = len(targets) - num_positive
    if not num_positive or not num_negative:
        return float("nan")
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    ranks = (last - (counts.double() - 1) / 2)[place]  # ties share their mean rank
    least = num_positive * (num_positive + 1) / 2
    return ((ranks[positive].sum() - least) / (num_positive * num_negative)).item()
