"""Real tables, from file to scores, through the command line.

The scores are means over seeds, on rows held out of everything.
"""

import json
from pathlib import Path

import pytest
from sklearn import datasets

from gradatim.cli.main import run

# As a user has it: checking annotations would double the time.
pytestmark = pytest.mark.usefixtures("unchecked")

SEEDS = [
    pytest.param(range(2), id="two_seeds"),
    pytest.param(range(5), id="five_seeds", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's own files as CSV, targets as people would write them."""
    folder = tmp_path_factory.mktemp("tables")
    for name in ("breast_cancer", "wine", "iris", "digits", "diabetes"):
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = bunch.frame.rename(columns={"target": "answer"})
        if name in ("breast_cancer", "iris"):  # words, where the data have them
            frame["answer"] = bunch.target_names[bunch.target]
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def mean_scores(
    tables: Path,
    name: str,
    seeds: range,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, dict[str, float]]:
    """Fit with each seed; give the mean of each model's scores."""
    monkeypatch.chdir(tmp_path)
    runs = []
    for seed in seeds:
        folder = f"{name}-{seed}"
        file = str(tables / f"{name}.csv")
        arguments = ["fit", file, "--target", "answer", "--seed", str(seed)]
        assert run([*arguments, "--run", folder]) == 0
        runs.append(
            json.loads(Path(folder, "model", "scores.json").read_text())["scores"]
        )
    return {
        model: {score: sum(r[model][score] for r in runs) / len(runs) for score in row}
        for model, row in runs[0].items()
    }


@pytest.mark.parametrize(
    ("name", "least_accuracy"),
    [("breast_cancer", 0.95), ("wine", 0.95), ("iris", 0.93), ("digits", 0.965)],
)
@pytest.mark.parametrize("seeds", SEEDS)
def test_classes_are_told_apart(
    name, least_accuracy, seeds, tables, tmp_path, monkeypatch
):
    scores = mean_scores(tables, name, seeds, tmp_path, monkeypatch)
    print(name, scores)
    assert scores["model"]["accuracy"] >= least_accuracy
    assert scores["model"]["accuracy"] > scores["baseline"]["accuracy"] + 0.2


@pytest.mark.parametrize("seeds", SEEDS)
def test_diabetes_is_predicted_as_well_as_by_ridge(
    seeds, tables, tmp_path, monkeypatch
):
    scores = mean_scores(tables, "diabetes", seeds, tmp_path, monkeypatch)
    print(scores)
    assert scores["model"]["r2"] >= scores["linear"]["r2"] - 0.02
    assert scores["linear"]["r2"] > 0.35  # the bar itself is no straw man
