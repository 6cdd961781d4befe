"""Options that several commands have, and what the values given to them mean."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.text import printable, say, seconds_of

if TYPE_CHECKING:
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = [
    "checkpoint_option",
    "data_option",
    "drop_missing_option",
    "existing_run",
    "max_expand_option",
    "model_option",
    "reading_of",
    "reading_options",
    "run_option",
    "time_limit_option",
]

run_option = click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run folder; the newest under runs/ by default.",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The run's data file, where it is no longer where it was.",
)
model_option = click.option(
    "--model",
    "factory",
    metavar="MODULE_OR_FILE:FACTORY",
    help="Your own network: FACTORY(num_features, num_outputs) gives an nn.Module.",
)
drop_missing_option = click.option(
    "--drop-missing-target",
    is_flag=True,
    help="Leave out rows whose target is missing, NaN or infinite.",
)


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Read a time such as ``30s``, ``5m`` or ``2h``; ``never`` is infinite."""
    if value == "never":
        return math.inf
    if (seconds := seconds_of(value)) is None:
        raise click.BadParameter(f"{value!r} is no time such as 30s, 5m, 2h or never")
    return seconds


def _limit(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | None:
    """Read a time that is more than none."""
    seconds = None if value is None else seconds_of(value)
    if value is not None and not seconds:
        raise click.BadParameter(f"{value!r} is no time such as 60s, 5m or 1h")
    return seconds


time_limit_option = click.option(
    "--time-limit",
    callback=_limit,
    metavar="TIME",
    help="Such as 60s, 5m, 1h: end in time, with the best epoch so far.",
)


checkpoint_option = click.option(
    "--checkpoint-every",
    "every_s",
    callback=_seconds,
    default="30s",
    metavar="TIME",
    help="Such as 30s, 5m, never; one is written at the end anyway.  [30s]",
)


def _allow_expansion(
    ctx: click.Context, param: click.Parameter, value: float | None
) -> None:
    """Let packed files become so many times as large, until the command ends."""
    if value is not None:
        from gradatim.tables.files.expansion import expansion_allowed

        ctx.with_resource(expansion_allowed(value))


max_expand_option = click.option(
    "--max-expand",
    type=click.FloatRange(min=1),
    metavar="TIMES",
    callback=_allow_expansion,
    expose_value=False,
    help="How many times its size a packed or Parquet file may unpack to.  [200]",
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how a file is read."""
    sheet = click.option("--sheet", metavar="NAME", help="Of an Excel workbook.")
    encoding = click.option(
        "--encoding", metavar="NAME", help="Of a text file, such as cp1252.  [utf-8]"
    )
    skip = click.option(
        "--skip-bad-lines",
        is_flag=True,
        help="Leave lines out that repeat the header, are a total of those above, or "
        "have another number of fields.",
    )
    header = click.option(
        "--no-header",
        is_flag=True,
        help="The first line of text is a row; columns are column_1, column_2, ...",
    )
    return sheet(encoding(skip(header(command))))


def reading_of(choices: dict[str, Any]) -> dict[str, Any]:
    """Take out of a command's options what is said of how the file is read."""
    names = ("sheet", "encoding", "skip_bad_lines", "no_header")
    given = {name: choices.pop(name) for name in names}
    return {name: value for name, value in given.items() if value}


def existing_run(
    run_path: Path | None, *, with_model: bool = False
) -> "TableRunFolder":
    """Find the run to work on. Where none was named, say which one was chosen."""
    from gradatim.run.folder import find_run
    from gradatim.tables.saved.folder import TableRunFolder

    run = TableRunFolder(find_run(run_path, with_model=with_model).path)
    if run_path is None:
        say(f"run: {printable(str(run.path))} (the newest)", file=sys.stderr)
    return run
