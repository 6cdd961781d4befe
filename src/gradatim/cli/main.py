"""The command ``gradatim``: its commands are imported when they are called."""

import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from gradatim import __version__
from gradatim.errors import ConfigError, GradatimError
from gradatim.interrupt import exiting_on, raising_after_imports
from gradatim.text import nearest_name, say, shortened

__all__ = ["cli", "main"]

COMMANDS = {
    "fit": "Train on a table, or the tutorial's line without one.",
    "resume": "Go on with a run that was stopped, bit for bit.",
    "predict": "Predict the rows of a file with a trained run.",
    "evaluate": "Score a trained run on the rows of a file.",
    "importance": "Say how much each column matters to a trained run.",
    "inspect": "Show what is seen in a file's columns, before any training.",
    "show": "Show a run: its data, history and scores.",
    "graph": "Draw a tensor's computation graph; step backward in it.",
    "doctor": "Run a script and find the mistakes in it that raise nothing.",
    "trace": "Show one training step whole: shapes, gradients, update.",
    "learn": "Open the course: the tutorial with pictures that move.",
    "ladder": "Train the tutorial's line rung by rung, from NumPy to gradatim.",
}
"""The commands and one line on each, here so that help imports none of them."""


class LazyGroup(click.Group):
    """Loads ``gradatim.cli.<command>`` when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gradatim.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or name the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}.{nearest_name(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gradatim %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:  # for --help alone: run() takes the option out before
    """Train PyTorch models step by step.

    Without a file, `gradatim fit` trains the tutorial's line. With one, it splits the
    rows, trains, and scores the model on rows it has never seen:

    \b
      gradatim fit houses.csv --target price
      gradatim predict new.csv -o prices.csv

    Commands that work on a run take --run; without it, the newest under runs/.
    """


def main() -> NoReturn:
    """Run the command line and exit; the package's head lists the exit codes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell has closed it: 2>&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # to the end
        else:  # in some locales there are characters that it cannot write
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; give its exit code."""
    debug = "--debug" in arguments
    # The option may stand anywhere: people see the error first and add it at the end.
    arguments = [a for a in arguments if a != "--debug"]
    with exiting_on("SIGTERM"), raising_after_imports():
        return _run(arguments, debug)


def _run(arguments: list[str], debug: bool) -> int:
    try:
        code: Any = cli.main(arguments, prog_name="gradatim", standalone_mode=False)
        sys.stdout.flush()  # within the try: a reader that has gone is no error
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue(), end="", file=sys.stderr)
        return 2
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _tell("stopped by Ctrl-C", 130)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        return _tell(_message(error), 2 if isinstance(error, ConfigError) else 1)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (GradatimError, click.ClickException, OSError, ImportError)):
        return str(error) or type(error).__name__
    if isinstance(error, RecursionError):
        return (
            "what was given lies too deep within itself: a path, a model or a value.\n"
            f"Python follows no more than {sys.getrecursionlimit():,} levels.\n"
            "Give one with fewer; --debug shows where it happened."
        )
    if isinstance(error, MemoryError):
        return (
            f"there is not enough memory{f': {error}' if str(error) else ''}.\n"
            "What the file holds, or what is made of it, takes more than there is.\n"
            "Give fewer rows or columns, or end other programs."
        )
    return (
        f"{type(error).__name__}: {error}\n"
        "This was not foreseen; --debug shows where it happened."
    )


def _tell(message: str, code: int) -> int:
    lines = [shortened(line, 1_000) for line in message.rstrip("\n").split("\n")]
    say("gradatim: " + "\n  ".join(lines), file=sys.stderr)
    return code
