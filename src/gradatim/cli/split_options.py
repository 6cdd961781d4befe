"""Options of ``gradatim fit`` that say which rows are trained on, and which scored."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

__all__ = ["own_files", "refuse_share_of_folds", "split_options"]


def _share_or_file(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | Path | None:
    """Take a number as a share of the rows, and all else as the path of a file."""
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return Path(value)


OPTIONS = (
    click.option(
        "--val",
        metavar="SHARE|FILE",
        callback=_share_or_file,
        help="Rows to choose by: a share, or a file of their own.  [0.15]",
    ),
    click.option(
        "--test",
        metavar="SHARE|FILE",
        callback=_share_or_file,
        help="Rows to score on, likewise; 0: none, train on everything.  [0.15]",
    ),
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
    click.option(
        "--folds",
        type=int,
        metavar="K",
        help="Train K times; each row is tested on once. Gives mean and spread.",
    ),
    click.option(
        "--final",
        is_flag=True,
        default=None,
        help="Train once more at last, on all rows; the scores stay.",
    ),
)


def split_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which rows are split."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def own_files(choices: dict[str, Any]) -> dict[str, Path]:
    """Take the files out of the choices that are given for ``val`` and ``test``."""
    names = [n for n in ("val", "test") if isinstance(choices.get(n), Path)]
    return {name: choices.pop(name) for name in names}


def refuse_share_of_folds(choices: Mapping[str, Any]) -> None:
    """Refuse ``--test`` beside ``--folds``, which decide the rows to test on."""
    if choices.get("folds") is not None and choices.get("test") is not None:
        raise click.UsageError(
            f"--folds {choices['folds']} and --test {choices['test']}: of K folds each "
            "tests on a K-th of the rows. Leave one of the two out."
        )
