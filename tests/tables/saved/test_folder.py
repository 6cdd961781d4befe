"""The run folder: whole or not there, checked when read, never written over."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from torch import nn

from gradatim.errors import GradatimError, RunError
from gradatim.run import folder as run_folder
from gradatim.store.manifest import sealed
from gradatim.tables.saved.folder import (
    TableRunFolder,
    begin_new_run,
    begin_run,
)
from gradatim.tables.saved.test_rows import TestRows
from tests.bits import assert_same_bits
from tests.trained_runs import fitted_on, plan_on, write_run

FILES = {
    "config.json",
    "environment.json",
    "history.jsonl",
    "model/baselines.safetensors",
    "model/manifest.json",
    "model/model.json",
    "model/model.safetensors",
    "model/schema.json",
    "model/scores.json",
    "schema.json",
    "test_rows/manifest.json",
    "test_rows/rows.safetensors",
}
CHECKPOINT = {"manifest.json", "model.safetensors", "state.json", "state.safetensors"}
TENSORS = "model/model.safetensors"
PACKED = {name for name in FILES if name.endswith(".safetensors")}


def files_of(path):
    return {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}


def seal_again(path, change):
    """Change a sealed file as one would who knows the format."""
    value = json.loads(path.read_text())
    del value["sha256"]
    value = {name: v for name, v in (value | change).items() if v is not None}
    path.write_bytes(sealed(value))


@pytest.fixture
def copy(trained, tmp_path):
    """A run of its own, to be damaged."""
    return shutil.copytree(trained("price").run.path, tmp_path / "copy")


class TestWritten:
    def test_files_are_those_documented(self, trained):
        checkpoints = {
            f"checkpoints/step-{step}/{name}" for step in (0, 8) for name in CHECKPOINT
        }
        wanted = {*FILES, *checkpoints, "lock"}
        assert files_of(trained("price").run.path) == wanted
        for name in FILES:
            assert name.split("/")[-1] in run_folder.__doc__

    def test_json_is_strict(self, trained):
        def refuse(text):
            raise AssertionError(text)

        path = trained("town").run.path
        for name in FILES - PACKED:
            text = (path / name).read_text(encoding="utf-8")
            lines = text.splitlines() if name.endswith("l") else [text]
            for line in lines:
                json.loads(line, parse_constant=refuse)

    def test_every_file_has_its_version(self, trained):
        versions = {"config.json": 2, "environment.json": 2}
        for name in FILES - PACKED - {"history.jsonl"}:
            text = (trained("price").run.path / name).read_text(encoding="utf-8")
            assert json.loads(text)["version"] == versions.get(name, 1), name

    def test_nothing_is_pickled(self, trained):
        """No pickle begins, ends or is named; nor is there a zip, as torch.save's."""
        path = trained("price").run.path
        for name in FILES:
            content = (path / name).read_bytes()
            for mark in (b"\x80\x02", b"\x80\x04\x95", b"pickle", b"PK\x03\x04"):
                if name.endswith(".safetensors"):  # numbers may look like anything
                    content = content[: 8 + int.from_bytes(content[:8], "little")]
                assert mark not in content, (name, mark)

    def test_no_person_host_or_folder_is_in_it(self, trained):
        path = trained("price").run.path
        for name in FILES - PACKED:
            text = (path / name).read_text(encoding="utf-8")
            assert str(path.parent) not in text
            assert os.uname().nodename not in text

    @pytest.mark.parametrize("umask", [0o022, 0o077])
    def test_modes_are_the_umasks(self, umask, trained, tmp_path):
        before = os.umask(umask)
        try:
            path = write_run(tmp_path / "a" / "b", trained("price").fitted, {}).path
        finally:
            os.umask(before)
        for each in [path.parent, path, *path.rglob("*")]:
            wanted = 0o777 if each.is_dir() else 0o666
            assert each.stat().st_mode & 0o777 == wanted & ~umask, each

    def test_request_and_choices_are_in_the_config(self, trained):
        config = trained("price").run.config
        assert config["file"]["name"] == "price.csv"
        assert config["rows"] == {"train": 112, "val": 24, "test": 24}
        assert config["training"]["epochs"] == 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", config["created_at"])

    @pytest.mark.parametrize("target", ["price", "dear", "town"])
    def test_what_is_read_is_what_was_written(self, target, trained):
        run, fitted = trained(target).run, trained(target).fitted
        assert TableRunFolder(run.path).schema == fitted.plan.table.schema
        assert run.history == fitted.history
        assert run.history.stop_reason == fitted.history.stop_reason
        assert run.scores["scores"] == fitted.scores
        assert run.scores["rows"] == 24
        assert run.environment["torch"].startswith("2.")
        model = run.load_model()
        assert not model.training
        assert_same_bits(model.state_dict(), fitted.model.state_dict())

    def test_tied_weights_are_written(self, trained, tmp_path):
        def tied(num_features, num_outputs):
            first = nn.Linear(num_features, num_features)
            second = nn.Linear(num_features, num_features)
            second.weight = first.weight
            return nn.Sequential(first, second, nn.Linear(num_features, num_outputs))

        fitted = fitted_on(trained("price").csv, "price", factory=tied)
        run = write_run(tmp_path / "tied", fitted, {})
        model = run.load_model(tied)
        assert_same_bits(model.state_dict(), fitted.model.state_dict())
        assert model.network[0].weight is model.network[1].weight


def read_all(path):
    run = TableRunFolder(path)
    TestRows.read(path, run.schema)
    return run.load_model(), run.schema, run.history, run.scores, run.environment


class TestDamaged:
    def test_the_copy_is_whole(self, copy):
        read_all(copy)

    @pytest.mark.parametrize("name", sorted(FILES))
    def test_a_missing_file_is_named(self, name, copy):
        (copy / name).unlink()
        with pytest.raises(RunError, match=re.escape(name)):
            read_all(copy)

    @pytest.mark.parametrize("name", sorted(FILES))
    def test_a_cut_file_is_named(self, name, copy):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=re.escape(name)):
            read_all(copy)

    @pytest.mark.parametrize("name", sorted(FILES - {"config.json"}))
    def test_a_changed_digit_is_seen(self, name, copy):
        content = bytearray((copy / name).read_bytes())
        content[-20] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(RunError, match=rf"{name} is not what was written"):
            read_all(copy)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"version": 3}, "version 3, but this gradatim reads version 2"),
            ({"kind": None}, "config.json lacks kind"),
            ({"kind": None, "created_at": None}, "lacks created_at, kind"),
        ],
    )
    def test_a_config_that_lacks_something_is_refused(self, change, message, copy):
        seal_again(copy / "config.json", change)
        with pytest.raises(RunError, match=message):
            read_all(copy)

    def test_parts_of_another_run_are_refused(self, trained, copy):
        shutil.copy(trained("town").run.path / "schema.json", copy / "schema.json")
        with pytest.raises(
            GradatimError, match=r"schema\.json is not what was written"
        ):
            read_all(copy)


class TestWriting:
    def test_a_run_is_never_written_over(self, trained, tmp_path):
        fitted = trained("price").fitted
        write_run(tmp_path / "a", fitted, {"target": "one"})
        with pytest.raises(RunError, match=r"a exists already.\n.*never written over"):
            write_run(tmp_path / "a", fitted, {"target": "two"})
        assert TableRunFolder(tmp_path / "a").config["target"] == "one"

    def test_an_empty_folder_is_free(self, trained, tmp_path):
        (tmp_path / "a").mkdir()
        write_run(tmp_path / "a", trained("price").fitted, {})
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    @pytest.mark.parametrize("number", range(7))
    def test_a_full_disk_leaves_nothing(self, number, trained, tmp_path, monkeypatch):
        """Whichever of the files does not fit."""
        plan = plan_on(trained("price").csv, "price")
        calls = []

        def full(descriptor):
            calls.append(descriptor)
            if len(calls) > number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk is full"):
            begin_run(tmp_path / "runs" / "a", plan, {})
        assert files_of(tmp_path) == set()
        assert list((tmp_path / "runs").iterdir()) == []

    def test_a_place_taken_meanwhile_is_left_alone(
        self, trained, tmp_path, monkeypatch
    ):
        rename = os.rename

        def late(source, target):
            if target == tmp_path / "a":
                target.mkdir()
                (target / "theirs").write_text("x")
            rename(source, target)

        monkeypatch.setattr(os, "rename", late)
        with pytest.raises(OSError, match="not empty"):
            begin_run(tmp_path / "a", trained("price").fitted.plan, {})
        assert files_of(tmp_path) == {"a/theirs"}

    def test_a_number_taken_meanwhile_gives_the_next(
        self, trained, tmp_path, monkeypatch
    ):
        rename, taken = os.rename, []

        def late(source, target):
            if not taken and Path(target).parent == tmp_path:
                taken.append(target)
                shutil.copytree(source, target)
            rename(source, target)

        monkeypatch.setattr(os, "rename", late)
        run = begin_new_run("line", trained("price").fitted.plan, {}, tmp_path)
        assert run.path.name == "002-line"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["001-line", "002-line"]

    def test_an_error_is_no_reason_to_try_forever(self, trained, tmp_path, monkeypatch):
        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk is full"):
            begin_new_run("line", trained("price").fitted.plan, {}, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_name_too_long_is_cut(self, trained, tmp_path):
        run = begin_new_run("価" * 84, trained("price").fitted.plan, {}, tmp_path)
        assert run.path.is_dir()
        assert len(run.path.name.encode()) < 200
