"""Whether a split at random flatters: rows that tell of each other on both sides.

Rows of one patient, or of one hour and the next, resemble each other. Split at random,
a model is scored on rows whose neighbours it has trained on; the rows to predict later
have none. So a quick linear model is scored both ways: on rows drawn at random, and on
later rows, or on other groups. Where the second score is clearly worse, it is said.

``split_candidates`` says which columns are looked at so.

The numbers in this file were chosen by hand; tests hold them against tables of rows
that are independent of each other, and of rows that are not.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.split_candidates import (
    Places,
    group_candidates,
    time_candidates,
)
from gradatim.tables.model.scores import score
from gradatim.tables.schema.values_to_codes import NO_TIME
from gradatim.tables.table import Table

__all__ = ["SplitDoubt", "split_doubts"]

Floats = npt.NDArray[np.float64]

MOST_ROWS = 2_000
"""So many rows are looked at."""
MOST_NUMBERS = 40
"""So many columns of numbers: those most like the target."""
MOST_CATEGORIES = 8
"""So many categories."""
FEWEST_ROWS = 100
"""Fewer rows show nothing clearly."""
NUM_FOLDS = 4
NUM_CLUSTERS = 20
"""Errors that are near in time are alike: rows count as so many independent ones."""
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
CLEAR_FALL = 0.1
"""R2, of the target or of the classes' indicators, falls by this much or more."""
CLEAR_RATIO = 1.3
"""And the mean squared error becomes so many times as large."""
CLEAR_SCORE = 0.05
"""And for classes the score that is printed falls by this much."""
CLEAR_ERRORS = 3.1
"""And the difference is so many of its standard errors, over groups or times, or more
where these are few: the odds are 1 in 1,000 (Student's t; 3.4 / freedom is within 2% of
its quantiles from 9 degrees on)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitDoubt:
    """A column by which rows on both sides of the split tell of each other."""

    column: str
    on: Literal["later", "stretches", "groups"]
    """On which rows the score falls: on later ones, on stretches of time of which no
    row was seen, or on groups of which none was."""
    score: str
    """The name of the score: ``r2``, ``roc_auc`` or ``accuracy``."""
    random: float
    """The score of a quick linear model on them, if rows like them are trained on."""
    apart: float
    """The score if no such row is trained on."""

    def line(self) -> str:
        """Say it in a line, with what to do."""
        what, name = f"a linear model has {self.score} {self.random:.2f}", self.column
        if self.on == "groups":
            return (
                f"rows of the same {name} are on both sides of the split: {what} on "
                f"rows drawn at random, and {self.apart:.2f} on those of another "
                f"{name}; if new rows will be of others, score so: --group {name}"
            )
        where = "where only earlier ones are"
        if self.on == "stretches":
            where = f"where whole stretches of {name} are left out"
        return (
            f"rows that are near in {name} tell of each other: {what} where rows "
            f"between those to score are trained on, and {self.apart:.2f} {where}; if "
            f"new rows will be later ones, score so: --time {name}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)


def split_doubts(table: Table) -> list[SplitDoubt]:
    """Find where a split at random flatters: by time, by group, or in both ways.

    At most the worst column of each kind is given.
    """
    if table.y is None or len(table) < FEWEST_ROWS:
        return []
    doubts: list[SplitDoubt] = []
    for candidates, compare in (
        (time_candidates, _by_time),
        (group_candidates, _by_group),
    ):
        found = [doubt for one in candidates(table) if (doubt := compare(table, *one))]
        if found:
            doubts.append(max(found, key=lambda doubt: doubt.random - doubt.apart))
    return doubts


# --- The quick model, both ways ------------------------------------------------------


def _by_time(
    table: Table, name: str, values: npt.NDArray[Any], used: bool
) -> SplitDoubt | None:
    """Score the latest quarter of the rows by the rows between, and by earlier ones."""
    known = values != NO_TIME if values.dtype == np.int64 else values == values
    order = np.flatnonzero(known)
    order = order[np.argsort(values[order], kind="stable")]
    rows = order[np.linspace(0, len(order) - 1, min(len(order), MOST_ROWS)).astype(int)]
    if len(rows) < FEWEST_ROWS:
        return None
    num_rows = len(rows)
    start = int(np.searchsorted(values[rows], values[rows[num_rows * 3 // 4]]))
    if start < num_rows // 3:
        return None
    blocks = None
    if used:  # what the model can learn of each stretch of time
        blocks = np.arange(num_rows) * min(50, num_rows // 8) // num_rows
    y, (x, names) = _targets(table, rows), _features(table, rows)
    times = (name, *(column.name for column in table.schema.group("times")))
    is_times = [any(n == t or n.startswith(f"{t} ") for t in times) for n in names]
    without = np.where(is_times, 0.0, x)
    is_late = np.arange(num_rows) >= start
    drawn = np.random.default_rng(0).permutation(num_rows) % NUM_FOLDS
    at_random = _answers(x, y, drawn, blocks)
    # What a line makes of times that it never saw says nothing of neighbours: where it
    # serves better, the time is left out.
    folds = np.where(is_late, 0, -1)
    later = np.concatenate([_answers(each, y, folds, blocks) for each in (x, without)])
    later = later[:, is_late]
    clusters = np.arange(len(later[0])) * (NUM_CLUSTERS // 2) // len(later[0])
    scored = _Scored(table, name, rows[is_late], y[is_late], clusters)
    if (doubt := scored.doubt("later", (at_random[:, is_late], later))) is not None:
        return doubt
    folds = np.arange(num_rows) * NUM_FOLDS // num_rows
    stretches = np.concatenate(
        [_answers(each, y, folds, blocks) for each in (x, without)]
    )
    clusters = np.arange(num_rows) * NUM_CLUSTERS // num_rows
    scored = _Scored(table, name, rows, y, clusters)
    return scored.doubt("stretches", (at_random, stretches))


def _by_group(table: Table, name: str, groups: Places, used: bool) -> SplitDoubt | None:
    """Score rows by others of their groups, and by other groups alone."""
    random = np.random.default_rng(0)
    rows = np.arange(len(groups))
    if len(groups) > MOST_ROWS:
        rows = _some_groups(groups, random)
    _, groups = np.unique(groups[rows], return_inverse=True)
    num_groups = int(groups.max()) + 1
    x, y = _features(table, rows)[0], _targets(table, rows)
    drawn = random.permutation(len(rows)) % NUM_FOLDS
    fold_of_group = random.permutation(num_groups) % NUM_FOLDS
    shared = groups if used else None
    at_random = _answers(x, y, drawn, shared)
    others = _answers(x, y, fold_of_group[groups], shared)
    return _Scored(table, name, rows, y, groups).doubt("groups", (at_random, others))


def _some_groups(groups: Places, random: np.random.Generator) -> Places:
    """Choose groups at random, as many as have the most rows; long ones are cut."""
    shuffled = random.permutation(len(groups))
    rank = random.permutation(int(groups.max()) + 1)
    order = shuffled[np.argsort(rank[groups[shuffled]], kind="stable")]
    sorted_groups = groups[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    return order[place < MOST_ROWS // 20][:MOST_ROWS]


def _features(table: Table, rows: Places) -> tuple[Floats, list[str]]:
    """Make features of some rows, of the columns most like the target; name them."""
    some = torch.from_numpy(rows)
    # Texts are left out: they would take most of the time.
    x = {name: codes[some] for name, codes in table.x.items() if name != "texts"}
    groups = {name: list(table.schema.group(name)) for name in x}
    if "numbers" in x and len(groups["numbers"]) > MOST_NUMBERS:
        y = _targets(table, rows)
        values = np.nan_to_num(x["numbers"].numpy().astype(np.float64))
        values -= values.mean(axis=0)
        spread = np.sqrt((values**2).sum(axis=0)) + 1e-30
        likeness = np.abs((values / spread).T @ y).max(axis=1)
        best = np.sort(np.argsort(-likeness, kind="stable")[:MOST_NUMBERS])
        groups["numbers"] = [groups["numbers"][place] for place in best]
        x["numbers"] = x["numbers"][:, torch.from_numpy(best)]
    for name in ("categories", "times"):
        if name in x:
            groups[name] = groups[name][:MOST_CATEGORIES]
            x[name] = x[name][:, :MOST_CATEGORIES]
    columns = tuple(column for part in groups.values() for column in part)
    encoder = TableEncoder(replace(table.schema, columns=columns), linear=True)
    with torch.no_grad():
        return encoder.fit(x)(x).double().numpy(), encoder.feature_names


def _targets(table: Table, rows: Places) -> Floats:
    """Give standardised targets, or the indicators of classes, less their means."""
    assert table.y is not None
    y = table.y[torch.from_numpy(rows)]
    if not table.schema.labels:
        values = y.double().numpy()
        spread = values.std()
        return ((values - values.mean()) / (spread if spread > 0 else 1.0))[:, None]
    indicators = (y[:, None] == torch.arange(len(table.schema.labels))).double()
    return (indicators - indicators.mean(dim=0)).numpy()


def _answers(x: Floats, y: Floats, folds: Places, shared: Places | None) -> Floats:
    """Answer the rows of each fold by a ridge regression on the other rows.

    Rows of fold -1 are never answered. ``shared`` says which rows may have something in
    common beside their features: what the regression leaves of them is averaged, and
    added to the answers of the others.

    Returns:
        The answers for each penalty: ``(penalties, rows, outputs)``.
    """
    answers = np.zeros((len(PENALTIES), *y.shape))
    for fold in range(int(folds.max()) + 1):
        test = folds == fold
        train = ~test
        mean_x, mean_y = x[train].mean(axis=0), y[train].mean(axis=0)
        centred = x[train] - mean_x
        values, vectors = np.linalg.eigh(centred.T @ centred)
        moment = vectors.T @ (centred.T @ (y[train] - mean_y))
        for place, penalty in enumerate(PENALTIES):
            weight = vectors @ (moment / (values.clip(min=0) + penalty)[:, None])
            fitted = (x - mean_x) @ weight + mean_y
            if shared is not None:
                left = np.zeros((int(shared.max()) + 1, y.shape[1]))
                np.add.at(left, shared[train], (y - fitted)[train])
                counts = np.bincount(shared[train], minlength=len(left))
                fitted += (left / (counts + 1)[:, None])[shared]
            answers[place][test] = fitted[test]
    return answers


@dataclass(frozen=True, slots=True)
class _Scored:
    """Rows that were answered in two ways."""

    table: Table
    column: str
    rows: Places
    y: Floats
    clusters: Places
    """Rows of one cluster have errors that are alike."""

    def doubt(
        self,
        on: Literal["later", "stretches", "groups"],
        both: tuple[Floats, Floats],
    ) -> SplitDoubt | None:
        """Compare the answers, each with the penalty that serves it best."""
        answers, errors = [], []
        for of_penalties in both:
            squares = ((of_penalties - self.y) ** 2).sum(axis=2)
            best = int(squares.mean(axis=1).argmin())
            answers.append(of_penalties[best])
            errors.append(squares[best])
        spread = ((self.y - self.y.mean(axis=0)) ** 2).sum()
        if spread <= 0:
            return None
        name, (random, apart) = "r2", (float(1 - e.sum() / spread) for e in errors)
        is_clear = (
            random >= CLEAR_FALL
            and random - apart >= CLEAR_FALL
            and errors[1].sum() >= CLEAR_RATIO * errors[0].sum()
            and self._is_no_chance(errors[1] - errors[0])
        )
        if is_clear and self.table.schema.labels:
            name, (random, apart) = self._class_scores(answers)
            is_clear = random - apart >= CLEAR_SCORE
        if not is_clear:
            return None
        return SplitDoubt(
            column=self.column, on=on, score=name, random=random, apart=apart
        )

    def _is_no_chance(self, worse: Floats) -> bool:
        """Say whether nearly all clusters are answered worse, by Student's t-test.

        The mean of each cluster is brought to its square root: else a few clusters that
        are answered far worse would hide the others.
        """
        means = np.bincount(self.clusters, worse) / np.bincount(self.clusters)
        roots = np.sign(means) * np.sqrt(np.abs(means))
        freedom = len(roots) - 1
        error = roots.std(ddof=1) / math.sqrt(len(roots))
        return bool(roots.mean() > CLEAR_ERRORS * (1 + 3.4 / freedom) * error)

    def _class_scores(self, answers: list[Floats]) -> tuple[str, list[float]]:
        """Give the area under the ROC curve where it is defined, else the accuracy."""
        target = self.table.schema.target
        assert target is not None and self.table.y is not None
        targets = self.table.y[torch.from_numpy(self.rows)]
        both = map(torch.from_numpy, answers)
        scores = [score(target.task, each, targets) for each in both]
        is_defined = not math.isnan(scores[0].get("roc_auc", math.nan))
        name = "roc_auc" if is_defined else "accuracy"
        return name, [each[name] for each in scores]
