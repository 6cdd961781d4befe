"""A trained model from its files, without running anything that they name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.run.module_file import (
    DESCRIPTION,
    TENSORS,
    check_module_size,
    load_module,
    module_state,
)
from gradatim.store.disk import OLD
from gradatim.store.json import parse_json
from gradatim.store.manifest import MANIFEST, read_folder
from gradatim.store.pack import pack
from gradatim.tables.saved.model_files import (
    SCHEMA,
    SCORES,
    parse_scores,
    read_model_files,
    read_schema,
    read_table_model,
)
from gradatim.tables.saved.predictor import Predictor
from gradatim.text import shown

__all__ = ["Predictor", "load"]


def load(
    path: str | Path, *, model: nn.Module | Callable[..., nn.Module] | None = None
) -> Any:
    """Load a trained model from a run, or from its ``model/`` folder alone.

    Nothing that a file names is imported or called. Every file is compared with its
    size and digest, and shapes with each other before memory is asked for.

    Args:
        path: A run folder, or a copy of the ``model`` folder in it.
        model: For a run of a loop of one's own, a module of the same shapes, or a
            function that makes one. For a table with a network of one's own, the
            factory of the network. Left out for the networks of gradatim itself.

    Returns:
        A :class:`Predictor` for a table; else the module with its weights, in eval
        mode.

    Raises:
        RunError: A file is missing, damaged, of another version or of another model.
        ConfigError: ``model`` is missing.
    """
    folder = _model_folder(Path(path))
    contents = read_folder(folder, only=DESCRIPTION)
    if DESCRIPTION not in contents:
        raise DamagedError(
            f"{folder} has no {DESCRIPTION}: it is no model.\n"
            "Without it nobody can tell what the weights are of.\n"
            "Copy the folder again, whole."
        )
    description = parse_json(contents[DESCRIPTION], str(folder / DESCRIPTION))
    kind = description.get("kind") if isinstance(description, dict) else None
    if kind == "table":
        return _load_table(folder, model)
    if kind != "module":
        raise DamagedError(
            f"{folder / DESCRIPTION} has the unknown kind {shown(kind)}.\n"
            "It was damaged, or written by another version.\n"
            "Use the gradatim that wrote it, or copy the folder again."
        )
    if model is None:
        raise ConfigError(
            f"{folder} holds the weights of a module, not its code.\n"
            "A file never names code to import.\n"
            "Make the module and give it: load(path, model=...)."
        )
    if not isinstance(model, nn.Module):
        with torch.random.fork_rng():  # the weights that it draws are replaced
            model = model()
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model gave a {type(model).__name__}, not an nn.Module.\n"
            "The weights have no place in it.\n"
            "Give a module, or a function that makes one."
        )
    check_module_size(folder, pack(module_state({"": model}))[1])
    contents = read_folder(folder, known={DESCRIPTION, TENSORS})
    return load_module(folder, contents, model).eval()


def _load_table(
    folder: Path, factory: nn.Module | Callable[..., nn.Module] | None
) -> Predictor:
    if isinstance(factory, nn.Module):
        raise ConfigError(
            f"{folder} is a table's model, but model is a module.\n"
            "Its network is made for the number of its features.\n"
            "Give the factory: model=lambda num_features, num_outputs: ..."
        )
    contents = read_model_files(folder)
    network = read_table_model(contents, folder, factory=factory)
    scores = parse_scores(contents[SCORES], folder / SCORES)["scores"]
    schema = read_schema(contents[SCHEMA], folder / SCHEMA)
    return Predictor(model=network, schema=schema, scores=scores)


def _model_folder(path: Path) -> Path:
    for folder in (path, path / "model", path / f"model{OLD}"):
        if (folder / MANIFEST).exists():
            return folder
    if not path.is_dir():
        raise RunError(f"{path} is no folder. Give a run, or the model folder in it.")
    raise RunError(
        f"{path} holds no model: there is no {MANIFEST} in it or in model/.\n"
        "A run has one when its training has ended.\n"
        "Go on with the training, or name another run."
    )
