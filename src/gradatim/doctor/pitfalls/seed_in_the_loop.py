from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import SeedCall, SourceLine, TrainingSeen

MIN_STAGES = 3  # different numbers of updates; chosen by hand, not measured
MIN_SHARE_DRAWN = 0.6  # of the seeds; chosen by hand, not measured
MIN_ROWS = 50  # that make a generator; chosen by hand, not measured


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
        made = [optimizer.order for optimizer in seen.optimizers]
        trains = {s.line.function for s in seen.steps if s.line is not None}
        groups: dict[tuple[str, SourceLine, int, int | None], list[SeedCall]] = {}
        for call in seen.seeds.calls:
            if call.line is None or call.undone:
                continue
            if call.name != "torch" and call.line.function not in trains:
                continue  # a generator that training may not use
            training = sum(order < call.order for order in made)
            key = call.name, call.line, training, call.seed
            groups.setdefault(key, []).append(call)
        for (name, line, _, seed), calls in groups.items():
            stages = {call.step for call in calls}
            later = calls[1:]
            num_drawn = sum(call.drawn for call in later)
            if len(stages) < MIN_STAGES or num_drawn < MIN_SHARE_DRAWN * len(later):
                continue
            if not seen.steps or seen.num_steps <= min(stages):
                continue
            yield self.finding(
                verdict="The same seed is set again and again while one model is "
                "trained.",
                evidence=f"seed {seed} of {name} set {len(calls)} times, after "
                f"{len(stages)} different numbers of updates; random numbers were "
                f"drawn between {num_drawn} of {len(later)} times",
                cure="set the seed once, before the loop",
                line=line,
            )
            return

    def _rows(self, seen: TrainingSeen) -> Findings:
        """Find a generator that each row of a data set makes anew, with one seed."""
        lines = [line for line, _ in seen.seeds.in_rows]
        for (line, seed), num_made in seen.seeds.in_rows.items():
            if num_made < MIN_ROWS or lines.count(line) > 1:
                continue
            yield self.finding(
                verdict="Each row makes a generator with the same seed: all rows get "
                "the same random numbers, in every epoch.",
                evidence=f"default_rng({seed}) in __getitem__ {num_made:,} times",
                cure="make the generator once, in __init__; or seed it by row and "
                "epoch: np.random.default_rng((seed, epoch, index))",
                line=line,
            )
            return
