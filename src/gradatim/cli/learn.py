"""``gradatim learn``: the course in the browser, its exercises, its offline pages."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from gradatim.text import say

if TYPE_CHECKING:
    from gradatim.course import Chapter

__all__ = ["learn"]


def _folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path:
    from gradatim.course.progress import FOLDER_VARIABLE

    folder = value or Path(
        os.environ.get(FOLDER_VARIABLE) or Path.home() / "gradatim-course"
    )
    os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


@click.group(invoke_without_command=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    callback=_folder,
    metavar="DIR",
    help="Where progress and your own chapters are kept.  [~/gradatim-course]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="Of the server; a free one by default.",
)
@click.option("--no-open", is_flag=True, help="Print the address; open no browser.")
@click.pass_context
def learn(ctx: click.Context, folder: Path, port: int | None, no_open: bool) -> int:
    """Open the course: the tutorial's line, with pictures that move.

    \b
    Examples:
      gradatim learn
      gradatim learn mine 2
      gradatim learn freeze -o course
    """
    ctx.obj = folder
    if ctx.invoked_subcommand is not None:
        return 0
    _need_marimo()
    return _serve(folder, port, no_open)


def _need_marimo() -> None:
    from importlib.metadata import PackageNotFoundError, version

    from gradatim.errors import ConfigError

    try:
        version("marimo")
    except PackageNotFoundError:
        raise ConfigError(
            "the course is shown by marimo, which is not installed.\n"
            "Install it with: pip install 'gradatim[course]'"
        ) from None


def _configure(folder: Path) -> None:
    """Let marimo keep its settings in this folder, not in the home of the user."""
    settings = folder / "marimo" / "marimo.toml"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text('[display]\ntheme = "system"\n')
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        os.environ[name] = str(folder)


def _serve(folder: Path, port: int | None, no_open: bool) -> NoReturn:
    import secrets
    import time
    import webbrowser

    _configure(folder / ".marimo")
    from gradatim.course.server import HOST, serving
    from gradatim.interrupt import exiting_on

    code, token = 0, secrets.token_urlsafe(12)
    # SIGHUP comes where the terminal is closed.
    with exiting_on("SIGHUP"), serving(port, token) as server:
        server.wait_until_up()
        address = f"http://{HOST}:{server.port}/?access_token={token}"
        try:
            say(f"the course: {address}", flush=True)
            say("Ctrl-C ends it.", file=sys.stderr)
            if not no_open:
                webbrowser.open(address)
            import torch  # only now, while the learner reads the contents

            torch.set_num_threads(1)  # one thread is the quickest for 80 points
            while server.is_running():
                time.sleep(0.2)
            say("gradatim: the server of the course has ended.", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            say(file=sys.stderr)
        except SystemExit as end:  # SIGTERM, or the terminal was closed
            code = end.code if isinstance(end.code, int) else 1
    # A normal exit would wait for the threads of open chapters; all is on disk.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


@learn.command("list")
@click.pass_obj
def list_chapters(folder: Path) -> int:
    """List chapters and exercises, with what is done."""
    from gradatim.cli.printing import print_table
    from gradatim.course import CHAPTERS, progress

    done = progress.done()
    solved = {name for name, answer in done.items() if answer.get("solved")}
    rows = []
    for chapter in CHAPTERS:
        exercises = ", ".join(
            n + " (solved)" * (n in solved) for n in chapter.exercises
        )
        rows.append([str(chapter.number), chapter.name, chapter.about, exercises])
    print_table(["", "chapter", "about", "exercises"], rows)
    return 0


@learn.command()
@click.argument("chapter")
@click.option("--no-open", is_flag=True, help="Copy it; do not open it.")
@click.pass_obj
def mine(folder: Path, chapter: str, no_open: bool) -> int:
    """Copy CHAPTER into your folder, to change it, and open it in marimo's editor.

    A copy that is there stays as it is.
    """
    from gradatim.course import find_chapter

    path = _copy(find_chapter(chapter), folder)
    say(path)
    if no_open:
        return 0
    _need_marimo()
    sys.stdout.flush()
    # The editor takes the place of this process, so that signals reach it.
    return os.execv(sys.executable, [sys.executable, "-m", "marimo", "edit", str(path)])


def _copy(chapter: "Chapter", folder: Path) -> Path:
    """Write the notebook of a chapter into a folder, if it is not there yet."""
    from gradatim.course.notebook import write_notebook

    path = folder / f"{chapter.slug}.py"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "pyproject.toml"
    if not settings.exists():  # without it cells wait to be run one by one
        settings.write_text("[tool.marimo.runtime]\nauto_instantiate = true\n")
    if not path.exists():
        write_notebook(chapter, folder)
    return path


@learn.command()
@click.argument("exercise")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.pass_obj
def check(folder: Path, exercise: str, file: Path | None) -> int:
    """Check an answer to EXERCISE: FILE, or what was last written in the browser."""
    from gradatim.course import progress
    from gradatim.course.exercise import load_exercise, try_answer
    from gradatim.errors import ConfigError

    task = load_exercise(exercise)
    code = file.read_text(encoding="utf-8") if file else progress.answer(exercise)
    if code is None:
        raise ConfigError(
            f"there is no answer to {exercise} in {folder}.\n"
            f"Give a file: gradatim learn check {exercise} FILE.\n{task.text}"
        )
    wrong = try_answer(task, code)
    progress.keep_answer(exercise, code, solved=wrong is None)
    verdict = f"not yet. {wrong}" if wrong else f"solved. {task.praise}"
    say(f"{exercise}: {verdict}")
    return int(wrong is not None)


@learn.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="course",
    metavar="DIR",
    help="Where the pages go.  [course]",
)
def freeze(output: Path) -> int:
    """Write every chapter as one offline page whose main controls still move."""
    _need_marimo()
    from gradatim.course import freeze as freezing

    for path in freezing.freeze(output):
        say(f"{path}  {path.stat().st_size / 1000:,.0f} KB")
    return 0
