"""Where batches come from: the tutorial's line, tensors, data sets, tables.

The names that read tables are loaded when they are first used: they need pyarrow, and
nothing else here does.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gradatim.data.batches import Batches
from gradatim.data.line import line, line_split
from gradatim.data.split import split

if TYPE_CHECKING:
    from gradatim.tables.features import TableEncoder
    from gradatim.tables.schema.edited import read_edited
    from gradatim.tables.schema.schema import Schema
    from gradatim.tables.table import Table, read_table

__all__ = [
    "Batches",
    "Schema",
    "Table",
    "TableEncoder",
    "line",
    "line_split",
    "read_edited",
    "read_table",
    "split",
]

_HOME = {
    "Schema": "gradatim.tables.schema.schema",
    "Table": "gradatim.tables.table",
    "TableEncoder": "gradatim.tables.features",
    "read_edited": "gradatim.tables.schema.edited",
    "read_table": "gradatim.tables.table",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'gradatim.data' has no attribute {name!r}")
