"""What several pitfalls ask of gradients and updates: who gets one, who moves."""

import ast
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from gradatim.watching.graph_leaves import LeafSeen
from gradatim.watching.source_lines import SourceLine
from gradatim.watching.training_seen import (
    BackwardSeen,
    ModelSeen,
    StepSeen,
    TrainingSeen,
)

__all__ = [
    "by_hand",
    "depth_trend",
    "fall",
    "followed",
    "names_of",
    "nodes_in",
    "ratios",
    "reached",
    "told",
    "tree_of",
]


def followed(seen: TrainingSeen) -> list[BackwardSeen]:
    """Give the backwards whose leaves were looked at."""
    return [each for each in seen.backwards if each.leaves is not None]


def reached(seen: TrainingSeen) -> dict[int, list[LeafSeen]]:
    """Give what backwards reach, each leaf as it was at each look."""
    found: dict[int, list[LeafSeen]] = {}
    for backward in followed(seen):
        for key, leaf in (backward.leaves or {}).items():
            found.setdefault(key, []).append(leaf)
    return found


def by_hand(looks: list[LeafSeen]) -> bool:
    """Tell whether a leaf moved between the looks."""
    return len({(look.total, look.size) for look in looks}) > 1


def names_of(model: ModelSeen, keys: set[int]) -> list[str]:
    """Name those of some parameters that are a model's, in its order."""
    return [name for key, name in model.names.items() if key in keys]


def told(names: list[str] | tuple[str, ...], most: int = 4) -> str:
    """Write names with commas, the first few."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def ratios(steps: list[StepSeen]) -> list[float]:
    """Give update over weight, of all parameters of each update together."""
    found = []
    for step in steps:
        if step.updates:
            update = math.hypot(*(u for u, _ in step.updates.values()))
            weight = math.hypot(*(w for _, w in step.updates.values()))
            if weight > 0:
                found.append(update / weight)
    return found


def fall(seen: TrainingSeen) -> tuple[float, float] | None:
    """Give the median loss of the first and of the last tenth; None of too few."""
    losses = [value for _, value in seen.loss_series]
    if len(losses) < 20 or not all(map(math.isfinite, losses)):
        return None
    tenth = max(3, len(losses) // 10)
    return median(losses[:tenth]), median(losses[-tenth:])


def depth_trend(step: StepSeen, model: ModelSeen) -> tuple[float, float] | None:
    """Tell how gradients of weights go with depth.

    Returns:
        The first's root mean square over the last's, and the correlation of its
        logarithm with depth; None of fewer than four weights.
    """
    sizes = [
        norm / math.sqrt(model.numels[name])
        for name, norm in (step.grad_norms or {}).items()
        if name.endswith("weight") and model.numels.get(name, 0) > 1
    ]
    if len(sizes) < 4 or not all(math.isfinite(s) and s > 0 for s in sizes):
        return None
    logs = [math.log10(size) for size in sizes]
    places = range(len(logs))
    middle, mean = (len(logs) - 1) / 2, sum(logs) / len(logs)
    top = sum((p - middle) * (v - mean) for p, v in zip(places, logs, strict=True))
    spread = math.sqrt(
        sum((p - middle) ** 2 for p in places) * sum((v - mean) ** 2 for v in logs)
    )
    return sizes[0] / sizes[-1], top / spread if spread else 0.0


@functools.lru_cache(maxsize=16)
def tree_of(file: str) -> ast.Module | None:
    """Read the syntax of a file; None where it cannot be read."""
    try:
        return ast.parse(Path(file).read_text())
    except (OSError, SyntaxError, ValueError):
        return None


def nodes_in(line: SourceLine | None) -> Iterator[ast.AST]:
    """Give the syntax of a file, the innermost function around a line alone."""
    tree = tree_of(line.file) if line else None
    if tree is None or line is None:
        return
    best: ast.AST = tree
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.lineno <= line.number <= (node.end_lineno or 0):
            best = node
    yield from ast.walk(best)
