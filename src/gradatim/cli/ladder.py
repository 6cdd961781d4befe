"""``gradatim ladder``: the tutorial's rungs, all measured or one read and run."""

import contextlib
import dataclasses
import io
import json
from typing import TYPE_CHECKING

import click

from gradatim.ladder import RUNGS, Rung

if TYPE_CHECKING:
    from rich.console import Console

    from gradatim.ladder.table import Row

__all__ = ["ladder"]


@click.command()
@click.argument("number", metavar="[RUNG]", required=False, type=click.IntRange(1, 14))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def ladder(number: int | None, as_json: bool) -> None:
    """Climb from NumPy to gradatim, one step at a time.

    The same straight line is trained again and again, and each rung leaves one more
    thing to PyTorch. Without RUNG all are run and compared in a table; with RUNG, 1 to
    14, that program is shown and what it prints.
    """
    if number is None:
        _show_table(as_json=as_json)
    else:
        _show_rung(RUNGS[number - 1], as_json=as_json)


def _show_table(*, as_json: bool) -> None:
    from rich.console import Console

    from gradatim.ladder.table import measure

    console = Console()
    is_shown = console.is_terminal and not as_json
    rows = []
    with console.status("") if is_shown else contextlib.nullcontext() as status:
        for rung in RUNGS:
            if status is not None:
                status.update(f"rung {rung.number} of {len(RUNGS)}: {rung.title}")
            rows.append(measure(rung))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
    else:
        _print_rows(console, rows)


def _print_rows(console: "Console", rows: "list[Row]") -> None:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("rung")
    table.add_column("what replaces what", ratio=1)
    for header in ("lines", "a", "b", "off by", "µs an\nupdate"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        numbers = (
            _text(row.num_lines, "d"),
            _text(row.a, ".4f"),
            _text(row.b, ".4f"),
            _text(row.distance, ".1g"),
            _text(row.update_time_us, ".0f"),
        )
        table.add_row(str(row.number), row.title, row.replaces, *numbers)
    console.print(table)
    console.print(
        "\nlines: of training code, from the loop's start to its end\n"
        "off by: distance of (a, b) to the least-squares line of the rung's 80 points\n"
        "gradatim ladder RUNG shows a program and what it prints",
        highlight=False,
    )


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _show_rung(rung: Rung, *, as_json: bool) -> None:
    if as_json:
        from gradatim.ladder.table import measure

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            rung.load()()
        shown = {"source": rung.source(), "output": printed.getvalue()}
        click.echo(json.dumps(dataclasses.asdict(measure(rung)) | shown, indent=2))
        return

    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    if console.is_terminal:
        console.print(
            Syntax(
                rung.source(),
                "python",
                theme="ansi_dark",
                background_color="default",
                word_wrap=True,
            )
        )
        console.rule("what it prints", style="dim")
    else:
        click.echo(rung.source())
        click.echo("# What it prints:")
    rung.load()()
