"""Telling the kinds of data apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from gradatim.data.options import BatchOptions
from gradatim.data.sources.dataset import DatasetSource
from gradatim.data.sources.iterable import IterableSource
from gradatim.data.sources.loader import (
    BatchListSource,
    LoaderSource,
    is_list_of_batches,
)
from gradatim.data.sources.source import Source
from gradatim.data.sources.tensors import TensorSource, tensors_behind
from gradatim.errors import DataError
from gradatim.nested import as_tensors, tensors_of

__all__ = ["make_source"]


def make_source(data: Any, options: BatchOptions) -> Source:
    """Make the source for a kind of data; refuse data that give no batches."""
    if isinstance(data, DataLoader):
        return LoaderSource(data, options)
    if isinstance(data, IterableDataset):
        return IterableSource(data, options)
    if isinstance(data, Dataset):
        tensors, rows = tensors_behind(data)
        if tensors is not None:
            return TensorSource(tensors, options, rows)
        return DatasetSource(data, options)
    if hasattr(data, "as_batch"):  # a Table
        data = data.as_batch()
    if isinstance(data, (Tensor, np.ndarray, Mapping, tuple, list)):
        data = as_tensors(data)
        if is_list_of_batches(data):
            return BatchListSource(data, options)
        if next(tensors_of(data), None) is not None:
            return TensorSource(data, options, None)
    elif is_list_of_batches(data):  # another Sequence, whose batches are its own
        return BatchListSource(data, options)
    raise DataError(
        f"data of type {type(data).__name__} gives no batches.\n"
        "Training needs rows that can be cut into batches.\n"
        "Give a tuple of tensors or arrays, a Dataset, an IterableDataset, a "
        "DataLoader or a Table."
    )
