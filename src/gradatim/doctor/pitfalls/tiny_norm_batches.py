from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import active_parts, forwards_of
from gradatim.watching import TrainingSeen

MAX_ROWS = 2  # of a batch; chosen by hand, not measured


class TinyNormBatches(Pitfall):
    """Batch norm takes mean and variance of a batch of one or two.

    What it sees:
        Training calls of a model with batch norm whose first dimension is 1 or 2.

    Why it matters:
        The variance of two numbers is off by a factor of 2 and more from batch to
        batch, and is given to the running statistics with the weight of a full batch.

    Example::

        DataLoader(data, batch_size=32, shuffle=True)   # 65 rows: 32, 32, 1

    Instead::

        DataLoader(data, batch_size=32, shuffle=True, drop_last=True)

    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494, figure 1.
    """

    code = "GT610"
    title = "batch norm with tiny batches"
    severity = "info"

    def find(self, seen: TrainingSeen) -> Findings:
        for number, model in enumerate(seen.models):
            training = [f for f in forwards_of(seen, number) if f.used and f.training]
            calls = [f for f in training if f.inputs and f.inputs[0].shape]
            tiny = [f for f in calls if f.inputs[0].shape[0] <= MAX_ROWS]
            parts = active_parts(model, calls)
            norms = [n for n, kind in parts.items() if kind.startswith("BatchNorm")]
            if not tiny or not norms or not model.parameters.names:
                continue
            sizes = sorted({f.inputs[0].shape[0] for f in tiny})
            yield self.finding(
                verdict="Batch norm is given batches of one or two rows.",
                evidence=f"{len(tiny)} of {len(calls)} training calls have "
                f"{' or '.join(map(str, sizes))} rows",
                cure="DataLoader(..., drop_last=True), larger batches, or GroupNorm",
                line=tiny[0].line,
            )
