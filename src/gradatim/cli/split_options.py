"""Options of ``gradatim fit`` that say which rows are trained on, and which scored."""

from collections.abc import Callable
from typing import Any

import click

__all__ = ["split_options"]

OPTIONS = (
    click.option("--val", type=float, help="Share of rows to choose by.  [0.15]"),
    click.option("--test", type=float, help="Share of rows to score on.  [0.15]"),
    click.option(
        "--time",
        metavar="COLUMN",
        help="Train on earlier rows, score on the latest, by this date or number.",
    ),
    click.option(
        "--group",
        metavar="COLUMN",
        help="Score on other groups than those trained on; such as patients.",
    ),
)


def split_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which rows are split."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
