"""Choosing for a while with how many threads PyTorch computes."""

import contextlib
import os
from collections.abc import Iterator

import torch

from gradatim.errors import ConfigError

__all__ = ["check_threads", "threads"]


def check_threads(number: int | None) -> None:
    """Refuse more threads than cores.

    Raises:
        ConfigError: ``number`` is not between 1 and the number of cores.
    """
    cores = os.cpu_count() or 1
    if number is not None and not 1 <= number <= cores:
        raise ConfigError(
            f"threads is {number}; this machine has {cores} cores.\n"
            "Threads beyond them wait for each other and make everything slower.\n"
            f"Give a number from 1 to {cores}, or leave it out."
        )


@contextlib.contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Let PyTorch compute with ``number`` threads; None leaves their number as it is.

    Raises:
        ConfigError: ``number`` is not between 1 and the number of cores.

    >>> before = torch.get_num_threads()
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    check_threads(number)
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
