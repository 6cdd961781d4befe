from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.expressions import (
    expression_at,
    gets_dimension,
    is_averaged,
    operands,
    sources_of,
)
from gradatim.watching import MetricComparison, TrainingSeen


class MetricBroadcasts(Pitfall):
    """A metric compares each prediction with every target.

    What it sees:
        ``==``, ``!=`` or ``-`` between a column ``(N, 1)`` and a vector ``(N,)``, one
        of them a model's output or made of it row by row, the other the targets; and
        the N * N results become one number by ``mean()`` or ``sum()``.

    Why it matters:
        The number says next to nothing about the model. With two classes of equal size
        the accuracy is 0.5 whatever is predicted, and as a sum over N it is N / 2.

    Example::

        accuracy = ((model(x) > 0.5) == y).float().mean()   # (64, 1) == (64,)

    Instead::

        accuracy = ((model(x).squeeze(1) > 0.5) == y).float().mean()

    Source: Stack Overflow 54636288; the PyTorch notes, "Broadcasting semantics".
    """

    code = "GT310"
    title = "metric broadcasts"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        for each in seen.tensor_calls.metrics:
            if each.is_on_purpose or not _is_averaged(each):
                continue
            n = each.rows
            what = "mean difference" if each.operation == "-" else "share"
            if each.operation == "==":
                what = "share of hits"
            yield self.finding(
                verdict=f"Shapes {each.left} and {each.right} are broadcast: each "
                "prediction is compared with every target.",
                evidence=f"{n * n:,} pairs of {n:,} rows; {what} over all pairs "
                f"{each.of_pairs:.4g}, row by row {each.of_rows:.4g}",
                cure=f"predictions.squeeze(1) {each.operation} targets"
                if each.column_is_output
                else f"predictions {each.operation} targets.squeeze(1)",
                line=each.line,
            )


def _is_averaged(each: MetricComparison) -> bool:
    node = expression_at(each.line, each.place)
    sides = None if node is None else operands(node)
    if node is None or sides is None or not is_averaged(each.line, node):
        return False
    column = sides[0] if len(each.left) == 2 else sides[1]
    # Where somebody makes it a column, each is to meet every other.
    return not any(map(gets_dimension, sources_of(each.line, column)))
