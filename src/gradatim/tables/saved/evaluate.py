"""Scores of a run on the rows of a file that has the target, too."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradatim.errors import SchemaError
from gradatim.tables.files.file_list import num_bytes
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.fit.plan import NetworkFactory
from gradatim.tables.model.better import Choice
from gradatim.tables.model.scores import constant_answers, score
from gradatim.tables.saved.folder import TableRunFolder
from gradatim.tables.table import open_as, read_table
from gradatim.text import nearest_name
from gradatim.threads import threads

__all__ = ["Evaluation", "evaluate_file"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The scores of a run on the rows of a file."""

    num_rows: int
    scores: dict[str, dict[str, float]]
    """The scores on these rows of the constant answer, the linear model and the model:
    those that stand in the run. The network has its own where it is not all that
    answers."""
    notices: list[str]


def evaluate_file(
    run: TableRunFolder,
    file: Path,
    *,
    factory: NetworkFactory | None = None,
    drop_missing_target: bool = False,
    **reading: Any,
) -> Evaluation:
    """Score a run on all rows of a file that has the target's column.

    The constant answer and the linear model are those of the run's training rows.
    ``factory`` makes the network where it was one of the user's own. The
    file may be damaged or lack a column, which is a ``DataError``; ``reading``, its
    ``sheet``, ``encoding`` and so on, is that of the training file if not given.
    """
    schema = run.schema
    assert schema.target is not None
    weight = run.config["training"].get("weight")
    lacks_weight = (
        weight is not None and weight not in open_as(file, schema, reading).names
    )
    table = read_table(
        file,
        schema=schema,
        drop_missing_target=drop_missing_target,
        weight=None if lacks_weight else weight,
        **reading,
    )
    if table.y is None:
        name = schema.target.name
        raise SchemaError(
            f"{file} has no column {name!r}, the target."
            f"{nearest_name(name, open_as(file, schema, reading).names)}\n"
            "Without it there is nothing to compare predictions with.\n"
            "Add the column, or use `gradatim predict`."
        )
    model = run.load_model(factory)
    task, rows = schema.target.task, len(table)
    with threads(1):  # as `predict` does, with the same answers
        answers = predict_rows(model, table.x)
    table.notices.look_at(answers, 0)
    notices = table.notices.lines()
    trained_on = run.config.get("file", {})
    name_and_size = trained_on.get("name"), trained_on.get("bytes")
    if name_and_size == (file.name, num_bytes(file)):
        notices.append(
            f"{file.name} has the name and size of the file this run was trained on; "
            "rows seen in training score better than new ones"
        )
    if lacks_weight:
        notices.append(
            f"{file.name} has no column {weight!r}, by which the run weighs its rows; "
            "here all rows count the same"
        )
    of_rows = None if table.weight is None else table.weight.values
    if (baselines := run.baselines) is not None:
        with threads(1):
            network = None
            if model.answered_by != "network":
                network = predict_rows(model, table.x, by="network")
                notices.append(Choice(**run.scores["delivered"]).line())
            scores = baselines.scores(
                table.x,
                table.y,
                answers,
                of_rows,
                network=network,
                conformal=model.conformal,
            )
    else:
        notices.append(
            "an earlier version trained this run and kept no linear model; the "
            "constant answer is the best one for these very rows"
        )
        baseline = constant_answers(task, table.y, rows, len(schema.labels))
        scores = {
            "baseline": score(task, baseline, table.y),
            "model": score(task, answers, table.y),
        }
    return Evaluation(num_rows=rows, scores=scores, notices=notices)
