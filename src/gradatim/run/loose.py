"""Objects that training moves: found among variables and attributes, and compared.

A run saves what it is given. What is forgotten would be lost in silence, and a resume
would be said to be exact that is not. So a run looks at the variables of a loop and at
the attributes of callbacks, and compares what it finds there with what it was.
"""

import functools
import hashlib
import inspect
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import chain
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
    saved_buffers,
    versions_of,
)

__all__ = [
    "GLOBAL_GENERATORS",
    "Weights",
    "fingerprint_of",
    "is_bundle",
    "loop_variables",
    "moving_in",
    "moving_objects",
    "parts_inside",
    "values_in",
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

KNOWN = (*MOVING, TrainStep)
"""Kinds whose attributes are not looked at by themselves."""

PLAIN = (
    BuiltinFunctionType,
    FunctionType,
    MethodType,
    ModuleType,
    Tensor,
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

READ = {nn.Parameter, Tensor}
"""Kinds of tensors whose values are read: not lazy ones, nor those of a library's."""

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
        if isinstance(value, (*KNOWN, dict, list)):
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
    if not 0 < len(value) <= MAX_BUNDLE:
        return False
    return all(issubclass(kind, Tensor) for kind in set(map(type, values_in(value))))


def values_in(value: Any) -> Iterator[Any]:
    """Go through the entries of a list or tuple, or the values of a dict."""
    return iter(value.values() if isinstance(value, Mapping) else value)


def moving_objects(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Find objects that training may move, with the names under which they stand.

    They are variables, parts of a small collection, and attributes of an object, such
    as ``self``; a train step stands for its parts. Bundles of tensors are among them.
    """
    for name, value in variables.items():
        if issubclass(type(value), PLAIN):
            continue
        yield from moving_in(name, value)
        if not issubclass(type(value), KNOWN):
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
        for key, part in zip(list(keys), list(values_in(value)), strict=True):
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
        yield from _modules_in(value)
    if depth == 0 or issubclass(type(value), PLAIN):
        return
    parts = value if isinstance(value, (dict, list, tuple)) else ()
    if not parts:
        parts = getattr(value, "__dict__", {})
    if isinstance(parts, (dict, list, tuple)) and len(parts) <= MAX_PARTS:
        for part in list(values_in(parts)):
            yield from parts_inside(part, depth - 1)


def _modules_in(module: nn.Module) -> list[nn.Module]:
    """Give a module and all inside of it, once each.

    ``module.modules()`` makes names on its way, which takes four times as long.
    """
    found: dict[int, nn.Module] = {}
    waiting = [module]
    while waiting:
        part = waiting.pop()
        if id(part) not in found:
            found[id(part)] = part
            if inside := own_modules(part):
                waiting += [child for child in inside.values() if child is not None]
    return list(found.values())


# --- What it was ----------------------------------------------------------------------


def fingerprint_of(value: Any, leave_out: Set[int]) -> tuple[list[int], str | None]:
    """Give what differs when training has moved an object.

    Of tensors it is how often each was changed in place, and some values: a change
    through ``.data`` is not counted.

    Args:
        value: A tensor, or an object that :func:`moving_objects` gave.
        leave_out: The places in memory of tensors that are saved elsewhere.

    Returns:
        What is counted in this process alone, and a digest, which differs where the
        object, in another process, has other values. It is None where there are none.
    """
    tensors, counts = _tensors_in(value), list[int]()
    if tensors is None:
        content = _state_of(value)
    else:
        tensors = [t for place, t in _in_memory(tensors) if place not in leave_out]
        counts = versions_of(tensors)
        content = (len(tensors), _sampled(tensors)) if tensors else None
    if content is None:
        return counts, None
    return counts, hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _state_of(value: Any) -> Any:
    """Give the state of an object without tensors; None of one that has none."""
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return plain(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return plain(value.get_state())
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, (LRScheduler, torch.amp.GradScaler)):
        return plain(value.state_dict())
    return None


def _tensors_in(value: Any) -> list[Tensor] | None:
    """Give the tensors of a module or a bundle; None of an object of another kind."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, nn.Module):
        return list(chain(*_tensors_of(_modules_in(value))))
    if not is_bundle(value):
        return None
    if isinstance(value, Mapping):  # the order of names is that of any process
        return [value[name] for name in sorted(value, key=str)]
    return list(value)


def _tensors_of(modules: Iterable[nn.Module]) -> tuple[list[Tensor], list[Tensor]]:
    """Give the parameters and the buffers that stand in each of some modules."""
    parameters, buffers = list[Tensor](), list[Tensor]()
    for module in modules:
        if table := own_parameters(module):
            parameters += [p for p in table.values() if p is not None]
        if table := own_buffers(module):
            buffers += [b for b in table.values() if b is not None]
    return parameters, buffers


def _in_memory(tensors: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Give the tensors that have values in memory, each after its place there."""
    for tensor in tensors:
        if type(tensor) in READ:
            try:
                place = tensor.data_ptr()
            except RuntimeError:  # as of a sparse one
                continue
            if place:
                yield place, tensor


def _sampled(tensors: list[Tensor]) -> list[Any]:
    """Read the first, a middle and the last value of some of the tensors."""
    chosen = tensors[:: -(-len(tensors) // MAX_SAMPLED)]
    return [_ends(tensor.detach()) for tensor in chosen]


def _ends(tensor: Tensor) -> Any:
    if tensor.is_quantized or tensor.is_nested:
        return None
    flat = tensor if tensor.is_contiguous() else tensor.reshape(-1)
    size = tensor.numel()
    return flat.as_strided((min(size, 3),), (max(1, (size - 1) // 2),)).tolist()


class Weights:
    """The tensors of some modules: they are saved, and copies of them may move.

    Attributes:
        modules: The ``id`` of each module, and of each inside of it.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        parts = [_modules_in(module) for module in modules]
        self.modules = {id(part) for inside in parts for part in inside}
        self._parts = [(*_tensors_of(inside), inside) for inside in parts]

    @functools.cached_property
    def places(self) -> Set[int]:
        """The places in memory of all parameters, gradients and buffers."""
        tensors = [t for some in self._parts for t in chain(*some[:2])]
        tensors += [t.grad for t in tensors if t.grad is not None]
        return {place for place, _ in _in_memory(tensors)}

    def are_copied_in(self, bundle: Any) -> bool:
        """Tell whether a bundle has the shapes of all weights of one of the modules."""
        same_length = [some for some in self._as_kept if len(some) == len(bundle)]
        shapes = _shapes(values_in(bundle)) if same_length else []
        return any(_shapes(some) == shapes for some in same_length)

    @functools.cached_property
    def _as_kept(self) -> list[list[Tensor]]:
        """The weights of each module in the forms in which a program may copy them."""
        kept: list[list[Tensor]] = []
        for parameters, buffers, inside in self._parts:
            own = list({id(p): p for p in parameters}.values())  # tied ones once
            trained = [p for p in own if p.requires_grad]
            saved = [buffer for part in inside for buffer in saved_buffers(part)]
            kept += own, trained, own + buffers, parameters + saved
        return kept


def _shapes(tensors: Iterable[Tensor]) -> list[torch.Size]:
    try:
        return sorted(tensor.shape for tensor in tensors)
    except RuntimeError:  # a lazy one has no shape yet
        return []
