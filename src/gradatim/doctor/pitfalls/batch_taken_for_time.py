from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import BatchLayout, LossCall, TrainingSeen

MIN_CALLS = 2  # chosen by hand, not measured
MIN_SHARE_OF_CALLS = 0.8  # chosen by hand, not measured


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
        sizes = {loader.batch_size for loader in seen.loaders if loader.batch_size}
        losses = list(seen.losses)
        for model in seen.models:
            mixed: dict[str, list[BatchLayout]] = {}
            for call in model.layers.layouts:
                if _is_batch_taken_for_time(call, losses, sizes):
                    mixed.setdefault(call.name, []).append(call)
            for name, calls in mixed.items():
                num_calls = sum(call.name == name for call in model.layers.layouts)
                if len(calls) < max(MIN_CALLS, MIN_SHARE_OF_CALLS * num_calls):
                    continue
                rows, times, _ = calls[0].shape
                yield self.finding(
                    verdict=f"{calls[0].kind} {name!r} takes the batch for time.",
                    evidence=f"it is given {calls[0].shape} with batch_first=False: "
                    f"{rows} rows are read as {rows} steps in time of {times} samples",
                    cure="batch_first=True, or x.transpose(0, 1) before it",
                    line=assignment_line(model, name) or calls[0].line,
                )


def _is_batch_taken_for_time(
    call: BatchLayout, losses: list[LossCall], batch_sizes: set[int]
) -> bool:
    rows, times = call.shape[:2]
    if rows == times or times == 1 or rows == 1 or call.root_shape[:1] != (rows,):
        return False
    # The batches of a loader lie along dim 0 of what the model was given.
    is_as_given = call.root_shape == call.shape[: len(call.root_shape)]
    if is_as_given and rows in batch_sizes and times not in batch_sizes:
        return True
    # Otherwise the next loss tells, if it has one target for each row.
    following = next((loss for loss in losses if loss.order > call.order), None)
    target = () if following is None else following.target.shape
    return target[:1] == (rows,) and times not in target
