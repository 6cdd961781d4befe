"""Which texts stand for a missing value."""

__all__ = ["MISSING_VALUES"]

MISSING_VALUES = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "NaT",
    "None",
    "n/a",
    "nan",
    "null",
)
"""The texts that stand for a missing value, in columns of every type.

Source: the list of ``pandas.read_csv``, with ``NaT``.
"""
