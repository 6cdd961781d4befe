"""Where a part of a model is made: the line, read in the user's source."""

import linecache
import re

from gradatim.watching import ModelSeen, SourceLine

__all__ = ["assignment_line"]


def assignment_line(model: ModelSeen, path: str) -> SourceLine | None:
    """Find where a part of a model was made, else where ``self.name = ...`` stands."""
    if path in model.structure.made_at:
        return model.structure.made_at[path]
    owner, _, attribute = re.sub(r"\[.*", "", path).rpartition(".")
    while owner and owner not in model.structure.init_lines:
        owner, _, attribute = owner.rpartition(".")
    place = model.structure.init_lines.get(owner)
    if place is None or not attribute:
        return None
    pattern = re.compile(rf"\b\w+\.{re.escape(attribute)}\s*(:[^=]+)?=(?!=)")
    for number in range(place.number, place.number + 300):
        code = linecache.getline(place.file, number)
        if not code or re.match(r"class\s", code):
            return None
        if pattern.search(code):
            return SourceLine(place.file, number, "__init__")
    return None
