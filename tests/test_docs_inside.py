"""docs/inside.md draws the floors that are tested, and names what exists."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from gradatim import torch_private
from gradatim.cli.main import COMMANDS
from tests.test_imports import LAYERS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gradatim"
TEXT = (ROOT / "docs" / "inside.md").read_text()
STEP_OF_A_WALK = re.compile(r"\d+\. `([\w/]+\.py)`, `([\w.]+)`: \S")
OUR_FOLDERS = {"benchmarks", "docs", "examples", "src", "tests"}
DATA_FILE = re.compile(r"[\w/]+\.(json|jsonl|md|safetensors|csv)")


def section(title, text=TEXT):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def items(text):
    """Give the items of numbered lists, each on one line."""
    found = re.findall(r"^\d+\. .*(?:\n {3,4}\S.*)*", text, re.M)
    return [re.sub(r"\s+", " ", item) for item in found]


def walks():
    return [
        (title, items(section(re.escape(title))))
        for title in re.findall(r"^## (Walk .*)$", TEXT, re.M)
    ]


STEPS = [(title, item) for title, walk in walks() for item in walk]


def spans(text):
    """Give what stands in code marks, blocks of code left out."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", text)]


@cache
def files():
    """Give the files of the repository that are no outputs."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = done.stdout.splitlines()
    if done.returncode:  # no clone: an unpacked archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
    return frozenset(name for name in names if (ROOT / name).exists())


@cache
def names_defined_in(path):
    """Give the functions, classes, their methods and attributes, and constants."""
    names = set()

    def add(body, prefix):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(f"{prefix}{node.name}")
            elif isinstance(node, ast.ClassDef):
                names.add(f"{prefix}{node.name}")
                add(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = (
                    node.targets if isinstance(node, ast.Assign) else [node.target]
                )
                for target in targets:
                    for name in ast.walk(target):
                        if isinstance(name, ast.Name):
                            names.add(f"{prefix}{name.id}")

    add(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return frozenset(names)


@cache
def names_used():
    """Give every name that stands in the code of the package, comments left out."""
    names = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for field in ("id", "attr", "name", "arg", "module"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    names.update(value.split("."))
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"[\w-]+", text):
                names.add(text)
    return frozenset(names)


def exists(span):
    """Tell whether a span names a file, a folder, a command or names of the code."""
    if span.startswith("gradatim "):
        return span.split()[1] in COMMANDS
    if span.endswith(("/", ".py")) or DATA_FILE.fullmatch(span):
        return is_in_repository(span) or is_written(span)
    if span in files() or span == ".venv":
        return True
    words = re.findall(r"[A-Za-z_]\w*", span)
    return set(words) <= names_used()


def is_in_repository(span):
    """Tell whether a file or folder is there, from the root or from the package."""
    if span.endswith("/"):
        return any(f.startswith((span, f"src/gradatim/{span}")) for f in files())
    # A bare name is that of a file beside the one that was named just before.
    return any(f == span or f.endswith(f"/{span}") for f in files())


def is_written(span):
    """Tell whether gradatim writes a file or folder of that name."""
    return span.rstrip("/").partition(".")[0] in names_used() or any(
        f'"{span}"' in path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")
    )


def floors():
    drawing = re.search(r"^```\n(.*?)^```$", section("The floors"), re.M | re.S)[1]
    return [set(re.split(r" {2,}", line)[0].split()) for line in drawing.splitlines()]


def test_the_drawing_has_the_floors_that_are_tested():
    assert floors()[::-1] == LAYERS


def test_there_are_four_walks():
    assert [title.partition(": ")[2] for title, _ in walks()] == [
        "a batch",
        "a CSV file",
        "a checkpoint",
        "an event",
    ]


@pytest.mark.parametrize(("title", "item"), STEPS)
def test_a_step_of_a_walk_names_a_file_and_what_is_in_it(title, item):
    match = STEP_OF_A_WALK.match(item)
    assert match, item
    file, name = match.groups()
    assert (SOURCE / file).is_file(), file
    assert name in names_defined_in(SOURCE / file), f"{name} is not in {file}"


@pytest.mark.parametrize("span", sorted(set(spans(TEXT)) - {"__init__.py"}))
def test_what_is_named_exists(span):
    assert exists(span), span


OTHER_PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "README.md",
    ROOT / "SECURITY.md",
]


@pytest.mark.parametrize("page", OTHER_PAGES, ids=lambda page: page.name)
def test_every_path_on_a_page_exists(page):
    paths = [s for s in spans(page.read_text()) if re.fullmatch(r"[\w./]+(\.py|/)", s)]
    # Pages for users name files of theirs, too.
    ours = [path for path in paths if path.split("/")[0] in OUR_FOLDERS]
    assert [path for path in ours if not exists(path)] == []


def guards():
    """Give the files and names in the table of guards, by row."""
    rows = re.findall(r"^\|.*\| (`.*) \|$", section("What is distrusted.*?"), re.M)
    for row in rows:
        for guard in row.split("; "):
            file, *names = spans(guard)
            yield from ((file, name) for name in names or [None])


@pytest.mark.parametrize(("file", "name"), list(guards()))
def test_a_guard_is_where_the_page_says(file, name):
    assert (SOURCE / file).is_file(), file
    assert name is None or name in names_defined_in(SOURCE / file)


def test_the_tests_that_hold_a_promise_are_there():
    named = set(re.findall(r"`(tests/[^`]*)`", section("What is attacked.*?")))
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def words():
    return re.findall(r"^\| ([a-z][^|]*?) \| ", section("The words"), re.M)[1:]


def test_the_words_are_in_order_and_none_stands_twice():
    assert words() == sorted(set(words()), key=str.lower)


def test_the_words_of_the_house_are_explained():
    known = {word.partition(" (")[0] for word in words()}
    assert known >= {
        "batch",
        "checkpoint",
        "code",
        "engine",
        "epoch",
        "feature",
        "finding",
        "kind",
        "manifest",
        "microbatch",
        "observer",
        "pitfall",
        "plan",
        "record",
        "run",
        "schema",
        "sealed",
        "session",
        "source",
        "step",
        "trial",
        "watch",
    }


def test_every_private_name_of_torch_is_listed():
    named = set(spans(section("Private names of torch")))
    others = {"torch_private.py", "tests/test_torch_private.py"}
    assert named - others == set(torch_private.__all__)


@pytest.mark.parametrize(
    "span",
    ["store/nowhere.py", "no_such_name", "gradatim dance", "nowhere/", "Trainer.fitt"],
)
def test_what_does_not_exist_is_seen(span):
    assert not exists(span)


def test_a_wrong_name_in_a_file_is_seen():
    defined = names_defined_in(SOURCE / "trainer.py")
    assert "Trainer.fit" in defined
    assert not {"fit", "TrainStep", "Trainer.fitt"} & defined
