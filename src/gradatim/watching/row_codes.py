"""Numbers by which rows are recognised, whatever order they are in."""

import sys
from collections.abc import Iterator
from functools import cached_property
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.watching.source_lines import is_user_file, variables_of

__all__ = ["Rows", "codes_of", "mixed", "rows_in"]

MOST_COLUMNS = 64  # read of one table: chosen by hand, not measured
MOST_BYTES = 2_000_000_000  # of an array that is read: chosen by hand, not measured
MOST_LISTED = 20_000  # entries of a list that is read: chosen by hand, not measured
MOST_ARRAYS = 16  # read of one number of rows: chosen by hand, not measured
MOST_ATTRIBUTES_OF_DATA = 50  # read: chosen by hand, not measured
LEAST_SHARE_UNIQUE = 0.5  # of rows, unlike all others: chosen by hand, not measured


class Rows:
    """Variables with one entry for each row, as they were at some time."""

    def __init__(self, name: str, outer: str, codes: Tensor, since: int) -> None:
        self.name, self.outer = name, outer
        """The variable's name in the innermost function with it, and the outermost."""
        self.codes = codes
        self.since = since
        """The number of orders drawn before the variable was noted."""

    @cached_property
    def _index(self) -> tuple[Tensor, Tensor, Tensor]:
        """The codes in order, the row of each, and whether no other row has it."""
        codes, places = self.codes.sort(stable=True)
        same = codes[1:] == codes[:-1]
        no = same.new_zeros(1)
        return codes, places, ~(torch.cat([no, same]) | torch.cat([same, no]))

    @cached_property
    def is_told_apart(self) -> bool:
        """Whether most rows differ from all others."""
        return float(self._index[2].double().mean()) > LEAST_SHARE_UNIQUE

    @cached_property
    def varies(self) -> bool:
        """Whether not all rows are the same."""
        return bool((self.codes != self.codes[0]).any())

    def has(self, wanted: Tensor) -> bool:
        """Tell whether each of some rows is here, and not all rows are the same."""
        return self.varies and bool(torch.isin(wanted, self.codes).all())

    def find(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Find rows again: their places, and which were found at one place only."""
        codes, places, alone = self._index
        at = torch.searchsorted(codes, wanted).clamp(max=len(codes) - 1)
        return places[at], (codes[at] == wanted) & alone[at]


def codes_of(value: Any, num_rows: int | None = None) -> Tensor | None:
    """Give a number for each row; the same row has the same number.

    Args:
        value: A tensor, an array, a table, or a list of numbers or of tensors.
        num_rows: Rows that it must have.
    """
    wide = _wide(value, num_rows)
    if wide is None or not wide.size(1):
        return None
    # Adding 0.0 makes 0.0 of -0.0: the two are equal, and must have one code.
    bits = (wide.to(torch.float32) + 0.0).contiguous().view(torch.int32).long()
    return mixed(bits)


def mixed(bits: Tensor) -> Tensor:
    """Give a number for each row of whole numbers.

    Sums of whole numbers wrap, and do not depend on their order.
    """
    places = torch.arange(1, bits.size(1) + 1, device=bits.device)
    products = bits * ((places * 0x9E3779B97F4A7C1 + 0x632BE5AB) | 1)
    return (products ^ (products >> 29)).sum(dim=1)


def _wide(value: Any, num_rows: int | None) -> Tensor | None:
    """Give some columns of all rows, on the CPU."""
    is_table = type(value).__module__.partition(".")[0] == "pandas"
    is_dense = isinstance(value, Tensor) and value.layout is torch.strided
    is_array = (is_dense or isinstance(value, np.ndarray)) and value.ndim
    if not is_array and not is_table and not isinstance(value, list):
        return None
    if not len(value) or num_rows not in (None, len(value)):
        return None
    if isinstance(value, Tensor):
        wide = value.detach().flatten(1) if value.dim() > 1 else value.detach()[:, None]
        return wide[:, :: 1 + (wide.size(1) - 1) // MOST_COLUMNS].cpu()
    if is_table:
        value = value.to_numpy() if hasattr(value, "to_numpy") else None
    elif isinstance(value, list):
        value = _array_of(value)
    if not isinstance(value, np.ndarray) or isinstance(value, np.memmap):
        return None
    if not value.ndim or value.dtype.kind not in "biuf" or value.nbytes > MOST_BYTES:
        return None
    array = value.reshape(len(value), -1)
    array = array[:, :: 1 + (array.shape[1] - 1) // MOST_COLUMNS]
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _array_of(value: list[Any]) -> Any:
    kinds = (bool, int, float, Tensor, np.ndarray, np.generic, list, tuple)
    if len(value) > MOST_LISTED or not isinstance(value[0], kinds):
        return None
    if type(value[0]) is not type(value[-1]):
        return None
    if isinstance(value[0], Tensor):
        return torch.stack(value).detach().cpu().numpy()
    return np.array(value)


def rows_in(frame: FrameType | None, num_rows: int, *more: Any) -> Iterator[Any]:
    """Give the variables with so many rows: of the user's functions, of a data set.

    Yields:
        The variable's name in the innermost function, and in the outermost; its value.
    """
    given: list[Any] = []
    named = [("", value) for value in more]
    for value in more:
        named += list(getattr(value, "__dict__", {}).items())[:MOST_ATTRIBUTES_OF_DATA]
        parts = getattr(value, "tensors", None)
        named += [("", part) for part in parts] if isinstance(parts, tuple) else []
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            variables = variables_of(frame)
            named += [(n, v) for n, v in variables if not n.startswith("__")]
        frame = frame.f_back
    inner = {id(value): name for name, value in reversed(named) if name}
    outer = {id(value): name for name, value in named if name}
    for _, value in named:
        if len(given) >= MOST_ARRAYS:
            return
        if _has(value, num_rows) and not any(value is other for other in given):
            given.append(value)
            yield inner.get(id(value), ""), outer.get(id(value), ""), value


def _has(value: Any, num_rows: int) -> bool:
    pandas = sys.modules.get("pandas")
    kinds: tuple[Any, ...] = (Tensor, np.ndarray, list)
    if pandas is not None:
        kinds += (getattr(pandas, "DataFrame", list), getattr(pandas, "Series", list))
    if not isinstance(value, kinds):
        return False
    if isinstance(value, (Tensor, np.ndarray)) and not len(value.shape):
        return False
    return len(value) == num_rows
