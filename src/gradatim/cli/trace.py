"""``gradatim trace``: one training step, seen whole."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.cli.options import (
    data_option,
    existing_run,
    max_expand_option,
    model_option,
    run_option,
)
from gradatim.cli.printing import print_json, print_notices, print_table
from gradatim.cli.user_code import load_factory
from gradatim.text import say

if TYPE_CHECKING:
    from gradatim.tables.saved.folder import TableRunFolder
    from gradatim.trace import StepTrace

__all__ = ["trace"]

NEW_OPTIMIZER_NOTE = (
    "AdamW begins anew, at the highest rate of the schedule: a trained model is "
    "without its optimizer"
)


def _rows(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """Read rows such as ``0:16``: from the first number to before the second."""
    match = re.fullmatch(r"(\d{1,12}):(\d{1,12})", value)
    if match is None or not int(match[1]) < int(match[2]):
        raise click.BadParameter(f"{value!r} are no rows such as 0:16")
    return int(match[1]), int(match[2])


@click.command()
@run_option
@click.option(
    "--rows",
    callback=_rows,
    default="0:16",
    metavar="A:B",
    help="Of the training rows, from A to before B, counted from 0.  [0:16]",
)
@data_option
@max_expand_option
@model_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace(
    run_path: Path | None,
    rows: tuple[int, int],
    data: Path | None,
    factory: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show the next training step of a run: values, shapes, gradients, update.

    The step is made on a copy of the trained model, with an optimizer that begins
    anew; the run stays as it is. Where there is no run, it is the first step on the
    tutorial's line, with the arithmetic spelled out.

    \b
    Example:
      gradatim trace --rows 0:4
      gradatim trace -o step.html
    """
    step_trace = _trace(run_path, rows, data, factory)
    if output is not None:
        step_trace.save(output)
        # Where the page is written to standard output, nothing else may be.
        say(f"page: {output}", file=sys.stderr if str(output) == "-" else None)
    elif as_json:
        print_json(step_trace.to_dict())
    elif sys.stdout.isatty():
        _print(step_trace)
    else:
        say(step_trace)


def _trace(
    run_path: Path | None, rows: tuple[int, int], data: Path | None, factory: str | None
) -> "StepTrace":
    from gradatim.run.folder import RUNS

    network = load_factory(factory)
    if run_path is None and network is None and not any(RUNS.glob("*/config.json")):
        say(
            f"no run under {RUNS}/: the first step on the tutorial's line",
            file=sys.stderr,
        )
        return _first_step(rows)
    run = existing_run(run_path, with_model=True)
    return _next_step(run, rows, data, network)


def _first_step(rows: tuple[int, int]) -> "StepTrace":
    """Trace the first update of the tutorial's rung 9, from its own start."""
    import torch
    from torch import nn

    from gradatim.cli.next_step import within
    from gradatim.data import line, line_split
    from gradatim.ladder.rung_09_model import ManualLine
    from gradatim.trace import trace_step

    (x, y), _ = line_split(*line())
    first, end = within(rows, len(x))
    with torch.random.fork_rng():
        torch.manual_seed(42)
        model = ManualLine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return trace_step(model, nn.MSELoss(), optimizer, x[first:end], y[first:end])


def _next_step(
    run: "TableRunFolder", rows: tuple[int, int], data: Path | None, network: Any
) -> "StepTrace":
    import torch

    from gradatim.cli.next_step import next_step
    from gradatim.threads import threads
    from gradatim.trace import trace_step

    step = next_step(run, rows=rows, data=data, factory=network)
    own_notes = [] if run.kind == "line" else [NEW_OPTIMIZER_NOTE]
    print_notices([*step.notices, *own_notes])
    plan = step.plan
    parts = (plan.model, plan.loss_fn, plan.make_optimizer())
    with threads(1), torch.random.fork_rng():
        torch.manual_seed(plan.config.seed)  # dropout draws from the global generator
        return trace_step(*parts, step.x, step.y, max_norm=plan.max_norm)


def _print(step_trace: "StepTrace") -> None:
    from rich.console import Console
    from rich.text import Text

    from gradatim.text import printable
    from gradatim.trace.sections import sections_of

    console = Console(highlight=False)

    def print_lines(*lines: str, style: str = "") -> None:
        for line in lines:
            console.print(Text(printable(line), style=style))

    for place, section in enumerate(sections_of(step_trace)):
        if place:
            console.print()
        print_lines(section.title, style="bold")
        print_lines(*section.before)
        if section.rows:
            rows = [[printable(cell) for cell in row] for row in section.rows]
            print_table(
                section.headers,
                fitted(section.headers, rows, console.width),
                text_columns=section.text_columns,
            )
        print_lines(*section.after)


def fitted(
    headers: Sequence[str], rows: list[list[str]], width: int
) -> list[list[str]]:
    """Shorten the first column so that a table fits: from the left, as names end apart.

    >>> fitted(["module"], [["blocks.0.layers.1"]], 12)
    [['….0.layers.1']]
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    beyond = sum(widths) + 2 * len(widths) - 2 - width
    most = max(12, widths[0] - beyond)
    return [
        [name if len(name) <= most else f"…{name[1 - most :]}", *cells]
        for name, *cells in rows
    ]
