"""A model on the disk: safetensors for the numbers, JSON for their meaning."""

from pathlib import Path
from typing import Any

import torch

from gradatim.data.encode import TableEncoder
from gradatim.data.schema import Schema
from gradatim.errors import ConfigError, RunError
from gradatim.run.jsonfile import read_json, write_bytes, write_json
from gradatim.tabular.network import TableModel
from gradatim.tabular.plan import NetworkFactory, build_network

__all__ = ["DESCRIPTION", "TENSORS", "load_table_model", "save_table_model"]

VERSION = 1
TENSORS, DESCRIPTION = "model.safetensors", "model.json"
LARGEST = {
    "num_features": 10**6,
    "num_outputs": 10**6,
    "width": 10**5,
    "num_blocks": 999,
}
"""Above these a description is taken for damage, before memory is asked for."""


def save_table_model(
    folder: Path, model: TableModel, architecture: dict[str, Any]
) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``."""
    from safetensors.torch import save

    folder.mkdir()
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    # save() to bytes and our own write: save_file leaves mode 0600 and does not fsync.
    write_bytes(folder / TENSORS, save(state))
    description = {
        "version": VERSION,
        "task": model.task,
        "architecture": architecture,
        "tensors": {
            name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
            for name, t in state.items()
        },
    }
    write_json(folder / DESCRIPTION, description)


def load_table_model(
    folder: Path, schema: Schema, *, factory: NetworkFactory | None = None
) -> TableModel:
    """Read what :func:`save_table_model` wrote, in eval mode.

    Nothing named in the files is imported or called.

    Args:
        folder: With the two files.
        schema: The frozen schema of the same run.
        factory: Makes the network again where it was one of the user's own.

    Raises:
        RunError: A file is missing, damaged, or does not fit the schema.
        ConfigError: The network needs a factory.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    description = read_json(folder / DESCRIPTION, version=VERSION)
    architecture, task = _checked(description, folder / DESCRIPTION)
    with torch.random.fork_rng():  # layers draw weights, which are replaced
        encoder = TableEncoder(schema)
        if encoder.num_features != architecture["num_features"]:
            raise RunError(
                f"{folder / DESCRIPTION}: the network takes "
                f"{architecture['num_features']} features, the schema gives "
                f"{encoder.num_features}.\n"
                "Model and schema are not of the same run.\n"
                "Copy the run folder as a whole."
            )
        model = TableModel(encoder, build_network(architecture, factory), task)
    path = folder / TENSORS
    try:
        state = load(path.read_bytes())
        model.load_state_dict(state)
    except FileNotFoundError as error:
        raise RunError(
            f"{path} does not exist. Copy the run folder as a whole."
        ) from error
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read: {error}. It was damaged.") from error
    except RuntimeError as error:
        if architecture["name"] == "custom":
            raise ConfigError(
                f"the factory's network does not take the weights of {path}: {error}\n"
                "It must be the factory that the run was trained with."
            ) from error
        raise RunError(f"{path} does not fit {DESCRIPTION}: {error}") from error
    return model.eval()


def _checked(description: dict[str, Any], path: Path) -> tuple[dict[str, Any], str]:
    """Give architecture and task, if they are what this version writes."""
    architecture, task = description.get("architecture"), description.get("task")
    if task not in ("regression", "binary", "classification"):
        raise RunError(f"{path}: unknown task {task!r}. It was damaged.")
    if not isinstance(architecture, dict) or architecture.get("name") not in (
        "residual_mlp",
        "linear",
        "custom",
    ):
        raise RunError(f"{path}: unknown architecture. It was damaged.")
    known = {"name", "num_features", "num_outputs"}
    if architecture["name"] == "residual_mlp":
        known |= {"width", "num_blocks", "dropout"}
    if set(architecture) != known:
        raise RunError(
            f"{path}: the architecture has the fields {sorted(architecture)}, not "
            f"{sorted(known)}. It was damaged, or written by another version."
        )
    for name, largest in LARGEST.items():
        size = architecture.get(name, 1)
        if type(size) is not int or not 0 <= size <= largest:
            raise RunError(f"{path}: {name} is {size!r}. It was damaged.")
    dropout = architecture.get("dropout", 0.0)
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise RunError(f"{path}: dropout is {dropout!r}. It was damaged.")
    return architecture, task
