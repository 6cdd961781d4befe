"""Columns of structs, opened into columns of their own: ``place`` has ``place.lat``."""

import pyarrow as pa

__all__ = ["opened", "opened_names"]

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


def opened_names(schema: pa.Schema) -> tuple[str, ...]:
    """Give the names that the columns of a schema have when they are opened.

    An empty table would tell them, too, but pyarrow imports pandas to make one.
    """
    return tuple(name for field in schema for name in _names(field, "", MOST_LEVELS))


def _names(field: pa.Field, before: str, levels: int) -> list[str]:
    name = before + field.name
    if not (levels and pa.types.is_struct(field.type)):
        return [name]
    inner = [field.type.field(place) for place in range(field.type.num_fields)]
    return [n for each in inner for n in _names(each, f"{name}.", levels - 1)]
