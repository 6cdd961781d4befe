"""Where batches come from: the tutorial's line, tensors, data sets, tables."""

from gradatim.data.batches import Batches
from gradatim.data.line import line, line_split
from gradatim.data.split import split

__all__ = ["Batches", "line", "line_split", "split"]
