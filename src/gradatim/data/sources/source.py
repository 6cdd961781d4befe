"""What all kinds of data share."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gradatim.data.digest import dataset_digest
from gradatim.data.options import BatchOptions
from gradatim.errors import ConfigError, DataError
from gradatim.nested import map_tensors

__all__ = ["Source", "check_num_rows", "tell_epoch"]


class Source:
    """Batches of one kind of data. Subclasses give ``epoch``."""

    num_rows: int | None = None
    """Rows in the data; None where only the end will tell."""

    @property
    def has_workers(self) -> bool | None:
        """Whether other processes fetch the batches; None where nobody knows."""
        return self.options.num_workers > 0

    def __init__(self, data: Any, options: BatchOptions) -> None:
        self.data = data
        self.options = options

    @property
    def makes_parts(self) -> bool:
        """Whether a list among the batches is known to hold parts, not rows.

        So it is with ``default_collate``, which makes a list of rows that are tuples.
        """
        return self.options.collate_fn is None

    def num_batches(self) -> int:
        """Count the batches of an epoch.

        Raises:
            TypeError: The data do not say how many rows they have.
        """
        rows, size = self.num_rows, self.options.batch_size
        if rows is None:
            raise TypeError("this data does not say how many batches it has.")
        return rows // size if self.options.drop_last else -(-rows // size)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        """Go through an epoch's batches, without the first ``start``."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Give what the middle of an epoch needs beside its number."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""

    def why_inexact(self) -> list[str]:
        """Say why an epoch cannot be resumed exactly; empty where it can."""
        return []

    def digest(self) -> dict[str, Any]:
        """Describe the data by SHA-256."""
        return dataset_digest(self.data)

    def generators_now(self) -> Any:
        """Give the states of the generators that the start of an epoch draws from."""
        return None

    def put_back(self, states: Any) -> None:
        """Put generators back to what :meth:`generators_now` gave."""

    def to_device(self) -> None:
        """Send all rows to the device once, if the data can be sent as a whole."""
        raise ConfigError(
            "resident=True, but the data is read as it goes.\n"
            "Only tensors can be sent to the device once.\n"
            "Leave resident out, or give a tuple of tensors."
        )

    def send(self, batch: Any) -> Any:
        """Move a batch to the device; on CUDA without waiting for it."""
        device = self.options.device
        if device is None:
            return batch
        if device.type == "cuda":
            return map_tensors(lambda t: _send_pinned(t, device), batch)
        return map_tensors(lambda t: t.to(device), batch)


def _send_pinned(tensor: Tensor, device: torch.device) -> Tensor:
    # A copy from pageable memory makes the host wait; from pinned memory it does not.
    if tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def tell_epoch(data: Any, epoch: int) -> None:
    """Call ``set_epoch`` where there is one, also on the data sets inside.

    So a data set can make what it draws a function of the epoch.
    """
    while data is not None:
        set_epoch = getattr(data, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        data = getattr(data, "dataset", None)


def check_num_rows(rows: int, options: BatchOptions) -> None:
    """Refuse data without rows, or with too few of them for a whole batch."""
    if rows == 0:
        raise DataError(
            "the data have 0 rows.\n"
            "An epoch over nothing trains nothing and its mean loss is 0 / 0.\n"
            "Look at the file, filter or split that they come from."
        )
    if options.drop_last and rows < options.batch_size:
        raise DataError(
            f"the data have {rows} rows, fewer than a batch of {options.batch_size} "
            "needs, and drop_last leaves out what is no whole batch.\n"
            "Nothing would be trained.\n"
            "Give a smaller batch_size, or drop_last=False."
        )
