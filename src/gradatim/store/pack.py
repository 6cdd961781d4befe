"""State of any shape as JSON and tensors, and back: what pickle does elsewhere.

What JSON has is written as it is. What JSON lacks is written as an object with the one
key ``"$"``, whose value is a kind and a content::

    {"$": ["tensor", "optimizer.state.0.exp_avg"]}    a tensor, by its name
    {"$": ["strided tensor", ["conv.weight", [27, 1, 9, 3]]]}    not in row-major order
    {"$": ["complex tensor", TENSOR]}                 from its real view, one of the two
    {"$": ["array", TENSOR]}     of NumPy
    {"$": ["tuple", [...]]}      {"$": ["set", [...]]}
    {"$": ["deque", [[...], maxlen]]}
    {"$": ["dict", [[key, value], ...]]}    keys that are no strings, or begin with "$"
    {"$": ["counter", [[key, count], ...]]}
    {"$": ["defaultdict", ["int", [[key, value], ...]]]}    of FACTORIES, or null
    {"$": ["float", "nan"]}      also "inf" and "-inf"
    {"$": ["complex", [re, im]]} {"$": ["dtype", "float32"]}   {"$": ["device", "cpu"]}
    {"$": ["size", [2, 3]]}

Reading makes these kinds and no others: no name in a file is looked up anywhere else
than in the tables here. A subclass comes back as the class that it is made from: an
``OrderedDict`` as a dict, a named tuple as a tuple.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.errors import ConfigError, DamagedError
from gradatim.store.json import MAX_INTEGER
from gradatim.text import one_line, shown

__all__ = ["is_plain", "pack", "unpack"]

MAX_DEPTH = 50
"""Levels of a state. One takes up to five levels of JSON, as a ``defaultdict`` does;
``json.MAX_DEPTH`` allows 250."""

MAX_KEYS_OF_ONE_HASH = 64
"""How many keys of one dict may share a hash. More are an attack: making the dict would
compare each of them with all others. Chosen by hand, not measured."""

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype)
}
FACTORIES: dict[str | None, Any] = {
    kind.__name__: kind for kind in (bool, dict, float, int, list, set, str, tuple)
} | {None: None}
"""What a ``defaultdict`` may make, by the names in a file."""


# --- Taking apart ---------------------------------------------------------------------


def pack(value: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Split ``value`` into what JSON holds and tensors.

    Args:
        value: Dicts, lists, tuples, sets, deques and counters of numbers, texts, None,
            tensors, NumPy arrays and scalars, dtypes and devices.
        name: What goes before the tensors' names, and into messages.

    Returns:
        The JSON value, and the tensors by name; they share memory with ``value``.

    Raises:
        ConfigError: Something else is in it, such as a function; the message says
        where.

    >>> pack({"lr": 0.1, "betas": (0.9, math.inf), 0: torch.ones(2)})[0]["$"][0]
    'dict'
    >>> pack({"betas": (0.9, math.inf), "w": torch.ones(2)}, "state")
    ({'betas': {'$': ['tuple', [0.9, {'$': ['float', 'inf']}]]},
      'w': {'$': ['tensor', 'state.w']}}, {'state.w': tensor([1., 1.])})
    """
    tensors: dict[str, Tensor] = {}
    return _pack(value, name, tensors, 0), tensors


def _pack(value: Any, name: str, tensors: dict[str, Tensor], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ConfigError(
            f"{shown(name)} is nested deeper than {MAX_DEPTH} levels.\n"
            "A checkpoint holds no more, so that reading one has a bound.\n"
            "Let state_dict() give something flatter."
        )
    if value is None:
        return None
    for kind in (bool, int, str):
        if isinstance(value, kind):  # a subclass, such as that of an Enum, too
            plain: Any = kind(value)
            if kind is int and abs(plain) > MAX_INTEGER:
                raise _unfit(name, f"an integer of {plain.bit_length():,} bits")
            return plain
    if isinstance(value, float):  # NumPy's float64, too
        value = float(value)
        return value if math.isfinite(value) else {"$": ["float", repr(value)]}
    if isinstance(value, Tensor):
        return _pack_tensor(value, name, tensors)
    if type(value) in (np.ndarray, np.memmap):
        return _pack_array(value, name, tensors)
    if isinstance(value, (np.bool_, np.number)):
        number = value.item()
        if type(number) in (bool, int, float, complex):  # no long double, and no time
            return _pack(number, name, tensors, depth)
    if isinstance(value, torch.Size):
        return {"$": ["size", list(value)]}
    if isinstance(value, Mapping):
        return _pack_mapping(value, name, tensors, depth)
    if isinstance(value, list):
        return _pack_each(value, name, tensors, depth)
    for made_of in (tuple, set):
        if isinstance(value, made_of):
            return {"$": [made_of.__name__, _pack_each(value, name, tensors, depth)]}
    if isinstance(value, deque):
        return {"$": ["deque", [_pack_each(value, name, tensors, depth), value.maxlen]]}
    if isinstance(value, complex):
        both = (value.real, value.imag)
        return {"$": ["complex", _pack_each(both, name, tensors, depth)]}
    if isinstance(value, torch.dtype):
        return {"$": ["dtype", str(value).removeprefix("torch.")]}
    if isinstance(value, torch.device):
        return {"$": ["device", str(value)]}
    raise _unfit(name, f"a {type(value).__module__}.{type(value).__qualname__}")


def _pack_each(
    values: Iterable[Any], name: str, tensors: dict[str, Tensor], depth: int
) -> list[Any]:
    return [
        _pack(part, f"{name}.{index}" if name else str(index), tensors, depth + 1)
        for index, part in enumerate(values)
    ]


def _pack_mapping(
    value: Mapping[Any, Any], name: str, tensors: dict[str, Tensor], depth: int
) -> Any:
    packed = []
    for key, part in value.items():
        inner = f"{name}.{key}" if name else str(key)
        packed.append((key, _pack(part, inner, tensors, depth + 1)))
    plain = type(value) not in (Counter, defaultdict)
    if plain and all(type(key) is str and not key.startswith("$") for key, _ in packed):
        return dict(packed)
    keys: dict[str, Tensor] = {}
    pairs = [[_pack(key, name, keys, depth + 1), part] for key, part in packed]
    if keys:
        raise _unfit(name, "a dict whose keys are tensors")
    if isinstance(value, Counter):
        return {"$": ["counter", pairs]}
    if isinstance(value, defaultdict):
        for factory, made_by in FACTORIES.items():
            if value.default_factory is made_by:
                return {"$": ["defaultdict", [factory, pairs]]}
        raise _unfit(name, f"a defaultdict of {value.default_factory}")
    return {"$": ["dict", pairs]}


def _pack_array(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    # Not ascontiguousarray, which makes one dimension of none.
    native = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
    try:
        tensor = torch.from_numpy(native)
    except TypeError as error:
        raise _unfit(name, f"a NumPy array of {value.dtype}") from error
    return {"$": ["array", _pack_tensor(tensor, name, tensors)]}


def _pack_tensor(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> Any:
    tensor = tensor.detach()
    if (
        type(tensor) is not Tensor
        or tensor.layout is not torch.strided
        or tensor.is_nested
        or tensor.is_quantized
        or tensor.is_meta
    ):
        kind = f"a {type(tensor).__name__} of layout {tensor.layout}, {tensor.dtype}"
        raise _unfit(name, f"{kind}, on {tensor.device}")
    if tensor.is_complex():
        real = torch.view_as_real(tensor.resolve_conj())
        return {"$": ["complex tensor", _pack_tensor(real, name, tensors)]}
    place = _add(tensor.resolve_neg(), name, tensors)
    # Not is_contiguous(), which ignores the strides of dimensions of size 1.
    row_major = torch.empty(tensor.shape, device="meta").stride()
    if tensor.numel() == 0 or tensor.stride() == row_major:
        return {"$": ["tensor", place]}
    # Strides such as those of channels_last are kept: they decide which instructions an
    # update uses, and so its last bits.
    strides = list(torch.empty_like(tensor, device="meta").stride())
    return {"$": ["strided tensor", [place, strides]]}


def _add(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> str:
    name = name.encode(errors="replace").decode() or "tensor"
    # Two keys may have one name, as 1 and "1"; "__metadata__" is the format's own.
    while name in tensors or name == "__metadata__":
        name += "'"
    tensors[name] = tensor
    return name


def _unfit(name: str, what: str) -> ConfigError:
    return ConfigError(
        f"{name or 'the state'} is {what}, which no checkpoint can hold.\n"
        "Only numbers, texts, dense tensors and collections of them are saved: "
        "anything else would need pickle, which runs code when it is read.\n"
        "Let state_dict() give the parts that it is made from."
    )


# --- Putting together -----------------------------------------------------------------


def unpack(value: Any, tensors: Mapping[str, Tensor], place: str = "the state") -> Any:
    """Put together what :func:`pack` split.

    Args:
        value: The value as JSON has it.
        tensors: The tensors by their names; each must stand in ``value`` once.
        place: Where both are from, for messages.

    Raises:
        DamagedError: Something is not as :func:`pack` writes it, or is missing.

    >>> unpack(*pack({"betas": (0.9, math.inf), 0: [1, None]}))
    {'betas': (0.9, inf), 0: [1, None]}
    """
    left = dict(tensors)
    try:
        unpacked = _unpack(value, left, 0)
        if left:
            raise ValueError(f"the tensor {shown(min(left))} has no place in it")
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DamagedError(
            f"{place} is not as it was written: {one_line(error)}.\n"
            "It was damaged, or changed by hand, and cannot be relied on.\n"
            "Put back a copy of the whole folder."
        ) from error
    return unpacked


def is_plain(value: Any) -> bool:
    """Tell whether a value is made of what JSON has, numbers that are not finite, too.

    >>> is_plain({"a": [1, math.nan]}), is_plain({"a": torch.device("cpu")})
    (True, False)
    """
    if isinstance(value, dict):
        return all(type(k) is str and is_plain(v) for k, v in value.items())
    if type(value) in (list, tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def _unpack(value: Any, left: dict[str, Tensor], depth: int) -> Any:
    """Make one value; the tensors that it takes are removed from ``left``."""
    if depth > MAX_DEPTH:
        raise ValueError(f"values deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return _list(value, left, depth)
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        if any(key.startswith("$") for key in value):
            raise ValueError("a key that begins with $")
        return {key: _unpack(part, left, depth + 1) for key, part in value.items()}
    (pair,) = value.values()
    kind, content = _checked(list, pair)
    return _known(KINDS, kind)(content, left, depth)


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{shown(value)} where a {kind.__name__} belongs")
    return value


def _known(table: Mapping[Any, Any], name: Any) -> Any:
    if name not in table:
        raise ValueError(f"the unknown name {shown(name)}")
    return table[name]


def _tensor(name: Any, left: dict[str, Tensor], depth: int) -> Tensor:
    if _checked(str, name) not in left:
        raise ValueError(f"the tensor {shown(name)} is not there, or taken twice")
    return left.pop(name)


def _strided(content: Any, left: dict[str, Tensor], depth: int) -> Tensor:
    name, strides = _checked(list, content)
    tensor = _tensor(name, left, depth)
    strides = [_checked(int, stride) for stride in _checked(list, strides)]
    # Every value must have a place of its own, and no place may be without one: so the
    # tensor takes no more memory than its values.
    expected = 1
    for stride, size in sorted(zip(strides, tensor.shape, strict=True)):
        if stride < 1 or (size > 1 and stride != expected):
            raise ValueError(f"the strides {shown(strides)} are not those of a tensor")
        expected *= size
    made = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype)
    return made.copy_(tensor)


def _dense(content: Any, left: dict[str, Tensor], depth: int) -> Tensor:
    tensor = _unpack(content, left, depth)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{shown(content)} where a tensor belongs")
    return tensor


def _list(content: Any, left: dict[str, Tensor], depth: int) -> list[Any]:
    return [_unpack(part, left, depth + 1) for part in _checked(list, content)]


def _set(content: Any, left: dict[str, Tensor], depth: int) -> set[Any]:
    parts = _list(content, left, depth)
    _check_keys(parts)
    return set(parts)


def _deque(content: Any, left: dict[str, Tensor], depth: int) -> Any:
    parts, maxlen = _checked(list, content)
    return deque(_list(parts, left, depth), maxlen)


def _dict(content: Any, left: dict[str, Tensor], depth: int) -> dict[Any, Any]:
    pairs = [_checked(list, pair) for pair in _checked(list, content)]
    keys = [_unpack(key, {}, depth + 1) for key, _ in pairs]
    _check_keys(keys)
    parts = [_unpack(part, left, depth + 1) for _, part in pairs]
    return dict(zip(keys, parts, strict=True))


def _defaultdict(content: Any, left: dict[str, Tensor], depth: int) -> Any:
    name, pairs = _checked(list, content)
    return defaultdict(_known(FACTORIES, name), _dict(pairs, left, depth))


def _check_keys(keys: list[Any]) -> None:
    hashes = Counter(map(hash, keys))
    if max(hashes.values(), default=0) > MAX_KEYS_OF_ONE_HASH:
        raise ValueError(f"more than {MAX_KEYS_OF_ONE_HASH} keys of one hash")
    if len(set(keys)) != len(keys):
        raise ValueError("a key that stands twice")


def _float(text: Any, left: dict[str, Tensor], depth: int) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(f"the number {shown(text)}")
    return float(text)


def _complex(content: Any, left: dict[str, Tensor], depth: int) -> complex:
    real, imaginary = _list(content, left, depth)
    return complex(_checked(float, real), _checked(float, imaginary))


def _size(content: Any, left: dict[str, Tensor], depth: int) -> torch.Size:
    size = [_checked(int, length) for length in _checked(list, content)]
    if any(abs(length) >= 1 << 63 for length in size):
        raise ValueError(f"the size {shown(size)}")
    return torch.Size(size)


KINDS: dict[str, Callable[[Any, dict[str, Tensor], int], Any]] = {
    "tensor": _tensor,
    "strided tensor": _strided,
    "complex tensor": lambda *c: torch.view_as_complex(_dense(*c)),
    "array": lambda *c: _dense(*c).numpy(),
    "tuple": lambda *c: tuple(_list(*c)),
    "set": _set,
    "deque": _deque,
    "dict": _dict,
    "counter": lambda *c: Counter(_dict(*c)),
    "defaultdict": _defaultdict,
    "float": _float,
    "complex": _complex,
    "dtype": lambda name, left, depth: _known(DTYPES, name),
    "device": lambda name, left, depth: torch.device(_checked(str, name)),
    "size": _size,
}
