"""Options that say what columns are, where the values do not tell it."""

from collections.abc import Callable
from typing import Any

import click

__all__ = ["column_options", "said_of"]

OPTIONS = (
    ("--category", "COLUMN", "Its numbers are names, such as those of stores."),
    ("--number", "COLUMN[=1.234,5]", "It holds numbers, with such marks."),
    ("--date", "COLUMN[=%d.%m.%Y]", "It holds dates, of such a form."),
    ("--text", "COLUMN", "It holds text that is to be read."),
    ("--id", "COLUMN", "It says which row it is: it is not used."),
    ("--ordered", "COLUMN=low,mid,high", "Its words have this order."),
    ("--missing", "[COLUMN=]WORD", "It stands for a missing value."),
)
"""Each option, what is given to it, and its help."""


def column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; each may be given several times."""
    for name, metavar, text in reversed(OPTIONS):
        add = click.option(name, multiple=True, metavar=metavar, help=text)
        command = add(command)
    return command


def said_of(options: dict[str, Any]) -> dict[str, list[str]]:
    """Take what was said of columns out of a command's options."""
    names = [name.removeprefix("--") for name, _, _ in OPTIONS]
    said = {name: list(options.pop(name)) for name in names}
    return {name: values for name, values in said.items() if values}
