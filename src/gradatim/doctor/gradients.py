"""What several pitfalls ask of gradients and updates: who gets one, who moves."""

import math

from gradatim.watching import BackwardSeen, LeafSeen, ModelSeen, StepSeen, TrainingSeen

__all__ = [
    "backwards_with_leaves",
    "depth_trend",
    "have_moved",
    "reached_leaves",
    "update_ratios",
]


def backwards_with_leaves(seen: TrainingSeen) -> list[BackwardSeen]:
    """Give the backwards whose leaves were looked at."""
    return [each for each in seen.backwards if each.leaves is not None]


def reached_leaves(seen: TrainingSeen) -> dict[int, list[LeafSeen]]:
    """Give what backwards reach, each leaf as it was at each look."""
    found: dict[int, list[LeafSeen]] = {}
    for backward in backwards_with_leaves(seen):
        for key, leaf in (backward.leaves or {}).items():
            found.setdefault(key, []).append(leaf)
    return found


def have_moved(looks: list[LeafSeen]) -> bool:
    """Tell whether a leaf moved between the looks."""
    return len({(look.total, look.size) for look in looks}) > 1


def update_ratios(steps: list[StepSeen]) -> list[float]:
    """Give update over weight, of all parameters of each update together."""
    found = []
    for step in steps:
        if step.weights.updates:
            update = math.hypot(*(u for u, _ in step.weights.updates.values()))
            weight = math.hypot(*(w for _, w in step.weights.updates.values()))
            if weight > 0:
                found.append(update / weight)
    return found


def depth_trend(step: StepSeen, model: ModelSeen) -> tuple[float, float] | None:
    """Tell how gradients of weights go with depth.

    Returns:
        The first's root mean square over the last's, and the correlation of its
        logarithm with depth; None of fewer than four weights.
    """
    sizes = [
        norm / math.sqrt(model.parameters.numels[name])
        for name, norm in (step.gradients.norms or {}).items()
        if name.endswith("weight") and model.parameters.numels.get(name, 0) > 1
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
