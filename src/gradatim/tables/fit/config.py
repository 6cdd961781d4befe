"""The choices of a table's training, and what is chosen where nothing is said."""

import math
from collections.abc import Callable, Sequence
from dataclasses import Field, asdict, dataclass, fields, replace
from typing import Any

from gradatim.errors import ConfigError
from gradatim.text import nearest_name, shown

__all__ = [
    "HIGHEST_LEVEL",
    "LATER",
    "LOWEST_LEVEL",
    "MAX_FOLDS",
    "MAX_QUANTILES",
    "TabularConfig",
]

MAX_SIZES = dict.fromkeys(("epochs", "batch_size", "patience"), 10**9)
MAX_SIZES |= {"hidden": 10**5, "num_blocks": 999}
"""A larger number is a slip, and a larger model would not be read again. The numbers
were chosen by hand, not measured."""

MAX_FOLDS = 100
"""More trainings than that are a slip; chosen by hand."""

LOWEST_LEVEL = 0.001
HIGHEST_LEVEL = 0.9999
"""Between these a share of rows has a name of its own in four digits; an interval of
the highest takes 9,999 rows to validate."""

MAX_QUANTILES = 99
"""All whole percents; chosen by hand."""

LATER = {"time", "group", "metric", "folds", "final", "weight", "class_weight"}
LATER |= {"time_limit", "interval", "quantiles", "log_target"}
"""Choices that earlier versions did not have. They are stored only where they are made,
so that a run of an earlier version has the same choices when it goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularConfig:
    """How a table is split and trained on. None leaves it to the number of rows.

    Raises:
        ConfigError: A value is out of its range.
    """

    epochs: int | None = None
    """At most this many passes over the training rows."""
    batch_size: int | None = None
    """Rows of one update."""
    lr: float = 1e-3
    """Highest step size of AdamW; it rises at first and then falls to zero."""
    warmup: float = 0.05
    """Share of all updates over which ``lr`` rises linearly from zero."""
    weight_decay: float = 1e-2
    """AdamW's, on weight matrices; biases, norms and embeddings are left alone."""
    hidden: int | None = None
    """Units of a hidden layer."""
    num_blocks: int = 2
    """Residual blocks, of two layers each."""
    dropout: float | None = None
    """Probability of leaving a hidden unit out while training."""
    max_norm: float = 1.0
    """Gradients are shortened to this joint 2-norm."""
    patience: int | None = None
    """Epochs without a better ``val_loss`` after which training stops."""
    metric: str | None = None
    """The score of the validation rows that takes the place of ``val_loss`` there: a
    key of ``model.scores.SCORE_NAMES`` for the task."""
    val: float = 0.15
    """Share of the rows that the best epoch, and penalties, are chosen by."""
    test: float = 0.15
    """Share of the rows that nothing is chosen by: the scores are on these. With 0
    nothing is scored, and the model is trained on all rows at last, as ``final`` says.
    """
    seed: int = 0
    """Decides the split, the weights' start and the order of the batches."""
    time: str | None = None
    """The column by whose order the rows are split: the latest are test rows, those
    before them validation rows. The table is read with the same ``time=``. It stays a
    feature: without the time elapsed, linear models lost what grows (an R2 of -82
    against -1.2 on later CO2, 0.65 against 0.75 on stocks), and where it extrapolates
    badly, the validation rows, which come later too, choose a stronger penalty. To see
    the score without it, drop the column."""
    folds: int | None = None
    """Train so many times, with other test rows each time, so that every row is one
    once. Scores are the means over the folds. The model of the first fold is kept, or
    the one of ``final``. With ``time`` each fold is trained on what came before its
    test rows, and the first fold has the latest."""
    final: bool = False
    """Train once more, on all rows but those of a file of their own to test on, for as
    many epochs as were best before (the mean over folds). This model is kept; the
    scores are those of the models before it, which had not seen the test rows."""
    group: str | None = None
    """The column whose groups are kept whole: all rows of one are in the same part. The
    table is read with the same ``group=``."""
    weight: str | None = None
    """The column that says what each row counts, in the loss and in the scores. The
    table is read with the same ``weight=``."""
    class_weight: str | None = None
    """``"balanced"``: all classes count the same in the loss, however rare they are.
    The scores count rows as they are."""
    time_limit: float | None = None
    """Seconds in which all is to be over, scoring included: training stops in time,
    with the best epoch so far. They count from the beginning of ``gradatim.fit``, or
    of the command. It decides when training stops, and no bit of what it does before:
    so a run goes on with another limit."""
    interval: float | None = None
    """Of a regression: give an interval beside each prediction, within which this share
    of new rows should lie. The errors on the validation rows decide how wide it is."""
    quantiles: Sequence[float] | None = None
    """Of a regression: predict these quantiles of the target in place of its mean, such
    as ``(0.05, 0.5, 0.95)``."""
    log_target: bool = False
    """Of a regression whose targets are all above 0: the network and the linear model
    learn the target's natural logarithm, so that errors count by their ratio.
    Predictions and scores are in the target's own units: a prediction is the median of
    the target, not its mean, where the logarithms are spread alike to both sides."""
    threads: int | None = None
    """PyTorch's threads. None takes one for small batches, which more would only slow
    down, else as many as the process has. The number changes the last bits."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "quantiles":
                _check_kind(field, getattr(self, field.name))
        if self.quantiles is not None:
            object.__setattr__(self, "quantiles", _checked_quantiles(self.quantiles))
        if self.quantiles is not None and self.interval is not None:
            raise ConfigError(
                f"interval is {self.interval:g}, and quantiles are given.\n"
                "An interval lies around one prediction, and quantiles bound one.\n"
                "Leave one of the two out."
            )
        counts = ("epochs", "batch_size", "hidden", "patience", "threads")
        self._check(counts, lambda v: v >= 1, "be 1 or more")
        for name, largest in MAX_SIZES.items():
            value = getattr(self, name)
            if value is not None and value > largest:
                raise ConfigError(f"{name} must be at most {largest:,}, got {value}.")
        for name in ("val", "test"):
            value = getattr(self, name)
            if not (0 < value < 1 or (name == "test" and value == 0)):
                raise ConfigError(
                    f"{name} must lie between 0 and 1, got {value:g}.\n"
                    "It is a share of the rows.\nGive for example 0.15."
                )
        if self.interval is not None and not (
            LOWEST_LEVEL <= self.interval <= HIGHEST_LEVEL
        ):
            raise ConfigError(
                f"interval must lie between {LOWEST_LEVEL} and {HIGHEST_LEVEL}, got "
                f"{self.interval:g}.\n"
                "It is the share of rows that should lie within.\nGive for example 0.9."
            )
        if self.val + self.test >= 1:
            raise ConfigError(
                f"val and test are {self.val:g} and {self.test:g}: no row is left to "
                "train on.\nTogether they must be less than 1.\n"
                "Give for example 0.15 and 0.15."
            )
        finite = ("lr", "max_norm", "time_limit")
        self._check(finite, lambda v: 0 < v < math.inf, "be positive and finite")
        not_negative = ("weight_decay", "num_blocks")
        self._check(not_negative, lambda v: 0 <= v < math.inf, "not be negative")
        shares = ("warmup", "dropout")
        self._check(shares, lambda v: 0 <= v < 1, "be at least 0 and less than 1")
        if self.time is not None and self.group is not None:
            raise ConfigError(
                f"time and group are both given: {self.time!r} and {self.group!r}.\n"
                "Rows in the order of time cannot also keep their groups together.\n"
                "Choose what new rows will be: later ones, or those of other groups."
            )
        self._check(("folds",), lambda v: 2 <= v <= MAX_FOLDS, f"be 2 to {MAX_FOLDS}")
        if self.folds is not None and self.test == 0:
            raise ConfigError(
                f"folds is {self.folds} and test is 0.\n"
                "Each fold is scored on rows of its own, which needs no share.\n"
                "Leave test out; with final, all rows are trained on at last."
            )
        if self.folds is not None and self.val >= 1 - 1 / self.folds:
            raise ConfigError(
                f"val is {self.val:g} with {self.folds} folds: no row is left to train "
                "on.\nEach fold tests on its share of the rows besides.\n"
                "Give for example 0.15."
            )
        if self.class_weight not in (None, "balanced"):
            raise ConfigError(
                f"class_weight is {self.class_weight!r}.\n"
                "It says what the classes count in the loss.\n"
                "Give 'balanced', or leave it out."
            )
        in_64_bits = "be at least 0 and less than 2^63"
        self._check(("seed",), lambda v: 0 <= v < 1 << 63, in_64_bits)

    def _check(
        self, names: Sequence[str], is_right: Callable[[float], bool], what: str
    ) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not is_right(value):
                raise ConfigError(f"{name} must {what}, got {value}.")

    def for_rows(self, num_rows: int) -> "TabularConfig":
        """Fill in what depends on the number of training rows.

        Few rows need many passes, small batches and strong dropout; many rows need few
        passes, and large batches for speed. The numbers were chosen by hand, not
        measured.

        >>> TabularConfig().for_rows(300).epochs, TabularConfig().for_rows(10**6).epochs
        (200, 10)
        """
        is_small = num_rows < 2000
        dropout = 0.5 if is_small else 0.1
        power_of_two = 2 ** round(math.log2(max(1.0, num_rows / 64)))
        batch_size = self.batch_size or min(1024, max(32, power_of_two))
        updates = math.ceil(num_rows / batch_size)
        epochs = self.epochs or min(200, max(10, math.ceil(4000 / updates)))
        hidden = self.hidden or 128
        threads = 1 if batch_size * hidden < 1 << 16 else None
        return replace(
            self,
            batch_size=batch_size,
            epochs=epochs,
            patience=self.patience or max(12 if is_small else 5, epochs // 8),
            hidden=hidden,
            dropout=dropout if self.dropout is None else self.dropout,
            threads=self.threads or threads,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the choices as JSON has them, the later ones where they were made."""
        choices = asdict(self)
        later = {f.name: f.default for f in fields(self) if f.name in LATER}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in choices.items()
            if name not in later or value != later[name]
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TabularConfig":
        """Make the choices from what :meth:`to_dict` gave.

        Raises:
            ConfigError: A name is unknown.
        """
        known = {field.name for field in fields(cls)}
        if unknown := [name for name in values if name not in known]:
            raise ConfigError(
                f"{unknown[0]!r} is no choice of a table's training."
                f"{nearest_name(unknown[0], known)}"
            )
        return cls(**values)


def _checked_quantiles(quantiles: Any) -> tuple[float, ...]:
    """Refuse what are no quantiles; give them in their order."""
    given = list(quantiles) if isinstance(quantiles, list | tuple) else [quantiles]
    are_numbers = all(type(q) in (int, float) for q in given)
    if (
        not are_numbers
        or not 1 <= len(given) <= MAX_QUANTILES
        or len(set(given)) < len(given)
        or not all(
            LOWEST_LEVEL <= q <= HIGHEST_LEVEL and q == round(q, 4) for q in given
        )
    ):
        raise ConfigError(
            f"quantiles are {shown(quantiles)}.\n"
            f"They are up to {MAX_QUANTILES} different numbers from {LOWEST_LEVEL} to "
            f"{HIGHEST_LEVEL}, of four digits at most.\n"
            "Give for example 0.05, 0.5 and 0.95."
        )
    return tuple(sorted(map(float, given)))


def _check_kind(field: Field[Any], value: Any) -> None:
    kind: Any = field.type
    is_kind = isinstance(value, kind) and (kind is bool or type(value) is not bool)
    if not is_kind and not (type(value) is int and isinstance(0.0, kind)):
        raise ConfigError(
            f"{field.name} is {shown(value)}, a {type(value).__name__}.\n"
            "The training computes with it.\n"
            f"Give {getattr(kind, '__name__', kind)}."
        )
