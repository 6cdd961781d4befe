from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_SHIFT = 0.05  # in standard deviations; chosen by hand, not measured


class FrozenNormDrifts(Pitfall):
    """The weights of a body are frozen, the statistics of its batch norm are not.

    What it sees:
        Batch norm whose weight and bias ask for no gradient, in train mode in a model
        that is trained, with running means that move.

    Why it matters:
        ``requires_grad_(False)`` stops gradients, not running statistics: within 20
        batches 88% of a running mean (momentum 0.1) is that of the new data, and the
        body is no longer the one that was trained.

    Example::

        for p in model.body.parameters():
            p.requires_grad_(False)
        model.train()

    Instead::

        model.train()
        model.body.eval()

    Source: the documentation of ``torch.nn.BatchNorm2d``; mmpretrain issue 702.
    """

    code = "GT608"
    title = "batch norm drifts in a frozen body"

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            drift = model.drift
            if drift.shift < MIN_SHIFT:
                continue
            if drift.num_frozen <= 2 * len(drift.names):
                continue  # only weight and bias of the norms are frozen, no body
            yield self.finding(
                verdict=f"The body of {model.kind} is frozen, but its batch norm is in "
                "train mode: its running statistics move.",
                evidence=f"{len(drift.names)} of them ({', '.join(drift.names[:3])}) "
                f"with {drift.num_frozen} of {drift.num_parameters} parameter tensors "
                f"frozen; a running mean moved by {drift.shift:.2g} standard "
                "deviations",
                cure="model.body.eval() after each model.train()",
                line=drift.line,
            )
