from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import BatchLayout, LossCall, TrainingSeen

ENOUGH = 2


class BatchTakenForTime(Pitfall):
    """An RNN or attention without ``batch_first`` is given rows first.

    What it sees:
        Shape ``(batch, time, features)`` at a layer with ``batch_first=False``: dim 0
        is the number of targets or the batch size of the loader, dim 1 is neither.

    Why it matters:
        The layer runs along the batch: row 32 of a batch depends on the 31 before it,
        which are other samples. It trains, and a batch of one gives other predictions.

    Example::

        nn.LSTM(8, 32)(x)   # x is (64, 20, 8): 64 steps in time, 20 samples

    Instead::

        nn.LSTM(8, 32, batch_first=True)(x)

    Source: the documentation of ``torch.nn.LSTM``, Inputs.
    """

    code = "GT606"
    title = "batch taken for time"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        sizes = {each.batch_size for each in seen.loaders if each.batch_size}
        losses = list(seen.losses)
        for model in seen.models:
            found: dict[str, list[BatchLayout]] = {}
            for each in model.layers.layouts:
                if _is_mixed(each, losses, sizes):
                    found.setdefault(each.name, []).append(each)
            for name, group in found.items():
                calls = sum(each.name == name for each in model.layers.layouts)
                if len(group) < ENOUGH or len(group) < 0.8 * calls:
                    continue
                rows, times, _ = group[0].shape
                yield self.finding(
                    verdict=f"{group[0].kind} {name!r} takes the batch for time.",
                    evidence=f"it is given {group[0].shape} with batch_first=False: "
                    f"{rows} rows are read as {rows} steps in time of {times} samples",
                    cure="batch_first=True, or x.transpose(0, 1) before it",
                    line=assignment_line(model, name) or group[0].line,
                )


def _is_mixed(each: BatchLayout, losses: list[LossCall], sizes: set[int]) -> bool:
    rows, times = each.shape[:2]
    if rows == times or times == 1 or rows == 1 or each.root_shape[:1] != (rows,):
        return False
    # Of what a loader gave: its batches lie along dim 0.
    is_as_given = each.root_shape == each.shape[: len(each.root_shape)]
    if is_as_given and rows in sizes and times not in sizes:
        return True
    # Or one target for each row.
    after = next((loss for loss in losses if loss.order > each.order), None)
    if after is None:
        return False
    target = after.target.shape
    return target[:1] == (rows,) and times not in target
