"""A table's model on the disk, whole in one folder that can be copied by itself.

``model/`` holds the weights (encoder and scale of the target among them), what network
they belong to, the frozen columns, the scores, and a manifest of the four.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.data.encode import TableEncoder
from gradatim.data.schema import Schema
from gradatim.errors import ConfigError, DamagedError, RunError, SchemaError
from gradatim.run.disk import Buffer
from gradatim.run.fingerprint import changes, signature, tensors_signature
from gradatim.run.jsonfile import check_version, parse_json, to_json
from gradatim.run.tensors import read_tensors, tensor_parts
from gradatim.tabular.network import TableModel
from gradatim.tabular.plan import NetworkFactory, build_network

__all__ = ["parse_scores", "read_schema", "read_table_model", "table_model_files"]

VERSION = 1
TENSORS, DESCRIPTION = "model.safetensors", "model.json"
SCHEMA, SCORES = "schema.json", "scores.json"
FILES = {TENSORS, DESCRIPTION, SCHEMA, SCORES}
LARGEST = {
    "num_features": 10**6,
    "num_outputs": 10**6,
    "width": 10**5,
    "num_blocks": 999,
}
"""Above these a description is taken for damage, before memory is asked for."""


def table_model_files(
    model: TableModel,
    architecture: Mapping[str, Any],
    schema: Schema,
    scores: Mapping[str, Any],
) -> dict[str, Iterable[Buffer]]:
    """Give the four files of a model.

    Args:
        model: Trained.
        architecture: By which ``build_network`` makes its network again.
        schema: The columns.
        scores: What ``scores.json`` shall hold besides its version.
    """
    description = {
        "version": VERSION,
        "kind": "table",
        "task": model.task,
        "architecture": dict(architecture),
    }
    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    return {
        TENSORS: tensor_parts(state),
        DESCRIPTION: [_json(description)],
        SCHEMA: [schema_text(schema)],
        SCORES: [_json({"version": VERSION, **scores})],
    }


def _json(value: Any) -> bytes:
    return (to_json(value, indent=2) + "\n").encode()


def schema_text(schema: Schema) -> bytes:
    """Write a schema as JSON."""
    text = json.dumps(schema.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def read_schema(content: bytes, path: Path) -> Schema:
    """Read what :func:`schema_text` gave.

    Raises:
        DamagedError: It is no schema.
    """
    try:
        return Schema.from_dict(parse_json(content.decode(errors="replace"), str(path)))
    except SchemaError as error:
        raise DamagedError(f"{path}: {error}") from error


def parse_scores(content: bytes, path: Path) -> dict[str, Any]:
    """Read ``scores.json``.

    Raises:
        DamagedError: It has other fields, or values that are no numbers.
    """
    found = parse_json(content.decode(errors="replace"), str(path))
    check_version(found, VERSION, path)
    if set(found) != {"version", "rows", "stop_reason", "scores"}:
        raise DamagedError(f"{path} has the fields {', '.join(sorted(found))}.")
    tables = found["scores"]
    numbers = (int, float, type(None))
    if not isinstance(tables, dict) or not all(
        isinstance(row, dict) and all(isinstance(v, numbers) for v in row.values())
        for row in tables.values()
    ):
        raise DamagedError(f"{path} has scores that are no numbers.")
    if type(found["rows"]) is not int:
        raise DamagedError(f"{path}: rows is {found['rows']!r}.")
    return found


def read_table_model(
    contents: Mapping[str, bytes], path: Path, *, factory: NetworkFactory | None = None
) -> TableModel:
    """Make the model again, in eval mode.

    Nothing that the files name is imported or called, and no memory is asked for
    before the shapes in the files agree with each other.

    Args:
        contents: The files of ``model/``, compared with their digests.
        path: Of the folder, for messages.
        factory: Makes the network where it was one of the user's own.

    Raises:
        RunError: A file is damaged, or does not fit the others.
        ConfigError: The network needs a factory.
    """
    if absent := FILES - set(contents):
        raise DamagedError(f"{path} lacks {', '.join(sorted(absent))}.")
    text = contents[DESCRIPTION].decode(errors="replace")
    description = parse_json(text, str(path / DESCRIPTION))
    check_version(description, VERSION, path / DESCRIPTION)
    architecture, task = _checked(description, path / DESCRIPTION)
    schema = read_schema(contents[SCHEMA], path / SCHEMA)
    state = read_tensors(contents[TENSORS], str(path / TENSORS))
    with torch.random.fork_rng():  # layers draw weights, which are replaced
        encoder = TableEncoder(schema)
        if encoder.num_features != architecture["num_features"]:
            raise RunError(
                f"{path / DESCRIPTION}: the network takes "
                f"{architecture['num_features']} features, the schema gives "
                f"{encoder.num_features}.\n"
                "Model and schema are not of the same run.\n"
                "Copy the run folder as a whole."
            )
        if architecture["name"] != "custom":
            _check_shapes(architecture, state, path)
        model = TableModel(encoder, build_network(architecture, factory), task)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        if architecture["name"] == "custom":
            raise ConfigError(
                f"the factory's network does not take the weights of {path}: {error}\n"
                "It must be the factory that the run was trained with."
            ) from error
        raise DamagedError(
            f"{path / TENSORS} does not fit the rest: {error}"
        ) from error
    return model.eval()


def _check_shapes(
    architecture: dict[str, Any], state: Mapping[str, Tensor], path: Path
) -> None:
    """Compare the network's shapes with those of the weights, without memory for it."""
    with torch.device("meta"):
        network: nn.Module = build_network(architecture)
    wanted = signature({"network": network})
    found = {
        name: text
        for name, text in tensors_signature(state).items()
        if name.startswith("network.")
    }
    if different := changes(found, wanted):
        raise DamagedError(
            f"{path / TENSORS} does not fit {DESCRIPTION}: {different[0]}.\n"
            "The two are not of the same model.\nCopy the folder again, whole."
        )


def _checked(description: Any, path: Path) -> tuple[dict[str, Any], str]:
    """Give architecture and task, if they are what this version writes."""
    if set(description) != {"version", "kind", "task", "architecture"}:
        fields = ", ".join(sorted(description))
        raise DamagedError(f"{path} has the fields {fields}. It was damaged.")
    architecture, task = description["architecture"], description["task"]
    if description["kind"] != "table":
        raise DamagedError(f"{path}: unknown kind {description['kind']!r}.")
    if task not in ("regression", "binary", "classification"):
        raise DamagedError(f"{path}: unknown task {task!r}. It was damaged.")
    if not isinstance(architecture, dict) or architecture.get("name") not in (
        "residual_mlp",
        "linear",
        "custom",
    ):
        raise DamagedError(f"{path}: unknown architecture. It was damaged.")
    known = {"name", "num_features", "num_outputs"}
    if architecture["name"] == "residual_mlp":
        known |= {"width", "num_blocks", "dropout"}
    if set(architecture) != known:
        raise DamagedError(
            f"{path}: the architecture has the fields {sorted(architecture)}, not "
            f"{sorted(known)}. It was damaged, or written by another version."
        )
    for name, largest in LARGEST.items():
        size = architecture.get(name, 1)
        if type(size) is not int or not 0 <= size <= largest:
            raise DamagedError(f"{path}: {name} is {size!r}. It was damaged.")
    dropout = architecture.get("dropout", 0.0)
    if type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise DamagedError(f"{path}: dropout is {dropout!r}. It was damaged.")
    return architecture, task
