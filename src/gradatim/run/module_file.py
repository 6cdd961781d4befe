"""The weights of any module on the disk, and back into a module of the same shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from gradatim.errors import DamagedError, RunError
from gradatim.run.disk import disk_errors
from gradatim.run.fingerprint import changes, signature, tensors_signature
from gradatim.run.jsonfile import check_version, parse_json, to_json
from gradatim.run.manifest import write_folder
from gradatim.run.tensors import num_bytes, read_tensors, tensor_parts
from gradatim.run.tree import pack, unpack

__all__ = [
    "DESCRIPTION",
    "TENSORS",
    "VERSION",
    "bare",
    "load_module",
    "module_state",
    "save_modules",
]

VERSION = 1
TENSORS, DESCRIPTION = "model.safetensors", "model.json"


def bare(module: nn.Module) -> nn.Module:
    """Give the module behind ``torch.compile``, whose names are the same."""
    inner = getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


def module_state(modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Join the state of modules: of one alone under its own names.

    >>> list(module_state({"model": nn.Linear(1, 1)}))
    ['weight', 'bias']
    >>> list(module_state({"a": nn.Linear(1, 1), "b": nn.ReLU()}))
    ['a.weight', 'a.bias']
    """
    if len(modules) == 1:
        return dict(bare(next(iter(modules.values()))).state_dict())
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in bare(module).state_dict().items()
    }


def load_module_state(
    modules: Mapping[str, nn.Module], state: Mapping[str, Any]
) -> None:
    """Take :func:`module_state` apart again."""
    for name, module in modules.items():
        own = state
        if len(modules) > 1:
            prefix = f"{name}."
            own = {
                k.removeprefix(prefix): v
                for k, v in state.items()
                if k.startswith(prefix)
            }
        bare(module).load_state_dict(dict(own))


def save_modules(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Write ``model.safetensors`` and ``model.json`` with a manifest.

    Raises:
        DiskError: The disk did not take it.
    """
    values, tensors = pack(module_state(modules))
    description = {"version": VERSION, "kind": "module", "state": values}
    with disk_errors(path, needs=num_bytes(tensors)):
        write_folder(
            path,
            {
                TENSORS: tensor_parts(tensors),
                DESCRIPTION: [to_json(description).encode()],
            },
        )


def load_module(
    path: Path, contents: Mapping[str, bytes], model: nn.Module
) -> nn.Module:
    """Put what :func:`save_modules` wrote into ``model``.

    Args:
        path: The folder, for messages.
        contents: Its files, verified.
        model: Of the same names, shapes and dtypes.

    Raises:
        RunError: It has others; each is named.
    """
    description = parse_json(
        contents[DESCRIPTION].decode(errors="replace"), str(path / DESCRIPTION)
    )
    check_version(description, VERSION, path / DESCRIPTION)
    if set(description) != {"version", "kind", "state"}:
        raise DamagedError(
            f"{path / DESCRIPTION} has the fields {sorted(description)}."
        )
    tensors = read_tensors(contents[TENSORS], str(path / TENSORS))
    state = unpack(description["state"], tensors)
    found = tensors_signature(tensors)
    if different := changes(found, signature({"": bare(model)})):
        listed = "\n".join(f"  {line}" for line in different[:10])
        raise RunError(
            f"{path} is of another model than the {type(model).__name__} given "
            f"(file -> given):\n{listed}\n"
            "Weights go only where names, shapes and dtypes are the same.\n"
            "Make the model as it was made for the run."
        )
    bare(model).load_state_dict(state)
    return model
