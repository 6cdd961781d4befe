"""``gradatim predict``: raw rows in, answers out."""

import sys
from pathlib import Path

import click

from gradatim.cli.options import (
    existing_run,
    max_expand_option,
    model_option,
    run_option,
)
from gradatim.cli.printing import print_notices
from gradatim.cli.user_code import load_factory
from gradatim.text import printable, say

__all__ = ["predict"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A .csv or .parquet file, or a pipe; CSV on the screen by default, or with -.",
)
@run_option
@model_option
@max_expand_option
@click.option(
    "--with-input", is_flag=True, help="Write FILE's own columns before the answers."
)
@click.option(
    "--safe-csv",
    is_flag=True,
    help="Put ' before texts that a spreadsheet would run as formulas.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Batches worked on at once.  [all cores; with --model, 1]",
)
def predict(
    file: Path,
    output: Path | None,
    run_path: Path | None,
    factory: str | None,
    with_input: bool,
    safe_csv: bool,
    threads: int | None,
) -> None:
    """Predict the rows of FILE with a trained run.

    Columns are matched by name. Extra ones are ignored and told, missing ones are an
    error. Of classes, the most probable and every probability are written.

    \b
    Example:
      gradatim predict new.csv -o prices.csv
    """
    from gradatim.tables.saved.predict import num_cores, predict_file
    from gradatim.threads import check_threads

    check_threads(threads)
    if str(output) == "-":
        output = None
    network = load_factory(factory)
    run = existing_run(run_path, with_model=True)
    model = run.load_model(network)
    if threads is None:  # a network of the user's may keep something between calls
        threads = 1 if network is not None else num_cores()
    num_rows, notices = predict_file(
        model,
        run.schema,
        file,
        output,
        with_input=with_input,
        safe_csv=safe_csv,
        num_threads=threads,
    )
    print_notices(notices.lines())
    if output is not None:
        say(f"{num_rows:,} rows predicted: {printable(str(output))}", file=sys.stderr)
