"""A table's model on the disk, whole in one folder that can be copied by itself.

``model/`` holds the weights, what network they belong to, the frozen columns, the
scores, and a manifest of the four.
"""

import json
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from gradatim.errors import ConfigError, DamagedError, RunError, SchemaError
from gradatim.run.fingerprint import changes, signature
from gradatim.store.checks import (
    Check,
    fields,
    is_count,
    is_number,
    is_object,
    is_text,
    list_of,
    one_of,
    optional,
    whole,
)
from gradatim.store.disk import Buffer, reading
from gradatim.store.json import (
    MAX_JSON_BYTES,
    check_version,
    in_utf8,
    may_be_read,
    parse_json,
    to_json,
)
from gradatim.store.manifest import check_files, read_folder
from gradatim.store.tensors import num_bytes, read_tensors, tensor_parts
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import (
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    MAX_FOLDS,
    MAX_QUANTILES,
)
from gradatim.tables.fit.plan import NetworkFactory, build_network, needs_factory
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.conformal import Conformal
from gradatim.tables.model.log_scale import LogScale, log_scale_of
from gradatim.tables.model.network import AnsweredBy, TableModel
from gradatim.tables.model.scores import SCORE_NAMES
from gradatim.tables.schema.columns import Task
from gradatim.tables.schema.schema import Schema
from gradatim.text import shown

__all__ = [
    "parse_scores",
    "read_baselines",
    "read_model_files",
    "read_schema",
    "read_table_model",
    "table_model_files",
]

VERSION = 1
TENSORS, DESCRIPTION = "model.safetensors", "model.json"
SCHEMA, SCORES = "schema.json", "scores.json"
BASELINES = "baselines.safetensors"
"""Earlier versions did not write it."""
FILES = {TENSORS, DESCRIPTION, SCHEMA, SCORES}

SIZES = {"num_features": whole(1, 10**6), "num_outputs": whole(1, 10**6)}
ARCHITECTURES: dict[str, dict[str, Check]] = {
    "linear": SIZES,
    "custom": SIZES,
    "residual_mlp": {
        **SIZES,
        "width": whole(1, 10**5),
        "num_blocks": whole(0, 999),
        "dropout": lambda value: is_number(value) and 0 <= value < 1,
    },
}
"""What the fields of an architecture may be, by its name. A larger size is taken for
damage, before memory is asked for; the sizes were chosen by hand, not measured."""

CLASSES = {"accuracy", "balanced_accuracy", "log_loss"}
FIRST_NAMES = ({"rmse", "mae", "r2"}, CLASSES, {*CLASSES, "roc_auc"})
LATER_PARTS = frozenset({"conformal", "delivered", "log_target", "quantiles"})
"""What earlier versions did not write into ``model.json``."""
LATER_FIELDS = frozenset(
    {"intervals", "confusion", "folds", "final_epochs", "delivered"}
)
"""What earlier versions did not write into ``scores.json``."""
DELIVERED = ("linear", "mean")
"""What may answer in place of the network alone."""
SCORED = {"baseline", "linear", "model"}
"""What has scores; the network, too, where it is not all that answers."""
KNOWN_SCORES = (*map(set, SCORE_NAMES.values()), *FIRST_NAMES)
"""The scores that a task has, and those that files of version 0.1 have."""


def table_model_files(
    model: TableModel,
    architecture: Mapping[str, Any],
    schema: Schema,
    scores: Mapping[str, Any],
    baselines: Baselines,
) -> dict[str, Iterable[Buffer]]:
    """Give the five files of a model; ``scores.json`` has a version beside the scores.

    ``architecture`` is what ``build_network`` makes the network again by.
    """
    description = {
        "version": VERSION,
        "kind": "table",
        "task": model.task,
        "architecture": dict(architecture),
    }
    if model.quantiles:
        description["quantiles"] = list(model.quantiles)
    if model.log_scale is not None:
        description["log_target"] = True
    if model.conformal is not None:
        description["conformal"] = asdict(model.conformal)
    if model.answered_by != "network":
        description["delivered"] = model.answered_by
    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    return {
        TENSORS: tensor_parts(state),
        DESCRIPTION: [_json(description)],
        SCHEMA: [schema_text(schema)],
        SCORES: [_json({"version": VERSION, **scores})],
        BASELINES: tensor_parts(dict(baselines.state_dict())),
    }


def _json(value: Any) -> bytes:
    return in_utf8(to_json(value, indent=2) + "\n")


def schema_text(schema: Schema) -> bytes:
    """Write a schema as JSON.

    Raises:
        ConfigError: The text is longer than what is read again.
    """
    text = json.dumps(schema.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    content = in_utf8(text + "\n")
    if not may_be_read(content):
        raise ConfigError(
            f"the schema of {len(schema.columns):,} columns has {len(content):,} bytes "
            "of JSON, more than what is read again.\n"
            "The model could not be used.\n"
            "Leave out columns of many categories: --drop COLUMN."
        )
    return content


def read_schema(content: bytes, path: Path) -> Schema:
    """Read what :func:`schema_text` gave; all else is a ``DamagedError``."""
    try:
        schema = Schema.from_dict(parse_json(content, str(path)))
    except SchemaError as error:
        raise DamagedError(f"{path}: {error}") from error
    if schema.target is None or not schema.features:
        raise _damaged(path, "a schema without target or features")
    return schema


def parse_scores(content: bytes, path: Path) -> dict[str, Any]:
    """Read ``scores.json``; other fields or values are a ``DamagedError``."""
    needed = {"version", "rows", "stop_reason", "scores"}
    stored = _read_object(content, path, needed, later=LATER_FIELDS)
    if not optional(is_text)(stored["stop_reason"]):
        raise _damaged(path, f"the stop_reason {shown(stored['stop_reason'])}")
    if not whole(1, 10**9)(stored.get("final_epochs", 1)):
        raise _damaged(path, f"the final_epochs {shown(stored['final_epochs'])}")
    _check_scores(stored, path)
    _check_choice(stored.get("delivered"), path)
    folds = stored.get("folds", [])
    if not list_of(is_object)(folds) or len(folds) > MAX_FOLDS:
        raise _damaged(path, f"the folds {shown(folds)}")
    for fold in folds:
        by = fold.get("delivered", "mean")
        if set(fold) - {"delivered"} != {"rows", "scores"} or by not in DELIVERED:
            raise _damaged(path, f"the fold {shown(fold)}")
        _check_scores(fold, path)
    return stored


def _check_scores(stored: Mapping[str, Any], path: Path) -> None:
    tables = stored["scores"]
    if not is_count(stored["rows"]):
        raise _damaged(path, f"the rows {shown(stored['rows'])}")
    if stored["rows"] == 0 and tables == {}:
        return
    if not is_object(tables) or set(tables) - {"network"} != SCORED:
        raise _damaged(path, f"the scores {shown(tables)}")
    for name, row in tables.items():
        if not is_object(row) or not _are_known(set(row)):
            raise _damaged(path, f"the scores {shown(row)} of {name}")
        for value in row.values():
            if not optional(is_number)(value):
                raise _damaged(path, f"the score {shown(value)} of {name}")
    if len({frozenset(row) for row in tables.values()}) != 1:
        raise _damaged(path, "scores of two tasks")
    _check_intervals(stored.get("intervals", {}), set(tables["model"]), path)
    _check_confusion(stored.get("confusion", []), stored["rows"], path)


def _are_known(names: set[str]) -> bool:
    """Say whether scores are those of a task, with those of intervals or without."""
    names = _without_intervals(names)
    of_quantiles = {name for name in names if re.fullmatch(r"pinball_0\.\d+", name)}
    return names in KNOWN_SCORES or (
        bool(of_quantiles) and names == {*of_quantiles, "pinball"}
    )


def _without_intervals(names: set[str]) -> set[str]:
    """Give the names of scores but for those of intervals, which come together."""
    of_intervals = {name for name in names if re.fullmatch(r"coverage_0\.\d+", name)}
    if len(of_intervals) == 1 and "interval_width" in names:
        names = names - {*of_intervals, "interval_width"}
    return names


def _check_choice(choice: Any, path: Path) -> None:
    """Refuse what is not a choice as it is stored: between models, by a score."""
    checks: dict[str, Check] = {
        "by": one_of(*DELIVERED),
        "rows": is_count,
        "metric": is_text,
        **dict.fromkeys(("network", "linear", "mean"), optional(is_number)),
    }
    if choice is None:
        return
    if not is_object(choice) or set(choice) != set(checks):
        raise _damaged(path, f"the choice {shown(choice)} of what is delivered")
    for name, check in checks.items():
        if not check(choice[name]):
            raise _damaged(
                path, f"the choice of a model by {name} {shown(choice[name])}"
            )


def _check_intervals(intervals: Any, names: set[str], path: Path) -> None:
    """Refuse what are not two numbers, or none, for each score."""
    if not is_object(intervals) or set(intervals) not in (set(), names):
        raise _damaged(path, f"the intervals {shown(intervals)}")
    for ends in intervals.values():
        if not (
            isinstance(ends, list)
            and len(ends) == 2
            and all(map(optional(is_number), ends))
        ):
            raise _damaged(path, f"the interval {shown(ends)}")


def _check_confusion(rows: Any, num_rows: int, path: Path) -> None:
    """Refuse what is not a square of counts that are as many as the rows."""
    is_square = isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == len(rows) and all(map(is_count, row))
        for row in rows
    )
    if not is_square or sum(map(sum, rows)) != (num_rows if rows else 0):
        raise _damaged(path, f"the confusion matrix {shown(rows)}")


def read_table_model(
    contents: Mapping[str, bytes], path: Path, *, factory: NetworkFactory | None = None
) -> TableModel:
    """Make the model again, in eval mode, of the contents of its files.

    Nothing that the files name is imported or called, and no memory is asked for
    before the shapes in the files agree with each other. ``factory`` makes the network
    where it was one of the user's own.

    Raises:
        RunError: A file is damaged, or does not fit the others.
        ConfigError: The network needs a factory.
    """
    check_files(contents, FILES | (set(contents) & {BASELINES}), path)
    architecture, task, schema, modules, delivered = _description(contents, path)
    conformal = _conformal(contents, path)
    is_custom = architecture["name"] == "custom"
    if is_custom and factory is None:
        what = f"{path} is the model of a network of one's own, 'custom'"
        raise needs_factory(what, ", or load(path, model=FACTORY)")
    state = read_tensors(contents[TENSORS], str(path / TENSORS))
    stored = signature(state)
    known = {k: text for k, text in stored.items() if k.partition(".")[0] in modules}
    if different := changes(known, signature(nn.ModuleDict(modules).state_dict())):
        raise _unlike(path, different[0])
    with torch.random.fork_rng():  # layers draw weights, which are replaced
        encoder = TableEncoder(schema)
        for name, value in encoder.named_buffers():  # those that follow from the schema
            is_schemas = name.endswith((".flagged", ".origin"))
            if is_schemas and not torch.equal(value, state[f"encoder.{name}"]):
                raise _unlike(path, f"encoder.{name} is not that of {SCHEMA}")
        network = build_network(architecture, factory)
        scale = _log_scale(contents, path)
        model = TableModel(encoder, network, task, _quantiles(contents, path), scale)
    if different := changes(stored, signature(model.state_dict())):
        if is_custom:
            raise ConfigError(
                f"the factory's network does not take the weights of {path}: "
                f"{different[0]}.\n"
                "Weights go only where names, shapes and dtypes are the same.\n"
                "It must be the factory that the run was trained with."
            )
        raise _unlike(path, different[0])
    model.load_state_dict(state)
    model.conformal = conformal
    if delivered is not None:
        baselines = read_baselines(contents, path)
        if baselines is None:
            raise _damaged(path, f"a model that is {delivered}, and no {BASELINES}")
        model.deliver(delivered, baselines)
    return model.eval()


def read_baselines(contents: Mapping[str, bytes], path: Path) -> Baselines | None:
    """Read what stood beside the scores of a model; None if that was not kept.

    Tensors of other names, dtypes or shapes are a ``DamagedError``.
    """
    if BASELINES not in contents:
        return None
    schema = read_schema(contents[SCHEMA], path / SCHEMA)
    state = read_tensors(contents[BASELINES], str(path / BASELINES))
    quantiles, scale = _quantiles(contents, path), _log_scale(contents, path)
    baselines = Baselines(schema, quantiles=quantiles, log_scale=scale)
    if different := changes(signature(state), signature(baselines.state_dict())):
        raise DamagedError(
            f"{path / BASELINES} does not fit {SCHEMA}: {different[0]}.\n"
            "The two are not of the same model.\nCopy the folder again, whole."
        )
    baselines.load_state_dict(state)
    return baselines


def read_model_files(path: Path) -> dict[str, bytes]:
    """Read the files of a table's model, and the weights only if they can be its own.

    All are compared with their digests. Of another kind of model the description alone
    is read.

    Raises:
        RunError: A file is damaged, or the weights are larger than such a network's.
    """
    contents = read_folder(path, only=DESCRIPTION) | read_folder(path, only=SCHEMA)
    if SCHEMA not in contents:
        return contents
    check_files(contents, {DESCRIPTION, SCHEMA}, path)
    architecture, _, _, modules, _ = _description(contents, path)
    if architecture["name"] != "custom":  # what a factory makes is not known here
        # Beside the weights there is the header, and what is small.
        most = sum(num_bytes(m.state_dict()) for m in modules.values()) + MAX_JSON_BYTES
        with reading(path / TENSORS):
            size = (path / TENSORS).lstat().st_size
        if size > most:
            raise _unlike(path, f"{size:,} bytes, not the {most:,} that it may have")
    is_there = (path / BASELINES).exists()
    return read_folder(path, known=FILES | ({BASELINES} if is_there else set()))


def _unlike(path: Path, what: str) -> DamagedError:
    return DamagedError(
        f"{path / TENSORS} does not fit {DESCRIPTION}: {what}.\n"
        "The two are not of the same model.\nCopy the folder again, whole."
    )


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(
        f"{path} has {what}.\n"
        "It was damaged, or written by another version, and cannot be relied on.\n"
        "Copy the folder again, whole."
    )


def _read_object(
    content: bytes,
    path: Path,
    names: set[str],
    *,
    later: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    """Read a JSON object with these fields, those of ``later`` perhaps, no others."""
    stored: dict[str, Any] = parse_json(content, str(path))
    check_version(stored, VERSION, path)
    if set(stored) - later != names:
        fields = shown(sorted(stored))
        raise _damaged(path, f"the fields {fields}, not {sorted(names)}")
    return stored


def _description(
    contents: Mapping[str, bytes], path: Path
) -> tuple[dict[str, Any], str, Schema, dict[str, nn.Module], AnsweredBy | None]:
    """Give architecture, task, schema and modules, if they fit each other.

    The modules are made without memory: they have names, shapes and dtypes alone. A
    network of the user's own is not among them. Last is what answers, if it is not the
    network.
    """
    place = path / DESCRIPTION
    names = {"version", "kind", "task", "architecture"}
    description = _read_object(contents[DESCRIPTION], place, names, later=LATER_PARTS)
    architecture, task = description["architecture"], description["task"]
    delivered = description.get("delivered")
    if not optional(one_of(*DELIVERED))(delivered):
        raise _damaged(place, f"the unknown model {shown(delivered)} to deliver")
    for name, known in (("kind", ("table",)), ("task", get_args(Task))):
        if description[name] not in known:
            raise _damaged(place, f"the unknown {name} {shown(description[name])}")
    _check_architecture(architecture, place)
    schema = read_schema(contents[SCHEMA], path / SCHEMA)
    assert schema.target is not None
    with torch.device("meta"):
        encoder = TableEncoder(schema)
        modules: dict[str, nn.Module] = {"encoder": encoder}
        if architecture["name"] != "custom":
            modules["network"] = build_network(architecture)
    if encoder.num_features != architecture["num_features"]:
        raise _of_two_runs(
            f"{place}: the network takes {architecture['num_features']} "
            f"features, the schema gives {encoder.num_features}"
        )
    num_outputs = len(schema.labels) if task == "classification" else 1
    num_outputs = len(_quantiles(contents, path)) or num_outputs
    if task != schema.target.task or architecture["num_outputs"] != num_outputs:
        raise _of_two_runs(
            f"{path / SCHEMA} does not fit {DESCRIPTION}: {schema.target.task} of "
            f"{len(schema.labels)} classes, not {task} with "
            f"{architecture['num_outputs']} outputs"
        )
    return architecture, task, schema, modules, delivered


def _conformal(contents: Mapping[str, bytes], path: Path) -> Conformal | None:
    """Read the intervals of a model, if it has some."""
    place = path / DESCRIPTION
    stored = parse_json(contents[DESCRIPTION], str(place)).get("conformal")
    if stored is None:
        return None
    names = ("baseline", "linear", "model")
    known = [
        fields(**dict.fromkeys(n, _is_width)) for n in (names, (*names, "network"))
    ]
    is_right = fields(level=_is_level, half_widths=lambda v: any(k(v) for k in known))
    if not is_right(stored):
        raise _damaged(place, f"the intervals {shown(stored)}")
    return Conformal(**stored)


def _quantiles(contents: Mapping[str, bytes], path: Path) -> tuple[float, ...]:
    """Read which quantiles a model predicts, if it does."""
    place = path / DESCRIPTION
    description = parse_json(contents[DESCRIPTION], str(place))
    stored = description.get("quantiles", [])
    fits = list_of(_is_level)(stored) and len(stored) <= MAX_QUANTILES
    if not fits or stored != sorted(set(stored)):
        raise _damaged(place, f"the quantiles {shown(stored)}")
    if stored and description.get("task") != "regression":
        raise _damaged(place, f"quantiles, and the task {shown(description['task'])}")
    return tuple(stored)


def _log_scale(contents: Mapping[str, bytes], path: Path) -> LogScale | None:
    """Read whether a model learned the logarithms of its targets."""
    place = path / DESCRIPTION
    description = parse_json(contents[DESCRIPTION], str(place))
    if "log_target" not in description:
        return None
    stored, task = description["log_target"], description.get("task")
    if stored is not True or task != "regression":
        raise _damaged(place, f"the log_target {shown(stored)} of {shown(task)}")
    return log_scale_of(read_schema(contents[SCHEMA], path / SCHEMA))


def _is_level(value: Any) -> bool:
    return is_number(value) and LOWEST_LEVEL <= value <= HIGHEST_LEVEL


def _is_width(value: Any) -> bool:
    return is_number(value) and value >= 0


def _of_two_runs(what: str) -> RunError:
    return RunError(
        f"{what}.\nModel and schema are not of the same run.\n"
        "Copy the run folder as a whole."
    )


def _check_architecture(architecture: Any, path: Path) -> None:
    name = architecture.get("name") if is_object(architecture) else None
    if not is_text(name) or name not in ARCHITECTURES:
        raise _damaged(path, f"the unknown architecture {shown(architecture)}")
    checks = ARCHITECTURES[name]
    if set(architecture) != {"name", *checks}:
        fields = shown(sorted(architecture))
        raise _damaged(path, f"the fields {fields} in its architecture")
    for field, check in checks.items():
        if not check(architecture[field]):
            value = shown(architecture[field])
            raise _damaged(path, f"an architecture whose {field} is {value}")
