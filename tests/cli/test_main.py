"""Help, exit codes and messages of every command."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import gradatim
from gradatim.cli import main
from gradatim.cli.main import COMMANDS, cli, run
from gradatim.errors import ConfigError, DataError, RunError
from tests.cli.process import command, ended, start, wait_for
from tests.houses import with_target


class TestHelp:
    def test_it_lists_every_command(self, capfd):
        assert run(["--help"]) == 0
        told = capfd.readouterr().out
        for name, line in COMMANDS.items():
            assert name in told and line in told

    @pytest.mark.parametrize("flag", ["-h", "--help"])
    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command_tells_all_its_options(self, name, flag, capfd):
        assert run([name, flag]) == 0
        told = capfd.readouterr().out
        for parameter in cli.get_command(click.Context(cli), name).params:
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name
                for option in parameter.opts:
                    assert option in told
            else:
                assert parameter.metavar or parameter.name.upper() in told
        assert f"Usage: gradatim {name}" in told

    def test_every_command_has_its_file_and_no_more(self):
        folder = Path(main.__file__).parent
        names = {path.stem for path in folder.glob("*.py")}
        shared = {"__init__", "main", "next_step", "options", "printing", "user_code"}
        shared |= {name for name in names if name.endswith("_options")}
        assert names - shared == set(COMMANDS)

    @pytest.mark.parametrize("arguments", [["--help"], *([n, "-h"] for n in COMMANDS)])
    def test_neither_torch_nor_pyarrow_is_imported(self, arguments):
        code = (
            "import json, sys; from gradatim.cli.main import run; "
            "assert run(sys.argv[1:]) == 0; print(json.dumps(sorted(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, check=True
        )
        loaded = set(json.loads(done.stdout.splitlines()[-1]))
        assert not loaded & {"torch", "numpy", "pyarrow", "rich", "safetensors"}
        assert "gradatim.cli.main" in loaded

    def test_without_a_command_it_is_shown_and_the_call_wrong(self, capfd):
        assert run([]) == 2
        out, err = capfd.readouterr()
        assert "Commands:" in out + err

    def test_the_version_is_told(self, capfd):
        assert run(["--version"]) == 0
        assert capfd.readouterr().out == f"gradatim {gradatim.__version__}\n"


def raising(error):
    def raise_it(*arguments, **options):
        raise error

    return raise_it


class TestExitCodes:
    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (DataError("a\nb\nc"), 1, "gradatim: a\n  b\n  c\n"),
            (ConfigError("lr"), 2, "gradatim: lr\n"),
            (click.UsageError("wrong"), 2, "Error: wrong\n"),
            (click.ClickException("odd"), 1, "gradatim: odd\n"),
            (KeyboardInterrupt(), 130, "gradatim: stopped by Ctrl-C\n"),
            (click.Abort(), 130, "gradatim: stopped by Ctrl-C\n"),
            (
                OSError(28, "No space left on device", "out.csv"),
                1,
                "gradatim: out.csv: No space left on device\n",
            ),
            (OSError("the disk is gone"), 1, "gradatim: the disk is gone\n"),
            (
                ZeroDivisionError("by zero"),
                1,
                "gradatim: ZeroDivisionError: by zero\n"
                "  This was not foreseen; --debug shows where it happened.\n",
            ),
            (MemoryError(), 1, "gradatim: there is not enough memory.\n"),
            (
                RecursionError("maximum recursion depth exceeded"),
                1,
                "gradatim: what was given lies too deep within itself",
            ),
            (
                MemoryError("malloc of size 9 failed"),
                1,
                "gradatim: there is not enough memory: malloc of size 9 failed.\n",
            ),
        ],
    )
    def test_an_error_is_one_message_and_a_code(
        self, error, code, message, monkeypatch, capfd
    ):
        monkeypatch.setattr(cli, "main", raising(error))
        assert run(["show"]) == code
        out, err = capfd.readouterr()
        assert message in err
        assert out == "" and "Traceback" not in err

    def test_success_is_zero(self, monkeypatch):
        monkeypatch.setattr(cli, "main", lambda *arguments, **options: None)
        assert run(["show"]) == 0

    def test_a_commands_own_code_is_kept(self, monkeypatch):
        monkeypatch.setattr(cli, "main", lambda *arguments, **options: 130)
        assert run(["fit"]) == 130

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_debug_lets_the_error_through_wherever_it_stands(
        self, place, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        arguments = ["show", "--run=nowhere"]
        arguments.insert(place, "--debug")
        with pytest.raises(RunError, match="nowhere is not there"):
            run(arguments)

    def test_debug_shows_the_traceback(self, tmp_path):
        done = subprocess.run(
            command("inspect", "none.csv", "--debug"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "FileReadError: There is no file none.csv" in done.stderr

    def test_without_debug_there_is_none(self, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        assert run(["show", "--run=nowhere"]) == 1
        assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def table(tmp_path):
    """A table that takes long to train on."""
    folder = tmp_path / "where it runs"
    folder.mkdir()
    with_target("price").to_csv(folder / "houses.csv", index=False)
    return folder


LONG = ["fit", "houses.csv", "--target", "price", "--epochs", "100000", "--lr", "1e-9"]


class TestSignals:
    def test_ctrl_c_keeps_the_run(self, table):
        process = start(*LONG, cwd=table, before=NEVER_STOP_EARLY)
        wait_for(process, "EPOCH")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert "run: runs/001-houses" in out
        (path,) = (table / "runs").iterdir()
        scores = json.loads((path / "model" / "scores.json").read_text())
        assert scores["stop_reason"] == "interrupted"
        assert scores["scores"]["model"]["r2"] > 0
        assert len((path / "history.jsonl").read_text().splitlines()) >= 1

        assert "go on with: gradatim resume --run runs/001-houses" in err

    def test_sigterm_ends_it_with_a_checkpoint(self, table):
        process = start(*LONG, cwd=table, before=NEVER_STOP_EARLY)
        wait_for(process, "EPOCH")
        process.terminate()
        _, err = process.communicate()
        assert process.returncode == 143, err
        assert "Traceback" not in err
        assert "go on with: gradatim resume --run runs/001-houses" in err
        (path,) = (table / "runs").iterdir()
        assert not (path / "model").exists()
        assert len(list((path / "checkpoints").iterdir())) >= 2
        assert not list(path.rglob(".tmp-*"))

    def test_sigterm_while_the_run_is_begun_leaves_nothing(self, table):
        process = start("fit", "--epochs", 1, cwd=table, before=KILL_IN_FSYNC)
        _, err = process.communicate()
        assert process.returncode == 143, err
        assert list((table / "runs").iterdir()) == []


# Tells each epoch, and does not stop as early as the table would have it.
NEVER_STOP_EARLY = """
import sys
from gradatim.hooks import Callback
from gradatim.tables.fit import fit
class Tell(Callback):
    def __init__(self, *arguments, **options): pass
    def on_epoch_end(self, trainer): print("EPOCH", file=sys.stderr, flush=True)
fit.EarlyStopping = Tell
"""
KILL_IN_FSYNC = """
import os, signal
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, and a file that is more than a pipe holds."""
    folder = tmp_path_factory.mktemp("pipes")
    frame = with_target("price", rows=20_000)
    frame[:100].to_csv(folder / "houses.csv", index=False)
    frame.to_csv(folder / "many.csv", index=False)
    arguments = ["--target", "price", "--epochs", "1", "--run", str(folder / "r")]
    assert run(["fit", str(folder / "houses.csv"), *arguments]) == 0
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_a_locale_cannot_write_is_escaped(encoding, tmp_path):
    (tmp_path / "a.csv").write_text("größe,价\n1,2\n2,5\n", encoding="utf-8")
    locale = f"sys.stdout.reconfigure(encoding={encoding!r}, errors='strict')"
    before = f"import sys; {locale}"
    code, out, err = ended("inspect", "a.csv", cwd=tmp_path, before=before)
    assert code == 0 and err == ""
    for name in ("größe", "价"):
        assert name.encode(encoding, "backslashreplace").decode() in out


class TestPipes:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["predict", "many.csv", "--run", "r"],
            ["inspect", "houses.csv"],
        ],
    )
    def test_a_reader_that_goes_is_no_error(self, arguments, folder):
        words = " ".join(shlex.quote(word) for word in command(*arguments))
        done = subprocess.run(
            ["bash", "-c", f"{words} | head -1"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert len(done.stdout.splitlines()) == 1
        assert done.stderr == ""

    def test_a_pipe_closed_from_the_start_is_quiet(self, folder):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            command("predict", "many.csv", "--run", "r"),
            cwd=folder,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writing)
        assert done.returncode == 1
        assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_error(closed, tmp_path):
    """As the shell's ``>&-`` closes it; Python has then no such stream at all."""
    (tmp_path / "t.csv").write_text("a,y\n" + "1,2\n3,4\n" * 20)
    done = subprocess.run(
        f"{shlex.join(command('inspect', 't.csv'))} {closed}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
