from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import numbers_given, trained_calls
from gradatim.doctor.trial import Trial, Variant
from gradatim.losses import BINARY_LOSS_NAMES, WATCHED_LOSSES
from gradatim.watching import TrainingSeen

ONE_SIDED = (*BINARY_LOSS_NAMES, "cross_entropy")
"""Losses for which the order matters."""


class LossArgumentsSwapped(Pitfall):
    """A loss is given targets first and predictions second.

    What it sees:
        A cross-entropy whose first argument has no graph and whose second one has, in
        every call that was looked at. For ``mse_loss`` the order changes nothing, and
        nothing is said.

    Why it matters:
        The logarithm is taken of the targets. PyTorch holds log 0 at -100, so a label
        of 0 or 1 costs up to 100 whatever the model says: a loss of 50 for halves.

    Example::

        loss = F.binary_cross_entropy(y, torch.sigmoid(model(x)))

    Instead::

        loss = F.binary_cross_entropy(torch.sigmoid(model(x)), y)

    Source: the documentation of ``torch.nn.BCELoss``.
    """

    code = "GT305"
    title = "loss arguments swapped"
    severity = "error"
    hides = ("GT106", "GT203", "GT204", "GT309", "GT303", "GT306", "GT302")

    def find(self, seen: TrainingSeen) -> Findings:
        calls = trained_calls(seen, *ONE_SIDED)
        second = [call for call in calls if call.target.requires_grad]
        swapped = [call for call in second if not call.input.requires_grad]
        if not swapped or len(swapped) < len(calls):
            return
        call = swapped[0]
        what = "whole numbers" if call.facts["input_whole"] else "numbers"
        yield self.finding(
            verdict=f"{call.name} is given targets first and predictions second.",
            evidence=f"the first argument has no graph ({what} {numbers_given(call)}), "
            f"the second has one, in {len(swapped)} of {len(calls)} calls",
            cure="loss_fn(predictions, targets)",
            line=call.line,
        )

    def trial(self, seen: TrainingSeen) -> Trial | None:
        if seen.kept.replay is None or not seen.kept.replay.is_swapped:
            return None
        return Trial(cures=(Variant(loss=WATCHED_LOSSES[seen.kept.replay.loss]),))
