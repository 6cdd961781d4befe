"""Columns of structs, opened into columns of their own: ``place`` has ``place.lat``."""

import pyarrow as pa

__all__ = ["opened"]

MOST_LEVELS = 16
"""Structs are opened so deep; chosen by hand."""


def opened(table: pa.Table) -> pa.Table:
    """Give each field of a struct a column, which is missing where the struct is.

    >>> table = pa.table({"id": [1, 2], "at": [{"lat": 0.5, "lon": 2.0}, None]})
    >>> opened(table).to_pydict()
    {'id': [1, 2], 'at.lat': [0.5, None], 'at.lon': [2.0, None]}
    """
    for _ in range(MOST_LEVELS):
        if not any(pa.types.is_struct(kind) for kind in table.schema.types):
            break
        table = table.flatten()
    return table
