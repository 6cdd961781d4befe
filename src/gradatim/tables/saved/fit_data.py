"""From data and choices to a trained model: ``gradatim.fit``, shared by the command."""

import contextlib
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradatim.errors import ConfigError
from gradatim.history import History
from gradatim.progress import at_work
from gradatim.run.folder import HISTORY, check_free
from gradatim.run.session import tell
from gradatim.store.disk import disk_errors
from gradatim.store.lines import LinesFile
from gradatim.tables.files.expansion import expansion_allowed
from gradatim.tables.files.frames import column_name
from gradatim.tables.files.reading import Reading
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import FittedTable, fit_table
from gradatim.tables.fit.plan import NetworkFactory, TablePlan, plan_table
from gradatim.tables.fit.time_limit import TimeLimit
from gradatim.tables.model.importance import Importance
from gradatim.tables.model.score_table import aligned, score_table
from gradatim.tables.saved.folder import begin_run, finish_run
from gradatim.tables.saved.importance import importance_in, write_importance
from gradatim.tables.saved.predictor import Predictor
from gradatim.tables.saved.table_run import (
    describe_file,
    doctor_of_table,
    read_own_rows,
    reading_of,
    train_in,
)
from gradatim.tables.saved.test_rows import TestRows
from gradatim.tables.schema.choices import OPTIONS
from gradatim.tables.schema.edited import with_edited
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table
from gradatim.text import nearest_name, seconds_of
from gradatim.threads import check_threads

__all__ = ["Fitted", "check_choices", "fit", "plan_data"]


CHOICES = {choice.name for choice in fields(TabularConfig)}


def plan_data(
    data: Any,
    *,
    factory: NetworkFactory | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[TablePlan, dict[str, Any]]:
    """Read data and plan the training on them.

    Args:
        data: What ``read_table`` takes.
        factory: Makes the network, if it is one of the user's own.
        progress: Tell what is being done where it takes long.
        **options: Those of ``read_table``, and the choices of ``TabularConfig``;
            ``schema`` is a file that ``gradatim inspect --edit`` wrote, and ``val``
            and ``test`` may be tables of their own.

    Returns:
        The plan, and what a run notes of the options, as JSON has it.

    Raises:
        ConfigError: There is no such option, or two contradict each other.
        DataError: The data cannot be read, or not be learned from.
    """
    readings = set(signature(read_table).parameters) - {"source"}
    for name in options:
        if name not in CHOICES | readings:
            raise ConfigError(
                f"{name!r} is no option of a table's training."
                f"{nearest_name(name, CHOICES | readings)}\n"
                "Options have the names that `gradatim fit --help` lists."
            )
    options = {name: value for name, value in options.items() if value is not None}
    for name in {"target", "time", "group", "weight"} & set(options):
        options[name] = column_name(options[name])
    own = {name: options.pop(name) for name in own_rows(options)}
    asked = {name: value for name, value in options.items() if name in readings}
    if (edited := asked.pop("schema", None)) is not None:
        asked = with_edited(edited, {**asked, **_noted(asked)})
    if asked.get("target") is None:
        raise ConfigError(
            "no target is named.\nIt is the column to predict.\n"
            "Name it: gradatim.fit(data, target=...)."
        )
    _refuse_contradictions(**asked)
    config = check_choices({n: value for n, value in options.items() if n in CHOICES})
    with at_work(reading_of(data), shown=progress):
        table = read_table(data, **asked)
        dropping = bool(asked.get("drop_missing_target", False))
        tables = {
            name: read_own_rows(
                source, table.schema, dropping, config, list(table.texts)
            )
            for name, source in own.items()
        }
    with at_work(f"encoding {len(table):,} rows", shown=progress):
        plan = plan_table(table, config, factory=factory, **tables)
    assert table.schema.target is not None
    given = {"drop": (), "keep": (), "drop_missing_target": False}
    noted = {**given, **asked, "task": table.schema.target.task}
    noted |= _noted(noted)
    in_schema = Reading.names()  # they are stored there
    left_out = {*CHOICES, *in_schema}
    return plan, {name: noted[name] for name in noted if name not in left_out}


def own_rows(options: Mapping[str, Any]) -> list[str]:
    """Say which of ``val`` and ``test`` are tables of their own, and no shares."""
    names = (name for name in ("val", "test") if options.get(name) is not None)
    return [name for name in names if not isinstance(options[name], int | float)]


def _noted(asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write the options that name columns as the command takes them."""
    return {
        name: _as_texts(value)
        for name, value in asked.items()
        if name in ("drop", "keep", *OPTIONS)
    }


def check_choices(choices: Mapping[str, Any]) -> TabularConfig:
    """Make the configuration of a training, before anything is read for it."""
    if isinstance(limit := choices.get("time_limit"), str):
        if (seconds := seconds_of(limit)) is None:
            raise ConfigError(
                f"time_limit is {limit!r}.\nIt is the time until all is over.\n"
                "Give seconds, or a time such as '60s', '5m' or '1h'."
            )
        choices = {**choices, "time_limit": seconds}
    config = TabularConfig.from_dict(dict(choices))
    check_threads(config.threads)
    return config


def _refuse_contradictions(
    target: str, drop: Any = (), keep: Any = (), **others: Any
) -> None:
    for name in _as_texts(drop):
        if name == target or name in _as_texts(keep):
            other = "the target" if name == target else "to be kept"
            raise ConfigError(
                f"the column {name!r} is to be dropped, and {other}.\n"
                "It cannot be both.\nLeave one of the two out."
            )


def _as_texts(names: Any) -> list[str]:
    """Write names of columns, and what is said of them, as the command takes them."""
    if isinstance(names, str):
        return [names]
    if isinstance(names, Mapping):
        return [
            column_name(name)
            if more is None
            else f"{column_name(name)}={_joined(more)}"
            for name, more in names.items()
        ]
    return list(map(column_name, names))


def _joined(more: Any) -> str:
    return more if isinstance(more, str) else ",".join(map(str, more))


@dataclass(frozen=True, kw_only=True, repr=False)
class Fitted(Predictor):
    """A model that :func:`fit` has trained: it answers raw rows, and tells its scores.

    It is a :class:`Predictor`, as ``gradatim.load`` gives one. Printed, it shows the
    scores.
    """

    history: History
    """What the trainer noted, epoch by epoch."""
    intervals: dict[str, tuple[float, float]]
    """Where the model's scores lie in 95 of 100 drawings of the test rows."""
    test_rows: npt.NDArray[np.int64]
    """The numbers of the rows that were scored, counted from 0: for a data frame of
    pandas ``df.iloc[fitted.test_rows]``. Where ``test`` was a table of its own, they
    are the rows of that one."""
    notes: tuple[str, ...]
    """What the reader of the scores should know: columns that were left out, values
    that were taken as missing, and the like."""
    run: Path | None
    """The folder of the run, if one was kept."""
    _table: FittedTable = field(compare=False)
    _request: dict[str, Any] = field(compare=False)
    _files: dict[str, Path] = field(compare=False)

    def save(self, path: str | Path) -> None:
        """Write the model into a new folder, for ``gradatim.load`` and the commands.

        ``gradatim predict new.csv --run PATH`` answers rows with it. What a training
        needs to go on is not in it: for that, ``run=`` of :func:`fit` keeps the run.

        Args:
            path: A folder that is empty, or is not there.

        Raises:
            RunError: There is something in the folder.
            DiskError: The disk did not take it.
        """
        folder = Path(path)
        about = _about(folder, self._files, self._request)
        saved = begin_run(folder, self._table.plan, about)
        finish_run(saved, self._table)
        history = LinesFile(folder / HISTORY)
        with disk_errors(folder):
            for row in self.history.to_dicts():
                history.append(row)
            history.flush()

    def importance(self, rows: Any = None, **options: Any) -> Importance:
        """Say how much each column matters: what the score loses without it.

        Args:
            rows: Those to score; the test rows if None, or, where there are none, the
                validation rows. With ``run=`` the numbers of these are kept in the run.
            **options: Those of ``Predictor.importance``: ``metric`` (by default the one
                that the best epoch was chosen by), ``repeats``, ``seed``; ``weight``
                is the training's own.

        Returns:
            The mean and the standard deviation of each column, in ``columns``, the most
            important first.
        """
        plan = self._table.plan
        options["metric"] = options.get("metric") or plan.config.metric
        if rows is not None:
            return super().importance(rows, **{"weight": plan.config.weight, **options})
        is_final = self._table.final_epochs is not None
        found = importance_in(plan, self.model, is_final=is_final, **options)
        if self.run is not None:
            write_importance(self.run, found)
        return found

    def __repr__(self) -> str:
        plan, target = self._table.plan, self.schema.target
        assert target is not None
        lines = [
            f"Fitted: {target.name}, {target.task} by {len(self.schema.features)} "
            f"columns; {len(plan.train):,} rows to train, {len(plan.val):,} to "
            f"validate, {self._table.num_tested:,} to test"
        ]
        if self.scores:
            folds = [test.scores for test in self._table.tests]
            headers, rows = score_table(self.scores, self.intervals, folds)
            lines += aligned([headers, *rows])
        if self._table.choice is not None and (line := self._table.choice.line()):
            lines.append(line)
        return "\n".join(lines)


def fit(
    data: Any,
    target: Hashable | None = None,
    *,
    run: str | Path | None = None,
    model: NetworkFactory | None = None,
    every_s: float | None = 30.0,
    doctor: bool = True,
    progress: bool = True,
    max_expand: float | None = None,
    **options: Any,
) -> Fitted:
    """Train on a table, and score the model on rows that it has never seen.

    It does what ``gradatim fit`` does, with the same weights for the same rows.

    Args:
        data: A data frame of pandas (whose index is no column) or polars, a table of
            pyarrow, a relation of duckdb; a dict of columns, a list of dicts, a NumPy
            array whose fields have names; or a path, as the command takes it.
        target: The column to predict. It may stand in the file ``schema``.
        run: A new folder for the run: its checkpoints, history and model. Without one
            all is in memory.
        model: ``factory(num_features, num_outputs)`` that makes a network of your own.
        every_s: Seconds between checkpoints of the run.
        doctor: Say what is wrong with the training, if something is.
        progress: Show progress, and the notes, on standard error.
        max_expand: How many times its size a packed file may unpack to.
        **options: Those of ``gradatim fit``, by the same names: ``task``, ``epochs``,
            ``batch_size``, ``lr``, ``hidden``, ``val`` and ``test`` (shares, or tables
            of their own), ``time``, ``group``, ``folds``, ``final``, ``metric``,
            ``interval``, ``quantiles``, ``log_target``, ``weight``, ``time_limit``
            (seconds, or ``"5m"``), ``seed``, ``threads``, ``drop``, ``keep``,
            ``drop_missing_target``, ``category``, ``number``, ``date``, ``schema`` and
            the rest.

    Returns:
        The model with its scores. ``predict`` gives a NumPy array.

    Raises:
        ConfigError: An option is unknown or out of its range.
        DataError: The rows cannot be learned from.
        RunError: ``run`` exists already.

    >>> random = np.random.default_rng(0)
    >>> rooms = random.integers(1, 9, 200)
    >>> df = {"rooms": rooms, "price": 50_000.0 * rooms + random.normal(size=200)}
    >>> fitted = fit(df, target="price", epochs=2, progress=False)
    >>> fitted.scores["model"]["r2"] > 0.99, fitted.predict({"rooms": [3]}).round(-4)
    (True, array([150000.]))
    """
    began = time.monotonic()
    folder = None if run is None else Path(run)
    sources = {"": data} | {f"{n}_": options[n] for n in own_rows(options)}
    files = {
        f"{name}file": Path(source)
        for name, source in sources.items()
        if isinstance(source, str | Path)
    }
    if folder is not None:
        check_free(folder)
        _refuse_rows_without_file(files, own_rows(options))
    allowed = (
        contextlib.nullcontext()
        if max_expand is None
        else expansion_allowed(max_expand)
    )
    with allowed:
        plan, request = plan_data(
            data, factory=model, target=target, progress=progress, **options
        )
    notes = [*_columns_to_note(plan.table.schema), *plan.notes]
    if progress:
        for note in notes:
            tell(f"note: {note}")
    if folder is None:
        callbacks = [doctor_of_table()] if doctor else []
        seconds = plan.config.time_limit
        limit = None if seconds is None else TimeLimit(seconds, began=began)
        fitted = fit_table(plan, callbacks=callbacks, progress=progress, limit=limit)
    else:
        begun = begin_run(folder, plan, _about(folder, files, request))
        fitted = train_in(
            begun,
            plan,
            every_s=every_s,
            doctor=doctor,
            progress=progress,
            began=began,
        )
    if fitted.choice is not None and (line := fitted.choice.line()):
        notes.append(line)
        if progress:
            tell(f"note: {line}")
    test_rows = np.empty(0, np.int64)
    if fitted.num_tested:
        test_rows = TestRows.of(fitted).row.numpy()
    return Fitted(
        model=fitted.model.eval(),
        schema=plan.table.schema,
        scores=fitted.scores,
        history=fitted.history,
        intervals=fitted.intervals,
        test_rows=test_rows,
        notes=tuple(notes),
        run=folder,
        _table=fitted,
        _request=request,
        _files=files,
    )


def _columns_to_note(schema: Schema) -> list[str]:
    """Say which columns are not used, or are used otherwise than they look."""
    notes = []
    if schema.target is not None and schema.target.reason:
        notes.append(f"{schema.target.name}: {schema.target.reason}")
    for column in schema.columns:
        use = f"is taken as {column.kind}" if column.used else "is left out"
        if column.reason or not column.used:
            notes.append(f"{column.name} {use} ({column.reason or column.kind})")
    return notes


def _refuse_rows_without_file(files: Mapping[str, Path], names: Sequence[str]) -> None:
    for name in names:
        if f"{name}_file" not in files:
            raise ConfigError(
                f"{name} is a table in Python, and a run is to be kept.\n"
                "The run could not go on: it notes where such rows are.\n"
                f"Write them to a file and give {name}=PATH, or leave run out."
            )


def _about(
    folder: Path, files: Mapping[str, Path], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what a run notes of what was asked for, and of its files, if it has some."""
    places = {name: describe_file(file, folder) for name, file in files.items()}
    return {"command": "gradatim.fit", **places, **request}
