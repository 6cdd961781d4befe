from collections import defaultdict
from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import LoaderSeen, TrainingSeen

MIN_STARTS = 10  # chosen by hand, not measured
MIN_SHARE_OF_STARTS = 0.9  # one an update; chosen by hand, not measured
MAX_BATCHES_A_START = 1.1  # chosen by hand, not measured


class LoaderRestarted(Pitfall):
    """``next(iter(loader))`` in the loop, or a loader made anew in each step.

    What it sees:
        A loader of several batches that is started about as often as the optimizer
        updates, or made so often at one line. One batch is taken each time.

    Why it matters:
        Without shuffling it is the first batch every time: of 100 batches 99 are never
        seen. With it all rows are permuted for each batch, and workers start anew.

    Example::

        for step in range(1000):
            x, y = next(iter(loader))

    Instead::

        for x, y in loader:
            ...

    Source: the documentation of ``torch.utils.data``.
    """

    code = "GT509"
    title = "data loader restarted in each step"
    hides = ("GT501",)

    def find(self, seen: TrainingSeen) -> Findings:
        by_line: dict[object, list[LoaderSeen]] = defaultdict(list)
        for loader in seen.loaders:
            by_line[loader.line].append(loader)
        for loaders in by_line.values():
            num_starts = sum(loader.starts.count for loader in loaders)
            num_batches = sum(loader.fetched for loader in loaders)
            steps = sorted(step for loader in loaders for _, step in loader.starts)
            apart = [after - before for before, after in pairwise(steps)]
            is_each_update = apart.count(1) >= MIN_SHARE_OF_STARTS * len(apart)
            takes_one_batch = num_batches <= MAX_BATCHES_A_START * num_starts
            if num_starts < MIN_STARTS or not (apart and is_each_update):
                continue
            loader = loaders[0]
            if not takes_one_batch or loader.length in (0, 1):
                continue
            what = "it is the first batch each time"
            if loader.shuffles:
                what = "the rows are permuted anew for one batch"
            yield self.finding(
                severity="warning" if loader.shuffles else "error",
                verdict=f"The data loader is started anew for each update: {what}.",
                evidence=f"{num_starts} starts and {num_batches} batches in "
                f"{seen.num_steps} updates; an iteration has {loader.length} batches",
                cure="for x, y in loader: ...",
                line=loader.iter_line or loader.line,
            )
