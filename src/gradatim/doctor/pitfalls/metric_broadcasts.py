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
        for metric in seen.tensor_calls.metrics:
            if metric.is_on_purpose or not _becomes_one_number(metric):
                continue
            n, sign = metric.rows, metric.operation
            what = {"-": "mean difference", "==": "share of hits"}.get(sign, "share")
            yield self.finding(
                verdict=f"Shapes {metric.left} and {metric.right} are broadcast: each "
                "prediction is compared with every target.",
                evidence=f"{n * n:,} pairs of {n:,} rows; {what} over all pairs "
                f"{metric.of_pairs:.4g}, row by row {metric.of_rows:.4g}",
                cure=f"predictions.squeeze(1) {sign} targets"
                if metric.column_is_output
                else f"predictions {sign} targets.squeeze(1)",
                line=metric.line,
            )


def _becomes_one_number(metric: MetricComparison) -> bool:
    """Tell whether the comparison is averaged, and its column was not made on purpose.

    Where the source makes it a column, each prediction is to meet every target.
    """
    node = expression_at(metric.line, metric.place)
    sides = None if node is None else operands(node)
    if node is None or sides is None or not is_averaged(metric.line, node):
        return False
    column = sides[0] if len(metric.left) == 2 else sides[1]
    return not any(map(gets_dimension, sources_of(metric.line, column)))
