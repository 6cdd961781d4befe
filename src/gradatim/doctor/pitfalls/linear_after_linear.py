from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import TrainingSeen


class LinearAfterLinear(Pitfall):
    """Two linear layers with nothing between are one linear layer.

    What it sees:
        The output of a ``Linear`` is, untouched, the input of the next: a warning for
        neighbours in an ``nn.Sequential`` and for a model of linear layers alone.
        A narrow layer between (low rank) is left alone, and so is an output that
        several layers take.

    Why it matters:
        ``W2 (W1 x + b1) + b2`` is ``W x + b``: 1,000 hidden units between 10 inputs and
        1 output can express what 11 numbers do.

    Example::

        nn.Sequential(nn.Linear(10, 64), nn.Linear(64, 1))

    Instead::

        nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))

    Source: Humbatova et al. 2020, taxonomy of faults, "missing activation".
    """

    code = "GT605"
    title = "no activation between linear layers"

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            every = model.layers.chains
            firsts = [first for first, _ in every]
            single = {pair: every[pair] for pair in every if firsts.count(pair[0]) == 1}
            chains = {p: s for p, s in single.items() if s[1] >= min(s[0], s[2])}
            if not chains:
                continue
            layers = {n.rpartition(".")[0] for n in model.parameters.names.values()}
            chained = {name for pair in chains for name in pair}
            is_linear = chained == layers and len(chains) == len(chained) - 1
            neighbours = [pair for pair, sizes in chains.items() if sizes[3]]
            first, second = (neighbours or list(chains))[0]
            before, middle, after, _ = chains[first, second]
            yield self.finding(
                verdict=f"No activation between {first!r} and {second!r}: together "
                "they are one linear layer.",
                evidence=f"{before} -> {middle} -> {after}, at {len(chains)} of "
                f"{max(1, len(layers) - 1)} places between layers",
                cure="nn.ReLU() between them",
                line=assignment_line(model, first) or model.line,
                severity="warning" if neighbours or is_linear else "info",
            )
