"""Running Python code that a user names on the command line.

This is the only place where a command imports what is named to it, and only because it
was named on the command line: a file never names code to import.
"""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError
from gradatim.text import nearest_name

__all__ = ["load_factory", "load_file"]


def load_factory(spec: str | None) -> Callable[..., Any] | None:
    """Import what ``--model`` names: ``FILE.py:FACTORY`` or ``package.module:FACTORY``.

    Raises:
        ConfigError: No such file, module or factory, or it fails when imported.
    """
    if spec is None:
        return None
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(
            f"--model {spec} has no factory.\nA module may define several.\n"
            "Write FILE.py:FACTORY or package.module:FACTORY."
        )
    if place.endswith(".py"):
        variables = load_file(Path(place), what="--model")
    else:
        with _import_from("", f"the module {place}", "--model"):
            variables = vars(importlib.import_module(place))
    if not callable(variables.get(name)):
        names = [n for n, value in variables.items() if callable(value)]
        raise ConfigError(
            f"{place} defines no function {name!r}.{nearest_name(name, names)}\n"
            "--model takes a function (num_features, num_outputs) -> nn.Module."
        )
    factory: Callable[..., Any] = variables[name]
    return factory


def load_file(path: Path, *, what: str) -> dict[str, Any]:
    """Run a Python file as a module, named on the command line; give its variables.

    Errors begin with ``what``, which asks for the file, such as ``--model``.

    Raises:
        ConfigError: There is no such file, or it fails.
    """
    if not path.is_file():
        raise ConfigError(f"{what}: there is no file {path}.")
    # The module gets a name of its own, as a file may be called random.py.
    name = f"gradatim_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a class of the file looks its module up by name
    with _import_from(str(path.resolve().parent), f"the file {path}", what):
        spec.loader.exec_module(module)
    return vars(module)


@contextlib.contextmanager
def _import_from(folder: str, what: str, asked_by: str) -> Iterator[None]:
    """Look for modules in ``folder`` first, as Python does for a script."""
    arguments = sys.argv
    sys.argv = arguments[:1]  # the others are meant for gradatim
    sys.path.insert(0, folder)
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{asked_by}: there is no module {error.name!r}, which is needed for "
            f"{what}.\n"
            f"It is looked for as in an import, from {folder or 'this folder'} first.\n"
            "Install it, or give the path of a file that ends in .py."
        ) from error
    except Exception as error:
        raise ConfigError(
            f"{asked_by}: {what} fails: {type(error).__name__}: {error}\n"
            "Its code is run to find what was named.\n"
            "Correct it; --debug shows the line."
        ) from error
    finally:
        sys.path.remove(folder)
        sys.argv = arguments
