"""Runs trained once through the command line."""

from functools import cache
from pathlib import Path

import pytest

from gradatim.cli.main import run
from tests.houses import with_target


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Give a folder with ``houses.csv`` and ``run``, trained on a target of it."""
    root = tmp_path_factory.mktemp("trained")

    @cache
    def on(target: str) -> Path:
        folder = root / target
        folder.mkdir()
        file = folder / "houses.csv"
        with_target(target).to_csv(file, index=False)
        arguments = ["--target", target, "--epochs", "2", "--run", str(folder / "run")]
        assert run(["fit", str(file), *arguments]) == 0
        return folder

    return on
