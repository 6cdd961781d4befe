"""Texts that a spreadsheet would take for formulas, made harmless."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["without_formulas"]

FORMULA = r"^[=+\-@\t\r]"
"""How texts begin that spreadsheets run (OWASP, "CSV Injection")."""

NUMBER = r"^[+-]?[0-9.,]+([eE][+-]?[0-9]+)?$"
"""Numbers, which may begin with a sign and run nothing."""


def without_formulas(table: pa.Table) -> pa.Table:
    """Put an apostrophe before texts and names of columns that look like formulas.

    A spreadsheet shows such a cell as text. Whoever reads the file by a program finds
    the apostrophe in the value.

    >>> table = pa.table({"=a": ["=1+1", "-2.5", "plain", None]})
    >>> without_formulas(table).to_pydict()
    {"'=a": ["'=1+1", '-2.5', 'plain', None]}
    """
    columns = [
        pa.chunked_array([_harmless(chunk) for chunk in column.chunks], column.type)
        if _has_texts(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=_quoted(pa.array(table.column_names)).to_pylist())


def _has_texts(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _harmless(values: Any) -> Any:
    if pa.types.is_dictionary(values.type):  # each different text is looked at once
        shared = _quoted(values.dictionary)
        return pa.DictionaryArray.from_arrays(values.indices, shared)
    return _quoted(values)


def _quoted(texts: Any) -> Any:
    """Put an apostrophe before each text of an array that looks like a formula."""
    runs = pc.and_(
        pc.match_substring_regex(texts, FORMULA),
        pc.invert(pc.match_substring_regex(texts, NUMBER)),
    )
    return pc.if_else(runs, pc.binary_join_element_wise("'", texts, ""), texts)
