import ast
import math
from collections.abc import Iterator
from statistics import median

from gradatim.doctor.loss_trend import share_of_variance
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import trained_calls
from gradatim.doctor.source_code.pandas_order import misaligned_targets
from gradatim.doctor.source_code.syntax import last_name, nodes_around, tree_of
from gradatim.watching import LabelsApart, SourceLine, TrainingSeen

MIN_SHARE_OF_ERROR = 0.6  # of a constant prediction's; chosen by hand, not measured
MIN_UPDATES = 100  # chosen by hand, not measured
MIN_LOSSES = 5  # chosen by hand, not measured
REORDERS = ("sample", "index_select", "take")
"""Methods that give the rows of a table or tensor in another order."""


class LabelsShuffledApart(Pitfall):
    """Features and labels are shuffled apart: each row gets another row's label.

    What it sees:
        Two orders of the same number of rows, drawn by ``torch.randperm``, NumPy,
        ``random.shuffle``, pandas or two ``DataLoader`` with ``shuffle=True``, and rows
        that are trained with exactly the label that they have if features follow the
        one order and labels the other (20 rows and more whose own label is another
        one). Or one order that the features alone follow, in the variable they had. Or
        a table of pandas that is sorted after its target was taken from it, and a loss
        that stays near that of a constant prediction.

    Why it matters:
        Nothing can be learned but how common each label is: with 10 classes the loss
        stays at ``ln 10 = 2.30`` on new rows, however low it is where rows are learned
        by heart.

    Example::

        x = x[torch.randperm(len(x))]
        y = y[torch.randperm(len(y))]

    Instead::

        order = torch.randperm(len(x))
        x, y = x[order], y[order]

    Source: Humbatova et al. 2020, taxonomy of faults, "wrong labels".
    """

    code = "GT507"
    title = "labels shuffled apart from their rows"
    severity = "error"
    hides = ("GT203", "GT204", "GT205", "GT506")

    def find(self, seen: TrainingSeen) -> Findings:
        apart = seen.row_orders.labels_apart
        if apart is None:
            yield from self._of_tables(seen)
            return
        if apart.labels_line is None and not _is_put_back(apart):
            return
        x, y = apart.features or "x", apart.labels or "y"
        explained = f"two orders of {apart.num_rows} rows explain all of them"
        if apart.labels_line is None:
            explained = f"one order of {apart.num_rows} rows explains all of them"
            verdict = f"Rows of {x} are shuffled, those of {y} are not"
        elif apart.labels_line == apart.features_line:
            verdict = f"Rows of {x} and {y} are shuffled apart"
        else:
            number = apart.features_line.number if apart.features_line else 0
            verdict = (
                f"Rows of {x} are shuffled in one order (line {number}), those of {y} "
                "in another"
            )
        yield self.finding(
            verdict=f"{verdict}: labels are not with their rows.",
            evidence=f"of {apart.num_looked_at} rows that were trained on "
            f"{apart.num_apart} have a label that is not the one they had; {explained}",
            cure=_cure(apart, x, y),
            line=apart.labels_line or apart.features_line,
        )

    def _of_tables(self, seen: TrainingSeen) -> Findings:
        """Find a table that is sorted after its target was taken, and no learning."""
        share = _share_not_learned(seen)
        if share is None:
            return
        for file in sorted({c.line.file for c in seen.losses if c.line is not None}):
            for order in misaligned_targets(tree_of(file)):
                table, target = order.table, order.target
                yield self.finding(
                    verdict=f"{target} is taken from {table} in line "
                    f"{order.taken_in_line}, and {table} is put into another order by "
                    f"{order.method} after that: labels are not with their rows.",
                    evidence=f"after {seen.num_steps:,} updates the error is still "
                    f"{share:.0%} of that of a constant prediction",
                    cure=f"take {target} after {table}.{order.method}(...)",
                    line=SourceLine(file, order.reordered_in_line),
                )


def _cure(apart: LabelsApart, x: str, y: str) -> str:
    if apart.features_line is not None and ".sample(" in apart.features_line.code:
        return f"{x} = {x}.sample(frac=1); {y} = {y}.loc[{x}.index]"
    return (
        f"one order for both: order = torch.randperm(len({x})); {x}, {y} = "
        f"{x}[order], {y}[order]; or one data set: TensorDataset({x}, {y})"
    )


def _is_put_back(apart: LabelsApart) -> bool:
    """Tell whether the shuffled features replace the old ones, and labels do not.

    Features in a variable of their own may be meant: a model that is to learn nothing.
    """
    names: set[str] = set()
    for node in nodes_around(apart.features_line, ast.AST):
        if isinstance(node, ast.If) and "__name__" not in ast.unparse(node.test):
            inner = {name for part in ast.walk(node) for name in _reordered(part)}
            if apart.features in inner:
                return False  # under a condition it is a choice
        names.update(_reordered(node))
    return apart.features in names and apart.labels not in names


def _reordered(node: ast.AST) -> Iterator[str]:
    """Give the variables that are put into another order, under their own name."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from (ast.unparse(t) for t, v in pairs if _reorders(v, t))
            elif _reorders(node.value, target):
                yield ast.unparse(target)
    elif isinstance(node, ast.Call) and last_name(node.func) == "shuffle" and node.args:
        yield ast.unparse(node.args[0])


def _reorders(value: ast.AST, target: ast.AST) -> bool:
    """Tell ``x[...]``, ``permutation(x)`` and ``x.sample(...)`` of the variable."""
    owner: ast.AST | None = None
    match value:
        case ast.Subscript(ast.Attribute(inner, "iloc" | "loc")):
            owner = inner
        case ast.Subscript(inner):
            owner = inner
        case ast.Call(function, [first, *_]) if last_name(function) == "permutation":
            owner = first
        case ast.Call(ast.Attribute(inner, method)) if method in REORDERS:
            owner = inner
    return owner is not None and ast.unparse(owner) == ast.unparse(target)


def _share_not_learned(seen: TrainingSeen) -> float | None:
    """Give the error at the end over a constant prediction's; None where it is small.

    A cross-entropy is compared with that of equal probabilities.
    """
    calls = trained_calls(seen, "mse_loss", "smooth_l1_loss", "l1_loss")
    shares = [s for call in calls if (s := share_of_variance(call)) is not None]
    classes = trained_calls(seen, "cross_entropy")
    if classes and len(classes[0].input.shape) == 2:
        chance = math.log(max(2, classes[0].input.shape[1]))
        shares = [value / chance for _, value in seen.loss_values.series]
    if len(shares) < MIN_LOSSES or seen.num_steps < MIN_UPDATES:
        return None
    share = median(shares[-max(MIN_LOSSES, len(shares) // 10) :])
    return share if share > MIN_SHARE_OF_ERROR else None
