import re

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimizers_of
from gradatim.watching import SeedCall, SourceLine, TrainingSeen

SETS_ONE_SEED = re.compile(r"random\.seed\(|\bseed\(")
"""A seed that is set by itself, and not in a function for all seeds."""
NAMES = {"torch": "PyTorch", "numpy": "NumPy", "random": "random"}
SEEDS = {
    "torch": "torch.manual_seed(0)",
    "numpy": "np.random.seed(0)",
    "random": "random.seed(0)",
}


class SeedOfAnother(Pitfall):
    """A seed is set, but an order or the first weights do not follow from it.

    What it sees:
        A seed of a global generator set before training, and an order of 20 rows or
        more drawn from another one that has no seed yet; or weights drawn before
        ``torch.manual_seed``; or a function that seeds others and leaves PyTorch out.

    Why it matters:
        Each run has another split or other weights, though it looks reproducible. With
        100 rows held out, an accuracy of 0.80 moves by 0.04 (one standard deviation)
        from split to split.

    Example::

        torch.manual_seed(0)
        order = np.random.permutation(len(x))

    Instead::

        torch.manual_seed(0)
        np.random.seed(0)
        order = np.random.permutation(len(x))

    Source: PyTorch, "Reproducibility".
    """

    code = "GT808"
    title = "seed set, but not for all that is drawn"
    severity = "info"

    def find(self, seen: TrainingSeen) -> Findings:
        seeds = [s for s in seen.seeds.calls if not s.step and not s.undone and s.line]
        if not seeds or not seen.steps or not seen.is_script:
            return  # or seeds may have been set before
        yield from self._orders(seen, seeds)
        yield from self._weights(seen, seeds)

    def _orders(self, seen: TrainingSeen, seeds: list[SeedCall]) -> Findings:
        """Find an order from a generator that has no seed yet."""
        for order in seen.row_orders.drawn:
            if order.generator not in NAMES or order.line is None:
                continue
            first_seed = seen.seeds.first.get(order.generator)
            if first_seed is not None and first_seed < order.order:
                continue
            name = NAMES[order.generator]
            later = "never" if first_seed is None else "only afterwards"
            yield self.finding(
                verdict=f"A seed is set, but an order is drawn by {name}, which has "
                "none: it is another one in each run.",
                evidence=f"{_seeded(seeds)}; {order.num_rows} rows are put in order by "
                f"{name}, {later} seeded",
                cure=f"{SEEDS[order.generator]} before it",
                line=order.line,
            )

    def _weights(self, seen: TrainingSeen, seeds: list[SeedCall]) -> Findings:
        """Find first weights that were drawn without a seed."""
        first_seed = seen.seeds.first.get("torch")
        for model in seen.models:
            numbers = optimizers_of(seen, model)
            if not model.initial.as_made or not numbers:
                continue
            made = seen.optimizers[numbers[0]].order
            line: SourceLine | None = None
            if first_seed is None and _are_for_all(seeds):
                verdict = "Seeds are set, but none for PyTorch, which draws the weights"
                line = seeds[-1].line
            elif first_seed is not None and first_seed > made:
                verdict = "The seed is set after the first weights were drawn"
                line = next((s.line for s in seeds if s.name == "torch"), None)
            if line is None:
                continue
            yield self.finding(
                verdict=f"{verdict}: they are others in each run.",
                evidence=f"{_seeded(seeds)}; {len(model.initial.as_made)} layers of "
                f"{model.title} with random weights",
                cure="torch.manual_seed(0) before the model is made",
                line=line,
            )


def _seeded(seeds: list[SeedCall]) -> str:
    """Say which seeds were set, and in which lines."""
    names = dict.fromkeys(NAMES[s.name] for s in seeds)
    lines = dict.fromkeys(s.line.number for s in seeds if s.line is not None)
    where = ", ".join(map(str, list(lines)[:3]))
    return f"seed for {' and '.join(names)} (line {where})"


def _are_for_all(seeds: list[SeedCall]) -> bool:
    """Tell whether the seeds are for all generators, not for one of the data alone."""
    lines = [seed.line.code for seed in seeds if seed.line is not None]
    return len({s.name for s in seeds}) > 1 or not all(map(SETS_ONE_SEED.search, lines))
