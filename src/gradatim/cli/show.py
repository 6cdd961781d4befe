"""``gradatim show``: a run's data, history and scores."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.cli.options import existing_run, run_option
from gradatim.cli.printing import (
    format_score,
    print_importance,
    print_json,
    print_table,
    print_test_scores,
)
from gradatim.text import printable, say

if TYPE_CHECKING:
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = ["show"]

IN_PYTHON = {"name": "a table in Python"}
MAX_EPOCHS_SHOWN = 12
"""At most this many epochs of the history are printed; chosen by hand, not measured."""


@click.command()
@run_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run_path: Path | None, as_json: bool) -> None:
    """Show a run: what it was trained on, how training went, its scores."""
    from gradatim.tables.saved.importance import read_importance

    run = existing_run(run_path)
    importance = read_importance(run.path) if run.is_table else None
    scores = run.scores if run.is_table and run.has_model else None
    if as_json:
        print_json(
            {
                "run": str(run.path),
                "config": run.config,
                "checkpoint": run.checkpoint and vars(run.checkpoint),
                "scores": scores,
                **({"importance": importance.to_dict()} if importance else {}),
                "history": run.history.to_dicts(),
                "environment": run.environment,
            }
        )
        return
    _print_data(run)
    _print_history(run.history.to_dicts())
    _print_state(run)
    if scores is not None:
        say()
        print_test_scores(scores, scores["rows"], kind=run.kind)
    if importance is not None:
        say()
        print_importance(importance)


def _print_data(run: "TableRunFolder") -> None:
    config = run.config
    names = {"line": "the tutorial's line", "python": "a loop in Python"}
    source = names.get(run.kind) or config.get("file", IN_PYTHON)["name"]
    made = config["created_at"][:19].replace("T", " ")
    say(f"{printable(str(run.path))}: {printable(source)}, made {made} UTC")
    if not run.is_table:
        say()
        return
    rows, target = config["rows"], run.schema.target
    assert target is not None
    say(f"target: {printable(target.name)} ({target.task})")
    say(
        f"rows: {rows['train']:,} to train, {rows['val']:,} to validate, "
        f"{rows['test']:,} to test\n"
    )
    print_table(
        ["column", "kind", "seen", "what is done with it"],
        run.schema.describe(),
        text_columns=4,
    )
    say()
    for doubt in run.split_doubts:
        say(f"note: {printable(doubt.line())}\n")


def _print_state(run: "TableRunFolder") -> None:
    """Print whether the run has ended, and from where it would go on."""
    record = run.checkpoint
    if run.stop_reason is not None:
        say(f"stopped: {run.stop_reason}")
    elif record is not None:
        say("not ended")
    if record is None or record.ended is not None:
        return
    exact = all(resume.get("exact") for resume in record.resumes)
    say(
        f"checkpoint: step {record.step:,} (epoch {record.epoch}, batch "
        f"{record.batch}), resumed {len(record.resumes)} times"
        f"{'' if exact else ', not always exactly'}"
    )
    if run.is_table:
        say(f"to go on: gradatim resume --run {shlex.quote(str(run.path))}")


def _print_history(rows: list[dict[str, Any]]) -> None:
    """Print the first and last epoch, and some evenly spaced between them."""
    if not rows:
        say("no whole epoch")
        return
    step = max(1, -(-(len(rows) - 1) // (MAX_EPOCHS_SHOWN - 1)))
    shown = rows[::step] if rows[-1] in rows[::step] else [*rows[::step], rows[-1]]
    names = list(dict.fromkeys(name for row in shown for name in row))
    names = [name for name in names if name not in ("epoch_time_s", "num_steps")]

    def cell(value: Any) -> str:
        return str(value) if isinstance(value, (int, str)) else format_score(value)

    cells = [[cell(row.get(name)) for name in names] for row in shown]
    print_table(names, cells, text_columns=0)
