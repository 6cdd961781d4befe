"""``gradatim predict``: raw rows in, answers out."""

import sys
from pathlib import Path
from typing import Any

import click

from gradatim.cli.options import (
    existing_run,
    max_expand_option,
    model_option,
    reading_of,
    reading_options,
    run_option,
)
from gradatim.cli.printing import print_notices
from gradatim.cli.user_code import load_factory
from gradatim.text import printable, say

__all__ = ["predict"]


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A .csv or .parquet file, or a pipe; CSV on the screen by default, or with -.",
)
@run_option
@model_option
@max_expand_option
@reading_options
@click.option(
    "--with-input", is_flag=True, help="Write FILE's own columns before the answers."
)
@click.option(
    "--test-rows",
    is_flag=True,
    help="In place of FILE: the rows the run was scored on, with number and target.",
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
    file: Path | None,
    output: Path | None,
    run_path: Path | None,
    factory: str | None,
    with_input: bool,
    test_rows: bool,
    safe_csv: bool,
    threads: int | None,
    **choices: Any,
) -> None:
    """Predict the rows of FILE with a trained run.

    Columns are matched by name. Extra ones are ignored and told, missing ones are an
    error. Of classes, the most probable and every probability are written.

    --test-rows writes the answers that the scores are of: each is of a model that had
    not seen the row. Rows are counted from 1, without the header. With --with-input,
    the run's own file is read for their columns.

    \b
    Examples:
      gradatim predict new.csv -o prices.csv
      gradatim predict --test-rows -o tested.csv
    """
    if (file is None) != test_rows:
        what = "Missing argument 'FILE'" if file is None else f"{file} and --test-rows"
        raise click.UsageError(
            f"{what}: name a file of rows to predict, or --test-rows for those that "
            "the run was scored on."
        )
    from gradatim.progress import at_work
    from gradatim.tables.saved.predict import num_cores, predict_file
    from gradatim.threads import check_threads

    check_threads(threads)
    if str(output) == "-":
        output = None
    if file is None:
        _predict_test_rows(run_path, output, with_input=with_input, safe_csv=safe_csv)
        return
    network = load_factory(factory)
    run = existing_run(run_path, with_model=True)
    model = run.load_model(network)
    if threads is None:  # a network of the user's may keep something between calls
        threads = 1 if network is not None else num_cores()
    # Answers that come on the screen are progress enough.
    with at_work(f"predicting {printable(file.name)}", shown=output is not None):
        num_rows, notices = predict_file(
            model,
            run.schema,
            file,
            output,
            with_input=with_input,
            safe_csv=safe_csv,
            num_threads=threads,
            reading=reading_of(choices),
        )
    print_notices(notices.lines())
    if output is not None:
        say(f"{num_rows:,} rows predicted: {printable(str(output))}", file=sys.stderr)


def _predict_test_rows(
    run_path: Path | None, output: Path | None, *, with_input: bool, safe_csv: bool
) -> None:
    from gradatim.tables.saved.table_run import find_data
    from gradatim.tables.saved.test_rows import predict_test_rows

    run = existing_run(run_path, with_model=True)
    source = None
    if with_input:
        source = find_data(run, "test_file" if "test_file" in run.config else "file")
    num_rows = predict_test_rows(
        run.path,
        run.schema,
        output,
        source=source,
        quantiles=run.quantiles,
        safe_csv=safe_csv,
    )
    if output is not None:
        say(f"{num_rows:,} test rows: {printable(str(output))}", file=sys.stderr)
