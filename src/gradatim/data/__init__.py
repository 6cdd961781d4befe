"""Where batches come from: the tutorial's line, tensors, data sets, tables."""

from gradatim.data.line import line, line_split

__all__ = ["line", "line_split"]
