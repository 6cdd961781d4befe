"""Trainings with a run in its two forms, and what the tests of both ask of it."""

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import (
    Dataset,
    IterableDataset,
)

import gradatim as gt
from gradatim.run.checkpoint import Checkpoints
from gradatim.store.lock import HELD

X = torch.linspace(-1, 1, 24).view(12, 2)
Y = X.sum(1, keepdim=True).sin()
VAL = X[:5] + 0.1, Y[:5]


def network(width=3, dropout=0.3):
    return nn.Sequential(nn.Linear(2, width), nn.Dropout(dropout), nn.Linear(width, 1))


def make_trainer(*, model=None, loss_fn=None, optimizer=SGD, lr=0.1, **options):
    """Make a trainer, from one seed."""
    torch.manual_seed(0)
    model = model or network()
    optimizer = optimizer(model.parameters(), lr=lr)
    return gt.Trainer(model, loss_fn or nn.MSELoss(), optimizer, **options)


def fit(path, *, run=None, first=True, callbacks=lambda trainer: [], **options):
    """Fit with a run, three steps an epoch; give the trainer.

    Args:
        path: The run's folder.
        run: A run, where it is not a new one.
        first: Whether the run stands before the other callbacks.
        callbacks: Makes these, given the trainer.
        options: What ``make_trainer`` takes (or ``trainer``, a dict of more), what
            ``Trainer.fit`` takes (or ``options``, a dict, in place of the batch size),
            and what ``Run`` takes.
    """
    made = taken(options, "model", "loss_fn", "optimizer", "lr")
    trainer = make_trainer(**made, **options.pop("trainer", {}))
    fitted = {"epochs": 2, **taken(options, "epochs")}
    fitted |= options.pop("options", {"batch_size": 4})
    train, val = options.pop("train", (X, Y)), options.pop("val", None)
    run = run or gt.Run(path, **options)
    others = callbacks(trainer)
    both = [run, *others] if first else [*others, run]
    trainer.fit(train, val, callbacks=both, progress=False, **fitted)
    return trainer


def loop(path, *, run=None, at=lambda run: None, **options):
    """Loop with a run, three steps an epoch; give the run and what it tracks.

    Args:
        path: The run's folder.
        run: A run, where it is not a new one.
        at: Called in each step, with the run.
        options: ``model``, ``optimizer``, ``lr`` and ``schedule``, which makes a
            schedule; ``data``, ``epochs`` and ``options``, a dict, in place of the
            batch size; and what ``Run`` takes.
    """
    torch.manual_seed(0)
    model = options.pop("model", None) or network()
    lr = options.pop("lr", 0.1)
    optimizer = options.pop("optimizer", SGD)(model.parameters(), lr=lr)
    scheduler = options.pop("schedule", lambda optimizer: None)(optimizer)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    looped = {"epochs": 2, **taken(options, "epochs")}
    looped |= options.pop("options", {"batch_size": 4})
    data = options.pop("data", (X, Y))
    run = run or gt.Run(path, **options)
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    for batch in run.batches(data, **looped):
        loss = train_step(*batch)
        if scheduler is not None:
            scheduler.step()
        run.log(loss=loss)
        at(run)
    return run, model, optimizer


def taken(options, *names):
    """Take some options out of all."""
    return {name: options.pop(name) for name in names if name in options}


def states(objects):
    return [each.state_dict() for each in objects]


def record_of(path):
    return Checkpoints(path).newest_header()


def names_in(path):
    return sorted(Checkpoints(path).names(), key=lambda name: int(name[5:]))


def is_locked(path):
    return any(key[1] == str((path / "lock").resolve()) for key in HELD)


class At(gt.Callback):
    """Call a function after an update, or at another hook."""

    def __init__(self, step, function, hook="on_step_end"):
        self.step, self.function = step, function
        setattr(self, hook, self.call)

    def call(self, trainer, *_):
        if trainer.num_steps == self.step:
            self.function()


def at_step(step, function):
    """The same for a loop."""

    def at(run):
        if run.step + 1 == step:
            function()

    return at


def error():
    raise KeyError("mine")


def stopping_at(form, step, function):
    """Give the options with which ``function`` is called after a step."""
    if form is fit:
        return {"callbacks": lambda trainer: [At(step, function)]}
    return {"at": at_step(step, function)}


class Rows(Dataset):
    def __init__(self, x=X):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row], self.x[row, :1]


def one_cycle(**options):
    def callbacks(trainer):
        schedule = OneCycleLR(trainer.optimizer, **{"total_steps": 99, **options})
        return [gt.LRScheduler(schedule, per="step")]

    return callbacks


def stopping(**options):
    return lambda trainer: [gt.EarlyStopping("train_loss", **options)]


class Scaled(nn.Module):
    """As a loss with weights of classes."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, predictions, targets):
        return self.weight * nn.functional.mse_loss(predictions, targets)


def momentum_of(momentum):
    return lambda parameters, lr: SGD(parameters, lr=lr, momentum=momentum)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))
