"""The state of every global random generator: torch's, NumPy's and Python's."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["keeping_rng", "rng_state", "set_rng_state"]

MOST_POSITION = 624
"""NumPy does not look, and would read what lies behind its numbers."""


def rng_state() -> dict[str, Any]:
    """Give the states, as numbers and tensors of integers.

    >>> state = rng_state()
    >>> before = torch.rand(1).item(), np.random.rand(), random.random()
    >>> set_rng_state(state)
    >>> before == (torch.rand(1).item(), np.random.rand(), random.random())
    True
    """
    version, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, cached = numpy_state
    keys = torch.from_numpy(keys.astype(np.int64))
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if _uses_cuda() else [],
        "python": [version, torch.tensor(words), gauss],
        "numpy": [str(kind), keys, int(position), int(has_gauss), cached],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the generators back to what :func:`rng_state` gave.

    Raises:
        ValueError: It is no such state.
    """
    version, words, gauss = state["python"]
    kind, keys, position, has_gauss, cached = state["numpy"]
    if not 0 <= position <= MOST_POSITION:
        raise ValueError(f"NumPy's generator is at {position} of {MOST_POSITION}")
    random.setstate((version, tuple(words.tolist()), gauss))
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    # A machine with fewer devices takes what it can; the fingerprint tells of it.
    if state["cuda"] and _uses_cuda():
        for device, each in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(each, device)


@contextlib.contextmanager
def keeping_rng() -> Iterator[None]:
    """Put all generators back at the end, whatever is drawn meanwhile."""
    state = rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def _uses_cuda() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_initialized()
