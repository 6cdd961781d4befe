"""How good predictions are, on rows that were never trained on or chosen by.

Every score is computed with a weight for each row. ``score`` gives all rows their own,
or 1; ``intervals`` draws the rows anew, a row's weight being how often it was drawn,
and says how far each score moves by that.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from gradatim.errors import ConfigError
from gradatim.tables.model.quantiles import pinball_losses
from gradatim.text import nearest_name

__all__ = [
    "HIGHER_IS_BETTER",
    "SCORE_NAMES",
    "check_metric",
    "confusion_matrix",
    "constant_answers",
    "coverage_name",
    "intervals",
    "score",
    "score_names",
]

SMALLEST_PROBABILITY = 1e-15
"""Log loss clips probabilities at this number, as scikit-learn's did, so that no single
row makes it infinite."""
CALIBRATION_BINS = 15
"""How many bins the calibration error has: the number of Guo et al. 2017."""

SCORE_NAMES = {
    "regression": ("rmse", "mae", "median_error", "r2"),
    "classification": (
        *("accuracy", "balanced_accuracy", "f1", "log_loss", "calibration_error"),
    ),
    "binary": (
        *("accuracy", "balanced_accuracy", "f1", "log_loss", "calibration_error"),
        *("roc_auc", "average_precision"),
    ),
}
"""The scores of each task, in the order in which they are shown."""
HIGHER_IS_BETTER = {
    *("r2", "accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision"),
}
"""Of all other scores less is better."""

NUM_RESAMPLES = 1_000
"""How often the rows are drawn anew for an interval; the usual number for percentiles
of a bootstrap (Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 13)."""
NUM_RESAMPLES_OF_MANY = 200
MANY_ROWS = 20_000
"""From so many rows on, fewer resamples are drawn, as intervals are narrow there. Both
numbers were chosen by hand, for the time that it takes."""
CHUNK_VALUES = 1 << 21
"""How many weights of resampled rows are in memory at once: 16 MB."""

Weights = Float[Tensor, "samples rows"]
"""A weight for each row, in each of several samples."""
Scores = dict[str, Float[Tensor, " samples"]]
Interval = tuple[float, float]
"""The level of intervals, and by how much they reach to both sides of an answer."""


def coverage_name(level: float) -> str:
    """Name the share of targets within intervals that should hold ``level`` of them.

    >>> coverage_name(0.9)
    'coverage_0.9'
    """
    return f"coverage_{level:g}"


def score_names(task: str, quantiles: Sequence[float] = ()) -> tuple[str, ...]:
    """Name the scores of a task, or of quantiles, that a model can be chosen by.

    >>> score_names("regression", [0.1, 0.9])
    ('pinball_0.1', 'pinball_0.9', 'pinball')
    """
    if quantiles:
        return (*(f"pinball_{quantile:g}" for quantile in quantiles), "pinball")
    return SCORE_NAMES[task]


def check_metric(
    metric: str | None, task: str, quantiles: Sequence[float] = ()
) -> None:
    """Refuse what is no score of a task, or of quantiles; None is none.

    Raises:
        ConfigError: With the nearest name.
    """
    known = score_names(task, quantiles)
    if metric is not None and metric not in known:
        raise ConfigError(
            f"metric={metric!r} is no score of {'quantiles' if quantiles else task}."
            f"{nearest_name(metric, known)}\n"
            "Each task has scores of its own.\n"
            f"Choose one of {', '.join(known)}."
        )


def score(
    task: str,
    answers: Shaped[Tensor, "rows ..."],
    targets: Shaped[Tensor, " rows"],
    weights: Float[Tensor, " rows"] | None = None,
    *,
    interval: Interval | None = None,
    quantiles: Sequence[float] = (),
) -> dict[str, float]:
    """Score a model's answers by the scores that fit the task, in double precision.

    Args:
        task: ``"regression"``, ``"binary"`` or ``"classification"``.
        answers: Predictions, or the probabilities of all classes for each row.
        targets: Numbers, or the numbers of the right classes.
        weights: What each row counts; 1 if None.
        interval: Of a regression with intervals, their level and half width.
        quantiles: What the columns of ``answers`` are, where quantiles are predicted.

    Returns:
        For a regression the root of the mean squared error, the mean and the median
        absolute error, and R2: 1 for perfect predictions, 0 for the mean of these very
        targets, NaN where all of them are equal. With intervals also the coverage, the
        share of targets that lie within, and how wide they are. For quantiles the
        pinball loss of each and their mean, and coverage and mean width between the
        lowest and the highest. For classes accuracy,
        balanced accuracy (the mean of the accuracies of the classes that occur), F1 (of
        the second of two classes, else the mean of the F1 of all classes that occur or
        are predicted), log loss, and the expected calibration error: how far the
        highest probability is from the share of right answers, over bins of it. For two
        classes also the area under the ROC curve and average precision, NaN where a
        class is absent.

        Sources: Guo et al. 2017, On Calibration of Modern Neural Networks,
        https://arxiv.org/abs/1706.04599; the other scores are those of scikit-learn,
        https://scikit-learn.org/stable/modules/model_evaluation.html.

    >>> score("regression", torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    {'rmse': 0.7071067811865476, 'mae': 0.5, 'median_error': 0.5, 'r2': 0.5}
    """
    of_rows = torch.ones(len(targets)) if weights is None else weights
    scorer = _scorer(task, answers, targets, interval, quantiles)
    scores = scorer(of_rows.double().unsqueeze(0))
    return {name: value.item() for name, value in scores.items()}


def intervals(
    task: str,
    answers: Shaped[Tensor, "rows ..."],
    targets: Shaped[Tensor, " rows"],
    weights: Float[Tensor, " rows"] | None = None,
    *,
    interval: Interval | None = None,
    quantiles: Sequence[float] = (),
) -> dict[str, tuple[float, float]]:
    """Give the interval that each score lies in, in 95 of 100 drawings of the rows.

    Rows are drawn with replacement, as many as there are (a bootstrap of percentiles).
    The draws come from a private generator with a fixed seed. A score that no draw has
    is NaN at both ends.

    >>> answers, targets = torch.arange(50.0), torch.arange(50.0) + torch.ones(50)
    >>> intervals("regression", answers, targets)["rmse"]
    (1.0, 1.0)
    """
    scorer = _scorer(task, answers, targets, interval, quantiles)
    drawn: dict[str, list[Tensor]] = {}
    for sample in _resamples(len(targets)):
        scores = scorer(sample if weights is None else sample * weights.double())
        for name, values in scores.items():
            drawn.setdefault(name, []).append(values)
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    found = {}
    for name, parts in drawn.items():
        low, high = torch.cat(parts).nanquantile(ends).tolist()
        found[name] = low, high
    return found


def _resamples(num_rows: int) -> Iterator[Weights]:
    """Give how often each row is drawn in each resample, some resamples at a time."""
    generator = torch.Generator().manual_seed(0)
    left = NUM_RESAMPLES if num_rows < MANY_ROWS else NUM_RESAMPLES_OF_MANY
    at_once = max(1, CHUNK_VALUES // num_rows)
    while left > 0:
        size = (min(at_once, left), num_rows)
        rows = torch.randint(num_rows, size, generator=generator)
        counts = torch.zeros(size, dtype=torch.float64)
        yield counts.scatter_add_(1, rows, torch.ones_like(counts))
        left -= size[0]


def constant_answers(
    task: str,
    y: Tensor,
    num_rows: int,
    num_classes: int,
    weights: Tensor | None = None,
) -> Tensor:
    """Answer every row with the mean of ``y``, or with the classes' shares of ``y``.

    ``weights`` are what the values of ``y`` count; all the same if it is None.

    >>> constant_answers("binary", torch.tensor([0, 1, 1, 1]), 2, num_classes=2)
    tensor([[0.2500, 0.7500],
            [0.2500, 0.7500]], dtype=torch.float64)
    """
    of_rows = None if weights is None else weights.double() / weights.double().sum()
    if task == "regression":
        mean = y.double().mean() if of_rows is None else of_rows @ y.double()
        return mean.expand(num_rows)
    if of_rows is not None:
        shares = torch.bincount(y, of_rows, minlength=num_classes)
        return shares.expand(num_rows, num_classes)
    shares = torch.bincount(y, minlength=num_classes).double() / len(y)
    return shares.expand(num_rows, num_classes)


def confusion_matrix(
    probabilities: Float[Tensor, "rows classes"], targets: Int[Tensor, " rows"]
) -> list[list[int]]:
    """Count the rows of each class (a list each) by the class that is most probable.

    >>> confusion_matrix(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]))
    [[1, 0], [1, 0]]
    """
    classes = probabilities.size(1)
    pairs = targets * classes + probabilities.argmax(dim=1)
    counts: list[list[int]] = (
        pairs.bincount(minlength=classes**2).reshape(classes, classes).tolist()
    )
    return counts


def _scorer(
    task: str,
    answers: Tensor,
    targets: Tensor,
    interval: Interval | None,
    quantiles: Sequence[float],
) -> Callable[[Weights], Scores]:
    """Give the function that scores with the weights of several samples at once.

    What does not depend on the weights is computed once.
    """
    if quantiles:
        return _quantile_scorer(answers.double(), targets.double(), quantiles)
    if task == "regression":
        return _regression_scorer(answers.double(), targets.double(), interval)
    return _class_scorer(answers.double(), targets)


def _regression_scorer(
    predictions: Float[Tensor, " rows"],
    targets: Float[Tensor, " rows"],
    interval: Interval | None,
) -> Callable[[Weights], Scores]:
    errors = predictions - targets
    squares, sizes = errors.square(), errors.abs()
    # From a target in the middle, sums of squares lose few digits; equal targets are 0.
    centred = targets - targets.median()
    centred_squares = centred.square()

    def scores(weights: Weights) -> Scores:
        total = weights.sum(1)
        spread = weights @ centred_squares - (weights @ centred).square() / total
        r2 = 1 - weights @ squares / spread
        found = {
            "rmse": (weights @ squares / total).sqrt(),
            "mae": weights @ sizes / total,
            "median_error": _medians(sizes, weights),
            "r2": torch.where(spread > 0, r2, math.nan),
        }
        if interval is not None:
            level, half_width = interval
            inside = (sizes <= half_width).double()
            found[coverage_name(level)] = weights @ inside / total
            found["interval_width"] = torch.full_like(total, 2 * half_width)
        return found

    return scores


def _quantile_scorer(
    predictions: Float[Tensor, "rows quantiles"],
    targets: Float[Tensor, " rows"],
    quantiles: Sequence[float],
) -> Callable[[Weights], Scores]:
    losses = pinball_losses(predictions, targets, quantiles)
    low, high = predictions[:, 0], predictions[:, -1]
    inside = ((low <= targets) & (targets <= high)).double()
    names = score_names("regression", quantiles)

    def scores(weights: Weights) -> Scores:
        total = weights.sum(1)
        of_each = weights @ losses / total.unsqueeze(1)
        values = [*of_each.unbind(dim=1), of_each.mean(dim=1)]
        found = dict(zip(names, values, strict=True))
        if len(quantiles) > 1:
            level = coverage_name(quantiles[-1] - quantiles[0])
            found[level] = weights @ inside / total
            found["interval_width"] = weights @ (high - low) / total
        return found

    return scores


def _medians(
    values: Float[Tensor, " rows"], weights: Weights
) -> Float[Tensor, " samples"]:
    """Give the median of weighted values, the mean of both where two are in the middle.

    Whole weights count a value so many times.
    """
    ordered, order = values.sort()
    up_to = weights[:, order].cumsum(1)
    half = up_to[:, -1:] / 2
    lower = torch.searchsorted(up_to, half)
    upper = torch.searchsorted(up_to, half, right=True).clamp(max=len(values) - 1)
    return (ordered[lower] + ordered[upper]).squeeze(1) / 2


def _class_scorer(
    probabilities: Float[Tensor, "rows classes"], targets: Int[Tensor, " rows"]
) -> Callable[[Weights], Scores]:
    num_classes = probabilities.size(1)
    confidence, predicted = probabilities.max(dim=1)
    is_right = (predicted == targets).double()
    of_class = _one_hot(targets, num_classes)
    predicted_as = _one_hot(predicted, num_classes)
    both = of_class * predicted_as
    of_targets = probabilities.gather(1, targets.unsqueeze(1)).squeeze(1)
    losses = -of_targets.clamp(min=SMALLEST_PROBABILITY).log()
    places = (confidence * CALIBRATION_BINS).ceil().long() - 1
    bins = _one_hot(places.clamp(0, CALIBRATION_BINS - 1), CALIBRATION_BINS)
    overconfident = bins * (confidence - is_right).unsqueeze(1)
    ranked = None if num_classes != 2 else _Ranked(probabilities[:, 1], targets == 1)

    def scores(weights: Weights) -> Scores:
        total = weights.sum(1)
        hits, actual = weights @ both, weights @ of_class
        seen = actual + weights @ predicted_as
        f1 = 2 * hits / seen.clamp(min=torch.finfo(torch.float64).tiny)
        found = {
            "accuracy": weights @ is_right / total,
            "balanced_accuracy": (hits / actual).nanmean(1),
            "f1": f1[:, 1] if num_classes == 2 else f1.sum(1) / (seen > 0).sum(1),
            "log_loss": weights @ losses / total,
            "calibration_error": (weights @ overconfident).abs().sum(1) / total,
        }
        if ranked is not None:
            found["roc_auc"], found["average_precision"] = ranked.areas(weights)
        return found

    return scores


def _one_hot(places: Int[Tensor, " rows"], width: int) -> Float[Tensor, "rows places"]:
    return torch.nn.functional.one_hot(places, width).double()


class _Ranked:
    """Rows in the order of a value, and the two areas that depend on this order alone.

    Rows with the same value have the same rank.
    """

    def __init__(
        self, values: Float[Tensor, " rows"], is_positive: Shaped[Tensor, " rows"]
    ) -> None:
        ranks = values.unique(return_inverse=True)[1]
        self.ranks = ranks
        self.num_ranks = int(ranks.max()) + 1
        self.is_positive = is_positive.double()

    def areas(
        self, weights: Weights
    ) -> tuple[Float[Tensor, " samples"], Float[Tensor, " samples"]]:
        """Give the area under the ROC curve, and average precision.

        The first is the share of (positive, negative) pairs in the right order, where
        ties count half; after Mann and Whitney 1947,
        https://doi.org/10.1214/aoms/1177730491. Without a class both are NaN.
        """
        positive = self._by_rank(weights * self.is_positive)
        negative = self._by_rank(weights * (1 - self.is_positive))
        num_positive, num_negative = positive.sum(1), negative.sum(1)
        below = negative.cumsum(1) - negative / 2
        roc = (positive * below).sum(1) / (num_positive * num_negative)
        true_from = positive.flip(1).cumsum(1)
        all_from = true_from + negative.flip(1).cumsum(1)
        tiny = torch.finfo(torch.float64).tiny  # no row of the sample is ranked as high
        precision = true_from / all_from.clamp(min=tiny)
        average = (positive.flip(1) * precision).sum(1) / num_positive
        has_both = (num_positive > 0) & (num_negative > 0)
        return torch.where(has_both, roc, math.nan), torch.where(
            has_both, average, math.nan
        )

    def _by_rank(self, weights: Weights) -> Float[Tensor, "samples ranks"]:
        by_rank = weights.new_zeros(len(weights), self.num_ranks)
        return by_rank.index_add_(1, self.ranks, weights)
