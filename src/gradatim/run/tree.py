"""State of any shape as JSON and tensors, and back: what pickle does elsewhere.

What JSON has is written as it is. What it lacks is an object with the one key ``"$"``
and a value, told by its kind::

    {"$": ["tensor", "optimizer.state.0.exp_avg"]}    a tensor, by its name
    {"$": ["tuple", [...]]}      {"$": ["set", [...]]}     {"$": ["deque", [...]]}
    {"$": ["dict", [[key, value], ...]]}    keys that are no strings, or begin with "$"
    {"$": ["counter", [[key, count], ...]]}
    {"$": ["float", "nan"]}      also "inf" and "-inf"
    {"$": ["complex", [re, im]]} {"$": ["dtype", "float32"]}   {"$": ["device", "cpu"]}
    {"$": ["size", [2, 3]]}

Reading makes these kinds and no others: no name in a file is looked up anywhere.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.errors import ConfigError, DamagedError

__all__ = ["pack", "unpack"]

MOST_DEPTH = 100
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype)
}


def pack(value: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Split ``value`` into what JSON holds and tensors.

    Args:
        value: Dicts, lists, tuples, sets, deques and counters of numbers, texts, None,
            tensors, NumPy arrays and scalars, dtypes and devices.
        name: Goes before the tensors' names, and into messages.

    Returns:
        The JSON value, and the tensors by name; they share memory with ``value``.

    Raises:
        ConfigError: Something else is in it, such as a function; its place is told.

    >>> pack({"lr": 0.1, "betas": (0.9, math.inf), 0: torch.ones(2)})[0]["$"][0]
    'dict'
    >>> pack({"betas": (0.9, math.inf), "w": torch.ones(2)}, "state")
    ({'betas': {'$': ['tuple', [0.9, {'$': ['float', 'inf']}]]},
      'w': {'$': ['tensor', 'state.w']}}, {'state.w': tensor([1., 1.])})
    """
    tensors: dict[str, Tensor] = {}
    return _pack(value, name, tensors, 0), tensors


def _pack(value: Any, name: str, tensors: dict[str, Tensor], depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise ConfigError(f"{name} is nested deeper than {MOST_DEPTH} levels.")
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):  # NumPy's float64, too
        value = float(value)
        return value if math.isfinite(value) else {"$": ["float", repr(value)]}
    if isinstance(value, Tensor):
        return _pack_tensor(value, name, tensors)
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(value).copy())
        return {"$": ["array", _add(tensor, name, tensors)]}
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return _pack(value.item(), name, tensors, depth)
    if isinstance(value, torch.Size):
        return {"$": ["size", list(value)]}

    def inside(values: Any) -> list[Any]:
        return [
            _pack(each, f"{name}.{index}" if name else str(index), tensors, depth + 1)
            for index, each in enumerate(values)
        ]

    if isinstance(value, Mapping):
        return _pack_mapping(value, name, tensors, depth)
    if type(value) is list:
        return inside(value)
    for kind, made_of in (("tuple", tuple), ("set", set), ("deque", deque)):
        if isinstance(value, made_of):
            return {"$": [kind, inside(value)]}
    if isinstance(value, complex):
        return {"$": ["complex", inside((value.real, value.imag))]}
    if isinstance(value, torch.dtype):
        return {"$": ["dtype", str(value).removeprefix("torch.")]}
    if isinstance(value, torch.device):
        return {"$": ["device", str(value)]}
    if isinstance(value, (bool, int, str)):  # a subclass, such as an Enum's
        return _pack(
            next(k for k in (bool, int, str) if isinstance(value, k))(value),
            name,
            tensors,
            depth,
        )
    raise ConfigError(
        f"{name or 'the state'} is a {type(value).__module__}."
        f"{type(value).__qualname__}, which no checkpoint can hold.\n"
        "Only numbers, texts, tensors and collections of them are saved: anything else "
        "would need pickle, which runs code when it is read.\n"
        "Let state_dict() give what the object is made from."
    )


def _pack_mapping(
    value: Mapping[Any, Any], name: str, tensors: dict[str, Tensor], depth: int
) -> Any:
    packed = []
    for key, part in value.items():
        inner = f"{name}.{key}" if name else str(key)
        packed.append((key, _pack(part, inner, tensors, depth + 1)))
    if isinstance(value, Counter):
        keyed = [[_pack(key, name, tensors, depth + 1), part] for key, part in packed]
        return {"$": ["counter", keyed]}
    if all(type(key) is str and not key.startswith("$") for key, _ in packed):
        return dict(packed)
    return {"$": ["dict", [[_pack(k, name, tensors, depth + 1), v] for k, v in packed]]}


def _pack_tensor(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> Any:
    tensor = tensor.detach()
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        raise ConfigError(
            f"{name} is a tensor of layout {tensor.layout} on {tensor.device}, which a "
            "checkpoint cannot hold.\nOnly dense tensors with values are saved.\n"
            "Let state_dict() give its parts."
        )
    if tensor.is_complex():
        real = torch.view_as_real(tensor.resolve_conj())
        return {"$": ["complex tensor", _add(real, name, tensors)]}
    place = _add(tensor.resolve_neg(), name, tensors)
    if tensor.is_contiguous():
        return {"$": ["tensor", place]}
    # channels_last, for one: kept, as an update may take other instructions.
    return {"$": ["strided tensor", [place, _dense_strides(tensor)]]}


def _dense_strides(tensor: Tensor) -> list[int]:
    return list(torch.empty_like(tensor, device="meta").stride())


def _add(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> str:
    name = name or "tensor"
    while name in tensors:  # {1: ..., "1": ...}
        name += "'"
    tensors[name] = tensor
    return name


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put together what :func:`pack` split.

    Raises:
        DamagedError: Something is not as :func:`pack` writes it, or is not there.

    >>> unpack(*pack({"betas": (0.9, math.inf), 0: [1, None]}))
    {'betas': (0.9, inf), 0: [1, None]}
    """
    try:
        return _unpack(value, tensors, 0)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"a state cannot be read: {error!r}.") from error


def _unpack(value: Any, tensors: Mapping[str, Tensor], depth: int) -> Any:
    if depth > 2 * MOST_DEPTH:
        raise DamagedError("a state is nested too deeply.")
    if isinstance(value, list):
        return [_unpack(each, tensors, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: _unpack(part, tensors, depth + 1) for key, part in value.items()}
    (pair,) = value.values()
    kind, content = pair
    if kind not in KINDS:
        raise DamagedError(f"a state has a value of the unknown kind {kind!r}.")
    if kind in NAMES_TENSOR:
        return KINDS[kind](content, tensors)
    return KINDS[kind](_unpack(content, tensors, depth + 1))


def _strided(content: Any, tensors: Mapping[str, Tensor]) -> Tensor:
    name, strides = content
    dense = tensors[name]
    # Strides of a dense tensor: a permutation of its own, so nothing grows.
    order = sorted(range(dense.dim()), key=lambda d: (-strides[d], d))
    packed = dense.permute(order).contiguous()
    back = sorted(range(dense.dim()), key=order.__getitem__)
    return packed.permute(back)


def _float(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise DamagedError(f"a state has the number {text!r}.")
    return float(text)


def _dict(pairs: Any) -> dict[Any, Any]:
    return {key: part for key, part in pairs}  # noqa: C416  # each must be a pair


NAMES_TENSOR = {"tensor", "strided tensor", "complex tensor", "array"}
KINDS: dict[str, Any] = {
    "tensor": lambda name, tensors: tensors[name],
    "strided tensor": _strided,
    "complex tensor": lambda name, tensors: torch.view_as_complex(tensors[name]),
    "array": lambda name, tensors: tensors[name].numpy(),
    "tuple": tuple,
    "set": set,
    "deque": deque,
    "dict": _dict,
    "counter": lambda pairs: Counter(_dict(pairs)),
    "float": _float,
    "complex": lambda parts: complex(*parts),
    "dtype": lambda name: DTYPES[name],
    "device": torch.device,
    "size": torch.Size,
}
