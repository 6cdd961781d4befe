"""``gradatim importance``: which columns a run's model goes by."""

from pathlib import Path

import click

from gradatim.cli.options import (
    data_option,
    existing_run,
    max_expand_option,
    model_option,
    run_option,
)
from gradatim.cli.printing import print_importance, print_json
from gradatim.cli.user_code import load_factory

__all__ = ["importance"]


@click.command()
@run_option
@click.option(
    "--metric",
    metavar="NAME",
    help="The score, such as r2.  [that of fit --metric; else rmse or log_loss]",
)
@click.option("--repeats", type=int, default=5, help="Shuffles a column.  [5]")
@click.option("--seed", type=int, default=0, help="Decides the shuffling.  [0]")
@data_option
@max_expand_option
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def importance(
    run_path: Path | None,
    metric: str | None,
    repeats: int,
    seed: int,
    data: Path | None,
    factory: str | None,
    as_json: bool,
) -> None:
    """Say how much each column matters to a trained run.

    The values of one column are shuffled among the test rows (the validation rows,
    where there are none): what the score loses is the importance of the column. Near 0,
    the model does without it. Two columns that tell the same share their importance. It
    says what the model goes by, not what causes the target.

    The numbers are kept in the run, and `gradatim show` repeats them.

    \b
    Example:
      gradatim importance --repeats 20
    """
    from gradatim.tables.saved.importance import importance_of_run

    network = load_factory(factory)
    run = existing_run(run_path, with_model=True)
    found = importance_of_run(
        run,
        data=data,
        factory=network,
        metric=metric,
        repeats=repeats,
        seed=seed,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        print_importance(found)
