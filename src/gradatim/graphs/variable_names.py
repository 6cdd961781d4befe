"""The names that tensors have in the code that asks for a graph."""

import sys
from collections.abc import Mapping
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "NOT_CALLING_CODE",
    "is_calling_code",
    "local_names",
    "names_of",
    "names_of_caller",
]

NOT_CALLING_CODE = (
    str(Path(torch.__file__).parent),
    str(Path(__file__).parent),
    "<@beartype",
    "<eval_with_key>",  # code that torch.fx and torch.compile have written
)
"""How the file names of torch, of this package and of generated code begin. Lines of
such files do not tell a user where a box was made."""


def is_calling_code(file: str) -> bool:
    """Tell whether a file's code uses torch and this package, and is no part of them.

    Code that only checks annotations is no calling code either.
    """
    return not file.startswith(NOT_CALLING_CODE) and "jaxtyping" not in file


def names_of_caller() -> dict[str, Tensor]:
    """Give the tensors that the calling function and its file have names for."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_calling_code(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return {}
    return names_of(frame.f_globals) | names_of(_variables_of(frame))


def names_of(variables: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the tensors among variables, and the parameters of the models among them."""
    tensors: dict[str, Tensor] = {}
    for name, value in list(variables.items()):
        if isinstance(value, nn.Module):
            tensors |= {f"{name}.{n}": p for n, p in value.named_parameters()}
        elif isinstance(value, Tensor):
            tensors[name] = value
    return tensors


def local_names(frame: FrameType | None) -> dict[int, str]:
    """Give the local names of tensors, by ``id``, in all functions that now run.

    Where two functions have a name for one tensor, the innermost function's counts.
    """
    names: dict[int, str] = {}
    while frame is not None:
        if is_calling_code(frame.f_code.co_filename):
            for name, value in _variables_of(frame).items():
                if isinstance(value, Tensor):
                    names.setdefault(id(value), name)
        frame = frame.f_back
    return names


def _variables_of(frame: FrameType) -> dict[str, Any]:
    """Copy the variables of a running function, and keep none of them alive.

    Until 3.13, the first look at ``f_locals`` makes Python keep a dict of the
    variables for as long as the function runs. That dict is emptied here.
    """
    held = frame.f_locals
    variables = dict(held)
    is_copy = bool(frame.f_code.co_flags & CO_OPTIMIZED) and type(held) is dict
    # Three references: the frame's, `held`, and getrefcount's argument. A fourth one
    # is the user's own, from calling `locals()`; that dict must stay as it is.
    if is_copy and sys.getrefcount(held) == 3:
        held.clear()
    return variables
