"""A metric that is fed by batch against a function of all rows: time, and memory.

The function sees all outputs at once, so they are kept; the object keeps its counts.
"""

import subprocess
import sys

import torch
from torch import Tensor, nn

import gradatim as gt
from measure import interleaved, median, print_table, verdict

BAR_TIME = 1.05
"""What an object may take of the time of a function."""
BAR_GROWTH_MB = 16
"""By how much the peak of memory may grow where the rows do tenfold."""
REPEATS = 15
NUM_CLASSES = 64
MEMORY = """
import resource, sys, torch
sys.path.insert(0, {folder!r})
import metrics
trainer = metrics.trainer_of({metric})
trainer.evaluate(metrics.Rows({rows}), batch_size=256)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class Accuracy:
    """Count the right answers, batch by batch."""

    def __init__(self) -> None:
        self.reset()

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        self.right += (predictions.argmax(dim=1) == targets).sum()
        self.total += len(targets)

    def compute(self) -> float:
        return float(self.right / self.total)

    def reset(self) -> None:
        self.right, self.total = torch.tensor(0), 0


def accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.argmax(dim=1) == targets).float().mean()


class Rows(torch.utils.data.Dataset):
    """Rows that are made when they are asked for, so that only outputs need memory."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows

    def __len__(self) -> int:
        return self.num_rows

    def __getitems__(self, rows: list[int]) -> list[tuple[Tensor, Tensor]]:
        x = torch.arange(rows[0], rows[0] + len(rows)).remainder(97).float()
        return list(zip(x.unsqueeze(1) / 97, x.long() % NUM_CLASSES, strict=True))


def trainer_of(metric: object) -> gt.Trainer:
    torch.manual_seed(0)
    model = nn.Linear(1, NUM_CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss_fn = nn.CrossEntropyLoss()
    return gt.Trainer(model, loss_fn, optimizer, metrics={"accuracy": metric})


def main() -> None:
    torch.set_num_threads(1)
    x = torch.rand(100_000, 1)
    y = torch.randint(NUM_CLASSES, (100_000,))

    def prepare(metric: object):
        trainer = trainer_of(metric)
        return lambda: trainer.evaluate((x, y), batch_size=256)["accuracy"]

    contestants = {
        "function": lambda: prepare(accuracy),
        "object": lambda: prepare(Accuracy()),
    }
    seconds, scores = interleaved(contestants, repeats=REPEATS)
    assert abs(scores["function"] - scores["object"]) < 1e-6, scores
    ratio = median(seconds["object"]) / median(seconds["function"])
    peaks = {
        name: [peak_mb(metric, rows) for rows in (20_000, 200_000)]
        for name, metric in (
            ("function", "metrics.accuracy"),
            ("object", "metrics.Accuracy()"),
        )
    }
    print_table(
        ("metric", "ms for 100,000 rows", "over the function", "bar", ""),
        [
            ("function", f"{1e3 * median(seconds['function']):.0f}", "", "", ""),
            (
                "object",
                f"{1e3 * median(seconds['object']):.0f}",
                f"{ratio:.2f}",
                f"{BAR_TIME}",
                verdict(ratio, BAR_TIME),
            ),
        ],
    )
    print()
    print_table(
        ("metric", "peak of 20,000 rows", "of 200,000", "growth", "bar", ""),
        [
            (
                name,
                f"{few:.0f} MB",
                f"{many:.0f} MB",
                f"{many - few:.0f} MB",
                f"{BAR_GROWTH_MB} MB" if name == "object" else "",
                verdict(many - few, BAR_GROWTH_MB if name == "object" else None),
            )
            for name, (few, many) in peaks.items()
        ],
    )


def peak_mb(metric: str, rows: int) -> float:
    """Give the largest resident size of a process that evaluates so many rows."""
    folder = str(__file__).rpartition("/")[0] or "."
    program = MEMORY.format(folder=folder, metric=metric, rows=rows)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
