"""Options that say what columns are, where the values do not tell it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = [
    "column_options",
    "said_of",
    "said_options",
    "target_option",
]


WEIGHTS = (
    ("--class-weight", "balanced", "Rare classes count as much as others in the loss."),
    ("--weight", "COLUMN", "It says what each row counts, in loss and scores."),
)
"""The options that say what rows count."""


def _one_target(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> str | None:
    """Refuse a second target: the first one would be forgotten in silence."""
    if len(value) > 1:
        given = " ".join(f"--target {name}" for name in value)
        raise click.UsageError(
            f"{given}: a run predicts one column. Leave all but one out; fit the "
            "others in runs of their own, with --drop for targets they must not see."
        )
    return value[0] if value else None


target_option = click.option(
    "--target",
    metavar="COLUMN",
    multiple=True,
    callback=_one_target,
    help="The column to predict.",
)

OPTIONS = (
    ("--category", "COLUMN", "Its numbers are names, such as those of stores."),
    ("--number", "COLUMN[=1.234,5]", "It holds numbers, with such marks."),
    ("--date", "COLUMN[=%d.%m.%Y]", "It holds dates, of such a form."),
    ("--text", "COLUMN", "It holds text that is read, even if it does not help."),
    ("--id", "COLUMN", "It says which row it is: it is not used."),
    ("--ordered", "COLUMN=low,mid,high", "Its words have this order."),
    ("--missing", "[COLUMN=]WORD", "It stands for a missing value."),
)
"""Each option, what is given to it, and its help."""


def column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; most may be given several times."""
    for name, metavar, text in WEIGHTS:
        command = click.option(name, metavar=metavar, help=text)(command)
    command = click.option(
        "--schema",
        type=click.Path(path_type=Path),
        metavar="FILE.json",
        help="What `inspect --edit` wrote, with your changes.",
    )(command)
    return said_options(command)


def said_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those options alone that are given on the command line."""
    for name, metavar, text in reversed(OPTIONS):
        add = click.option(name, multiple=True, metavar=metavar, help=text)
        command = add(command)
    return command


def said_of(options: dict[str, Any]) -> dict[str, list[str]]:
    """Take what was said of columns out of a command's options."""
    names = [name.removeprefix("--") for name, _, _ in OPTIONS]
    said = {name: list(options.pop(name)) for name in names}
    return {name: values for name, values in said.items() if values}
