"""The wheel, in a clean environment without the checkout."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, "-q", str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``bin/python`` and nothing but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin/python"), "-m", "pip", "install", "-q"]
    constraints = str(ROOT / "constraints.txt")
    subprocess.run([*command, "-c", constraints, str(wheel)], check=True)
    return folder


def run(environment: Path, *command: str, cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_says_that_it_is_typed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "gradatim/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]
    assert len([name for name in names if name.endswith("/chapter.md")]) == 16


def test_the_source_archive_builds_the_same_wheel(wheel, tmp_path):
    """``pip`` builds it from there where no wheel fits."""
    command = [sys.executable, "-m", "build", "--sdist", "-q"]
    subprocess.run([*command, "-o", str(tmp_path), str(ROOT)], check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    subprocess.run([*command, "-w", str(tmp_path / "built"), str(archive)], check=True)
    (built,) = (tmp_path / "built").glob("*.whl")
    assert contents(built) == contents(wheel)


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_wheel_trains_the_line(environment, tmp_path):
    told = run(environment, "gradatim", "fit", cwd=tmp_path)
    assert "runs/001-line" in told
    assert "least squares" in told


def test_wheel_runs_the_readme(environment, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    Path(tmp_path, "readme.py").write_text(code)
    run(environment, "python", "readme.py", cwd=tmp_path)


def test_wheel_needs_what_it_declares_only(environment, tmp_path):
    code = (
        "import sys, gradatim as gt; gt.Trainer; gt.data.line(); "
        "print(sorted({m.partition('.')[0] for m in sys.modules} "
        "& {'pyarrow', 'rich', 'click', 'safetensors', 'sklearn', 'pandas'}))"
    )
    assert run(environment, "python", "-c", code, cwd=tmp_path).strip() == "[]"
