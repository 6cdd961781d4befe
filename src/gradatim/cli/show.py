"""``gradatim show``: a run's data, history and scores."""

from pathlib import Path
from typing import Any

import click

from gradatim.cli.common import (
    existing_run,
    format_score,
    print_json,
    print_table,
    run_option,
)

__all__ = ["show"]

MOST_EPOCHS = 12


@click.command()
@run_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run_path: Path | None, as_json: bool) -> None:
    """Show a run: what it was trained on, how training went, its scores."""
    run = existing_run(run_path)
    if as_json:
        print_json(
            {
                "run": str(run.path),
                "config": run.config,
                "scores": run.scores,
                "history": run.history.to_dicts(),
                "environment": run.environment,
            }
        )
        return
    from gradatim.cli.fit import print_scores

    config = run.config
    rows = config["rows"]
    source = config.get("file", {}).get("name", "the tutorial's line")
    target = run.schema.target
    assert target is not None
    print(
        f"{run.path}: {source}, made {config['created_at'][:19].replace('T', ' ')} UTC"
    )
    print(f"target: {target.name} ({target.task})")
    print(
        f"rows: {rows['train']:,} to train, {rows['val']:,} to validate, "
        f"{rows['test']:,} to test\n"
    )
    print_table(
        ["column", "kind", "seen", "what is done with it"],
        run.schema.describe(),
        text_columns=4,
    )
    print()
    _print_history(run.history.to_dicts())
    print(f"stopped: {run.scores.get('stop_reason')}\n")
    print_scores(run.scores["scores"], run.scores["rows"])


def _print_history(rows: list[dict[str, Any]]) -> None:
    """Print first, last and evenly spaced epochs."""
    if not rows:
        print("no whole epoch")
        return
    step = max(1, -(-(len(rows) - 1) // (MOST_EPOCHS - 1)))
    shown = rows[::step] if rows[-1] in rows[::step] else [*rows[::step], rows[-1]]
    names = [name for name in shown[0] if name not in ("epoch_time_s", "num_steps")]
    print_table(
        names,
        [
            [
                str(row[name]) if name == "epoch" else format_score(row.get(name))
                for name in names
            ]
            for row in shown
        ],
        text_columns=0,
    )
