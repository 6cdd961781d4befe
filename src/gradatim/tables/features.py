"""From the codes of a table to the features of a model: one row of features a row.

The parts of ``TableEncoder`` (numbers, categories, times, and texts, which are in
``text_features.py``) answer the same questions in the same order: ``fit`` takes
statistics from training rows, ``forward`` makes features, ``feature_names`` names them.
Statistics are buffers: what cleans the data travels with the weights.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from gradatim.tables.schema.calendar import part
from gradatim.tables.schema.columns import UNSEEN, Column
from gradatim.tables.schema.schema import Schema
from gradatim.tables.schema.values_to_codes import NO_TIME, UNITS_PER_S
from gradatim.tables.text_features import HashedTexts, TextBags

__all__ = ["TableEncoder", "embedding_size"]

LINEAR_CODES = 50
"""The linear view has a feature for so many codes of a category, the most frequent;
chosen by hand, not measured."""
COLUMNS_A_LOOKUP = 4
"""From so many columns of a width on, joining their codes takes less time than looking
them up one by one (measured on 5 to 1,000 columns of four widths)."""


class TableEncoder(nn.Module):
    """Numbers imputed and scaled, categories embedded, times taken apart.

    Before ``fit`` (or ``load_state_dict``) scaled features are NaN, so that no model
    trains on values that were never scaled.

    Args:
        schema: The schema of the table.
        embedding_dim: The width of every category's vectors; by ``embedding_size`` if
            None.
        linear: Categories become 0 and 1 for each of their 50 most frequent codes,
            others 0 everywhere: a view without parameters, for linear models.

    >>> from gradatim.tables.table import read_table
    >>> import pyarrow as pa
    >>> data = {"size": [1, 2, None], "kind": ["a", "b", "a"], "y": [.1, .2, .4]}
    >>> table = read_table(pa.table(data), target="y")
    >>> encoder = TableEncoder(table.schema, linear=True).fit(table.x)
    >>> encoder.feature_names
    ['size', 'size missing', 'kind missing', 'kind unseen', 'kind a', 'kind b']
    >>> encoder(table.x).shape
    torch.Size([3, 6])
    """

    def __init__(
        self, schema: Schema, *, embedding_dim: int | None = None, linear: bool = False
    ) -> None:
        super().__init__()
        self.parts: Any = nn.ModuleDict()
        if columns := schema.group("numbers"):
            self.parts["numbers"] = _Numbers(columns)
        if columns := schema.group("categories"):
            self.parts["categories"] = (
                _OneHot(columns) if linear else _Embeddings(columns, embedding_dim)
            )
        if columns := schema.group("times"):
            self.parts["times"] = _Times(columns)
        if columns := schema.group("texts"):
            self.parts["texts"] = HashedTexts(columns) if linear else TextBags(columns)

    @torch.no_grad()
    def fit(self, x: dict[str, Tensor]) -> "TableEncoder":
        """Take statistics of these rows, which should be the training rows alone."""
        for name, part_ in self.parts.items():
            part_.fit(x[name])
        return self

    def forward(self, x: dict[str, Tensor]) -> Float[Tensor, "batch features"]:
        """Make the features of a batch of rows, all finite once fitted."""
        return torch.cat([part_(x[name]) for name, part_ in self.parts.items()], dim=1)

    @property
    def feature_names(self) -> list[str]:
        """A name for each feature: the column's, and what the feature holds of it."""
        return [name for part_ in self.parts.values() for name in part_.feature_names]

    @property
    def num_features(self) -> int:
        """How many features ``forward`` makes of a row."""
        return len(self.feature_names)


class _Numbers(nn.Module):
    """Put the median in the place of missing values, then scale to mean 0 and spread 1.

    A column with missing values in the training file has a second feature, 1 where the
    value is missing.
    """

    median: Tensor
    mean: Tensor
    std: Tensor
    flagged: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        for name in ("median", "mean", "std"):
            self.register_buffer(name, torch.full((len(columns),), math.nan))
        places = [i for i, column in enumerate(columns) if column.num_missing]
        self.register_buffer("flagged", torch.tensor(places, dtype=torch.int64))
        self.feature_names = [column.name for column in columns]
        self.feature_names += [f"{columns[place].name} missing" for place in places]

    def fit(self, numbers: Float[Tensor, "rows numbers"]) -> None:
        """Take the median; then, with it in the gaps, mean and standard deviation."""
        for place, column in enumerate(numbers.unbind(dim=1)):
            median = _median(column)
            values = torch.where(column.isnan(), median, column).double()
            mean, std = values.mean(), values.std(correction=0)
            flat = std <= torch.finfo(torch.float32).eps * mean.abs()
            flat |= std.float() == 0  # denormal: dividing by it would overflow
            self.median[place] = median
            self.mean[place] = mean
            self.std[place] = torch.where(flat, 1.0, std)

    def forward(
        self, numbers: Float[Tensor, "batch numbers"]
    ) -> Float[Tensor, "batch features"]:
        missing = numbers.isnan()
        values = torch.where(missing, self.median, numbers)
        scaled = (values - self.mean) / self.std
        return torch.cat([scaled, missing[:, self.flagged].to(scaled.dtype)], dim=1)


def _median(values: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    """Give the mean of the two middle values without NaN; 0 where all are NaN."""
    lower, upper = values.nanmedian(), -(-values).nanmedian()
    return ((lower + upper) / 2).nan_to_num(nan=0.0)


class _Embeddings(nn.Module):
    """Give a learned vector for each code of a category.

    The vectors for missing and unseen start at zero, the middle of all others. Training
    rows seldom have missing values and never unseen ones, so that these vectors stay
    what they were at the start, and a random start would be noise.

    Many columns with vectors of the same width are looked up as one: a thousand small
    look-ups would take longer than all the rest of an update. The bits are the same.
    """

    begins: Tensor
    order: Tensor

    def __init__(self, columns: Sequence[Column], embedding_dim: int | None) -> None:
        super().__init__()
        self.tables = nn.ModuleList()
        self.feature_names: list[str] = []
        self._of_width: dict[int, list[int]] = {}
        for number, column in enumerate(columns):
            width = embedding_dim or embedding_size(column.num_codes)
            table = nn.Embedding(column.num_codes, width)
            with torch.no_grad():
                table.weight[: UNSEEN + 1] = 0
            self.tables.append(table)
            self.feature_names += [f"{column.name} {place}" for place in range(width)]
            self._of_width.setdefault(width, []).append(number)
        self._is_joined = COLUMNS_A_LOOKUP * len(self._of_width) <= len(columns)
        if self._is_joined:
            self._plan(columns)

    def _plan(self, columns: Sequence[Column]) -> None:
        """Note where each column's codes begin among those of its width, and the order.

        What is noted follows from the columns, so that no file has it.
        """
        begins, order = [0] * len(columns), [range(0)] * len(columns)
        num_features = 0
        for width, numbers in self._of_width.items():
            num_codes = 0
            for number in numbers:
                begins[number] = num_codes
                num_codes += columns[number].num_codes
                order[number] = range(num_features, num_features + width)
                num_features += width
        places = [place for of_column in order for place in of_column]
        self.register_buffer("begins", torch.tensor(begins), persistent=False)
        self.register_buffer("order", torch.tensor(places), persistent=False)

    def fit(self, categories: Int64[Tensor, "rows categories"]) -> None:
        """Do nothing: there are no statistics, as the schema has the vocabulary."""

    def forward(
        self, categories: Int64[Tensor, "batch categories"]
    ) -> Float[Tensor, "batch features"]:
        if not self._is_joined:
            pairs = zip(self.tables, categories.unbind(dim=1), strict=True)
            return torch.cat([table(codes) for table, codes in pairs], dim=1)
        codes = categories + self.begins
        tables: Any = self.tables
        parts = []
        for numbers in self._of_width.values():
            weight = torch.cat([tables[number].weight for number in numbers])
            of_width = codes if len(self._of_width) == 1 else codes[:, numbers]
            parts.append(nn.functional.embedding(of_width, weight).flatten(1))
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts, dim=1).index_select(1, self.order)


def embedding_size(num_codes: int) -> int:
    """Give the width of a category's vectors: 1.6 times the 0.56th power, at most 50.

    Source: the rule of thumb of fastai, ``fastai.tabular.model.emb_sz_rule``, which
    goes up to 600.

    >>> [embedding_size(num_codes) for num_codes in (4, 12, 100, 10_000)]
    [3, 6, 21, 50]
    """
    return min(50, round(1.6 * num_codes**0.56))


class _OneHot(nn.Module):
    """Give 1 for the code that a category has, and 0 for its other codes.

    Of more than 50 codes, those most frequent in the training rows have a feature.
    """

    codes: Tensor
    of_column: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = columns
        self.widths = [min(column.num_codes, LINEAR_CODES) for column in columns]
        pairs = enumerate(self.widths)
        of_column = [number for number, width in pairs for _ in range(width)]
        self.register_buffer("of_column", torch.tensor(of_column))
        self.register_buffer("codes", torch.full((len(of_column),), -1))

    def fit(self, categories: Int64[Tensor, "rows categories"]) -> None:
        """Choose each category's most frequent codes, in the order of the codes."""
        chosen = []
        for place, (column, width) in enumerate(
            zip(self.columns, self.widths, strict=True)
        ):
            counts = categories[:, place].bincount(minlength=column.num_codes)
            most = counts.argsort(descending=True, stable=True)[:width]
            chosen.append(most.sort().values)
        self.codes.copy_(torch.cat(chosen))

    def forward(
        self, categories: Int64[Tensor, "batch categories"]
    ) -> Float[Tensor, "batch features"]:
        return (categories.index_select(1, self.of_column) == self.codes).float()

    @property
    def feature_names(self) -> list[str]:
        names = []
        codes_of = self.codes.split(self.widths)
        for column, codes in zip(self.columns, codes_of, strict=True):
            # Before `fit` a code is -1, the last one here.
            known = ("missing", "unseen", *column.vocabulary, "not fitted")
            names += [f"{column.name} {known[code]}" for code in codes.tolist()]
        return names


class _Times(nn.Module):
    """Scale the time elapsed, and put each part of the date on a circle.

    The arithmetic is in 64-bit integers up to the division by the standard deviation,
    or by the length of the circle. A missing time is 0 in every feature, the middle. It
    is 1 in a feature of its own if the training file had missing times.
    """

    center: Tensor
    std: Tensor
    origin: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = columns
        origins = torch.tensor([int(column.origin) for column in columns])
        self.register_buffer("origin", origins)
        self.register_buffer("center", torch.zeros(len(columns), dtype=torch.int64))
        self.register_buffer("std", torch.full((len(columns),), math.nan))
        self.feature_names: list[str] = []
        for column in columns:
            pairs = ((name, f) for name in column.parts for f in ("sin", "cos"))
            names = ["elapsed", *(f"{name} {f}" for name, f in pairs)]
            names += ["missing"] if column.num_missing else []
            self.feature_names += [f"{column.name} {name}" for name in names]

    def fit(self, times: Int64[Tensor, "rows times"]) -> None:
        """Take mean and spread of the time elapsed, of the rows that have a time."""
        for place, column in enumerate(times.unbind(dim=1)):
            known = column[column != NO_TIME]
            if len(known) == 0:
                self.std[place] = 1
                continue
            start = known.min()
            center = start + (known - start).double().mean().round().long()
            std = (known - center).double().square().mean().sqrt()
            self.center[place] = center
            self.std[place] = torch.where(std > 0, std, 1.0)

    def forward(
        self, times: Int64[Tensor, "batch times"]
    ) -> Float[Tensor, "batch features"]:
        features = []
        for place, column in enumerate(self.columns):
            since = times[:, place]
            missing = since == NO_TIME
            since = torch.where(missing, self.center[place], since)
            elapsed = (since - self.center[place]).to(self.std.dtype) / self.std[place]
            features.append(elapsed)
            seconds = (since + self.origin[place]) // UNITS_PER_S[column.unit]
            for name in column.parts:
                angle = 2 * math.pi * part(name, seconds)
                circle = (angle.sin(), angle.cos())
                features += [torch.where(missing, 0.0, values) for values in circle]
            if column.num_missing:
                features.append(missing.to(elapsed.dtype))
        return torch.stack(features, dim=1)
