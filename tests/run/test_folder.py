"""Where a run may be written, and which run is meant."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from gradatim.errors import RunError
from gradatim.run.config_file import write_config
from gradatim.run.folder import check_free, find_run, find_unfinished, new_run_path
from gradatim.store.manifest import sealed


def seal_again(path, change):
    """Change a sealed file as one would who knows the format."""
    value = json.loads(path.read_text())
    del value["sha256"]
    value = {name: v for name, v in (value | change).items() if v is not None}
    path.write_bytes(sealed(value))


class TestCheckFree:
    def test_what_cannot_be_written_is_told_before_training(
        self, tmp_path, monkeypatch
    ):
        (tmp_path / "file").write_text("x")
        with pytest.raises(RunError, match=r"Not a directory\).\n.*lost after"):
            check_free(tmp_path / "file" / "run")

        def read_only(*arguments):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        check_free(tmp_path / "a" / "b" / "run")
        monkeypatch.setattr(os, "mkdir", read_only)
        with pytest.raises(RunError, match="Read-only file system"):
            check_free(tmp_path / "a" / "b" / "run")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_broken_link_is_taken(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(RunError, match="link exists already"):
            check_free(tmp_path / "link")


class TestNewRunPath:
    def test_numbers_go_on_over_all_runs(self, tmp_path):
        assert new_run_path("a", tmp_path / "none").name == "001-a"
        for name in ("002-b", "010-c", ".tmp-1-x", "notes", "x-099-y"):
            (tmp_path / name).mkdir()
        assert new_run_path("a", tmp_path).name == "011-a"
        (tmp_path / "999-z").mkdir()
        assert new_run_path("a", tmp_path).name == "1000-a"

    @pytest.mark.parametrize(
        ("stem", "name"),
        [
            ("Häuser 2027", "001-Häuser-2027"),
            ("a/../b", "001-a-..-b"),
            ("..", "001-table"),
            ("  ", "001-table"),
            ("価格", "001-価格"),
        ],
    )
    def test_names_are_taken_from_the_file(self, stem, name):
        assert new_run_path(stem, Path("nowhere")).name == name


def a_run(path, created_at, kind="table", model=False):
    path.mkdir(parents=True)
    write_config(path, kind, {})
    seal_again(path / "config.json", {"created_at": created_at})
    if model:
        (path / "model").mkdir()


class TestFindRun:
    def test_the_newest_is_told_by_what_is_written_in_it(self, tmp_path):
        a_run(tmp_path / "003-old", "2026-01-01T10:00:00+00:00")
        a_run(tmp_path / "001-new", "2026-01-01T10:00:00.000001+00:00")
        a_run(tmp_path / "002-middle", "2025-12-31T23:59:59.999999+00:00")
        os.utime(tmp_path / "001-new", (0, 0))
        os.utime(tmp_path / "001-new" / "config.json", (0, 0))
        assert find_run(None, tmp_path).path.name == "001-new"

    def test_what_is_no_run_is_passed_over(self, tmp_path):
        a_run(tmp_path / "001-a", "2026-01-01T10:00:00+00:00")
        a_run(tmp_path / ".tmp-12-b", "2027-01-01T10:00:00+00:00")
        (tmp_path / "002-notes").mkdir()
        (tmp_path / "file").write_text("x")
        assert find_run(None, tmp_path).path.name == "001-a"

    @pytest.mark.parametrize("make", [None, "file", "folder"])
    def test_no_run_is_an_error(self, make, tmp_path):
        if make == "file":
            (tmp_path / "runs").write_text("x")
        if make == "folder":
            (tmp_path / "runs").mkdir()
        with pytest.raises(
            RunError, match=r"no run under .*runs/.*\n.*\n.*gradatim fit"
        ):
            find_run(None, tmp_path / "runs")

    def test_a_wrong_name_is_told_with_the_nearest(self, tmp_path):
        a_run(tmp_path / "001-houses", "2026-01-01T10:00:00+00:00")
        with pytest.raises(RunError, match=r"is not there.*Did you mean '001-houses'"):
            find_run(tmp_path / "001-house", tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(RunError, match=r"empty has no config\.json: it is no run"):
            find_run(tmp_path / "empty", tmp_path)

    def test_a_damaged_one_is_named(self, tmp_path):
        a_run(tmp_path / "001-a", "2026-01-01T10:00:00+00:00")
        (tmp_path / "002-b").mkdir()
        (tmp_path / "002-b" / "config.json").write_text("{")
        with pytest.raises(RunError, match=r"002-b.config\.json is no valid JSON"):
            find_run(None, tmp_path)

    def test_one_that_has_ended_is_preferred_where_a_model_is_needed(self, tmp_path):
        a_run(tmp_path / "001-a", "2026-01-01T10:00:00+00:00", model=True)
        a_run(tmp_path / "002-b", "2026-01-02T10:00:00+00:00")
        assert find_run(None, tmp_path).path.name == "002-b"
        assert find_run(None, tmp_path, with_model=True).path.name == "001-a"

    def test_the_newest_that_was_stopped_is_gone_on_with(self, trained, tmp_path):
        shutil.copytree(trained("price").run.path, tmp_path / "003-ended")
        assert find_unfinished(tmp_path).path.name == "003-ended"
        a_run(tmp_path / "001-a", "2026-01-01T10:00:00+00:00")
        a_run(tmp_path / "002-python", "2030-01-02T10:00:00+00:00", kind="python")
        assert find_unfinished(tmp_path).path.name == "001-a"
