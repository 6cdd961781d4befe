"""``gradatim resume``: go on with a run that was stopped, from its last checkpoint."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.cli.options import (
    checkpoint_option,
    data_option,
    max_expand_option,
    model_option,
    time_limit_option,
)
from gradatim.cli.printing import tell_end
from gradatim.cli.split_options import own_files, split_options
from gradatim.cli.user_code import load_factory
from gradatim.errors import RunError
from gradatim.text import printable, say

if TYPE_CHECKING:
    from gradatim.run.checkpoint_header import CheckpointHeader

__all__ = ["resume"]


def _has_ended(record: "CheckpointHeader", epochs: int | None) -> bool:
    by_itself = record.ended not in (None, "epochs")
    more = epochs is not None and epochs > record.epoch
    return by_itself or (record.ended is not None and not more)


@click.command()
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run folder; by default the newest under runs/ that has not ended.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Another total of epochs, to go on to."
)
@time_limit_option
@split_options
@data_option
@max_expand_option
@model_option
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["data", "config"]),
    help="Go on though these changed. May be given twice.",
)
@checkpoint_option
def resume(
    run_path: Path | None,
    epochs: int | None,
    time_limit: float | None,
    data: Path | None,
    factory: str | None,
    accept: tuple[str, ...],
    every_s: float | None,
    **split: Any,
) -> int:
    """Go on with a run that was stopped, or killed, from its last checkpoint.

    What comes out has the bits of a run that was never stopped; where that does not
    hold, as with another number of threads, it is said. Changed data are refused, and
    so is another split: it is the run's, so its options say nothing new.

    \b
    Examples:
      gradatim resume
      gradatim resume --run runs/001-houses --epochs 200
    """
    began = time.monotonic()
    from gradatim.run.folder import find_run, find_unfinished
    from gradatim.tables.saved.folder import TableRunFolder
    from gradatim.tables.saved.table_run import (
        plan_again,
        refuse_other_split,
        train_in,
    )

    folder = find_run(run_path) if run_path is not None else find_unfinished()
    run = TableRunFolder(folder.path)
    if run_path is None:
        say(f"run: {printable(str(run.path))}", file=sys.stderr)
    if run.is_table:
        refuse_other_split(run, split)
    if run.is_table and run.is_saved_model:
        if epochs is not None:
            raise RunError(
                f"{run.path} is a saved model without checkpoints.\n"
                "More epochs need the optimizer's state, which only a run keeps.\n"
                "Train with run= or `gradatim fit --run`, and resume that."
            )
        say(f"{run.path} is a saved model without checkpoints: nothing is left to do.")
        return 0
    record = run.checkpoint if run.is_table and run.has_model else None
    is_done = record is not None and _has_ended(record, epochs)
    if record is not None and is_done and run.has_ended:
        say(
            f"{run.path} has ended after {record.epoch} epochs ({record.ended}): "
            "nothing is left to do."
        )
        if record.ended == "epochs":
            say(f"For more, ask for more in all: --epochs {2 * record.epoch}")
        return 0
    network = load_factory(factory)
    files = own_files(split)
    plan = plan_again(
        run,
        data=data,
        epochs=epochs,
        time_limit=time_limit,
        factory=network,
        **files,
    )
    fitted = train_in(run, plan, every_s=every_s, accept=accept, began=began)
    return tell_end(fitted, run)
