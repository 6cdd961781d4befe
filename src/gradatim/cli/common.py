"""What several commands share: options, the run in use, tables on the screen."""

import contextlib
import importlib
import importlib.util
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.errors import ConfigError
from gradatim.text import nearest_name

if TYPE_CHECKING:
    from gradatim.tables.fit.fit import FittedTable
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = [
    "checkpoint_option",
    "data_option",
    "existing_run",
    "format_score",
    "load_factory",
    "load_file",
    "model_option",
    "print_json",
    "print_notices",
    "print_scores",
    "print_table",
    "run_option",
    "tell_end",
]

run_option = click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run folder; the newest under runs/ by default.",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The run's data file, where it is no longer where it was.",
)
model_option = click.option(
    "--model",
    "factory",
    metavar="MODULE_OR_FILE:FACTORY",
    help="Your own network: FACTORY(num_features, num_outputs) gives an nn.Module.",
)


class Duration(click.ParamType[float]):
    """``30s``, ``5m`` or ``2h``, as seconds; ``never`` is infinite."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Give the seconds."""
        if isinstance(value, float):
            return value
        if value == "never":
            return math.inf
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
        if match is None:
            self.fail(f"{value!r} is no time such as 30s, 5m, 2h or never", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


checkpoint_option = click.option(
    "--checkpoint-every",
    "every_s",
    type=Duration(),
    default="30s",
    metavar="TIME",
    help="Such as 30s, 5m, never; one is written at the end anyway.  [30s]",
)


def existing_run(
    run_path: Path | None, *, with_model: bool = False
) -> "TableRunFolder":
    """Find the run to work on, and say which one was chosen where none was named."""
    from gradatim.run.folder import find_run
    from gradatim.tables.saved.folder import TableRunFolder

    run = TableRunFolder(find_run(run_path, with_model=with_model).path)
    if run_path is None:
        print(f"run: {run.path} (the newest)", file=sys.stderr)
    return run


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
    is_file = place.endswith(".py")
    variables = load_file(Path(place), what="--model") if is_file else _import(place)
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

    Args:
        path: Of the file.
        what: What asks for it, for the errors: ``--model``.

    Raises:
        ConfigError: There is no such file, or it fails.
    """
    if not path.is_file():
        raise ConfigError(f"{what}: there is no file {path}.")
    # A name of its own: a file called random.py must not take the place of random.
    name = f"gradatim_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a class finds its own module by name
    with _import_from(str(path.resolve().parent), f"the file {path}", what):
        spec.loader.exec_module(module)
    return vars(module)


def _import(name: str) -> dict[str, Any]:
    with _import_from("", f"the module {name}", "--model"):
        return vars(importlib.import_module(name))


@contextlib.contextmanager
def _import_from(folder: str, what: str, asked_by: str) -> Iterator[None]:
    """Look for modules in ``folder`` first, as Python does for a script."""
    arguments = sys.argv
    sys.argv = arguments[:1]  # ours are not meant for it
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


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1
) -> None:
    """Print rows under headers: the first ``text_columns`` to the left, the rest right.

    Off a terminal no column is cut, so that a log or a pipe has all of it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index < text_columns else "right")
    for row in rows:
        # Text(), not markup: a column may be called [red].
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def format_score(value: float | None) -> str:
    """Write a score with four significant digits.

    >>> format_score(0.96491), format_score(12345.6), format_score(None)
    ('0.9649', '1.235e+04', '-')
    """
    if value is None or value != value:
        return "-"
    return f"{value:.4g}"


def tell_end(fitted: "FittedTable", run: "TableRunFolder") -> int:
    """Print scores and where the run is; give the exit code."""
    print()
    print_scores(fitted.scores, len(fitted.plan.test))
    print(f"\nrun: {run.path}")
    return 130 if fitted.history.stop_reason == "interrupted" else 0


def print_scores(scores: dict[str, dict[str, Any]], num_rows: int) -> None:
    """Print the scores of all models; the linear one by its proper name."""
    names = list(next(iter(scores.values())))
    is_regression = "rmse" in names
    proper = {
        "baseline": "mean" if is_regression else "majority",
        "linear": "linear model",
        "model": "this model",
    }
    print(f"scores on {num_rows:,} test rows, never trained on or chosen by:")
    print_table(
        ["", *names],
        [
            [proper.get(model, model), *(format_score(row[name]) for name in names)]
            for model, row in scores.items()
        ],
    )


def print_json(value: Any) -> None:
    """Print JSON for another program."""
    from gradatim.store.json import to_json

    print(to_json(value, indent=2))


def print_notices(lines: Sequence[str]) -> None:
    """Tell on standard error what was noticed, so that output stays clean."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
