"""Questions to the record about gradients: which tensors get one, which ones move."""

import math
from statistics import correlation

from gradatim.watching import (
    BackwardSeen,
    LeafSeen,
    ModelSeen,
    SourceLine,
    StepSeen,
    TrainingSeen,
)

__all__ = [
    "backwards_with_leaves",
    "depth_trend",
    "gradient_looks",
    "have_moved",
    "leaves_at_looks",
    "line_of_backward",
    "reached_leaves",
    "update_ratios",
]

MIN_WEIGHTS = 4  # of a trend with depth; chosen by hand, not measured


def backwards_with_leaves(seen: TrainingSeen) -> list[BackwardSeen]:
    """Give the backwards for which the watch noted the leaves of the graph."""
    return [backward for backward in seen.backwards if backward.leaves is not None]


def leaves_at_looks(seen: TrainingSeen) -> list[dict[int, LeafSeen]]:
    """Give the leaves that backwards reach, by identity, where they reach any."""
    return [backward.leaves for backward in seen.backwards if backward.leaves]


def reached_leaves(seen: TrainingSeen) -> dict[int, list[LeafSeen]]:
    """Give the leaves that backwards reach, by identity, as they were at each look."""
    looks: dict[int, list[LeafSeen]] = {}
    for leaves in leaves_at_looks(seen):
        for identity, leaf in leaves.items():
            looks.setdefault(identity, []).append(leaf)
    return looks


def line_of_backward(seen: TrainingSeen, leaves: set[int]) -> SourceLine | None:
    """Give the line of the first backward that reaches one of some leaves."""
    reaching = [b.line for b in seen.backwards if leaves & (b.leaves or {}).keys()]
    return reaching[0] if reaching else None


def have_moved(looks: list[LeafSeen]) -> bool:
    """Tell whether the numbers of a leaf changed between the looks at it."""
    return len({(look.total, look.size) for look in looks}) > 1


def gradient_looks(steps: list[StepSeen]) -> list[StepSeen]:
    """Give the updates at which the watch noted which parameters have a gradient."""
    return [step for step in steps if step.gradients.missing is not None]


def update_ratios(steps: list[StepSeen]) -> list[float]:
    """Give for each update its norm over that of the weights, all of them together."""
    ratios = []
    for step in steps:
        norms = (step.weights.updates or {}).values()
        weight = math.hypot(*(norm for _, norm in norms))
        if weight > 0:
            ratios.append(math.hypot(*(norm for norm, _ in norms)) / weight)
    return ratios


def depth_trend(step: StepSeen, model: ModelSeen) -> tuple[float, float] | None:
    """Tell how gradients of weights change with depth.

    Returns:
        The root mean square of the first weight's gradient over that of the last, and
        the correlation of its logarithm with depth; None for fewer than four weights.
    """
    numels = model.parameters.numels
    norms = (step.gradients.norms or {}).items()
    weights = [(n, norm) for n, norm in norms if n.endswith("weight")]
    sizes = [norm / math.sqrt(numels[n]) for n, norm in weights if numels.get(n, 0) > 1]
    if len(sizes) < MIN_WEIGHTS or not all(math.isfinite(s) and s > 0 for s in sizes):
        return None
    logs = [math.log10(size) for size in sizes]
    is_flat = max(logs) == min(logs)
    return sizes[0] / sizes[-1], 0.0 if is_flat else correlation(range(len(logs)), logs)
