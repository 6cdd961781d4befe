"""Objects that training moves: found among variables and attributes, and compared.

A run saves what it is given. What is forgotten would be lost in silence, and a resume
would be said to be exact that is not. So a run looks at the variables of a loop and at
the attributes of callbacks, and compares what it finds there with what it was.
"""

import hashlib
import inspect
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gradatim.data.why_inexact import GENERATORS
from gradatim.run.choices import plain
from gradatim.step import TrainStep
from gradatim.torch_private import (
    own_buffers,
    own_modules,
    own_parameters,
    version_of,
)

__all__ = [
    "GLOBAL_GENERATORS",
    "digest_of",
    "fingerprint_of",
    "is_bundle",
    "loop_variables",
    "modules_in",
    "moving_in",
    "moving_objects",
    "parts_inside",
    "places_of",
    "tensors_of_bundle",
]

PACKAGE = str(Path(__file__).parents[1])

_numpy_random: Any = np.random.random
_python_seed: Any = random.seed
GLOBAL_GENERATORS = (
    torch.default_generator,
    _numpy_random.__self__,
    _python_seed.__self__,
)
"""The generators behind ``torch``, ``np.random`` and ``random``, which runs save."""

MOVING = (nn.Module, Optimizer, LRScheduler, torch.amp.GradScaler, *GENERATORS)
"""Kinds of objects with a state that training moves."""

PLAIN = (
    BuiltinFunctionType,
    FunctionType,
    MethodType,
    ModuleType,
    bool,
    bytes,
    float,
    int,
    np.ndarray,
    str,
    type,
    type(None),
)
"""Kinds of objects in which nothing is looked for."""

LIBRARIES = ("gradatim", "numpy", "pandas", "polars", "torch")
"""Packages whose objects are not looked into for variables of the user's."""

MAX_PARTS = 100
"""A collection or an object with more parts is taken for data and not looked into.
Chosen by hand, not measured."""

MAX_BUNDLE = 10_000
"""A collection of more tensors is taken for data. Chosen by hand, not measured."""

MAX_SAMPLED = 24
"""Values are read of so many tensors of an object. An average of the weights, or an
update, moves all of them. Chosen so that a look takes about 0.1 ms on one core."""

KEEPS_NO_LOCALS = sys.version_info >= (3, 13)
"""Whether a look at a function's variables leaves nothing behind (PEP 667)."""


# --- The variables of a loop ----------------------------------------------------------


def loop_variables() -> dict[str, Any]:
    """Give the variables of the function whose loop asks for the next batch.

    Between the loop and the run may stand other iterators: those of Python, such as
    ``enumerate``, have no frame, and those written as generators, such as ``tqdm``, are
    gone through. Variables of the function come before those of its file.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    variables: dict[str, Any] = {}
    while frame is not None:
        for name, value in _locals_of(frame).items():
            variables.setdefault(name, value)
        code = frame.f_code
        if not (code.co_flags & inspect.CO_GENERATOR or code.co_name == "__next__"):
            break
        frame = frame.f_back
    for name, value in dict(frame.f_globals if frame is not None else {}).items():
        if isinstance(value, (*MOVING, TrainStep, dict, list)):
            variables.setdefault(name, value)
    return {k: v for k, v in variables.items() if not k.startswith("__")}


def _is_ours(file: str) -> bool:
    """Tell whether a file is of this package, or of a checker of its annotations."""
    is_checker = "/jaxtyping/" in file or "/beartype/" in file
    return is_checker or file.startswith((PACKAGE, "<@beartype"))


def _locals_of(frame: FrameType) -> dict[str, Any]:
    variables = dict(frame.f_locals)
    if not KEEPS_NO_LOCALS and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # Python keeps the dict that it has made for this, and all that is in it, until
        # it is asked again: the tensors of this step would stay in memory.
        kept = frame.f_locals
        for name, value in variables.items():
            if isinstance(value, Tensor) or is_bundle(value):
                kept.pop(name, None)
    return variables


# --- What moves -----------------------------------------------------------------------


def is_bundle(value: Any) -> bool:
    """Tell whether a value is a dict, list or tuple of tensors and nothing else."""
    if not issubclass(type(value), (dict, list, tuple)):
        return False
    is_small = 0 < len(value) <= MAX_BUNDLE
    return is_small and all(issubclass(type(v), Tensor) for v in _values(value))


def tensors_of_bundle(bundle: Any) -> list[Tensor]:
    """Give the tensors of a bundle, in the order of their names where it has names."""
    if isinstance(bundle, Mapping):
        return [bundle[name] for name in sorted(bundle, key=str)]
    return list(bundle)


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value


def moving_objects(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Find objects that training may move, with the names under which they stand.

    They are variables, parts of a small collection, and attributes of an object, such
    as ``self``; a train step stands for its parts. Bundles of tensors are among them.
    """
    for name, value in variables.items():
        if issubclass(type(value), (*PLAIN, Tensor)):
            continue
        yield from moving_in(name, value)
        if not issubclass(type(value), (*MOVING, TrainStep)):
            for key, part in _attributes_of(value).items():
                yield from moving_in(f"{name}.{key}", part)


def moving_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Find such objects in one variable or attribute, with their names."""
    kind = type(value)  # isinstance would ask a proxy for what it stands for
    if issubclass(kind, MOVING) or is_bundle(value):
        yield name, value
    elif issubclass(kind, TrainStep):
        for part in ("optimizer", "lr_scheduler", "model", "given_loss_fn"):
            yield from moving_in(f"{name}.{part}", getattr(value, part))
    elif issubclass(kind, (dict, list, tuple)) and len(value) <= MAX_PARTS:
        keys = value if issubclass(kind, dict) else range(len(value))
        for key, part in zip(list(keys), list(_values(value)), strict=True):
            if issubclass(type(part), MOVING):
                yield f"{name}[{key!r}]", part


def _attributes_of(value: Any) -> dict[str, Any]:
    """Give the attributes of an object of the user's own; none of a library's."""
    package = type(value).__module__.partition(".")[0]
    attributes = getattr(value, "__dict__", None)
    if package in LIBRARIES or not isinstance(attributes, dict):
        return {}
    return dict(attributes) if len(attributes) <= MAX_PARTS else {}


def parts_inside(value: Any, depth: int) -> Iterator[Any]:
    """Go through an object, its attributes and collections, and theirs."""
    yield value
    if isinstance(value, nn.Module):
        yield from modules_in(value)
    if depth == 0 or issubclass(type(value), (*PLAIN, Tensor)):
        return
    parts = value if isinstance(value, (dict, list, tuple)) else ()
    if not parts:
        parts = getattr(value, "__dict__", {})
    if isinstance(parts, (dict, list, tuple)) and len(parts) <= MAX_PARTS:
        for part in list(_values(parts)):
            yield from parts_inside(part, depth - 1)


def modules_in(module: nn.Module) -> list[nn.Module]:
    """Give a module and all inside of it, once each.

    ``module.modules()`` makes names on its way, which takes four times as long.
    """
    found = {id(module): module}
    waiting = [module]
    while waiting:
        for part in own_modules(waiting.pop()).values():
            if part is not None and id(part) not in found:
                found[id(part)] = part
                waiting.append(part)
    return list(found.values())


# --- What it was ----------------------------------------------------------------------


def fingerprint_of(value: Any, leave_out: frozenset[int] = frozenset()) -> Any:
    """Give what differs when training has moved an object; None where nothing can.

    Of tensors it is how often each was changed in place, and some values: a change
    through ``.data`` is not counted.

    Args:
        value: An object that :func:`moving_objects` gave.
        leave_out: The places in memory of tensors that are saved elsewhere.
    """
    versions = [_version(tensor) for tensor in _tensors_in(value, leave_out) or ()]
    return versions, digest_of(value, leave_out)


def digest_of(value: Any, leave_out: frozenset[int] = frozenset()) -> str | None:
    """Give a text that differs where the object, in another process, has other values.

    None is given of an object without values.
    """
    tensors = _tensors_in(value, leave_out)
    content: Any
    if tensors is not None:
        if not tensors:
            return None
        content = [tuple(tensor.shape) for tensor in tensors], _sampled(tensors)
    elif isinstance(value, torch.Generator):
        content = value.get_state().numpy().tobytes()
    elif isinstance(value, np.random.Generator):
        content = plain(value.bit_generator.state)
    elif isinstance(value, np.random.RandomState):
        content = plain(value.get_state())
    elif isinstance(value, random.Random):
        content = value.getstate()
    elif isinstance(value, (LRScheduler, torch.amp.GradScaler)):
        content = plain(value.state_dict())
    else:
        return None
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _tensors_in(value: Any, leave_out: frozenset[int]) -> list[Tensor] | None:
    """Give the tensors of a module or a bundle; None of an object of another kind."""
    tensors: Iterable[Tensor]
    if isinstance(value, Tensor):
        tensors = [value]
    elif isinstance(value, nn.Module):
        tensors = _tensors_of(value)
    elif is_bundle(value):
        tensors = tensors_of_bundle(value)
    else:
        return None
    return [t for t in tensors if _is_plain(t) and t.data_ptr() not in leave_out]


def _tensors_of(module: nn.Module) -> list[Tensor]:
    return [
        tensor
        for part in modules_in(module)
        for table in (own_parameters(part), own_buffers(part))
        for tensor in table.values()
        if tensor is not None
    ]


def places_of(modules: Iterable[nn.Module]) -> frozenset[int]:
    """Give the places in memory of all parameters, gradients and buffers of modules."""
    tensors = [tensor for module in modules for tensor in _tensors_of(module)]
    tensors += [t.grad for t in tensors if t.grad is not None]
    return frozenset(tensor.data_ptr() for tensor in tensors if _is_plain(tensor))


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor has values in memory, which can be read."""
    if type(tensor) in (nn.Parameter, Tensor):  # not a lazy one, whose class is its own
        is_other = tensor.layout is not torch.strided or tensor.is_quantized
        return not (is_other or tensor.is_meta) and tensor.numel() > 0
    return False


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else version_of(tensor)


def _sampled(tensors: list[Tensor]) -> list[Any]:
    """Read the first, a middle and the last value of some of the tensors."""
    chosen = tensors[:: -(-len(tensors) // MAX_SAMPLED)]
    return [_ends(tensor.detach()) for tensor in chosen]


def _ends(tensor: Tensor) -> Any:
    flat = tensor.view(-1) if tensor.is_contiguous() else tensor.reshape(-1)
    return flat[:: max(1, (tensor.numel() - 1) // 2)].tolist()
