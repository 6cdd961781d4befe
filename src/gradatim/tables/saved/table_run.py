"""The training of a table in its run folder: begun, or gone on with."""

import contextlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradatim.data.digest import tensor_digest
from gradatim.doctor import Doctor, Finding
from gradatim.errors import (
    ConfigError,
    ResumeError,
    RunError,
    RunLockedError,
    SchemaError,
)
from gradatim.interrupt import INTERRUPTED, OUT_OF_TIME, TERMINATED
from gradatim.progress import at_work
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.run import Run
from gradatim.run.session import tell
from gradatim.store.disk import remove_folder
from gradatim.tables.files.file_list import is_pattern, num_bytes
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import FittedTable, fit_table
from gradatim.tables.fit.plan import (
    NetworkFactory,
    TablePlan,
    needs_factory,
    plan_table,
)
from gradatim.tables.fit.the_line import plan_line
from gradatim.tables.fit.time_limit import TimeLimit
from gradatim.tables.saved.folder import TableRunFolder, finish_run
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import Table, read_table
from gradatim.text import printable

__all__ = [
    "describe_file",
    "doctor_of_table",
    "find_data",
    "plan_again",
    "read_own_rows",
    "reading_of",
    "refuse_other_split",
    "train_in",
]


class TableRun(Run):
    """The run of a command. Its ``model/`` is written with columns and scores."""

    exports = False

    def __init__(
        self, plan: TablePlan, path: Path, told: Path | None = None, **options: Any
    ) -> None:
        # Epochs may become more. Threads are compared as they are when training runs. A
        # limit of time is that of one command.
        choices = plan.config.to_dict()
        del choices["epochs"], choices["threads"]
        choices.pop("time_limit", None)
        super().__init__(path, config={"training": choices}, **options)
        self._given_path = told or path
        # The batches digest training and validation rows; this digests all rows.
        table = plan.table
        rows = (table.x, table.y)
        weighed = rows if table.weight is None else (*rows, table.weight.values)
        self.own_data = {"table": tensor_digest(weighed)}

    def _leave(self, reason: str | None) -> None:
        # After Ctrl-C the model is scored; SIGTERM leaves no time for that.
        if reason == TERMINATED:
            tell(f"stopped by SIGTERM; {_how_to_go_on(self._given_path)}")
            super()._leave(reason)


def train_in(
    run: TableRunFolder,
    plan: TablePlan,
    *,
    every_s: float | None = 30.0,
    accept: Sequence[str] = (),
    progress: bool = True,
    doctor: bool = False,
    began: float | None = None,
) -> FittedTable:
    """Train from the run's last checkpoint on, and write the model with its scores.

    A new run that fails before its first epoch or checkpoint is removed again.
    ``every_s`` are seconds between checkpoints; None writes one at start and end alone.
    ``accept`` says what may have changed: ``"data"``, ``"config"``. The ``doctor`` says
    what is wrong, if something is. Each training after the first, of a fold or on all
    rows, has a folder of its own in the run's, ``fold-2`` ... and ``final``. A limit of
    time counts from when the command ``began``, by ``time.monotonic``.
    """
    seconds = plan.config.time_limit
    limit = None if seconds is None else TimeLimit(seconds, began=began)
    callbacks: list[Any] = [TableRun(plan, run.path, every_s=every_s, accept=accept)]
    if doctor:
        callbacks.append(doctor_of_table())
    is_new = not Checkpoints(run.path).names()  # whole or not

    def more_callbacks(name: str) -> list[Any]:
        fold = f"{name.replace('-', ' ')} of {plan.config.folds}:"
        tell("once more, on all rows:" if name == "final" else fold)
        path, options = run.path / name, {"every_s": every_s, "accept": accept}
        return [TableRun(plan, path, told=run.path, **options)]

    try:
        fitted = fit_table(
            plan,
            callbacks=callbacks,
            progress=progress,
            more_callbacks=more_callbacks,
            limit=limit,
        )
    except Exception as error:
        record = TableRunFolder(run.path).checkpoint
        is_empty = record is None or record.step == 0
        if is_new and is_empty and not isinstance(error, RunLockedError):
            with contextlib.suppress(OSError):
                remove_folder(run.path)
        raise
    finish_run(run, fitted)
    if fitted.stop_reason == INTERRUPTED:
        tell(f"stopped by Ctrl-C; {_how_to_go_on(run.path)}")
    if fitted.stop_reason == OUT_OF_TIME:
        what = _what_is_kept(fitted)
        tell(
            f"stopped by the time limit of {seconds:g} s, {what}; "
            f"{_how_to_go_on(run.path)}"
        )
    return fitted


def _what_is_kept(fitted: FittedTable) -> str:
    """Say which model there is where the time was over before the end."""
    if fitted.plan.config.final and fitted.final_epochs is None:
        return "before the training on all rows ended: the model before it is kept"
    if not fitted.history.num_epochs:
        return "within the first epoch: the model has learned from few of the rows"
    return "with the best epoch so far"


def doctor_of_table() -> Doctor:
    """Make the doctor that tells at once what is wrong with the training."""
    return Doctor(tell=lambda finding: tell(f"doctor: {for_tables(finding)}"))


CURES = {
    "GT106": "a larger learning rate: --lr",
    "GT107": "a smaller learning rate: --lr",
    "GT203": "a larger learning rate: --lr",
    "GT204": "a smaller learning rate: --lr",
    "GT205": "a smaller learning rate, by which the decay counts: --lr",
    "GT308": "a smaller learning rate: --lr",
    "GT502": "take repeated rows out of the file, or keep rows that belong together "
    "on one side of the split: --group COLUMN",
    "GT505": "leave the feature out that gives the target away: --drop COLUMN",
    "GT506": "let all classes count the same: --class-weight balanced",
    "GT610": "larger batches: --batch-size",
    "GT701": "a smaller learning rate: --lr",
    "GT702": "a smaller learning rate: --lr",
}
"""Options that cure what a table's user has no code for, by the code of the pitfall."""


def for_tables(finding: Finding) -> Finding:
    """Give a finding whose cure is an option; with the number that was found for it."""
    if finding.code not in CURES:
        return finding
    cure, number = CURES[finding.code], re.search(r"\blr=(\S+)", finding.cure)
    if cure.endswith("--lr") and number is not None:
        cure += f" {float(number[1]):g}"
    return replace(finding, cure=cure)


def _how_to_go_on(run: Path) -> str:
    return f"go on with: gradatim resume --run {shlex.quote(str(run))}"


def describe_file(file: Path, run: Path) -> dict[str, Any]:
    """Give what a run notes of its data file.

    ``path`` leads to the file from the run's folder, so that no folder of the machine
    is named.
    """
    place = os.path.relpath(file.absolute(), run.absolute())
    return {"name": file.name, "bytes": num_bytes(file), "path": place}


def plan_again(
    run: TableRunFolder,
    *,
    data: Path | None = None,
    epochs: int | None = None,
    time_limit: float | None = None,
    factory: NetworkFactory | None = None,
    val: Path | None = None,
    test: Path | None = None,
) -> TablePlan:
    """Plan a run's training as it was planned before, from its own files and the data.

    ``data`` is the data file, if it is no longer where it was, and ``val`` and ``test``
    are the files to validate with and to test on; ``epochs`` is another total of
    epochs, and ``time_limit`` the seconds in which it is to be over now: without it,
    there is no such limit. ``factory`` makes the network where it was one of the user's
    own.

    Raises:
        RunError: The run is one of a loop in Python, or its data file is gone.
        ConfigError: The network needs a factory.
    """
    if not run.is_table:
        raise RunError(
            f"{run.path} is the run of a loop in Python, whose code is not in it.\n"
            "The command line cannot go on with it.\nStart its script again: the same "
            "lines go on with the run."
        )
    config = TabularConfig.from_dict(run.config["training"])
    config = replace(config, time_limit=time_limit)
    if epochs is None and run.checkpoint is not None:
        epochs = run.checkpoint.epochs or None  # they may have become more before
    if epochs is not None:
        config = replace(config, epochs=epochs)
    if epochs is not None and run.has_several_trainings and run.checkpoint is not None:
        given = run.checkpoint.epochs or None
        if epochs != given and epochs != run.config["training"]["epochs"]:
            raise ConfigError(
                f"{run.path} has several trainings, and --epochs {epochs} is another "
                "total.\nThe last one goes by the best epochs of those before it.\n"
                "Begin a new run with this --epochs."
            )
    if run.kind == "line":
        return plan_line(config)
    if run.config["network"] == "custom" and factory is None:
        raise needs_factory(f"{run.path} trains a network of your own")
    file, drop_missing = data or find_data(run), run.config["drop_missing_target"]
    with at_work(reading_of(file)):
        table = read_table(
            file,
            schema=run.schema,
            drop_missing_target=drop_missing,
            time=config.time,
            weight=config.weight,
            group=config.group,
        )
    own = {"val": val, "test": test}
    for name in own:
        if f"{name}_file" in run.config:
            own[name] = own[name] or find_data(run, f"{name}_file", f"--{name}")
    return plan_table(
        table,
        config,
        factory=factory,
        **{
            name: read_own_rows(path, run.schema, drop_missing, config)
            for name, path in own.items()
            if path is not None
        },
    )


def reading_of(data: Any) -> str:
    """Say what is being done while data are read."""
    if isinstance(data, str | Path):
        return f"reading {printable(Path(data).name)}"
    return "reading the table"


def read_own_rows(
    source: Any,
    schema: Schema,
    drop_missing_target: bool,
    config: TabularConfig,
    tried: Sequence[str] = (),
) -> Table:
    """Read rows to validate with or to test on, which have the target.

    ``tried`` are the columns that may yet be read as text.
    """
    table = read_table(
        source,
        schema=schema,
        drop_missing_target=drop_missing_target,
        time=config.time,
        group=config.group,
        weight=config.weight,
        tried=tried,
    )
    if table.y is None:
        assert schema.target is not None
        where = source if isinstance(source, str | Path) else "A table of its own"
        raise SchemaError(
            f"{where} has no column {schema.target.name!r}, the target.\n"
            "Without it there is nothing to compare predictions with.\n"
            "Add the column."
        )
    return table


def refuse_other_split(run: TableRunFolder, given: Mapping[str, Any]) -> None:
    """Refuse choices of the split that differ from the run's; None is no choice.

    Raises:
        ResumeError: One differs.
    """
    config = TabularConfig.from_dict(run.config["training"])
    for name, value in given.items():
        has = getattr(config, name)
        if value is None or value is False or value == has:
            continue
        if isinstance(value, Path):
            if value.name == run.config.get(f"{name}_file", {}).get("name"):
                continue
            value = str(value)
        split_by = next((n for n in ("time", "group") if getattr(config, n)), None)
        what = f"has {name} {has}"
        if name in ("time", "group"):
            what = "was split at random"
            if split_by is not None:
                what = f"was split by {split_by} {getattr(config, split_by)!r}"
        shown = repr(value) if isinstance(value, str) else value
        raise ResumeError(
            f"{run.path} {what}, and --{name} is {shown}.\n"
            "A run goes on with the rows that it began with: others were chosen by, or "
            "trained on.\n"
            f"Leave --{name} out, or begin a new run with `gradatim fit`."
        )


def find_data(run: TableRunFolder, field: str = "file", option: str = "--data") -> Path:
    """Give the place of a file of the run; ``option`` is what says another."""
    if field not in run.config:
        raise RunError(
            f"{run.path} was trained on a table in Python, which is not in the run.\n"
            "Training goes on with the rows that it began with.\n"
            "Write them to a file, such as df.to_parquet('rows.parquet', index=False), "
            f"and say where they are: {option} rows.parquet."
        )
    about = run.config[field]
    place = Path(os.path.normpath(run.path.absolute() / about["path"]))
    near = Path(about["name"])
    for file in (place, *([] if is_pattern(near) else [near])):
        if num_bytes(file) is not None:
            return file
    raise RunError(
        f"the data of {run.path}, {about['name']}, is not at {place}.\n"
        "Training goes on with the rows that it began with.\n"
        f"Say where they are: {option} FILE."
    )
