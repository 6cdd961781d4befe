"""What is done is kept in the learner's folder, and nowhere else."""

import errno
import json
import os
import subprocess
import sys
import threading

import pytest

from gradatim.course import CHAPTERS, progress
from gradatim.course.contents import contents_page
from gradatim.errors import RunError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_SAID", {})
    monkeypatch.setenv(progress.FOLDER_VARIABLE, str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_without_a_folder_nothing_is_kept(monkeypatch):
    monkeypatch.delenv(progress.FOLDER_VARIABLE, raising=False)
    progress.note("ch01_problem", "opened")
    assert progress.done() == {} and progress.folder() is None


def test_an_answer_is_kept(folder):
    progress.keep_answer("ex02_gradients", "x = 1", solved=False)
    assert progress.answer("ex02_gradients") == "x = 1"
    progress.keep_answer("ex02_gradients", "x = 2", solved=True)
    progress.keep_answer("ex02_gradients", "x = 3", solved=False)
    found = json.loads((folder / "progress.json").read_text())
    kept = {"answer": "x = 3", "solved": True, "tries": 3}
    assert found == {"ex02_gradients": kept}
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["progress.json", "progress.lock"]


DAMAGED = [
    b"",
    b"[1]",
    b"{",
    b'{"ex02_gradients": 3}',
    b'{"a": ' * 5_000,
    b"[" * 100_000,
    b"\xff\xfe{}",
    b'{"ex02_gradients": {"answer": "x", "tries": NaN}}',
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: str(content[:20]))
def test_a_damaged_file_is_kept_aside_and_said(folder, content, capsys):
    folder.mkdir()
    (folder / "progress.json").write_bytes(content)
    (folder / "progress-damaged-1.json").write_text("an older one")
    assert progress.answer("ex02_gradients") is None
    assert (folder / "progress.json").read_bytes() == content
    progress.keep_answer("ex02_gradients", "x", solved=True)
    assert progress.answer("ex02_gradients") == "x"
    assert (folder / "progress-damaged-2.json").read_bytes() == content
    assert (folder / "progress-damaged-1.json").read_text() == "an older one"
    assert "progress-damaged-2.json" in capsys.readouterr().err
    (said,) = progress.notices()
    assert "progress-damaged-2.json" in contents_page(CHAPTERS, {}, notices=[said])


def test_what_is_whole_in_a_damaged_file_stays(folder):
    folder.mkdir()
    kept = {"ex02_gradients": {"answer": "x"}, "ex03_numpy": 7}
    (folder / "progress.json").write_text(json.dumps(kept))
    progress.note("ch01_problem", "opened")
    assert progress.done() == {
        "ex02_gradients": {"answer": "x"},
        "ch01_problem": {"opened": True},
    }
    assert "'ex03_numpy'" in progress.notices()[0]


def test_a_file_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(
    folder, monkeypatch
):
    progress.keep_answer("ex02_gradients", "x", solved=True)

    def refuse(path):
        raise RunError(f"{path} cannot be read (Too many open files).")

    with monkeypatch.context() as patch:
        patch.setattr(progress, "read_text", refuse)
        progress.note("ch01_problem", "opened")
        assert progress.done() == {}
    assert progress.answer("ex02_gradients") == "x"
    assert any("Too many open files" in notice for notice in progress.notices())


def test_a_full_disk_keeps_what_was_there_and_is_said(folder, monkeypatch, capsys):
    progress.keep_answer("ex02_gradients", "x", solved=True)

    def full(file, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert progress.keep_answer("ex02_gradients", "y", solved=True) == 2
        progress.note("ch01_problem", "opened")
    assert progress.answer("ex02_gradients") == "x"
    said = capsys.readouterr().err
    assert "the disk is full" in said and "may not be kept" in said
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["progress.json", "progress.lock"]


def test_an_answer_too_long_to_be_read_again_is_not_kept(folder):
    progress.keep_answer("ex02_gradients", "x", solved=False)
    progress.keep_answer("ex02_gradients", "x" * (17 << 20), solved=False)
    assert progress.answer("ex02_gradients") == "x"
    assert "too long" in progress.notices()[0]


def test_a_link_to_another_folder_is_followed(folder, tmp_path):
    folder.mkdir()
    (folder / "progress.json").symlink_to(tmp_path / "synced.json")
    progress.note("ch01_problem", "opened")
    progress.note("ch02_descent", "opened")
    assert (folder / "progress.json").is_symlink()
    assert set(json.loads((tmp_path / "synced.json").read_text())) == {
        "ch01_problem",
        "ch02_descent",
    }


def test_processes_lose_nothing_of_what_the_others_note(folder):
    """Two servers may run on one folder."""
    program = (
        "import sys; from gradatim.course import progress\n"
        "for number in range(40):\n"
        "    progress.keep_answer(f'{sys.argv[1]}{number}', 'x', solved=False)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, name]) for name in "abc"
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(progress.done()) == 120
    assert progress.notices() == []


def test_two_windows_do_not_lose_what_the_other_notes(folder):
    def note(first):
        for number in range(20):
            progress.note(f"{first}{number}", "opened")

    threads = [threading.Thread(target=note, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(progress.done()) == 40


def test_a_folder_that_cannot_be_written_spoils_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(progress.FOLDER_VARIABLE, str(tmp_path / "file" / "below"))
    progress.note("ch01_problem", "opened")
    assert progress.done() == {}
