"""How a model is built: what its modules are, and what they hold unregistered."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.watching.numbers_of_tensors import has_mode
from gradatim.watching.source_lines import SourceLine, is_user_file
from gradatim.watching.training_seen import NormDrift

__all__ = [
    "drift_of",
    "holder_of",
    "loose_leaves",
    "mistyped_freezing",
    "of_library",
    "parts_with_mode",
    "places_of",
    "repeated_modules",
    "shift_of",
]

MOST = 200
MOST_NUMBERS = 64
TYPED = (
    "requires_grad",
    "requires_grad_",
    "require_grad",
    "require_grads",
    "requires_grads",
    "required_grad",
)
"""What people write for ``requires_grad``; none of it is an attribute of a module."""


def parts_with_mode(module: nn.Module) -> dict[str, str]:
    """Name the parts that do something else in eval mode."""
    return {
        name: type(each).__name__
        for name, each in module.named_modules()
        if has_mode(each)
    }


def places_of(module: nn.Module) -> dict[str, SourceLine]:
    """Find where the ``__init__`` of each module of the user's own begins."""
    places = {}
    for name, each in module.named_modules():
        code = getattr(type(each).__init__, "__code__", None)
        if code is not None and is_user_file(code.co_filename):
            places[name] = SourceLine(code.co_filename, code.co_firstlineno, "__init__")
    return places


def repeated_modules(module: nn.Module) -> dict[str, tuple[str, int, int]]:
    """Find containers that hold one module with parameters at several places.

    Returns:
        By the container's name: the module's kind, at how many places it is, and how
        many places the container has for modules with parameters.
    """
    found = {}
    for name, container in module.named_modules():
        if not isinstance(container, (nn.Sequential, nn.ModuleList)):
            continue
        children = [m for m in container._modules.values() if m is not None]
        ids = [id(m) for m in children if next(m.parameters(), None) is not None]
        for child in children:
            if ids.count(id(child)) > 1:
                kind = type(child).__name__
                found[name] = kind, ids.count(id(child)), len(ids)
                break
    return found


def _held(value: Any, path: str, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Give what plain lists, tuples and dicts hold, with its path."""
    if depth and isinstance(value, dict):
        for key, each in list(value.items())[:MOST]:
            yield from _held(each, f"{path}[{key!r}]", depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for place, each in enumerate(value[:MOST]):
            yield from _held(each, f"{path}[{place}]", depth - 1)
    else:
        yield path, value


REGISTERED = ("_parameters", "_buffers", "_modules")


def _attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    for attribute, value in vars(module).items():
        if attribute not in REGISTERED and "hooks" not in attribute:
            yield attribute, value


def holder_of(module: nn.Module, callers: list[nn.Module]) -> tuple[str, str] | None:
    """Find the plain list or dict of a caller that holds a module.

    Returns:
        The place, such as ``layers[0]``, and the name of the caller's class.
    """
    for caller in reversed(callers):
        for attribute, value in _attributes(caller):
            if isinstance(value, (list, tuple, dict)):
                for path, each in _held(value, attribute):
                    if each is module:
                        return path, type(caller).__name__
    return None


def loose_leaves(module: nn.Module) -> dict[str, Tensor]:
    """Find leaves that ask for a gradient, held by a module and not registered."""
    found: dict[str, Tensor] = {}
    registered = {id(p) for p in module.parameters()}
    for name, each in module.named_modules():
        for attribute, value in _attributes(each):
            if not isinstance(value, (Tensor, list, tuple, dict)):
                continue
            for path, tensor in _held(value, attribute):
                if (
                    isinstance(tensor, Tensor)
                    and tensor.requires_grad
                    and tensor.is_leaf
                    and id(tensor) not in registered
                ):
                    found[f"{name}.{path}" if name else path] = tensor
        if len(found) >= MOST:
            break
    return found


def mistyped_freezing(module: nn.Module) -> dict[str, tuple[str, int]]:
    """Find where an attribute was set to False that freezes nothing.

    Returns:
        By the name of a module or parameter: the attribute, and how many parameters
        ask for a gradient all the same.
    """
    found = {}
    for name, each in module.named_modules():
        is_torchs = type(each).__module__.startswith("torch.nn.")
        names = (*TYPED, "trainable") if is_torchs else TYPED
        asking = sum(p.requires_grad for p in each.parameters())
        for attribute in names:
            if asking and vars(each).get(attribute) is False:
                found[name] = attribute, asking
    for name, parameter in module.named_parameters():
        for attribute in (*TYPED[1:], "trainable"):
            if parameter.requires_grad and vars(parameter).get(attribute) is False:
                found[name] = attribute, 1
    return found


def of_library(module: nn.Module) -> set[str]:
    """Name the modules whose class is neither the user's nor PyTorch's."""
    found = set()
    for name, each in module.named_modules():
        code = getattr(getattr(type(each), "forward", None), "__code__", None)
        is_torchs = type(each).__module__.startswith("torch.")
        if code is not None and not is_torchs and not is_user_file(code.co_filename):
            found.add(name)
    return found


def drift_of(module: nn.Module) -> NormDrift | None:
    """Find batch norm that is frozen with the layers around it, and in train mode."""
    parameters = list(module.parameters())
    num_frozen = sum(not p.requires_grad for p in parameters)
    if not num_frozen:
        return None
    norms = _moving_norms(module)
    if not norms:
        return None
    first = next(iter(norms.values()))
    return NormDrift(
        names=tuple(norms)[:50],
        num_frozen=num_frozen,
        num_parameters=len(parameters),
        start=_numbers(first.running_mean),
        version=_version(module),
    )


def shift_of(module: nn.Module, drift: NormDrift) -> float:
    """Tell how far the running means have gone since, in standard deviations."""
    if _version(module) != drift.version:
        return 0.0
    norm = module.get_submodule(drift.names[0])
    mean, spread = _numbers(norm.running_mean), _numbers(norm.running_var)
    moves = zip(drift.start, mean, spread, strict=True)
    return max(abs(b - a) / math.sqrt(v + 1e-12) for a, b, v in moves)


def _moving_norms(module: nn.Module) -> dict[str, Any]:
    return {
        name: each
        for name, each in module.named_modules()
        if isinstance(each, nn.modules.batchnorm._BatchNorm)
        and each.training
        and isinstance(each.running_mean, Tensor)
        and each.affine
        and not any(p.requires_grad for p in each.parameters())
    }


def _version(module: nn.Module) -> int:
    return sum(p._version for p in module.parameters() if not p.requires_grad)


def _numbers(tensor: Any) -> list[float]:
    with torch.no_grad(), warnings.catch_warnings():
        numbers: list[float] = tensor.detach().flatten()[:MOST_NUMBERS].tolist()
        return numbers
