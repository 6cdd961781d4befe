from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import SeedCall, SourceLine, TrainingSeen

ENOUGH, MANY = 3, 50


class SeedInTheLoop(Pitfall):
    """The same seed is set in every epoch or step of one training.

    What it sees:
        One line that sets the same seed of a global generator at 3 or more stages of
        one training, with random numbers drawn between. A seed once for each new
        optimizer, another seed each time, and a state that is put back afterwards
        (``fork_rng``) are left alone. Or a generator of NumPy made in ``__getitem__``
        with one and the same seed, 50 times and more.

    Why it matters:
        Each epoch draws the same numbers: one order of rows, one set of dropout masks
        and augmentations, instead of 100 in 100 epochs.

    Example::

        for epoch in range(100):
            torch.manual_seed(0)
            train_epoch(model)

    Instead::

        torch.manual_seed(0)
        for epoch in range(100):
            train_epoch(model)

    Source: PyTorch, "Reproducibility".
    """

    code = "GT806"
    title = "seed set in the loop"
    max_findings = 2
    hides = ("GT501", "GT808")

    def find(self, seen: TrainingSeen) -> Findings:
        yield from self._rows(seen)
        made = sorted(each.order for each in seen.optimizers)
        trains = {s.line.function for s in seen.steps if s.line is not None}
        groups: dict[tuple[str, SourceLine, int, int | None], list[SeedCall]] = {}
        for each in seen.seeds.calls:
            if each.line is None or each.undone:
                continue
            if each.name != "torch" and each.line.function not in trains:
                continue  # a generator that training may not use
            run = sum(order < each.order for order in made)
            groups.setdefault((each.name, each.line, run, each.seed), []).append(each)
        for (name, line, _, value), group in groups.items():
            times = {each.step for each in group}
            later = group[1:]
            drawn = sum(each.drawn for each in later)
            if len(times) < ENOUGH or drawn < 0.6 * len(later):
                continue
            if not seen.steps or seen.num_steps <= min(times):
                continue
            yield self.finding(
                verdict="The same seed is set again and again while one model is "
                "trained.",
                evidence=f"seed {value} of {name} set {len(group)} times, after "
                f"{len(times)} different numbers of updates; random numbers were drawn "
                f"between {drawn} of {len(later)} times",
                cure="set the seed once, before the loop",
                line=line,
            )
            return

    def _rows(self, seen: TrainingSeen) -> Findings:
        """Find a generator that each row of a data set makes anew, with one seed."""
        for (line, value), times in seen.seeds.in_rows.items():
            seeds = {seed for place, seed in seen.seeds.in_rows if place == line}
            if times < MANY or len(seeds) > 1:
                continue
            yield self.finding(
                verdict="Each row makes a generator with the same seed: all rows get "
                "the same random numbers, in every epoch.",
                evidence=f"default_rng({value}) in __getitem__ {times:,} times",
                cure="make the generator once, in __init__; or seed it by row and "
                "epoch: np.random.default_rng((seed, epoch, index))",
                line=line,
            )
            return
