"""The states of random generators that a loop has of its own."""

import random
from typing import Any

import numpy as np
import torch

from gradatim.rng import NUM_WORDS, check_generator_state
from gradatim.text import shown

__all__ = ["GeneratorState"]

MAX_POSITIONS = {"pos": NUM_WORDS, "buffer_pos": 4}
"""How far the positions in the states of NumPy's bit generators may go. NumPy does not
check them, and would read past the words that were drawn ahead. Source: MT19937 and
Philox of NumPy 2.3."""


class GeneratorState:
    """The state of a generator of torch, NumPy or Python; they lack the two methods."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def state_dict(self) -> dict[str, Any]:
        """Give the state, as numbers, texts and arrays."""
        generator = self.generator
        if isinstance(generator, torch.Generator):
            return {"state": generator.get_state()}
        if isinstance(generator, random.Random):
            version, words, gauss = generator.getstate()
            return {"state": [version, torch.tensor(words), gauss]}
        return {"state": _numpy_state(generator)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the state back.

        Raises:
            ValueError: It is the state of another kind of generator, or of none.
        """
        generator, saved = self.generator, state["state"]
        if isinstance(generator, torch.Generator):
            check_generator_state(saved)
            generator.set_state(saved)
        elif isinstance(generator, random.Random):
            version, words, gauss = saved
            generator.setstate((version, tuple(words.tolist()), gauss))
        else:
            _check_alike(_numpy_state(generator), saved, "state")
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = saved
            else:
                generator.set_state(saved)


def _numpy_state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def _check_alike(now: Any, saved: Any, name: str) -> None:
    """Refuse a state of another shape than the generator's own."""
    fits = type(now) is type(saved)
    if fits and isinstance(now, dict):
        fits = set(now) == set(saved)
        for key in now if fits else ():
            _check_alike(now[key], saved[key], key)
    elif fits and isinstance(now, np.ndarray):
        fits = (now.shape, now.dtype) == (saved.shape, saved.dtype)
    elif fits and isinstance(now, str):
        fits = now == saved
    elif fits and name in MAX_POSITIONS:
        fits = 0 <= saved <= MAX_POSITIONS[name]
    if not fits:
        raise ValueError(f"the {name} of a generator is {shown(saved)}")
