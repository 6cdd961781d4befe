"""A trained model from its files, without running anything that they name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.model.network import TableModel
from gradatim.tables.saved.model_files import (
    SCHEMA,
    SCORES,
    parse_scores,
    read_model_files,
    read_schema,
    read_table_model,
)
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import read_table
from gradatim.text import shown
from gradatim.threads import threads

__all__ = ["Predictor", "load"]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A table's model with its columns: raw rows in, answers out."""

    model: TableModel
    schema: Schema
    scores: dict[str, dict[str, float]]
    """The scores on the test rows of the training: of baseline, linear model, model."""

    def predict(self, rows: Any) -> Any:
        """Answer raw rows.

        Args:
            rows: The path of a CSV, TSV or Parquet file, or a table of pandas, polars
                or pyarrow. Columns are matched by name.

        Returns:
            A NumPy array ``(rows,)``: numbers in the target's units, float64, or the
            most probable labels.

        Raises:
            DataError: A column is missing, or not as the schema has it.
        """
        answers, target = self._answers(rows), self.schema.target
        assert target is not None
        if target.task == "regression":
            return answers.numpy() + target.origin
        return np.array(target.labels)[answers.argmax(dim=1).numpy()]

    def predict_proba(self, rows: Any) -> Any:
        """Give the probability of every class, in the order of ``schema.labels``.

        Args:
            rows: As for :meth:`predict`.

        Returns:
            A NumPy array ``(rows, classes)``, float32.

        Raises:
            ConfigError: The target is a number.
        """
        if self.model.task == "regression":
            raise ConfigError(
                "the target is a number, so there are no classes to be probable.\n"
                "Use predict()."
            )
        return self._answers(rows).numpy()

    def _answers(self, rows: Any) -> Tensor:
        # The target is not read: rows to predict may lack it, or have new labels.
        table = read_table(rows, schema=replace(self.schema, target=None))
        with threads(1):  # `gradatim predict` uses one too, and gives the same answers
            return predict_rows(self.model, table.x)


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
