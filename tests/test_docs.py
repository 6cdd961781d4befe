"""docs/files.md names the files and fields that are written, and no others."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run
from gradatim.store import pack
from tests.houses import with_target

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "files.md").read_text()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind."""
    folder = tmp_path_factory.mktemp("docs")
    with_target("price").to_csv(folder / "houses.csv", index=False)
    arguments = ["--target", "price", "--epochs", "1", "--run", str(folder / "table")]
    assert run(["fit", str(folder / "houses.csv"), *arguments]) == 0
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    x = torch.zeros(4, 1)
    callbacks = [gt.Run(folder / "trainer")]
    trainer.fit((x, x), (x, x), epochs=1, callbacks=callbacks, progress=False)
    own = gt.Run(folder / "own")
    own.track(model=model, optimizer=optimizer)
    for _ in own.batches((x, x), epochs=1):
        own.log(loss=1.0)
    return [folder / name for name in ("table", "trainer", "own")]


def section(title):
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return found[1]


def names_in(text):
    """What stands in code marks."""
    return set(re.findall(r"`([\w.$]+)`", text))


def test_every_file_is_named(runs):
    for folder in runs:
        for path in folder.rglob("*"):
            name = re.sub(r"step-\d+", "step-<n>", path.name)
            assert name in TEXT.replace("&lt;", "<").replace("&gt;", ">"), path


@pytest.mark.parametrize(
    ("title", "pattern"),
    [
        ("config.json", "config.json"),
        ("environment.json", "environment.json"),
        ("history.jsonl", "history.jsonl"),
        ("manifest.json", "**/manifest.json"),
        ("checkpoints/step-&lt;n&gt;/", "checkpoints/*/state.json"),
        ("model/", "model/model.json"),
        ("model/", "model/scores.json"),
    ],
)
def test_every_field_is_named(title, pattern, runs):
    known = names_in(section(title)) | {"sha256", "loss"}
    for folder in runs:
        for path in folder.glob(pattern):
            for line in path.read_text().splitlines() if "jsonl" in pattern else [None]:
                found = json.loads(line or path.read_text())
                assert set(found) <= known, (path, set(found) - known)


def test_the_parts_of_a_state_are_named(runs):
    known = names_in(section("checkpoints/step-&lt;n&gt;/"))
    for folder in runs:
        for path in folder.glob("checkpoints/*/state.json"):
            found = json.loads(path.read_text())
            assert set(found["fingerprint"]) <= known
            assert set(found["history"]) <= known
            for digest in found["data"].values():
                assert set(digest) <= known


def test_every_kind_of_value_is_named():
    text = section("checkpoints/step-&lt;n&gt;/")
    for kind in pack.KINDS:
        assert kind in text


def test_every_test_that_is_named_exists():
    for path in re.findall(r"tests/[\w/]+\.py", TEXT):
        assert (ROOT / path).exists(), path
