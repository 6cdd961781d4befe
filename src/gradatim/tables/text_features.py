"""From the n-grams of texts to features: an embedding bag, a view for linear models.

A text is the sum of what its n-grams are, over the root of their number: so a long one
has features of about the same size as a short one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gradatim.tables.schema.columns import Column
from gradatim.tables.schema.ngrams import NUM_BUCKETS

__all__ = ["HashedTexts", "TextBags", "hashed_counts"]

WIDTH = 16
"""An n-gram's vector has so many numbers. Chosen by hand, not measured."""
LINEAR_BUCKETS = 512
"""The linear view has so many features of a text, as it needs the square of them in
memory. Chosen by hand, not measured."""
CHUNK_ROWS = 1 << 14
"""So many rows' features are in memory at once while statistics are taken."""


class _OfColumns(nn.Module):
    """What the two views share: the n-grams of each column, and which may be missing.

    A column with missing texts in the training file has a last feature, 1 where the
    text is missing.
    """

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        super().__init__()
        self.rooms = [column.num_ngrams for column in columns]
        self.flagged = [bool(column.num_missing) for column in columns]
        self.feature_names: list[str] = []
        for column, has_flag in zip(columns, self.flagged, strict=True):
            self.feature_names += [f"{column.name} {place}" for place in range(width)]
            self.feature_names += [f"{column.name} missing"] if has_flag else []

    def of_columns(self, texts: Int[Tensor, "rows ngrams"]) -> Iterator[Tensor]:
        """Give the n-grams of one column after the other."""
        yield from texts.int().split(self.rooms, dim=1)


class TextBags(_OfColumns):
    """Give the sum of a learned vector for each n-gram, over the root of their number.

    The vectors start at zero, and so those of n-grams that no training row has stay
    there, the middle of all others.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns, WIDTH)
        self.tables = nn.ModuleList()
        for _ in columns:
            table = nn.Embedding(NUM_BUCKETS, WIDTH)
            nn.init.zeros_(table.weight)
            self.tables.append(table)

    def fit(self, texts: Int[Tensor, "rows ngrams"]) -> None:
        """Do nothing: there are no statistics."""

    def forward(
        self, texts: Int[Tensor, "batch ngrams"]
    ) -> Float[Tensor, "batch features"]:
        """Make the features of a batch."""
        parts = []
        tables: Any = self.tables
        pairs = zip(tables, self.flagged, strict=True)
        for (table, has_flag), ngrams in zip(
            pairs, self.of_columns(texts), strict=True
        ):
            count = (ngrams > 0).sum(dim=1, keepdim=True)
            total = nn.functional.embedding_bag(
                ngrams, table.weight, mode="sum", padding_idx=0
            )
            parts.append(total / count.clamp(min=1).sqrt())
            if has_flag:
                parts.append((count == 0).to(total.dtype))
        return torch.cat(parts, dim=1)


class HashedTexts(_OfColumns):
    """Count the n-grams in fewer places, scaled: a view without parameters."""

    mean: Tensor
    std: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns, LINEAR_BUCKETS)
        num_features = len(self.feature_names)
        self.register_buffer("mean", torch.full((num_features,), torch.nan))
        self.register_buffer("std", torch.full((num_features,), torch.nan))

    def fit(self, texts: Int[Tensor, "rows ngrams"]) -> None:
        """Take mean and standard deviation of each feature."""
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for chunk in texts.split(CHUNK_ROWS):
            features = self._raw(chunk).double()
            total += features.sum(dim=0)
            squares += features.square().sum(dim=0)
        mean = total / len(texts)
        std = (squares / len(texts) - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6, std, 1.0))

    def forward(
        self, texts: Int[Tensor, "batch ngrams"]
    ) -> Float[Tensor, "batch features"]:
        """Make the features of a batch."""
        return (self._raw(texts) - self.mean) / self.std

    def _raw(self, texts: Int[Tensor, "rows ngrams"]) -> Float[Tensor, "rows features"]:
        parts = []
        for has_flag, ngrams in zip(self.flagged, self.of_columns(texts), strict=True):
            parts.append(hashed_counts(ngrams, LINEAR_BUCKETS))
            if has_flag:
                parts.append((ngrams == 0).all(dim=1, keepdim=True).float())
        return torch.cat(parts, dim=1)


def hashed_counts(
    ngrams: Int[Tensor, "rows ngrams"], num_places: int
) -> Float[Tensor, "rows places"]:
    """Count the n-grams of each row in so many places, over the root of their number.

    >>> hashed_counts(torch.tensor([[5, 9, 5, 0]]), 4) * 3**0.5
    tensor([[0., 3., 0., 0.]])
    """
    is_one = (ngrams > 0).float()
    counts = torch.zeros(len(ngrams), num_places)
    counts.scatter_add_(1, ngrams.long() % num_places, is_one)
    return counts / is_one.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
