"""How data are cut into batches: every option, its default and its range."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from gradatim.data.digest import tensor_digest
from gradatim.data.restart import own_generators
from gradatim.data.why_inexact import SEQUENCES
from gradatim.errors import ConfigError

__all__ = ["BatchKeywords", "BatchOptions", "ReadingKeywords"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BatchOptions:
    """The options of :class:`~gradatim.data.Batches`, which tells what each does."""

    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False
    num_workers: int = 0
    collate_fn: Callable[[list[Any]], Any] | None = None
    sampler: Iterable[Any] | None = None
    weights: Any = None
    device: torch.device | None = None
    restartable: bool = False
    """Whether the state of an epoch will be asked for in its middle."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be 1 or more, got {self.batch_size}.")
        for name, value in (("seed", self.seed), ("num_workers", self.num_workers)):
            if value < 0:
                raise ConfigError(f"{name} must not be negative, got {value}.")
        collate_fn: Any = self.collate_fn
        if collate_fn is not None and not callable(collate_fn):
            kind = type(collate_fn).__name__
            raise ConfigError(f"collate_fn must be a function, got a {kind}.")
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights(self.weights))
            if self.sampler is not None or not self.shuffle:
                other = "shuffle=False" if self.sampler is None else "sampler="
                raise ConfigError(
                    f"weights= and {other} are both given.\n"
                    "Weights draw the rows of an epoch at random; the other says which "
                    "rows come, too.\nChoose one."
                )

    @property
    def is_cuda(self) -> bool:
        """Whether batches go to a CUDA device."""
        return self.device is not None and self.device.type == "cuda"

    def for_rows(self) -> list[str]:
        """Name those options given that only data with rows to choose can follow."""
        names = ("collate_fn", "sampler", "weights")
        return [name for name in names if getattr(self, name) is not None]

    def describe(self) -> dict[str, Any]:
        """Describe those options that were not there before, where they are given."""
        about: dict[str, Any] = {}
        if self.collate_fn is not None:
            kind = type(self.collate_fn).__name__
            about["collate_fn"] = getattr(self.collate_fn, "__qualname__", kind)
        if self.weights is not None:
            about["weights"] = tensor_digest(self.weights)["sha256"]
        if self.sampler is not None:
            about["sampler"] = type(self.sampler).__name__
            about["generators"] = len(own_generators(self.sampler))
            if isinstance(self.sampler, SEQUENCES):
                rows = torch.as_tensor(np.array(self.sampler))
                about["rows"] = tensor_digest(rows)["sha256"]
        return about


def _checked_weights(weights: Any) -> Tensor:
    """Give the weights of rows in double precision.

    Raises:
        ConfigError: They are not a number a row, or no row could be drawn.
    """
    if not isinstance(weights, Tensor):
        weights = torch.from_numpy(np.array(weights, dtype=np.float64))
    tensor = weights.detach().to("cpu", torch.float64)
    if tensor.dim() != 1 or not tensor.numel():
        raise ConfigError(
            f"weights have shape {tuple(tensor.shape)}.\n"
            "Each row needs one, by which it is drawn.\n"
            "Give a list, array or tensor with a number a row."
        )
    bad = ~(tensor.isfinite() & (tensor >= 0))
    if bad.any() or not tensor.any():
        row = int(bad.nonzero()[0]) if bad.any() else 0
        raise ConfigError(
            f"weights[{row}] is {tensor[row].item():g}"
            f"{'' if bad.any() else ', as all others are'}.\n"
            "A row is drawn in proportion to its weight.\n"
            "Give numbers from 0 that are finite, and not 0 for all rows."
        )
    return tensor


class ReadingKeywords(TypedDict, total=False):
    """What a function takes that reads data in order. None is as if left out."""

    batch_size: int | None
    num_workers: int | None
    collate_fn: Callable[[list[Any]], Any] | None


class BatchKeywords(TypedDict, total=False):
    """What a function takes that trains on data. None is as if left out."""

    batch_size: int | None
    shuffle: bool | None
    seed: int | None
    drop_last: bool | None
    num_workers: int | None
    collate_fn: Callable[[list[Any]], Any] | None
    sampler: Iterable[Any] | None
    weights: Any
