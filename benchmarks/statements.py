"""How many statements a workload takes: the recipes, and Lightning's form of them.

    python benchmarks/statements.py
    python benchmarks/statements.py --count-only

A statement is what Python's grammar calls one, at any depth; docstrings are none. Data,
models and what is printed are the same in both. Without ``--count-only`` Lightning's
programs are run, too, and what they print last is shown.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIGHTNING = ROOT / "benchmarks" / "peers" / "lightning_recipes"

TITLES = {
    "hugging_face": "A model of Hugging Face, padded batches and a warm-up",
    "language_model": "A language model by steps",
    "segmentation": "Segmentation with torchmetrics",
    "gan": "A GAN with a run",
    "vae": "A variational autoencoder with named parts",
    "ema": "Averages of the weights",
    "freeze": "Freeze, then unfreeze",
    "triplet": "Triplet loss",
    "packed": "Packed sequences",
    "k_fold": "Cross-validation",
    "optuna_pruning": "Optuna, with pruning",
    "compiled": "torch.compile",
}
"""The recipes that are compared, by the files of Lightning's forms."""


def recipe(title: str) -> str:
    """Give the program of a recipe, as it stands on the page."""
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {title}\n")[1]
    return re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)[0]


def count(code: str) -> int:
    """Count the statements of a program.

    >>> count("if x: y = x; z = y")
    3
    """
    return sum(
        isinstance(node, ast.stmt) and not _is_docstring(node)
        for node in ast.walk(ast.parse(code))
    )


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def counts() -> dict[str, tuple[int, int]]:
    """Give the statements of each recipe and of Lightning's form, by its file."""
    return {
        name: (
            count(recipe(title)),
            count((LIGHTNING / f"{name}.py").read_text(encoding="utf-8")),
        )
        for name, title in TITLES.items()
    }


def last_line_of(name: str) -> str:
    """Run Lightning's form, and give the last line that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(LIGHTNING / f"{name}.py")],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(f"{name}.py failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count-only", action="store_true", help="run nothing")
    args = parser.parse_args()
    print("| workload | gradatim | Lightning | Lightning prints |")
    print("|---|---|---|---|")
    totals = [0, 0]
    for name, (ours, theirs) in counts().items():
        printed = "" if args.count_only else f"`{last_line_of(name)}`"
        print(f"| {TITLES[name]} | {ours} | {theirs} | {printed} |", flush=True)
        totals[0] += ours
        totals[1] += theirs
    print(f"| all | {totals[0]} | {totals[1]} | |")


if __name__ == "__main__":
    main()
