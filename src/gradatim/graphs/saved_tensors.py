"""What an operation keeps for its backward: tensors, and options such as a ``dim``.

Nothing is unpacked: a hook that has packed a tensor may run a whole forward for it.
"""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim import torch_private
from gradatim.graphs.graph_data import Saved
from gradatim.graphs.tensors import dtype_name, num_bytes_of, shape_of
from gradatim.text import shown

__all__ = ["saved_and_options"]


_names_kept_by = functools.cache(torch_private.saved_names)


def saved_and_options(function: Function) -> tuple[tuple[Saved, ...], dict[str, str]]:
    """Give the tensors that an operation keeps for backward, and its options."""
    tensor_names, option_names = _names_kept_by(type(function))
    saved: list[Saved] = []
    for name in tensor_names:
        saved += _saved(function, name)
    options = {}
    for name in option_names:
        try:
            value = torch_private.saved(function, name)
        except (RuntimeError, AttributeError):
            continue  # The value is freed, or has no form in Python.
        if value is not None:
            options[name] = shown(value)
    return tuple(saved), options


def _saved(function: Function, name: str) -> list[Saved]:
    """Describe what an operation keeps under a name: one tensor, or several."""
    try:
        raw = torch_private.raw_saved(function, name)
    except (RuntimeError, AttributeError):
        return [Saved(name=name, state="freed")]
    if not isinstance(raw, (tuple, list)):
        one = _state(raw, name, lambda: torch_private.saved(function, name))
        return [one] if one else []
    several = [_state(part, f"{name}[{i}]", None) for i, part in enumerate(raw)]
    return [saved for saved in several if saved is not None]


def _state(raw: Any, name: str, unpack: Callable[[], Any] | None) -> Saved | None:
    """Describe one saved tensor; None if the operation kept nothing under the name."""
    if getattr(raw, "unpack_hook", True) is not None:
        return Saved(name=name, state="packed")
    tensor = raw.data
    if tensor is None and unpack is not None:
        # The tensor is freed, or is an input, or there is none. Without a hook,
        # unpacking costs nothing, and tells which.
        try:
            tensor = unpack()
        except RuntimeError:
            return Saved(name=name, state="freed")
    if not isinstance(tensor, Tensor):
        return None
    return Saved(
        name=name,
        state="kept",
        shape=shape_of(tensor),
        dtype=dtype_name(tensor.dtype),
        num_bytes=num_bytes_of(shape_of(tensor), tensor.dtype.itemsize),
    )
