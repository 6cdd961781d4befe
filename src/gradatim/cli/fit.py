"""``gradatim fit``: a file in, a run with honest scores out."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.cli.column_options import (
    column_options,
    said_of,
    target_option,
)
from gradatim.cli.options import (
    checkpoint_option,
    drop_missing_option,
    max_expand_option,
    model_option,
    reading_of,
    reading_options,
    time_limit_option,
)
from gradatim.cli.output_options import output_options
from gradatim.cli.printing import print_notices, print_table, tell_end
from gradatim.cli.split_options import (
    own_files,
    refuse_share_of_folds,
    split_options,
)
from gradatim.cli.user_code import load_factory
from gradatim.text import printable, say

if TYPE_CHECKING:
    from gradatim.tables.fit.plan import TablePlan
    from gradatim.tables.saved.folder import TableRunFolder
    from gradatim.tables.schema.columns import Target

__all__ = ["fit"]


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@target_option
@click.option(
    "--task",
    type=click.Choice(["regression", "binary", "classification"]),
    help="What the column means; told from its values by default.",
)
@click.option("--epochs", type=int, help="At most this many passes over the rows.")
@click.option("--batch-size", type=int, help="Rows an update.")
@click.option("--lr", type=float, help="Highest learning rate.")
@click.option("--hidden", type=int, help="Units of a hidden layer.")
@click.option(
    "--metric",
    metavar="NAME",
    help="The score that chooses the best epoch, such as r2 or roc_auc.  [val_loss]",
)
@time_limit_option
@output_options
@split_options
@click.option("--seed", type=int, help="Of split, start and order.  [0]")
@click.option("--threads", type=int, help="PyTorch's; few rows are best served by 1.")
@model_option
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the run goes.  [runs/<number>-<name of the file>]",
)
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Use a column anyway.")
@column_options
@drop_missing_option
@max_expand_option
@reading_options
@checkpoint_option
@click.option(
    "--doctor/--no-doctor",
    default=True,
    help="Say what is wrong with the training, if something is.  [--doctor]",
)
def fit(
    file: Path | None,
    target: str | None,
    task: str | None,
    factory: str | None,
    run_path: Path | None,
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    drop_missing_target: bool,
    every_s: float | None,
    doctor: bool,
    schema: Path | None,
    **choices: Any,
) -> int:
    """Train on a table, and score the model on rows it has never seen.

    FILE is CSV, JSON lines, Parquet, Feather, ORC or Excel, or a folder or a quoted
    pattern for several. Without one, the tutorial's line is trained.

    Rows are split into training, validation and test rows, at random if neither --time
    nor --group is given. The model is a residual
    network with embeddings that starts from a linear model; early stopping chooses by
    the validation rows, and the scores are on the test rows, beside the mean (or
    majority) and a linear model.

    \b
    Examples:
      gradatim fit
      gradatim fit houses.csv --target price
      gradatim fit titanic.csv --target survived --drop name --seed 1
      gradatim fit 'months/*.csv' --target sales
    """
    began = time.monotonic()
    reading = reading_of(choices)
    said = said_of(choices)
    chosen = {name: value for name, value in choices.items() if value is not None}
    asked: dict[str, Any] = {
        "target": target,
        "task": task,
        "drop": list(drop),
        "keep": list(keep),
        "drop_missing_target": drop_missing_target,
        **said,
    }
    asked |= reading
    if file is None:
        given = {"target": target, "task": task, "model": factory, "schema": schema}
        _refuse_without_file(given | asked)
        return _fit_line(run_path, chosen, every_s, doctor)
    if schema is not None:
        from gradatim.tables.schema.edited import with_edited

        asked = with_edited(schema, asked)
        target = asked["target"]
    if target is None:
        raise click.UsageError(
            "Missing option '--target': which column to predict. "
            f"`gradatim inspect {file}` shows the columns."
        )
    from gradatim.tables.files.file_list import stem_of
    from gradatim.tables.saved.fit_data import check_choices, plan_data
    from gradatim.tables.saved.table_run import describe_file, train_in

    network = load_factory(factory)
    refuse_share_of_folds(chosen)
    files = own_files(chosen)
    check_choices(chosen)
    _refuse_contradictions(target, asked["drop"], asked["keep"])
    stem = stem_of(file)
    place = _free_place(run_path, stem)
    plan, asked = plan_data(file, factory=network, **asked, **(chosen | files))
    _print_plan(file, plan, files)
    for name, path in files.items():
        asked[f"{name}_file"] = describe_file(path, place)
    request = {"command": "fit", "file": describe_file(file, place), **asked}
    run = _begin(run_path, stem, plan, request)
    fitted = train_in(run, plan, every_s=every_s, doctor=doctor, began=began)
    return tell_end(fitted, run)


def _refuse_without_file(options: dict[str, Any]) -> None:
    given = [f"--{n.replace('_', '-')}" for n, value in options.items() if value]
    if given:
        raise click.UsageError(
            f"{', '.join(given)} without a FILE. The tutorial's line has one column "
            "and one target. Name the file first: gradatim fit FILE --target COLUMN."
        )


def _refuse_contradictions(
    target: str, drop: Sequence[str], keep: Sequence[str]
) -> None:
    for name in drop:
        if name == target or name in keep:
            other = "--target" if name == target else "--keep"
            raise click.UsageError(
                f"--drop {name} and {other} {name}: the column cannot be both. "
                "Leave one of the two out."
            )


def _fit_line(
    run_path: Path | None, chosen: dict[str, Any], every_s: float | None, doctor: bool
) -> int:
    from gradatim.tables.fit.the_line import (
        least_squares,
        line_config,
        plan_line,
        trained_line,
    )
    from gradatim.tables.saved.table_run import train_in

    names = {"epochs", "batch_size", "lr", "seed"}
    if unused := [f"--{n.replace('_', '-')}" for n in chosen if n not in names]:
        raise click.UsageError(f"{', '.join(unused)} without a FILE has no meaning.")
    _free_place(run_path, "line")
    say("the tutorial's line, y = 1 + 2x + noise: 80 points to train, 20 to validate")
    plan = plan_line(line_config(**chosen))
    run = _begin(run_path, "line", plan, {"command": "fit", "kind": "line"})
    fitted = train_in(run, plan, every_s=every_s, doctor=doctor)
    lines = {
        "trained": trained_line(fitted.plan),
        "least squares": least_squares(fitted.plan),
    }
    say()
    rows = [[name, f"{a:.4f}", f"{b:.4f}"] for name, (a, b) in lines.items()]
    print_table(["", "a", "b"], rows)
    return tell_end(fitted, run)


def _free_place(run_path: Path | None, stem: str) -> Path:
    """Say where the run goes, and refuse a place where it cannot be written."""
    from gradatim.run.folder import check_free, new_run_path

    place = run_path or new_run_path(stem)
    check_free(place)
    return place


def _begin(
    run_path: Path | None, stem: str, plan: "TablePlan", request: dict[str, Any]
) -> "TableRunFolder":
    from gradatim.tables.saved.folder import begin_new_run, begin_run

    if run_path is None:
        return begin_new_run(stem, plan, request)
    return begin_run(run_path, plan, request)


def _print_plan(file: Path, plan: "TablePlan", files: dict[str, Path]) -> None:
    schema, config, model = plan.table.schema, plan.config, plan.model
    assert schema.target is not None
    used = [column for column in schema.columns if column.used]
    left_out = [column for column in schema.columns if not column.used]
    in_file = [column for column in schema.columns if not column.of]
    num_rows, num_columns = schema.num_rows, len(in_file) + 1
    say(f"{printable(str(file))}: {num_rows:,} rows, {num_columns} columns")
    say(f"target: {printable(schema.target.name)}, {_task_text(schema.target)}")
    if config.log_target:
        say("  its logarithm is learned; predictions are medians in its own units")
    counts = Counter(column.kind for column in used)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    say(f"features: {len(used)} columns ({kinds})")
    for column in used:
        if column.reason:
            name = printable(column.name)
            say(f"  taken as {column.kind}: {name} ({printable(column.reason)})")
    for column in left_out:
        why = column.reason or column.kind
        say(f"  left out: {printable(column.name)} ({printable(why)})")
    _print_rows(plan, files)
    if config.weight is not None:
        say(f"weights: each row counts what {printable(config.weight)} says")
    if config.class_weight is not None:
        say(f"weights: {config.class_weight}, so that all classes count the same")
    num_parameters = sum(p.numel() for p in model.parameters())
    num_updates = math.ceil(len(plan.train) / (config.batch_size or 1))
    say(
        f"model: {type(model.network).__name__}, {num_parameters:,} parameters; at "
        f"most {config.epochs} epochs of {num_updates:,} updates (Ctrl-C ends them "
        "and keeps what is learned)",
        flush=True,
    )
    print_notices(plan.notes)


def _print_rows(plan: "TablePlan", files: dict[str, Path]) -> None:
    """Print how many rows each part has, and by what they were split."""
    config = plan.config
    of = {name: f" (of {printable(str(path))})" for name, path in files.items()}
    folds = f"in the first of {config.folds} folds " if config.folds else ""
    say(
        f"rows: {folds}{len(plan.train):,} to train, {len(plan.val):,} to validate"
        f"{of.get('val', '')}, {len(plan.test):,} to test{of.get('test', '')} "
        f"({_split_text(plan)})"
    )
    if config.final:
        every = "all rows but those to test on" if plan.has_test else "all rows"
        say(f"at last the model is trained once more, on {every}")


def _split_text(plan: "TablePlan") -> str:
    config, group = plan.config, plan.table.group
    if config.time is not None:
        return f"by {printable(config.time)}, the latest to test; seed {config.seed}"
    if config.group is not None:
        name = printable(config.group)
        each = f"{len(group.values.unique()):,} groups" if group else "its groups"
        return f"by {name}, each of {each} in one of them; seed {config.seed}"
    return f"seed {config.seed}"


def _task_text(target: "Target") -> str:
    if target.task == "regression":
        why = f" ({printable(target.reason)})" if target.reason else ""
        return f"regression{why}"
    labels = ", ".join(printable(str(label))[:80] for label in target.labels[:5])
    more = ", ..." if len(target.labels) > 5 else ""
    why = f"; {printable(target.reason)}" if target.reason else ""
    return f"{len(target.labels)} classes ({labels}{more}){why}"
