"""What a value that was read from a file may be: checks that are put together.

>>> check = fields(name=is_text, sizes=list_of(is_count), best=optional(is_number))
>>> check({"name": "a", "sizes": [1, 2], "best": None})
True
>>> check({"name": "a", "sizes": [1, 2]}), check({"name": 1, "sizes": [], "best": 2})
(False, False)
"""

from collections.abc import Callable
from typing import Any

__all__ = [
    "Check",
    "fields",
    "is_bool",
    "is_count",
    "is_int64",
    "is_list",
    "is_number",
    "is_object",
    "is_text",
    "list_of",
    "of_type",
    "one_of",
    "optional",
    "whole",
]

Check = Callable[[Any], bool]

MAX_COUNT = 1 << 62
"""Counts are below this number, so that a sum of two fits into 64 bits."""


MAX_INT64 = 2**63 - 1


def of_type(*types: type) -> Check:
    """Give the check of a value of one of these types; a bool is no int."""
    return lambda value: type(value) in types


def whole(least: int, most: int) -> Check:
    """Give the check of a whole number from ``least`` to ``most``."""
    return lambda value: type(value) is int and least <= value <= most


is_text, is_bool, is_number = of_type(str), of_type(bool), of_type(int, float)
is_list, is_object = of_type(list), of_type(dict)
is_count, is_int64 = whole(0, MAX_COUNT - 1), whole(-MAX_INT64, MAX_INT64)


def optional(check: Check) -> Check:
    """Give the check of a value that may be null."""
    return lambda value: value is None or check(value)


def one_of(*values: Any) -> Check:
    """Give the check of a value that is one of these."""
    return lambda value: value in values


def list_of(check: Check) -> Check:
    """Give the check of a list, each item of which passes ``check``."""
    return lambda value: is_list(value) and all(map(check, value))


def fields(**checks: Check) -> Check:
    """Give the check of an object with these fields and no others."""
    return lambda value: (
        is_object(value)
        and set(value) == set(checks)
        and all(check(value[name]) for name, check in checks.items())
    )
