"""Where a part of a model is made: the line, read in the user's source."""

import linecache
import re

from gradatim.watching import ModelSeen, SourceLine

__all__ = ["assignment_line"]

MAX_LINES_OF_INIT = 300  # chosen by hand, not measured


def assignment_line(model: ModelSeen, path: str) -> SourceLine | None:
    """Find the line that made a part of a model.

    Where the watch did not note it, the line ``self.name = ...`` is looked for, from
    the start of the ``__init__`` of the part's owner to the next class.
    """
    if path in model.structure.made_at:
        return model.structure.made_at[path]
    owner, _, attribute = re.sub(r"\[.*", "", path).rpartition(".")
    while owner and owner not in model.structure.init_lines:
        owner, _, attribute = owner.rpartition(".")
    init_line = model.structure.init_lines.get(owner)
    if init_line is None or not attribute:
        return None
    pattern = re.compile(rf"\b\w+\.{re.escape(attribute)}\s*(:[^=]+)?=(?!=)")
    for number in range(init_line.number, init_line.number + MAX_LINES_OF_INIT):
        code = linecache.getline(init_line.file, number)
        if not code or re.match(r"class\s", code):
            return None
        if pattern.search(code):
            return SourceLine(init_line.file, number, "__init__")
    return None
