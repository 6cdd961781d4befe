"""A recipe takes fewer statements than Lightning's form of it, in benchmarks/peers."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def statements(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import statements

    return statements


def test_every_recipe_takes_fewer_statements(statements):
    counts = statements.counts()
    assert len(counts) == 12
    for name, (ours, theirs) in counts.items():
        assert ours < theirs, name


def test_docstrings_are_no_statements_and_all_others_are(statements):
    code = '"""Page."""\nclass A:\n    "Doc."\n    x = 1\nif A: print(A); del A\n'
    assert statements.count(code) == 5
