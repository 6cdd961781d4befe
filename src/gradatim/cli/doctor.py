"""``gradatim doctor``: run a script under watch, and say what is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradatim.cli.printing import print_json
from gradatim.text import say

if TYPE_CHECKING:
    from gradatim.doctor import Finding

__all__ = ["doctor"]

RANKS = {"error": 0, "warning": 1, "info": 2, "never": -1}
"""A finding makes the exit code 1 if its rank is at most that of ``--fail-on``."""


def _codes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(code.strip().upper() for code in value.split(",") if code.strip())


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--select",
    default="",
    callback=_codes,
    metavar="CODES",
    help="These pitfalls alone, such as GT101 or GT3, with commas between.",
)
@click.option(
    "--ignore", default="", callback=_codes, metavar="CODES", help="Not these."
)
@click.option(
    "--fail-on",
    type=click.Choice(list(RANKS)),
    default="error",
    help="What makes the exit code 1.  [error]",
)
@click.option("--explain", metavar="CODE", help="Print the page of a pitfall.")
@click.option("--list", "is_list", is_flag=True, help="List all pitfalls.")
@click.argument("script", required=False, type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def doctor(
    as_json: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    explain: str | None,
    is_list: bool,
    script: Path | None,
    arguments: tuple[str, ...],
) -> int:
    """Run SCRIPT as Python does, and find mistakes that raise nothing.

    What it computes is the same, bit for bit. A line that says # gt: ignore[GT101] is
    left alone.

    \b
    Examples:
      gradatim doctor train.py --epochs 3
      gradatim doctor --explain GT302
    """
    from gradatim.doctor import run_script
    from gradatim.errors import ConfigError

    if is_list:
        _list()
        return 0
    if explain is not None:
        _explain(explain.upper())
        return 0
    if script is None:
        raise click.UsageError("SCRIPT is missing: what is to be run?")
    if not script.is_file():
        raise ConfigError(f"there is no file {script}.")
    result = run_script(script, arguments, select=select, ignore=ignore)
    findings, error = result.findings, result.seen.error
    if error is not None:
        _trace(error, script)
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        _print(findings, result.seen.num_steps)
    if error is not None:
        return 1
    rank = RANKS[fail_on]
    return int(any(RANKS[finding.severity] <= rank for finding in findings))


def _list() -> None:
    from gradatim.doctor.pages import all_pages

    for page in all_pages().values():
        note = {"GT0": " (gt.check)", "GT9": " (an exception, explained)"}
        line = f"{page.code}  {page.severity:7}  {page.title}"
        say(line + note.get(page.code[:3], ""))


def _explain(code: str) -> None:
    from gradatim.doctor.pages import all_pages
    from gradatim.errors import ConfigError
    from gradatim.text import nearest_name

    pages = all_pages()
    if code not in pages:
        raise ConfigError(
            f"there is no pitfall {code}.{nearest_name(code, pages)}\n"
            "gradatim doctor --list names them all."
        )
    say(pages[code], end="")


def _trace(error: BaseException, script: Path) -> None:
    """Print the traceback as Python does, beginning with the script."""
    import traceback

    frames = error.__traceback__
    while frames is not None and Path(frames.tb_frame.f_code.co_filename) != script:
        frames = frames.tb_next
    traceback.print_exception(error.with_traceback(frames or error.__traceback__))


def _print(findings: "list[Finding]", num_steps: int) -> None:
    steps = f"{num_steps:,} update{'s' * (num_steps != 1)}"
    if not findings:
        say(f"doctor: nothing found in {steps}")
        return
    say(f"doctor: {len(findings)} found in {steps}")
    for finding in findings:
        say(f"\n{finding}")
    say("\nMore: gradatim doctor --explain CODE")
