"""Every command that writes where the user says: whole, or the file of before."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gradatim
from gradatim.cli.main import run
from gradatim.course import CHAPTERS
from gradatim.course.freeze import freeze

SCRIPT = """
import torch
x = torch.randn(3, 3, requires_grad=True)
loss = (x * x).tanh().sum()
"""


def commands(folder, trained):
    """Give each writing command with the files that it writes."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    at = trained("price")
    run_option = ["--run", str(at / "run")]
    return {
        **{
            f"graph {suffix}": (
                ["graph", f"{script}:loss", "-o", f"g{suffix}"],
                [f"g{suffix}"],
            )
            for suffix in (".html", ".svg", ".dot", ".txt")
        },
        "graph --tutorial": (
            ["graph", "--tutorial", "-o", "pictures"],
            ["pictures/yhat.html"],
        ),
        "trace": (["trace", *run_option, "-o", "t.html"], ["t.html"]),
        "predict csv": (
            ["predict", str(at / "houses.csv"), *run_option, "-o", "p.csv"],
            ["p.csv"],
        ),
        "predict parquet": (
            ["predict", str(at / "houses.csv"), *run_option, "-o", "p.parquet"],
            ["p.parquet"],
        ),
    }


NAMES = [
    *(f"graph {suffix}" for suffix in (".html", ".svg", ".dot", ".txt")),
    "graph --tutorial",
    "trace",
    "predict csv",
    "predict parquet",
]


@pytest.fixture
def full_disk(monkeypatch):
    """Let the disk take nothing more."""

    def fill():
        def refuse(file, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", refuse)

    return fill


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_the_file_of_before(
    name, trained, tmp_path, monkeypatch, full_disk, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments, written = commands(tmp_path, trained)[name]
    assert run(arguments) == 0
    before = {path: Path(path).read_bytes() for path in written}
    everything = sorted(map(str, Path().rglob("*")))
    capsys.readouterr()
    full_disk()
    assert run(arguments) == 1
    told = capsys.readouterr().err
    assert re.search(
        rf"{written[0]} cannot be written, the disk is full: .* free at", told
    )
    assert "stays as it was" in told
    assert {path: Path(path).read_bytes() for path in written} == before
    assert sorted(map(str, Path().rglob("*"))) == everything


def test_frozen_pages_are_whole_and_the_message_counts_them(
    tmp_path, monkeypatch, full_disk
):
    chapters = CHAPTERS[:3]
    freeze(tmp_path, chapters[:1])
    page = tmp_path / f"{chapters[0].slug}.html"
    before = page.read_bytes()
    full_disk()
    with pytest.raises(OSError, match="0 of the 3 chapters are written"):
        freeze(tmp_path, chapters)
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [page.name, "index.html"]


@pytest.mark.parametrize("name", ["graph .svg", "trace", "predict csv"])
def test_a_link_and_a_pipe_stay_what_they_are(name, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, (written,) = commands(tmp_path, trained)[name]
    target = tmp_path / f"target{Path(written).suffix}"
    target.write_text("old")
    Path(written).symlink_to(target)
    assert run(arguments) == 0
    assert Path(written).is_symlink() and len(target.read_bytes()) > 10
    whole = target.read_bytes()
    Path(written).unlink()
    os.mkfifo(written)
    with subprocess.Popen(["cat", written], stdout=subprocess.PIPE) as reader:
        assert run(arguments) == 0
        assert reader.stdout.read() == whole
    assert Path(written).is_fifo()


def test_a_real_limit_on_the_file_leaves_the_page_of_before(tmp_path):
    """The files of a process of its own may have 4 KB: the system itself refuses."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "g.html").write_text("the page of before")
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "from gradatim.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "graph", "script.py:loss", "-o", "g.html"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "g.html cannot be written, the file is too large: needs " in done.stderr
    assert "The disk took 4,096 bytes, which are removed again." in done.stderr
    assert (tmp_path / "g.html").read_text() == "the page of before"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in names if name != "__pycache__"] == ["g.html", "script.py"]


def test_no_other_place_writes_a_users_file():
    """Of those that open a file to write, each is known here, with what it writes."""
    own = {
        "cli/main.py": "the null device, in place of a stream that is closed",
        "cli/learn.py": "marimo's settings, made again when they are gone",
        "course/notebook.py": "a notebook in a temporary folder, or a learner's copy",
        "course/doctor_says.py": "a script in a temporary folder",
        "course/ch16_table/shows.py": "a table in a temporary folder",
    }
    root = Path(gradatim.__file__).parent
    writing = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)]*[\"'][wax]b?\+?[\"']")
    found = set()
    for path in root.rglob("*.py"):
        code = re.sub(r"^ *(?:>>>|\.\.\.) .*$", "", path.read_text(), flags=re.M)
        if writing.search(code):
            found.add(path.relative_to(root).as_posix())
    assert found == set(own)


def test_a_dash_gets_the_output_alone(trained, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run_option = ["--run", str(trained("price") / "run")]
    capfd.readouterr()
    assert run(["trace", *run_option, "-o", "-"]) == 0
    told = capfd.readouterr()
    assert told.out.startswith("<!doctype html>") and told.out.endswith("</html>\n")
    assert "page: -" in told.err
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run(["graph", "script.py:loss", "-o", "-"]) == 0
    dashed = capfd.readouterr().out
    assert run(["graph", "script.py:loss"]) == 0
    assert dashed == capfd.readouterr().out != ""
    assert not (tmp_path / "-").exists()
