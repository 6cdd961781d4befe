"""Numbers about what a model is fed, and about the data set that it comes from."""

import linecache
import random
import re
import sys
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.watching.row_codes import mixed
from gradatim.watching.source_lines import is_user_file
from gradatim.watching.training_seen import InputNumbers

__all__ = ["digests", "generators_of", "input_numbers", "is_held_out", "leaking_column"]

MOST_NUMBERS = 2_000_000
MOST_ROWS = 5_000
HELD = {
    *("val", "va", "valid", "validation", "test", "tst", "te", "dev"),
    *("holdout", "heldout", "held"),
}
TRAINED = {"train", "training", "trn", "tr"}
NAME = re.compile(r"[A-Za-z_]\w*(?!\w*\s*\()")
STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


def input_numbers(step: int, training: bool, given: Tensor) -> InputNumbers | None:
    """Look at the columns of an input: the last dimension, of pictures the channels."""
    if not given.is_floating_point() or given.dim() < 2 or not given.numel():
        return None
    rows = given[: max(1, MOST_NUMBERS // max(1, given[0].numel()))].double()
    wide = rows.movedim(1, -1).flatten(0, -2) if rows.dim() >= 4 else rows
    wide = wide.flatten(0, -2)
    good = wide[wide.isfinite().all(dim=1)]
    if len(good) < 2:
        good = torch.zeros(2, wide.size(1), dtype=torch.double)
    std, mean = good.std(dim=0, correction=0), good.mean(dim=0)
    varied = std > 0
    if not varied.any():
        varied = torch.ones_like(varied)
    some = std[varied]
    return InputNumbers(
        step=step,
        training=training,
        shape=tuple(given.shape),
        num_bad=int((~wide.isfinite()).sum()),
        min=float(good.min()),
        max=float(good.max()),
        is_whole=bool((good == good.round()).all()),
        std_low=float(some.min()),
        std_high=float(some.max()),
        column_high=int(torch.where(varied, std, -1.0).argmax()),
        column_low=int(torch.where(varied, std, torch.inf).argmin()),
        mean_high=float(mean[varied].abs().max()),
    )


def digests(given: Tensor, most_rows: int = MOST_ROWS) -> set[int]:
    """Give a number for each row, the same for the same bits and for those alone.

    Rows with fewer than two fractions are left out: they are equal by chance.
    """
    if given.dim() < 2 or given.dtype not in (torch.float32, torch.float64):
        return set()
    most = min(most_rows, max(1, MOST_NUMBERS // max(1, given[0].numel())))
    rows = given[:most].flatten(1).contiguous()
    if rows.size(1) < 2:
        return set()
    told = ((rows != rows.round()).sum(dim=1) >= 2) & rows.isfinite().all(dim=1)
    whole = torch.int32 if rows.dtype == torch.float32 else torch.int64
    return set(mixed(rows.view(whole).long())[told].tolist())


def is_held_out(frame: FrameType | None, loader: Any, given: Tensor) -> bool:
    """Tell whether the user's names say that rows are for validation or test.

    The names of the tensor count most, then those of the loader that was started last,
    then the lines that are being run.
    """
    of_tensor: set[str] = set()
    of_loader: set[str] = set()
    of_lines: set[str] = set()
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            of_lines |= _words(line)
            for name, value in _named(frame):
                if isinstance(value, Tensor) and _is_part(given, value):
                    of_tensor |= _words(name)
                elif loader is not None and value is loader:
                    of_loader |= _words(name)
        frame = frame.f_back
    for words in (of_tensor, of_loader, of_lines):
        if words & (HELD | TRAINED):
            return not words & TRAINED
    return False


def _named(frame: FrameType) -> list[tuple[str, Any]]:
    named = list(frame.f_locals.items())[:500]
    owner = frame.f_locals.get("self")
    return named + list(getattr(owner, "__dict__", {}).items())[:100]


def _words(text: str) -> set[str]:
    text = STRING.sub("", text.partition("#")[0])
    words: set[str] = set()
    for name in NAME.findall(text):
        if text[text.find(name) + len(name) :].lstrip().startswith("("):
            continue  # a function's name says little: test(model, loader)
        apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        words |= set(re.split(r"[_\d]+", apart))
    return words


def _is_part(given: Tensor, whole: Tensor) -> bool:
    """Tell whether all rows of one tensor lie in another."""
    if given is whole:
        return True
    try:
        start, first = given.data_ptr(), whole.data_ptr()
        if given.device != whole.device or not whole.is_contiguous():
            return False
    except (RuntimeError, NotImplementedError):
        return False
    return first <= start and start + given.nbytes <= first + whole.nbytes


def leaking_column(given: Tensor, target: Tensor) -> tuple[int, bool] | None:
    """Find a column of the input that is the target, or the target moved and scaled.

    Returns:
        The column, and whether it is equal; None without one.
    """
    if given.dim() != 2 or given.size(1) < 2 or len(given) < 16:
        return None
    if target.numel() != len(given) or not given.is_floating_point():
        return None
    x = given[:MOST_ROWS].double()
    y = target.reshape(-1)[:MOST_ROWS].double()
    if not float(y.std()) or not bool(y.isfinite().all()):
        return None
    equal = (x == y.unsqueeze(1)).all(dim=0)
    if equal.any():
        return int(equal.int().argmax()), True
    if bool((y != y.round()).any()):
        return None  # y = 2 * x of a first example
    centered, wanted = x - x.mean(dim=0), y - y.mean()
    norms = centered.norm(dim=0) * wanted.norm()
    same = (wanted @ centered).abs() / norms.clamp(min=1e-300)
    best = int(torch.nan_to_num(same).argmax())
    return (best, False) if float(same[best]) > 1 - 1e-10 else None


def generators_of(dataset: Any) -> tuple[str, ...]:
    """Name generators of random numbers that a data set holds and draws from."""
    found: list[str] = []
    for name, owner in [("", dataset), *_parts(dataset)]:
        codes = _codes(type(owner))
        for key, value in list(getattr(owner, "__dict__", {}).items()):
            is_one = isinstance(value, (*GENERATORS, torch.Generator))
            if is_one and any(key in code.co_names for code in codes):
                found.append(f"{name}{key}")
        for code, scope in [(c, _scope(type(owner))) for c in codes]:
            for key in code.co_names:
                if isinstance(scope.get(key), (*GENERATORS, torch.Generator)):
                    found.append(key)
    return tuple(dict.fromkeys(found))


def _parts(dataset: Any) -> list[tuple[str, Any]]:
    """Give what a data set holds that is the user's own: a transform, an inner set."""
    values = list(getattr(dataset, "__dict__", {}).items())[:50]
    return [
        (f"{key}.", value)
        for key, value in values
        if hasattr(value, "__dict__") and _codes(type(value))
    ]


def _codes(kind: type) -> list[Any]:
    """Give the code that runs for each row, and what of its class it calls."""
    methods = {}
    for each in reversed(kind.__mro__):
        methods.update({n: v for n, v in vars(each).items() if hasattr(v, "__code__")})
    names = [n for n in ("__getitem__", "__call__", "__iter__") if n in methods]
    names = [n for n in names if is_user_file(methods[n].__code__.co_filename)]
    for name in names:
        for other in methods[name].__code__.co_names:
            if other in methods and other not in names:
                names.append(other)
    return [methods[n].__code__ for n in names]


def _scope(kind: type) -> dict[str, Any]:
    """Give the variables of the file that a class is from."""
    module = sys.modules.get(kind.__module__)
    return {} if module is None else vars(module)
