"""``gradatim evaluate``: how good a run is on the rows of a file."""

from pathlib import Path
from typing import Any

import click

from gradatim.cli.options import (
    drop_missing_option,
    existing_run,
    max_expand_option,
    model_option,
    reading_of,
    reading_options,
    run_option,
)
from gradatim.cli.printing import print_json, print_notices, print_scores
from gradatim.cli.user_code import load_factory
from gradatim.text import printable, say

__all__ = ["evaluate"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@run_option
@model_option
@drop_missing_option
@max_expand_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    file: Path,
    run_path: Path | None,
    factory: str | None,
    drop_missing_target: bool,
    as_json: bool,
    **choices: Any,
) -> None:
    """Score a trained run on the rows of FILE, which has the target, too.

    If FILE is the one that the run was trained on, most of its rows were seen in
    training; the scores of `gradatim show` are then the honest ones.

    \b
    Example:
      gradatim evaluate houses-2027.csv
    """
    from gradatim.progress import at_work
    from gradatim.tables.saved.evaluate import evaluate_file

    network = load_factory(factory)
    run = existing_run(run_path, with_model=True)
    with at_work(f"scoring {printable(file.name)}"):
        result = evaluate_file(
            run,
            file,
            factory=network,
            drop_missing_target=drop_missing_target,
            **reading_of(choices),
        )
    print_notices(result.notices)
    num_rows, scores = result.num_rows, result.scores
    if as_json:
        print_json({"file": str(file), "rows": num_rows, "scores": scores})
        return
    say(f"{printable(str(file))}: {num_rows:,} rows")
    print_scores(scores)
