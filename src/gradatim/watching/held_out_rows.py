"""Notes which rows a model is trained on, and which it is evaluated on."""

import linecache
import re
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradatim.watching.loaders import Loaders
from gradatim.watching.model_call import ForwardSeen, ModelCall, ModelObserver
from gradatim.watching.position import Position
from gradatim.watching.row_codes import mixed
from gradatim.watching.source_lines import (
    SourceLine,
    is_user_file,
    user_frame,
    variables_of,
)

__all__ = ["HeldOutRows", "RowsSeen"]

MOST_NUMBERS = 2_000_000  # digested of one input: chosen by hand, not measured
MOST_ROWS = 5_000  # digested of one input: chosen by hand, not measured
MOST_ROWS_LEAN = 256  # the same beside a trainer: chosen by hand, not measured
MOST_ROWS_OF_MODEL = 50_000  # remembered: chosen by hand, not measured
MOST_FORWARDS = 200  # digested of each kind: chosen by hand, not measured
WORDS_OF_HELD_OUT = {
    *("val", "va", "valid", "validation", "test", "tst", "te", "dev"),
    *("holdout", "heldout", "held"),
}
"""Words in the names of rows that are held out."""
WORDS_OF_TRAINING = {"train", "training", "trn", "tr"}
"""Words in the names of rows that are trained on."""
NAME = re.compile(r"[A-Za-z_]\w*(?!\w*\s*\()")
STRING = re.compile(r"\"[^\"]*\"|'[^']*'")


@dataclass(slots=True)
class RowsSeen:
    """The rows that a model was given, by digests of their bits."""

    trained: set[int] = field(default_factory=set)
    """The digests of rows that the model was trained on."""
    held_out: set[int] = field(default_factory=set)
    """The digests of rows that the model was evaluated on."""
    held_out_line: SourceLine | None = None
    """The user's line that first evaluated held-out rows."""


class HeldOutRows(ModelObserver[RowsSeen]):
    """Sees the rows that models are given, and whether a backward follows."""

    record_type = RowsSeen

    def __init__(self, position: Position, loaders: Loaders) -> None:
        super().__init__(position)
        self.holds_out: bool | None = None
        """Whether rows that are not trained on are held out, where somebody knows;
        where nobody does, names tell."""
        self._loaders = loaders
        self._num_digested = {True: 0, False: 0}
        self._doubtful: tuple[ForwardSeen, RowsSeen, set[int]] | None = None

    def on_forward(self, call: ModelCall) -> None:
        """Digest the rows that a model was given, the first times."""
        if call.data is None:
            return
        if self._doubtful is not None:
            self._settle(*self._doubtful)
        is_training = call.is_training
        num_digested = self._num_digested[is_training]
        if call.forward.same_input or num_digested >= MOST_FORWARDS:
            return
        self._num_digested[is_training] += 1
        record = self.records[call.number]
        most_rows = MOST_ROWS_LEAN if self.position.is_lean else MOST_ROWS
        kept = record.trained if is_training else record.held_out
        if len(kept) >= MOST_ROWS_OF_MODEL:
            return
        if not is_training and not self._is_held_out(call.data):
            return
        rows = self.quietly(digests, call.data, most_rows) or set()
        if is_training:
            record.trained |= rows
        elif call.forward.grad:  # in eval mode: a backward may follow
            self._doubtful = call.forward, record, rows
        else:
            self._settle(call.forward, record, rows)

    def _settle(self, forward: ForwardSeen, record: RowsSeen, rows: set[int]) -> None:
        """Tell whether rows were trained on or held out."""
        self._doubtful = None
        if forward.used:
            record.trained |= rows
        else:
            record.held_out |= rows
            record.held_out_line = record.held_out_line or forward.line

    def _is_held_out(self, data: Tensor) -> bool:
        if self.holds_out is not None:
            return self.holds_out
        loader = self._loaders.last_started and self._loaders.last_started()
        return bool(self.quietly(_is_named_held_out, user_frame(4), loader, data))


def digests(data: Tensor, most_rows: int = MOST_ROWS) -> set[int]:
    """Give a number for each row, the same for the same bits and for those alone.

    Rows with fewer than two fractions are left out: they are equal by chance.
    """
    if data.dim() < 2 or data.dtype not in (torch.float32, torch.float64):
        return set()
    most = min(most_rows, max(1, MOST_NUMBERS // max(1, data[0].numel())))
    rows = data[:most].flatten(1).contiguous()
    if rows.size(1) < 2:
        return set()
    has_fractions = (rows != rows.round()).sum(dim=1) >= 2
    whole = torch.int32 if rows.dtype == torch.float32 else torch.int64
    codes = mixed(rows.view(whole).long())
    return set(codes[has_fractions & rows.isfinite().all(dim=1)].tolist())


def _is_named_held_out(frame: FrameType | None, loader: Any, data: Tensor) -> bool:
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
            for name, value in variables_of(frame):
                if isinstance(value, Tensor) and _is_part(data, value):
                    of_tensor |= _words(name)
                elif loader is not None and value is loader:
                    of_loader |= _words(name)
        frame = frame.f_back
    for words in (of_tensor, of_loader, of_lines):
        if words & (WORDS_OF_HELD_OUT | WORDS_OF_TRAINING):
            return not words & WORDS_OF_TRAINING
    return False


def _words(text: str) -> set[str]:
    text = STRING.sub("", text.partition("#")[0])
    words: set[str] = set()
    for name in NAME.findall(text):
        if text[text.find(name) + len(name) :].lstrip().startswith("("):
            continue  # a function's name says little: test(model, loader)
        apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        words |= set(re.split(r"[_\d]+", apart))
    return words


def _is_part(data: Tensor, whole: Tensor) -> bool:
    """Tell whether all rows of one tensor lie in another."""
    if data is whole:
        return True
    try:
        start, first = data.data_ptr(), whole.data_ptr()
        if data.device != whole.device or not whole.is_contiguous():
            return False
    except (RuntimeError, NotImplementedError):
        return False
    return first <= start and start + data.nbytes <= first + whole.nbytes
