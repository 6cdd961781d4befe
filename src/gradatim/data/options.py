"""How data are cut into batches: every option, its default and its range."""

from dataclasses import dataclass
from typing import TypedDict

import torch

from gradatim.errors import ConfigError

__all__ = ["BatchKeywords", "BatchOptions", "ReadingKeywords"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """The options of :class:`~gradatim.data.Batches`, which tells what each does."""

    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False
    num_workers: int = 0
    device: torch.device | None = None
    restartable: bool = False
    """Whether the state of an epoch will be asked for in its middle."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be 1 or more, got {self.batch_size}.")
        for name, value in (("seed", self.seed), ("num_workers", self.num_workers)):
            if value < 0:
                raise ConfigError(f"{name} must not be negative, got {value}.")

    @property
    def is_cuda(self) -> bool:
        """Whether batches go to a CUDA device."""
        return self.device is not None and self.device.type == "cuda"


class ReadingKeywords(TypedDict, total=False):
    """What a function takes that reads data in order. None is as if left out."""

    batch_size: int | None
    num_workers: int | None


class BatchKeywords(TypedDict, total=False):
    """What a function takes that trains on data. None is as if left out."""

    batch_size: int | None
    shuffle: bool | None
    seed: int | None
    drop_last: bool | None
    num_workers: int | None
