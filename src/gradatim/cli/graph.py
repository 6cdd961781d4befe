"""``gradatim graph``: the computation graph of a tensor, as text or as a picture."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradatim.cli.options import (
    data_option,
    existing_run,
    max_expand_option,
    model_option,
    run_option,
)
from gradatim.cli.printing import print_notices
from gradatim.cli.user_code import load_factory, load_file
from gradatim.text import say

if TYPE_CHECKING:
    from gradatim.graphs import Graph

__all__ = ["graph"]


@click.command()
@click.argument("target", required=False, metavar="[FILE.py:NAME]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A page (.html), picture (.svg), Graphviz (.dot) or text (.txt).",
)
@click.option(
    "--tutorial",
    is_flag=True,
    help="The pictures of the tutorial; -o names a folder for them.",
)
@click.option("--with-data", is_flag=True, help="Draw data and constants too.")
@run_option
@data_option
@max_expand_option
@model_option
def graph(
    target: str | None,
    output: Path | None,
    tutorial: bool,
    with_data: bool,
    run_path: Path | None,
    data: Path | None,
    factory: str | None,
) -> None:
    """Draw the computation graph behind a tensor.

    FILE.py is run, and NAME is a tensor in it, or a function that returns one. Without
    it, it is the loss of a run on 16 of its training rows. A page can be searched,
    modules open and close, and backward can be followed step by step, with the real
    gradients.

    \b
    Examples:
      gradatim graph train.py:loss -o loss.html
      gradatim graph --run runs/001-houses -o loss.html
      gradatim graph --tutorial -o pictures
    """
    if tutorial + (target is not None) + (run_path is not None) > 1:
        raise click.UsageError("FILE.py:NAME, --run and --tutorial are three graphs.")
    if tutorial:
        _tutorial(output)
        return
    if target is not None:
        drawn = _graph_of_file(target, with_data)
    else:
        drawn = _graph_of_run(run_path, data, factory, with_data)
    if output is None or str(output) == "-":
        say(drawn.text(), end="")
        say(f"{drawn!r}; -o graph.html draws it", file=sys.stderr)
    else:
        say(f"graph: {drawn.save(output)}")


def _tutorial(folder: Path | None) -> None:
    from gradatim.ladder.rung_06_graph import pictures
    from gradatim.store.output import write_output

    drawings = pictures()
    for number, (name, (title, drawn)) in enumerate(drawings.items()):
        if folder is None:
            say(*[""] * (number > 0), title, drawn.text(), sep="\n", end="")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.html"
        so_far = f"{number} of the {len(drawings)} pictures are written."
        write_output(path, drawn.html(title=title), so_far=so_far)
        say(f"{path}  {title}")


def _graph_of_file(target: str, with_data: bool) -> "Graph":
    from torch import Tensor, nn

    from gradatim.errors import ConfigError
    from gradatim.graphs import record
    from gradatim.graphs.variable_names import names_of
    from gradatim.text import nearest_name

    place, colon, name = target.rpartition(":")
    if not colon or not place.endswith(".py") or not name:
        raise ConfigError(
            f"{target} names no tensor.\nA file may have many.\n"
            "Write FILE.py:NAME, with a tensor or a function that returns one."
        )
    with record() as recorded:
        variables = load_file(Path(place), what="gradatim graph")
        if name not in variables:
            pairs = variables.items()
            known = [n for n, v in pairs if isinstance(v, Tensor) or callable(v)]
            raise ConfigError(
                f"{place} defines no {name!r}.{nearest_name(name, known)}\n"
                "It is run as a module, so what stands under if __name__ == "
                '"__main__": is left out.\nName a tensor, or a function that returns '
                "one."
            )
        value: Any = variables[name]
        if isinstance(value, nn.Module):
            raise ConfigError(
                f"{name} is a {type(value).__name__}, which has a graph only for an "
                "input.\nWhich one cannot be guessed.\nName a function that calls it "
                "and returns the result."
            )
        if callable(value) and not isinstance(value, Tensor):
            try:
                value = value()
            except Exception as error:
                raise ConfigError(
                    f"{name}() fails: {type(error).__name__}: {error}\n"
                    "It is called without arguments, and must return a tensor.\n"
                    "Correct it; --debug shows the line."
                ) from error
    names = names_of(variables) | dict(recorded.names)
    return recorded.graph(value, names=names, data=with_data)


def _graph_of_run(
    run_path: Path | None, data: Path | None, factory: str | None, with_data: bool
) -> "Graph":
    import torch

    from gradatim.cli.next_step import next_step
    from gradatim.graphs import record
    from gradatim.losses import checked

    network = load_factory(factory)
    run = existing_run(run_path, with_model=True)
    step = next_step(run, rows=(0, 16), data=data, factory=network)
    print_notices(step.notices)
    model = step.plan.model.train()
    with record(model) as recorded, torch.random.fork_rng():
        torch.manual_seed(step.plan.config.seed)  # dropout draws from the global one
        loss = checked(step.plan.loss_fn)(model(step.x), step.y)
    names = {**step.x, "y": step.y} if with_data else {}
    return recorded.graph(loss, names=names, data=with_data)
