from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen


class DropoutAlwaysOn(Pitfall):
    """Dropout goes on in evaluation, though the model is in eval mode.

    What it sees:
        ``F.dropout`` at work in a model in eval mode: without ``training=``, whose
        default is True; or an ``nn.Dropout`` that the model does not know, made in
        ``forward`` or kept in a plain list. ``training=True``, written out, is taken
        for a decision.

    Why it matters:
        Half of the units are zero at random in each prediction: the same rows give
        another answer each time, and accuracy reads lower than it is.

    Example::

        x = F.dropout(x, 0.5)

    Instead::

        x = F.dropout(x, 0.5, training=self.training)

    Source: Stack Overflow 53419474; PyTorchNLPBook issue 28.
    """

    code = "GT406"
    title = "dropout in eval mode"
    severity = "error"
    max_findings = 3

    def find(self, seen: TrainingSeen) -> Findings:
        for line in dict.fromkeys(line for _, line in seen.modes.dropouts):
            if line is None or "training=True" in line.code.replace(" ", ""):
                continue
            num_calls = sum(other == line for _, other in seen.modes.dropouts)
            yield self.finding(
                verdict="Dropout is on in eval mode: it does not know the mode of the "
                "model.",
                evidence=f"{num_calls} calls at work while the model was in eval mode",
                cure="F.dropout(x, p, training=self.training), or self.drop = "
                "nn.Dropout(p) in __init__",
                line=line,
            )
