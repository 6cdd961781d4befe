"""Equality to the bit, of whatever a training leaves behind."""

import random

import numpy as np
import torch
from torch import Tensor, nn


def assert_same_bits(ours, theirs, where="it"):
    assert type(ours) is type(theirs), f"{where}: {type(ours)} and {type(theirs)}"
    if isinstance(ours, Tensor):
        assert ours.dtype == theirs.dtype, f"{where}: {ours.dtype} and {theirs.dtype}"
        same = torch.equal(ours.nan_to_num(7e9), theirs.nan_to_num(7e9))
        assert same, f"{where}: {ours} and {theirs}"
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs), f"{where}: {list(ours)} and {list(theirs)}"
        for key in ours:
            assert_same_bits(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs), f"{where}: {len(ours)} and {len(theirs)}"
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same_bits(one, other, f"{where}[{index}]")
    elif isinstance(ours, np.ndarray):
        assert np.array_equal(ours, theirs), f"{where} differs"
    else:
        assert ours == theirs, f"{where}: {ours} and {theirs}"


def bits_of(*objects):
    """Copy the whole state of modules and optimizers, gradients and modes too."""
    return [
        {
            "state": _copy(thing.state_dict()),
            "grads": [
                None if p.grad is None else p.grad.clone() for p in _parameters(thing)
            ],
            "modes": [m.training for m in thing.modules()]
            if isinstance(thing, nn.Module)
            else [],
        }
        for thing in objects
    ]


def random_state():
    """Copy the state of every global random generator.

    Use it with the fixture ``unchecked``: beartype looks at items drawn at random.
    """
    return torch.get_rng_state(), random.getstate(), np.random.get_state()


def _copy(state):
    if isinstance(state, Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: _copy(part) for key, part in state.items()}
    if isinstance(state, (list, tuple)):
        return [_copy(part) for part in state]
    return state


def _parameters(thing):
    if isinstance(thing, nn.Module):
        return list(thing.parameters())
    return [p for group in thing.param_groups for p in group["params"]]
