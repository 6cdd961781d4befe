"""Show that a refactoring moved no behaviour: record it before, compare it after.

    python benchmarks/unmoved.py --write before.json
    python benchmarks/unmoved.py --against before.json

The record has the public names with their arguments, the weights and histories of
twelve trainings, what every command of the command line prints and writes, and graphs
and traces. Only the public names and the command line are used, so that modules may
move. A difference is printed under the name of what differs, and the exit code is 1.

The bits of a training depend on the machine: write and compare on the same one.
"""

import argparse
import contextlib
import difflib
import inspect
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from unmoved_commands import commands
from unmoved_texts import (
    Record,
    digest,
    text_of_training,
    texts_of_files,
    with_placeholders,
)

# --- Public names ---------------------------------------------------------------------


def public_names() -> Record:
    """List what users import, with arguments, defaults and methods."""
    record = {}
    for module in (gt, gt.data):
        lines = []
        for name in sorted(module.__all__):
            lines += [name, *_arguments_of(name, getattr(module, name))]
        record[f"names of {module.__name__}"] = "\n".join(lines)
    return record


def _arguments_of(name: str, value: Any) -> Iterable[str]:
    """Write a function's arguments without annotations, and those of all methods."""
    if inspect.ismodule(value):
        return
    members = {name: value}
    if inspect.isclass(value):
        public = {k: v for k, v in inspect.getmembers(value) if k[0] != "_"}
        members |= {f"{name}.{key}": each for key, each in public.items()}
    for key, member in members.items():
        try:
            arguments = inspect.signature(member).parameters.values()
        except (TypeError, ValueError):  # an attribute, or written in C
            yield f"  {key}"
            continue
        plain = [each.replace(annotation=inspect.Parameter.empty) for each in arguments]
        yield f"  {key}({', '.join(map(str, plain))})"


# --- Trainings in Python --------------------------------------------------------------


class TerminateAfter(gt.Callback):
    """Ask for the end by SIGTERM, as a cluster does, after an update."""

    only_watches = True

    def __init__(self, num_steps: int | None) -> None:
        self.num_steps = num_steps

    def on_step_end(self, trainer: gt.Trainer, loss: Tensor) -> None:
        """Send the signal; the training ends after the next update."""
        if trainer.num_steps == self.num_steps:
            signal.raise_signal(signal.SIGTERM)


def make_data(num_rows: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(num_rows, 4, generator=generator)
    noise = 0.1 * torch.randn(num_rows, 1, generator=generator)
    return x, x.sum(dim=1, keepdim=True).sin() + noise


def make_model() -> nn.Sequential:
    torch.manual_seed(0)
    hidden = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.1)]
    return nn.Sequential(*hidden, nn.Linear(8, 1))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    trainer_options: dict[str, Any] | None = None,
    **fit_options: Any,
) -> str:
    """Train with a ``gt.Trainer``: 45 rows, and 15 more to validate, if not told else.

    ``fit_options`` go before three epochs of batches of 8 rows.
    """
    x, y = make_data()
    data = {"train": (x[:45], y[:45]), "val": (x[45:], y[45:])}
    usual = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False}
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer, **trainer_options or {})
    history = trainer.fit(**data | usual | fit_options)
    return text_of_training(model, history)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def plain(folder: Path) -> str:
    model = make_model()
    return train(model, adam(model), val=None)


def microbatches(folder: Path) -> str:
    model = make_model()
    return train(model, adam(model), {"num_microbatches": 3}, batch_size=9)


def bf16(folder: Path) -> str:
    model = make_model()
    return train(model, adam(model), {"precision": "bf16"})


def stopped_early(folder: Path) -> str:
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    callbacks = [gt.EarlyStopping(patience=2), gt.LRScheduler(scheduler)]
    options = {"metrics": {"mae": nn.functional.l1_loss}, "max_norm": 1.0}
    return train(model, optimizer, options, callbacks=callbacks, epochs=30)


def lbfgs(folder: Path) -> str:
    model = nn.Linear(4, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return train(model, torch.optim.LBFGS(model.parameters()), batch_size=45)


def workers(folder: Path) -> str:
    model, generator = make_model(), torch.Generator().manual_seed(5)
    rows = TensorDataset(*make_data())
    loader = DataLoader(
        rows, batch_size=8, shuffle=True, num_workers=2, generator=generator
    )
    return train(model, adam(model), train=loader, batch_size=None, seed=None, val=None)


def own_loop(folder: Path) -> str:
    model, history = make_model(), gt.History()
    optimizer = adam(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4)
    train_step = gt.make_train_step(
        model, nn.MSELoss(), optimizer, lr_scheduler=scheduler, max_norm=0.5
    )
    val_step = gt.make_val_step(model, nn.MSELoss())
    for x, y in gt.data.Batches(make_data(), batch_size=16, seed=2):
        history.append({"loss": train_step(x, y).item()})
    history.append({"val_loss": val_step(*make_data(8)).item()})
    return text_of_training(model, history)


def own_loop_with_run(path: Path, terminate_after: int | None = None) -> str:
    model = make_model()
    optimizer = adam(model)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, every_s=None, every_steps=4, config={"lr": 0.01})
    run.track(model=model, optimizer=optimizer)
    for x, y in run.batches(make_data(), batch_size=8, epochs=2, seed=2):
        loss = train_step(x, y)
        run.log(loss=loss)
        run.best(loss, name="loss")
        if run.step == terminate_after:
            signal.raise_signal(signal.SIGTERM)
    return text_of_training(model, run.history)


def trainer_with_run(path: Path, terminate_after: int | None = None) -> str:
    model = make_model()
    optimizer = adam(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    callbacks = [
        gt.EarlyStopping(patience=5),
        gt.LRScheduler(scheduler),
        TerminateAfter(terminate_after),
        gt.Run(path, every_s=None, every_epochs=1, monitor="val_loss"),
    ]
    return train(model, optimizer, callbacks=callbacks)


def resumed(training: Callable[..., str], folder: Path, terminate_after: int) -> str:
    """Stop a training in the middle of an epoch, go on with it, and compare both ends.

    Its files are recorded where it stopped and where it ended, too.
    """
    name = training.__name__
    whole = training(folder / f"{name} whole")
    path = folder / f"{name} stopped"
    with contextlib.suppress(SystemExit):
        training(path, terminate_after)
        raise RuntimeError(f"{name} was not stopped after step {terminate_after}.")
    shutil.copytree(path, folder / f"{name} at its stop")
    end = training(path)
    return f"{end}\nas if never stopped: {end == whole}"


def resumed_trainer(folder: Path) -> str:
    return resumed(trainer_with_run, folder, terminate_after=8)


def resumed_loop(folder: Path) -> str:
    return resumed(own_loop_with_run, folder, terminate_after=10)


TRAININGS = (
    *(plain, stopped_early, own_loop, microbatches, bf16, lbfgs, workers),
    *(resumed_trainer, resumed_loop),
)
"""Those in Python; three on tables are made by the command line."""


def trainings(folder: Path) -> Record:
    """Run all trainings in Python."""
    record = {f"training {each.__name__}": each(folder) for each in TRAININGS}
    return record | texts_of_files(folder, folder)


# --- Graphs and traces ----------------------------------------------------------------


def graphs_and_traces(folder: Path) -> Record:
    """Draw the graph of one loss and trace one step, in every form that they have."""
    x, y = make_data(6)
    model = make_model()
    with gt.record(model) as recorded:
        loss = nn.functional.mse_loss(model(x), y)
    plain_loss = nn.functional.mse_loss(make_model()(x), y)
    model = make_model()
    trace = gt.trace_step(model, nn.MSELoss(), adam(model), x, y)
    record = {"trace text": with_placeholders(trace.text(), folder)}
    pages = {"trace page": trace.html(), "trace dict": json.dumps(trace.to_dict())}
    graphs = {
        "recorded": recorded.graph(loss),
        "recorded with data": recorded.graph(loss, data=True),
        "plain": gt.graph(plain_loss),
    }
    for name, graph in graphs.items():
        record[f"graph {name}, text"] = with_placeholders(graph.text(), folder)
        pages |= {
            f"graph {name}, page": graph.html(),
            f"graph {name}, svg": graph.svg(),
            f"graph {name}, dict": json.dumps(graph.to_dict()),
        }
    digests = {k: digest(with_placeholders(v, folder)) for k, v in pages.items()}
    return record | digests


# --- Record and compare ---------------------------------------------------------------

PARTS = (trainings, graphs_and_traces, commands)


def observe() -> Record:
    """Look at everything once, each part in a folder of its own."""
    torch.set_num_threads(1)
    record = public_names()
    for part in PARTS:
        with tempfile.TemporaryDirectory(prefix="unmoved-") as folder:
            record |= part(Path(folder).resolve())
    return record


def differences(before: Record, after: Record) -> list[str]:
    """Give a text for each thing that is gone, new or changed.

    >>> differences({"a": "1", "b": "2"}, {"b": "2", "c": "3"})
    ['gone: a', 'new: c']
    """
    found = [f"gone: {name}" for name in before if name not in after]
    found += [f"new: {name}" for name in after if name not in before]
    for name in (name for name in before if name in after):
        if before[name] != after[name]:
            texts = (each[name].splitlines() for each in (before, after))
            diff = difflib.unified_diff(*texts, "before", "after", lineterm="")
            found.append("\n".join([f"changed: {name}", *diff]))
    return found


def main() -> int:
    """Write the record, or compare it with one that was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", type=Path, metavar="FILE.json")
    choice.add_argument("--against", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    record = observe()
    if arguments.write:
        arguments.write.write_text(json.dumps(record, indent=1, ensure_ascii=False))
        print(f"{len(record)} things recorded: {arguments.write}")
        return 0
    found = differences(json.loads(arguments.against.read_text()), record)
    print(*found, sep="\n\n")
    print(f"{len(record)} things compared, {len(found)} differ")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
