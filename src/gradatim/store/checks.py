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
    "is_list",
    "is_number",
    "is_object",
    "is_text",
    "list_of",
    "one_of",
    "optional",
]

Check = Callable[[Any], bool]

MAX_COUNT = 1 << 62
"""Counts are below this number, so that a sum of two fits into 64 bits."""


def _of_type(*types: type) -> Check:
    return lambda value: type(value) in types


is_text, is_bool, is_number = _of_type(str), _of_type(bool), _of_type(int, float)
is_list, is_object = _of_type(list), _of_type(dict)


def is_count(value: Any) -> bool:
    """Tell whether a value counts something: a whole number from 0, and no bool."""
    return type(value) is int and 0 <= value < MAX_COUNT


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
