"""Numbers of tensors and modules that are never given again.

Python's ``id`` gives the number of an object that is gone to another one made later.
"""

import itertools
import weakref
from typing import Any

__all__ = ["identity_of"]

_COUNT = itertools.count(1)
_KEYS: dict[int, tuple["weakref.ref[Any]", int]] = {}


def identity_of(thing: Any) -> int:
    """Give the number of a tensor or module, the same at each call.

    >>> import torch
    >>> tensor, other = torch.zeros(1), torch.zeros(1)
    >>> identity_of(tensor) == identity_of(tensor) != identity_of(other)
    True
    """
    number = id(thing)
    kept = _KEYS.get(number)
    if kept is not None and kept[0]() is thing:
        return kept[1]

    def forget(ref: "weakref.ref[Any]") -> None:
        if (last := _KEYS.get(number)) is not None and last[0] is ref:
            del _KEYS[number]

    key = next(_COUNT)
    _KEYS[number] = weakref.ref(thing, forget), key
    return key
