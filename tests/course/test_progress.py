"""What is done is kept in the learner's folder, and nowhere else."""

import json
import threading

import pytest

from gradatim.course import progress


@pytest.fixture
def folder(tmp_path, monkeypatch):
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
    assert [path.name for path in folder.iterdir()] == ["progress.json"]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"ex02_gradients": 3}'])
def test_a_damaged_file_is_begun_anew(folder, text):
    folder.mkdir()
    (folder / "progress.json").write_text(text)
    assert progress.answer("ex02_gradients") is None
    progress.keep_answer("ex02_gradients", "x", solved=True)
    assert progress.answer("ex02_gradients") == "x"


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
