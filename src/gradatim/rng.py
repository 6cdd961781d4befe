"""The state of every global random generator: torch's, NumPy's and Python's."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["check_generator_state", "keeping_rng", "rng_state", "set_rng_state"]

NUM_WORDS = 624
"""Words in the state of a Mersenne Twister, which NumPy and torch use. Neither of them
checks that a state's position lies inside its words; a bad one would read past them."""

TORCH_STATE_BYTES = 5056
"""Size of the state of torch's CPU generator, ``CPUGeneratorImplStateLegacy``."""


def rng_state() -> dict[str, Any]:
    """Give the states of all global generators, as numbers and tensors of integers.

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
        ValueError: ``state`` is not the state of such generators.
    """
    version, words, gauss = state["python"]
    kind, keys, position, has_gauss, cached = state["numpy"]
    if not 0 <= position <= NUM_WORDS:
        raise ValueError(f"NumPy's generator is at {position} of {NUM_WORDS}")
    check_generator_state(state["torch"])
    random.setstate((version, tuple(words.tolist()), gauss))
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    # A machine with fewer devices takes the first states; a run's fingerprint says so.
    if state["cuda"] and _uses_cuda():
        cuda_states = state["cuda"][: torch.cuda.device_count()]
        for device, cuda_state in enumerate(cuda_states):
            torch.cuda.set_rng_state(cuda_state, device)


def check_generator_state(state: Any) -> None:
    """Check a state before ``torch.Generator.set_state``, which checks its size alone.

    The state of a CPU generator is the seed (8 bytes), how many words are left (4),
    whether it is seeded (4), the next word's number (8), the words, and what normal
    numbers need.

    Raises:
        ValueError: The generator would read past its words.

    Source: ``CPUGeneratorImplStateLegacy`` of PyTorch 2.13.
    """
    if isinstance(state, Tensor) and (state.dtype, state.numel()) == (
        torch.uint8,
        TORCH_STATE_BYTES,
    ):
        left, place = state[8:12].view(torch.int32), state[16:24].view(torch.int64)
        if left.item() + place.item() > NUM_WORDS + 1:
            raise ValueError(f"torch's generator is at {place.item()} of {NUM_WORDS}")


@contextlib.contextmanager
def keeping_rng() -> Iterator[None]:
    """Put the global generators back at the end, whatever is drawn meanwhile."""
    state = rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def _uses_cuda() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_initialized()
