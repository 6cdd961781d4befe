"""The weights of any module on the disk, and back into a module of the same shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gradatim.errors import DamagedError, RunError
from gradatim.modules import bare
from gradatim.run.fingerprint import MAX_CHANGES, changes, signature
from gradatim.store.disk import disk_errors, if_there, reading
from gradatim.store.json import (
    MAX_JSON_BYTES,
    check_version,
    in_utf8,
    parse_json,
    to_json,
)
from gradatim.store.manifest import check_files, read_folder, write_folder
from gradatim.store.pack import pack, unpack
from gradatim.store.tensors import num_bytes, read_tensors, tensor_parts
from gradatim.text import one_line, shown

__all__ = [
    "DESCRIPTION",
    "TENSORS",
    "VERSION",
    "check_module_size",
    "is_saved",
    "load_module",
    "module_state",
    "save_modules",
]

VERSION = 1
TENSORS, DESCRIPTION = "model.safetensors", "model.json"


def module_state(modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Join the states of modules; a single module keeps its own names.

    >>> list(module_state({"model": nn.Linear(1, 1)}))
    ['weight', 'bias']
    >>> list(module_state({"a": nn.Linear(1, 1), "b": nn.ReLU()}))
    ['a.weight', 'a.bias']
    """
    return {
        f"{name}.{key}" if len(modules) > 1 else key: value
        for name, module in modules.items()
        for key, value in bare(module).state_dict().items()
    }


def load_module_state(
    modules: Mapping[str, nn.Module], state: Mapping[str, Any]
) -> None:
    """Give each module its part of what :func:`module_state` gave."""
    for name, module in modules.items():
        prefix = f"{name}." if len(modules) > 1 else ""
        own = {
            key.removeprefix(prefix): value
            for key, value in state.items()
            if key.startswith(prefix)
        }
        bare(module).load_state_dict(own)


def save_modules(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Write ``model.safetensors`` and ``model.json`` with a manifest."""
    values, tensors = pack(module_state(modules))
    files = {TENSORS: tensor_parts(tensors), DESCRIPTION: [_describe(values)]}
    why = "The checkpoints are whole: the same lines write it when there is room.\n"
    stands = if_there(path.parent, why)
    with disk_errors(path, needs=num_bytes(tensors), why=stands):
        write_folder(path, files)


def is_saved(path: Path, modules: Mapping[str, nn.Module]) -> bool:
    """Tell whether :func:`save_modules` would write what is there, to the bit."""
    values, tensors = pack(module_state(modules))
    try:
        check_module_size(path, tensors)
        contents = read_folder(path, known={DESCRIPTION, TENSORS})
    except RunError:
        return False
    return contents == {
        TENSORS: b"".join(tensor_parts(tensors)),
        DESCRIPTION: _describe(values),
    }


def _describe(values: Any) -> bytes:
    return in_utf8(to_json({"version": VERSION, "kind": "module", "state": values}))


def load_module(
    path: Path, contents: Mapping[str, bytes], model: nn.Module
) -> nn.Module:
    """Put what :func:`save_modules` wrote into ``model``.

    Args:
        path: The folder, for messages.
        contents: The files of the folder, compared with their digests.
        model: A module with the same names, shapes and dtypes.

    Raises:
        RunError: The module has others; each is named.
    """
    check_files(contents, {TENSORS, DESCRIPTION}, path)
    place = path / DESCRIPTION
    description = parse_json(contents[DESCRIPTION], str(place))
    check_version(description, VERSION, place)
    if set(description) != {"version", "kind", "state"}:
        raise DamagedError(
            f"{place} has the fields {shown(sorted(description))}.\n"
            "It was damaged, or written by another version.\n"
            "Copy the folder again, whole."
        )
    tensors = read_tensors(contents[TENSORS], str(path / TENSORS))
    state = unpack(description["state"], tensors, str(place))
    cause = None
    try:
        given = bare(model).state_dict()
        different = changes(signature(state), signature(given))
        if not different:
            bare(model).load_state_dict(state)
    except RunError:  # of the user's own module
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        different, cause = [one_line(error)], error
    if different:
        listed = "\n".join(f"  {line}" for line in different[:MAX_CHANGES])
        raise _unlike(
            f"{path} is of another model than the {type(model).__name__} given "
            f"(file -> given):\n{listed}"
        ) from cause
    return model


def check_module_size(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights whose file is larger than these tensors, before it is read."""
    with reading(path / TENSORS):
        size = (path / TENSORS).lstat().st_size
    most = num_bytes(tensors) + MAX_JSON_BYTES
    if size > most:
        what = f"has {size:,} bytes, where those of the model given have at most"
        raise _unlike(f"{path / TENSORS} {what} {most:,}.")


def _unlike(what: str) -> RunError:
    return RunError(
        f"{what}\nWeights go only where names, shapes and dtypes are the same.\n"
        "Make the model as it was made for the run."
    )
