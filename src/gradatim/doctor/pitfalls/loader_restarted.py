from collections import defaultdict
from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import LoaderSeen, TrainingSeen

ENOUGH = 10


class LoaderRestarted(Pitfall):
    """``next(iter(loader))`` in the loop, or a loader made anew in each step.

    What it sees:
        A loader of several batches that is started about as often as the optimizer
        updates, or made so often at one line, and of which one batch is taken a time.

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
            starts = [start for each in loaders for start in each.starts]
            num_starts = sum(each.starts.count for each in loaders)
            fetched = sum(each.fetched for each in loaders)
            steps = sorted(step for _, step in starts)
            apart = [b - a for a, b in pairwise(steps)]
            is_each = apart and sum(1 for n in apart if n == 1) >= 0.9 * len(apart)
            about = loaders[0]
            if num_starts < ENOUGH or not is_each or fetched > 1.1 * num_starts:
                continue
            if about.length is not None and about.length < 2:
                continue
            if about.shuffles:
                what = "the rows are permuted anew for one batch"
            else:
                what = "it is the first batch each time"
            yield self.finding(
                severity="warning" if about.shuffles else "error",
                verdict=f"The data loader is started anew for each update: {what}.",
                evidence=f"{num_starts} starts and {fetched} batches in "
                f"{seen.num_steps} updates; an iteration has {about.length} batches",
                cure="for x, y in loader: ...",
                line=about.iter_line or about.line,
            )
