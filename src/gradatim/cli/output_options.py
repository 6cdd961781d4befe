"""Options of ``gradatim fit`` that say what is predicted of the target."""

from collections.abc import Callable
from typing import Any

import click

__all__ = ["output_options"]


def _numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Read numbers with commas between them."""
    if value is None:
        return None
    try:
        return tuple(float(number) for number in value.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} are no numbers such as 0.05,0.5,0.95"
        ) from error


OPTIONS = (
    click.option(
        "--interval",
        type=float,
        metavar="SHARE",
        help="Give lower and upper beside each prediction; 0.9 of rows lie within.",
    ),
    click.option(
        "--quantiles",
        metavar="0.05,0.5,0.95",
        callback=_numbers,
        help="Predict these quantiles of the target in place of its mean.",
    ),
    click.option(
        "--log-target",
        is_flag=True,
        default=None,
        help="Learn the logarithm of a positive target; answers stay in its units.",
    ),
)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
