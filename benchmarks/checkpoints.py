"""Checkpoints: what a save, a load and a run with them cost.

A save is compared with ``torch.save`` of the same state, which neither takes a digest
nor waits for the disk; a load with reading the bytes and taking their SHA-256. Times
are the clock's, as a save waits; medians of repeats in turn.
"""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import gradatim as gt
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.checkpoint_header import CheckpointHeader
from measure import median, print_table, verdict

SIZES = {16: 1.5, 128: 2.5}
"""Megabytes of a checkpoint, and the bar for saving it in times of ``torch.save``."""
LOAD_BAR, LOOP_BAR = 1.5, 1.02
REPEATS = 9
LOOP_SECONDS, EVERY_S = 62.0, 30.0


def trained(megabytes: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model and AdamW after a step: weights and two moments, so many bytes in all."""
    width = round((megabytes * 1e6 / 3 / 4 / 4) ** 0.5)
    model = nn.Sequential(*(nn.Linear(width, width) for _ in range(4)))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(8, width)).sum().backward()
    optimizer.step()
    return model, optimizer


def record(step: int) -> CheckpointHeader:
    return CheckpointHeader(
        step=step,
        epoch=0,
        batch=step,
        samples=0,
        history={"rows": 0, "bytes": 0, "sha256": hashlib.sha256().hexdigest()},
        fingerprint={},
        data={},
        config={},
    )


class Contest:
    """One size: what a save and a load take, by either way."""

    def __init__(self, megabytes: int, folder: Path) -> None:
        self.model, self.optimizer = trained(megabytes)
        self.folder = folder
        # All stay until the end: what a removal takes is neither's.
        self.checkpoints = Checkpoints(folder, keep_last=REPEATS + 1)

    def state(self) -> tuple[dict, dict]:
        return self.model.state_dict(), {"optimizer": self.optimizer.state_dict()}

    def save(self, step: int) -> None:
        self.checkpoints.save(record(step), *self.state())

    def torch_save(self, step: int) -> None:
        torch.save(self.state(), self.folder / f"{step}.pt")

    def torch_save_and_fsync(self, step: int) -> None:
        with open(self.folder / f"{step}-durable.pt", "wb") as file:
            torch.save(self.state(), file)
            file.flush()
            os.fsync(file.fileno())

    def load(self, step: int) -> None:
        self.checkpoints.read(f"step-{step}")

    def read_and_hash(self, step: int) -> None:
        for path in (self.folder / "checkpoints" / f"step-{step}").iterdir():
            hashlib.sha256(path.read_bytes()).digest()

    def milliseconds(self) -> dict[str, float]:
        ways = ("torch_save", "torch_save_and_fsync", "save", "read_and_hash", "load")
        times: dict[str, list[float]] = {name: [] for name in ways}
        for step in range(REPEATS + 1):
            for name in ways:
                begin = time.perf_counter()
                getattr(self, name)(step)
                if step:  # the first is the warm-up
                    times[name].append(time.perf_counter() - begin)
        return {name: 1e3 * median(values) for name, values in times.items()}


def saves_and_loads() -> None:
    rows = []
    for megabytes, bar in SIZES.items():
        folder = Path(tempfile.mkdtemp(dir="."))
        try:
            ms = Contest(megabytes, folder).milliseconds()
        finally:
            shutil.rmtree(folder)
        for one, other, limit in (
            ("save", "torch_save", bar),
            ("save", "torch_save_and_fsync", None),
            ("load", "read_and_hash", LOAD_BAR),
        ):
            ratio = ms[one] / ms[other]
            texts = [
                f"{megabytes} MB",
                one,
                f"{ms[one]:.1f}",
                other,
                f"{ms[other]:.1f}",
            ]
            bar_text = "" if limit is None else f"{limit}"
            rows.append([*texts, f"{ratio:.2f}", bar_text, verdict(ratio, limit)])
    print_table(["checkpoint", "", "ms", "against", "ms", "ratio", "bar", ""], rows)


def seconds_of(steps: int, run: gt.Run | None) -> float:
    """Time a training of so many updates, by the clock."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())
    model.append(nn.Linear(512, 1))
    trainer = gt.Trainer(model, nn.MSELoss(), torch.optim.AdamW(model.parameters()))
    x = torch.randn(100 * 64, 64)
    callbacks = [run] if run is not None else []
    begin = time.perf_counter()
    trainer.fit(
        (x, x[:, :1]),
        epochs=steps // 100,
        batch_size=64,
        seed=0,
        callbacks=callbacks,
        progress=False,
    )
    return time.perf_counter() - begin


def loop() -> None:
    """Compare a loop with a checkpoint every 30 s with one without, in turn."""
    per_step = seconds_of(1000, None) / 1000
    part = max(100, int(LOOP_SECONDS / 6 / per_step) // 100 * 100)
    plain: list[float] = []
    saved: list[float] = []
    for _ in range(6):
        # Sixths in turn, so that what else the machine does meets both.
        plain.append(seconds_of(part, None))
        folder = Path(tempfile.mkdtemp(dir="."))
        run = gt.Run(folder / "run", every_s=EVERY_S / 6)
        saved.append(seconds_of(part, run))
        shutil.rmtree(folder)
    ratio = median(s / p for s, p in zip(saved, plain, strict=True))
    every = f"{EVERY_S / 6:.0f} s"
    print(
        f"\nA loop of {part:,} updates ({median(plain):.1f} s) with checkpoints "
        f"of 4 MB at its start, its end and every {every}, in times of the loop "
        f"without: {ratio:.3f} (bar {LOOP_BAR} for one every {EVERY_S:.0f} s: "
        f"{verdict(ratio, LOOP_BAR)})."
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    saves_and_loads()
    loop()
