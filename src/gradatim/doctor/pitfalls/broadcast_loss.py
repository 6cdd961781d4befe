import torch.nn.functional as F
from torch import Tensor

from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import REGRESSION_LOSS_NAMES
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import SourceLine, TrainingSeen


class BroadcastLoss(Pitfall):
    """Predictions and targets have two shapes, and each row is paired with every other.

    What it sees:
        An elementwise loss whose two shapes differ and broadcast, ``(N,)`` against
        ``(N, 1)``; or a difference near the loss, written by hand, with more numbers
        than either side.

    Why it matters:
        Of N rows N * N pairs are compared. The best that a model can do then is to
        predict the mean for every row: the loss falls to the variance and stays.

    Example::

        loss = ((model(x) - y) ** 2).mean()   # (64, 1) - (64,) is (64, 64)

    Instead::

        loss = ((model(x).squeeze(1) - y) ** 2).mean()

    Source: PyTorch issues 16045 and 19699.
    """

    code = "GT301"
    title = "loss broadcasts"
    severity = "error"
    hides = ("GT203", "GT309", "GT310")

    def find(self, seen: TrainingSeen) -> Findings:
        for call in seen.losses:
            one, other = call.input.shape, call.target.shape
            if call.name in REGRESSION_LOSS_NAMES and _differ_by_ones(one, other):
                yield self._finding(one, other, call.line)
        rows = {f.outputs[0].shape[:1] for f in seen.forwards if f.grad and f.outputs}
        for backward in seen.backwards:
            for _, shape, inputs in backward.broadcasts:
                # Where pairs are compared on purpose both sides have a graph.
                if len(inputs) != 1 or len(shape) != 2 or shape[:1] not in rows:
                    continue
                one, num_rows = inputs[0], shape[0]
                if shape[1] == num_rows > 1 and one in ((num_rows,), (num_rows, 1)):
                    other = (num_rows,) if len(one) == 2 else (num_rows, 1)
                    yield self._finding(one, other, backward.line)

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(loss=_paired),))

    def _finding(
        self, one: tuple[int, ...], other: tuple[int, ...], line: SourceLine | None
    ) -> Finding:
        rows = max(one)
        return self.finding(
            verdict=f"Shapes {one} and {other} are broadcast: each row is compared "
            "with every other.",
            evidence=f"{rows * rows:,} pairs of {rows:,} rows",
            cure="give both one shape: targets.view_as(predictions)",
            line=line,
        )


def _differ_by_ones(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two shapes differ, and are the same without dimensions of 1."""
    rest = [n for n in one if n != 1]
    return one != other and bool(rest) and rest == [n for n in other if n != 1]


def _paired(given: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(given, target.view_as(given))
