"""Importance of the columns of a run: computed on its own rows, kept in its folder."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gradatim.errors import DamagedError, DataError
from gradatim.store.checks import (
    fields,
    is_bool,
    is_count,
    is_int64,
    is_number,
    is_text,
    list_of,
    one_of,
    optional,
    whole,
)
from gradatim.store.disk import disk_errors, read_file, replace_file
from gradatim.store.json import (
    MAX_JSON_BYTES,
    check_version,
    in_utf8,
    parse_json,
    to_json,
)
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.fit.plan import NetworkFactory, TablePlan
from gradatim.tables.model.importance import Importance, permutation_importance
from gradatim.tables.model.network import TableModel
from gradatim.tables.saved.folder import IMPORTANCE, TableRunFolder
from gradatim.tables.saved.table_run import plan_again
from gradatim.tables.saved.test_rows import TEST_ROWS, TestRows
from gradatim.threads import threads

__all__ = [
    "importance_in",
    "importance_of_run",
    "read_importance",
    "write_importance",
]

VERSION = 1
STORED = fields(
    version=whole(1, VERSION),
    metric=is_text,
    score=optional(is_number),
    rows=is_count,
    part=one_of("test", "validation"),
    repeats=whole(1, 10**9),
    seed=is_int64,
    seen=is_bool,
    columns=list_of(
        fields(name=is_text, importance=optional(is_number), spread=optional(is_number))
    ),
)


def importance_of_run(
    run: TableRunFolder,
    *,
    data: Path | None = None,
    factory: NetworkFactory | None = None,
    metric: str | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> Importance:
    """Compute the importance of a run's columns on its test rows, and keep it there.

    Where it has none, the validation rows take their place. ``data`` is the data file,
    if it is no longer where it was; ``factory`` makes the network where it was one of
    the user's own. The other arguments are those of :func:`permutation_importance`.

    Raises:
        DataError: The file has other rows than those of the run.
        RunError: The run has no model, or its data file is gone.
    """
    model = run.load_model(factory)
    plan = plan_again(run, data=data, factory=factory)
    _check_same_rows(run, plan)
    found = importance_in(
        plan,
        model,
        is_final=run.scores.get("final_epochs") is not None,
        metric=metric or plan.config.metric,
        repeats=repeats,
        seed=seed,
    )
    write_importance(run.path, found)
    return found


def importance_in(
    plan: TablePlan, model: TableModel, *, is_final: bool, **options: Any
) -> Importance:
    """Compute it for a model that a plan's rows made: on its test rows, if it has some.

    ``is_final`` says whether the model was trained on all rows at last.
    """
    part, rows = "test", plan.test
    if not len(rows):
        part, rows = "validation", plan.val
    rows = rows.sort().values  # in the order of the file, as predict has them
    selected = plan.table.select(rows)
    assert selected.y is not None

    def answer(x: dict[str, Tensor]) -> Tensor:
        return predict_rows(model, x)

    with threads(1):  # as `predict` does, with the same answers
        return permutation_importance(
            answer,
            selected.x,
            selected.y,
            plan.table.schema,
            weights=plan.score_weights(rows),
            part=part,
            quantiles=model.quantiles,
            seen=is_final and not (part == "test" and plan.has_test),
            **options,
        )


def _check_same_rows(run: TableRunFolder, plan: TablePlan) -> None:
    """Refuse rows that are not those that the run was scored on."""
    table, then = plan.table, run.config["rows"]
    same = {name: len(getattr(plan, name)) for name in then} == then
    if same and (run.path / TEST_ROWS).is_dir():
        tested = TestRows.read(run.path, run.schema, run.quantiles)
        is_first = tested.fold == 1
        assert table.y is not None
        order = plan.test[table.row_numbers[plan.test].argsort(stable=True)]
        same = torch.equal(tested.row[is_first], table.row_numbers[order])
        same = same and torch.equal(tested.target[is_first], table.y[order])
    if not same:
        raise DataError(
            f"the data of {run.path} have changed since it was trained.\n"
            "The rows that it was scored on cannot be found again, and others were "
            "trained on.\nName the file that it was trained on: --data FILE."
        )


def write_importance(run: Path, importance: Importance) -> None:
    """Write ``importance.json`` into a run's folder, in place of an earlier one."""
    stored = {"version": VERSION, **importance.to_dict()}
    with disk_errors(run / IMPORTANCE):
        replace_file(run / IMPORTANCE, [in_utf8(to_json(stored, indent=1) + "\n")])


def read_importance(run: Path) -> Importance | None:
    """Read what :func:`write_importance` wrote; None if nothing was.

    Raises:
        DamagedError: It is not what was written.
    """
    path = run / IMPORTANCE
    if not path.exists():
        return None
    stored = parse_json(read_file(path, most=MAX_JSON_BYTES), str(path))
    check_version(stored, VERSION, path)
    if not STORED(stored):
        raise DamagedError(
            f"{path} is not what `gradatim importance` writes.\n"
            "It was damaged, or changed by hand.\n"
            "Compute it again: gradatim importance."
        )
    columns = {
        column["name"]: (_number(column["importance"]), _number(column["spread"]))
        for column in stored["columns"]
    }
    known = {name: stored[name] for name in stored if name != "version"}
    return Importance(
        **{**known, "score": _number(stored["score"]), "columns": columns}
    )


def _number(value: float | None) -> float:
    """Give NaN for null, which is how JSON has it."""
    return math.nan if value is None else value
