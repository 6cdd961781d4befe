from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen


class WorkersRepeat(Pitfall):
    """Each worker has a copy of one generator, in one state.

    What it sees:
        A ``DataLoader`` with workers and without ``worker_init_fn``, whose data set or
        transform draws from a generator that it holds, or that its file holds.

    Why it matters:
        With 4 workers each draw is made four times, and in the next epoch again: of
        1,000 random crops 250 are different. PyTorch seeds the global generators of
        torch, random and NumPy in each worker, but no generator of one's own.

    Example::

        def __init__(self):
            self.rng = np.random.default_rng(0)

    Instead::

        def __getitem__(self, row):
            rng = np.random.default_rng(torch.initial_seed() + row)

    Source: PyTorch issue 5059; Tanel Pärnamaa 2021, "Using PyTorch + NumPy?".
    """

    code = "GT508"
    title = "workers repeat random numbers"

    def find(self, seen: TrainingSeen) -> Findings:
        for loader in seen.loaders:
            if not loader.generators or loader.has_worker_init or not loader.fetched:
                continue
            name = loader.generators[0]
            yield self.finding(
                verdict=f"Each of the workers draws from its own copy of {name}, all "
                "in one state.",
                evidence=f"num_workers={loader.num_workers}, no worker_init_fn, "
                f"{loader.starts.count} starts: each begins with the same draws",
                cure="draw from torch's or NumPy's global generator, which PyTorch "
                "seeds in each worker; or seed your own in worker_init_fn",
                line=loader.line,
            )
