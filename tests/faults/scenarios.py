"""Trainings of a few steps, each of which must end the same wherever it is stopped.

``python -m tests.faults.scenarios NAME RUN END [WHEN STEP]`` does one of them in a new
process, killed at a moment or with its end written to a file.
"""

import contextlib
import itertools
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    WeightedRandomSampler,
)

import gradatim as gt
from gradatim.data.batches import as_batches
from gradatim.run.checkpoint import Checkpoints
from tests.bits import random_state

_fixed = torch.Generator().manual_seed(0)
X = torch.randn(22, 3, generator=_fixed)
Y = X.sum(1, keepdim=True).sin() + 0.1 * torch.randn(22, 1, generator=_fixed)
VAL = X[:7] + 0.5, Y[:7]
PAIR = {"batch_size": 6, "seed": 1}
"""Four batches an epoch, the last of four rows."""

EVERY_STEP = {"every_s": 0.0}
TIMES = ("epoch_time_s", "samples_per_s")


def nothing(*moment):
    pass


def seed_all(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def layers(*more):
    return nn.Sequential(nn.Linear(3, 5), *more, nn.Tanh(), nn.Linear(5, 1))


# --- With the trainer -----------------------------------------------------------------


@dataclass
class Fit:
    """What ``trainer.fit`` is given."""

    trainer: gt.Trainer
    train: Any = (X, Y)
    val: Any = None
    callbacks: Sequence[Any] = ()
    options: dict = field(default_factory=lambda: dict(PAIR))
    monitor: str | None = None
    epochs: int | None = 3


class At(gt.Callback):
    """Tell each moment at which a process may end, after the run's checkpoint of it."""

    goes_last = True

    def __init__(self, at):
        self.at = at

    def on_epoch_begin(self, trainer):
        if trainer.num_steps == 0:
            self.at("step", 0)

    def on_step_end(self, trainer, loss):
        self.at("step", trainer.num_steps)

    def on_epoch_end(self, trainer):
        self.at("epoch", trainer.epoch)


TRAININGS: dict[str, Callable[..., dict[str, Any]]] = {}
"""``training(path, at=nothing, seed=0, **run)`` gives all that is left at the end.

Without a path there is no run. Another seed has other weights to begin with, and other
numbers drawn: going on, nothing of it may be seen.
"""


def by_trainer(make):
    def training(path, at=nothing, seed=0, **run):
        seed_all(seed)
        fit = make()
        runs = [] if path is None else [gt.Run(path, monitor=fit.monitor, **run)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gt.errors.GradatimWarning)
            history = fit.trainer.fit(
                fit.train,
                fit.val,
                epochs=fit.epochs,
                callbacks=[*runs, *fit.callbacks, At(at)],
                progress=False,
                **fit.options,
            )
        trainer = fit.trainer
        return {
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "loss": trainer.loss_fn.state_dict(),
            "callbacks": [each.state_dict() for each in fit.callbacks],
            "history": {k: v for k, v in history.items() if k not in TIMES},
            "stop_reason": history.stop_reason,
            "epoch": trainer.epoch,
            "steps": trainer.num_steps,
            "samples": trainer.num_samples,
            "skipped": trainer.train_step.num_skipped,
            "random": random_state(),
        }

    TRAININGS[make.__name__] = training
    return make


def trainer_of(model, optimizer=torch.optim.SGD, lr=0.05, options=None, **trainer):
    optimizer = optimizer(model.parameters(), lr=lr, **(options or {}))
    return gt.Trainer(model, nn.MSELoss(), optimizer, **trainer)


def one_cycle(trainer):
    schedule = OneCycleLR(trainer.optimizer, max_lr=0.1, total_steps=12)
    return gt.LRScheduler(schedule, per="step")


def largest_error(predictions, targets):
    return (predictions - targets).abs().max()


@by_trainer
def dropout_adamw_one_cycle():
    trainer = trainer_of(
        layers(nn.Dropout(0.4)),
        torch.optim.AdamW,
        max_norm=0.5,
        metrics={"error": largest_error},
    )
    return Fit(trainer, val=VAL, callbacks=[one_cycle(trainer)], monitor="val_error")


@by_trainer
def batch_norm_momentum_early_stopping():
    trainer = trainer_of(layers(nn.BatchNorm1d(5)), lr=0.3, options={"momentum": 0.9})
    stopping = gt.EarlyStopping(patience=1)
    return Fit(trainer, val=VAL, callbacks=[stopping], monitor="val_loss", epochs=9)


@by_trainer
def early_stopping_that_waits():
    trainer = trainer_of(layers(nn.Dropout()), torch.optim.RMSprop, lr=0.1)
    stopping = gt.EarlyStopping("train_loss", mode="max", patience=9)
    return Fit(trainer, callbacks=[stopping], monitor="train_loss")


@by_trainer
def plateau_microbatches():
    trainer = trainer_of(
        layers(nn.Dropout(0.2)), options={"momentum": 0.9}, num_microbatches=4
    )
    schedule = ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=0.5)
    return Fit(trainer, val=VAL, callbacks=[gt.LRScheduler(schedule)])


@by_trainer
def nan_batch_left_out():
    trainer = trainer_of(layers(nn.BatchNorm1d(5)), on_nonfinite="skip")
    y = Y.clone()
    y[7] = torch.nan
    return Fit(trainer, (X, y), callbacks=[one_cycle(trainer)])


class TrainedLoss(nn.Module):
    """Learns a weight, and keeps a running mean of the targets."""

    def __init__(self):
        super().__init__()
        self.log_weight = nn.Parameter(torch.rand(()))
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, predictions, targets):
        with torch.no_grad():
            self.mean.lerp_(targets.mean(0), 0.1)
        errors = (predictions - targets + 0.1 * self.mean).square().mean()
        return errors * self.log_weight.exp() - self.log_weight


@by_trainer
def trained_loss():
    model, loss_fn = layers(nn.Dropout()), TrainedLoss()
    parameters = [*model.parameters(), *loss_fn.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    return Fit(gt.Trainer(model, loss_fn, optimizer), val=VAL)


@by_trainer
def bfloat16():
    trainer = trainer_of(layers(nn.Dropout()), torch.optim.Adam, precision="bf16")
    return Fit(trainer, options={**PAIR, "drop_last": True})


class Unfreezes(gt.Callback):
    """Lets the first layer train from an epoch on, in a group of its own."""

    def __init__(self, epoch):
        self.epoch, self.is_done = epoch, False

    def state_dict(self):
        return {"is_done": self.is_done}

    def load_state_dict(self, state):
        self.is_done = state["is_done"]

    def on_epoch_begin(self, trainer):
        if trainer.epoch == self.epoch and not self.is_done:
            self.is_done = True
            first, _, norm, _ = trainer.model
            norm.eval()
            group = list(first.requires_grad_().parameters())
            trainer.optimizer.add_param_group({"params": group, "lr": 0.01})


@by_trainer
def layer_unfrozen_on_the_way():
    model = nn.Sequential(
        nn.Linear(3, 5), nn.Dropout(0.3), nn.BatchNorm1d(5), nn.Linear(5, 1)
    )
    model[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(model[2:].parameters(), lr=0.05)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    return Fit(trainer, val=VAL, callbacks=[Unfreezes(1)])


class Augmented(Dataset):
    """Draws from every global generator, in the process that reads it."""

    def __len__(self):
        return 22

    def __getitem__(self, row):
        noise = torch.rand(()) + np.random.rand() + random.random()
        return (X[row] + 0.1 * noise).float(), Y[row]


class Draws(gt.Callback):
    """Draws at each hook that is called where a run is gone on with."""

    def on_fit_begin(self, trainer):
        torch.rand(1)

    def on_epoch_begin(self, trainer):
        torch.rand(1)
        random.random()


@by_trainer
def rows_that_draw():
    trainer = trainer_of(layers(nn.Dropout()))
    return Fit(trainer, Augmented(), Augmented(), callbacks=[Draws()])


@by_trainer
def rows_that_draw_in_workers():
    trainer = trainer_of(layers(nn.Dropout()))
    return Fit(trainer, Augmented(), options={**PAIR, "num_workers": 2})


def loader_of(**options):
    return DataLoader(Augmented(), batch_size=6, shuffle=True, **options)


def by_loader(loader, val=None):
    return Fit(trainer_of(layers(nn.Dropout())), loader, val, options={})


@by_trainer
def loader_shuffled_by_the_global_generator():
    return by_loader(loader_of(), val=loader_of())


@by_trainer
def loader_shuffled_by_the_global_generator_with_workers():
    return by_loader(loader_of(num_workers=2))


@by_trainer
def loader_with_its_own_generator():
    own = torch.Generator().manual_seed(5)
    return by_loader(loader_of(generator=own), val=loader_of(generator=own))


@by_trainer
def loader_with_its_own_generator_and_workers():
    own = torch.Generator().manual_seed(5)
    return by_loader(loader_of(generator=own, num_workers=2))


@by_trainer
def weighted_sampler():
    sampler = WeightedRandomSampler(torch.arange(22.0), 22)
    loader = DataLoader(TensorDataset(X, Y), batch_size=6, sampler=sampler)
    return by_loader(loader)


class Stream(IterableDataset):
    """Rows in an order of its own, that can be gone on with from any of them."""

    def __init__(self, num_rows):
        self.num_rows = num_rows
        self.next_row = 0

    def __iter__(self):
        while self.next_row < self.num_rows:
            row, self.next_row = self.next_row, self.next_row + 1
            yield X[row] + 0.1 * torch.rand(()), Y[row]
        self.next_row = 0

    def state_dict(self):
        return {"next_row": self.next_row}

    def load_state_dict(self, state):
        self.next_row = state["next_row"]


@by_trainer
def stream_with_a_partial_batch():
    return Fit(trainer_of(layers(nn.Dropout())), Stream(22), options={"batch_size": 6})


@by_trainer
def stream_of_whole_batches():
    return Fit(trainer_of(layers(nn.Dropout())), Stream(18), options={"batch_size": 6})


@by_trainer
def stream_that_drops_its_last_batch():
    options = {"batch_size": 6, "drop_last": True}
    return Fit(trainer_of(layers(nn.Dropout())), Stream(22), options=options)


class ToldStream(Stream):
    """Begins anew when it is told the epoch, as some do."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch, self.next_row = epoch, 0

    def __iter__(self):
        for row in range(self.next_row, self.num_rows):
            self.next_row = row + 1
            yield X[row] + 0.1 * self.epoch, Y[row]


@by_trainer
def stream_that_is_told_the_epoch():
    options = {"batch_size": 6}
    return Fit(trainer_of(layers(nn.Dropout())), ToldStream(22), options=options)


class EndlessStream(Stream):
    """Rows without an end, which can be gone on with from any of them."""

    def __init__(self):
        super().__init__(num_rows=22)

    def __iter__(self):
        while True:
            yield from super().__iter__()


class WithParts(nn.Module):
    """Gives the loss, and a part of it."""

    def forward(self, predictions, targets):
        errors = predictions - targets
        return {"loss": errors.square().mean(), "size": errors.detach().abs().mean()}


class Bias:
    """A metric object that can be gone on with: the mean error, batch by batch."""

    def __init__(self):
        self.reset()

    def update(self, predictions, targets):
        self.total += float((predictions - targets).sum())
        self.count += len(targets)

    def compute(self):
        return self.total / self.count

    def reset(self):
        self.total, self.count = 0.0, 0

    def state_dict(self):
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state):
        self.total, self.count = state["total"], state["count"]


class Logs(gt.Callback):
    def on_epoch_begin(self, trainer):
        trainer.log(begun=trainer.epoch)

    def on_step_end(self, trainer, loss):
        trainer.log(double=2 * loss)


@by_trainer
def parts_and_metrics_in_float16():
    model = layers(nn.Dropout())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    trainer = gt.Trainer(
        model,
        WithParts(),
        optimizer,
        metrics={"bias": Bias()},
        train_metrics={"bias": Bias(), "most": largest_error},
        precision="fp16",
        max_norm=0.5,
    )
    callbacks = [Logs(), gt.StepValues("grad_norm", "lr")]
    return Fit(trainer, val=VAL, callbacks=callbacks, monitor="val_size")


@by_trainer
def averages_and_early_stopping():
    trainer = trainer_of(layers(nn.Dropout(0.2)), torch.optim.Adam)
    callbacks = [gt.EMA(0.8), gt.EarlyStopping(patience=2)]
    return Fit(trainer, val=VAL, callbacks=callbacks, monitor="val_loss", epochs=4)


@by_trainer
def layer_frozen_until_an_epoch():
    model = layers(nn.Dropout())
    optimizer = torch.optim.SGD(model[1:].parameters(), lr=0.05, momentum=0.9)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    return Fit(trainer, callbacks=[gt.Freeze("0", until_epoch=2, lr=0.01)])


@by_trainer
def endless_stream_by_steps():
    """Epochs of five updates, a validation after every third, an end in between."""
    trainer = trainer_of(layers(nn.Dropout()), options={"momentum": 0.9})
    schedule = ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=0.5)
    callbacks = [gt.LRScheduler(schedule), gt.EarlyStopping(patience=9)]
    options = {"batch_size": 6, "epoch_steps": 5, "max_steps": 13, "val_every": 3}
    return Fit(
        trainer, EndlessStream(), VAL, callbacks, options, "val_loss", epochs=None
    )


@by_trainer
def passes_by_steps():
    """Epochs of three updates over passes of four, averaged from the second on."""
    trainer = trainer_of(layers(nn.Dropout()), torch.optim.Adam)
    options = {**PAIR, "epoch_steps": 3, "val_every": 2}
    return Fit(trainer, val=VAL, callbacks=[gt.SWA(2)], options=options, epochs=4)


# --- Loops of one's own ---------------------------------------------------------------


class NoRun:
    """The loop as it would be written without a run."""

    def __init__(self):
        self.step = self.epoch = 0
        self.epoch_ends = False
        self.history = gt.History()

    def track(self, *step, **objects):
        pass

    def batches(self, data, *, epochs=None, max_steps=None, **options):
        length = options.pop("epoch_steps", None)
        batches = as_batches(data, **options)
        length, number = length or len(batches), 0
        for number_of_pass in itertools.count():
            for batch in batches.epoch(number_of_pass):
                number += 1
                self.epoch_ends = number == length
                yield batch
                self.step += 1
                if self.epoch_ends:
                    self.epoch, number = self.epoch + 1, 0
                if self.epoch == epochs or self.step == max_steps:
                    return

    def log(self, **values):
        values = {
            k: v if v is True or v is False else float(v) for k, v in values.items()
        }
        row = {"step": self.step + 1, "epoch": self.epoch + 1, **values}
        self.history.append(row)

    def best(self, value):
        pass


def by_loop(loop):
    def training(path, at=nothing, seed=0, **options):
        seed_all(seed)
        run = NoRun() if path is None else gt.Run(path, **options)
        objects = loop(run, lambda: at("step", run.step))
        at("end", run.step)
        return {
            **{name: each.state_dict() for name, each in objects.items()},
            "grads": [
                [p.grad for p in each.parameters()]
                for each in objects.values()
                if isinstance(each, nn.Module)
            ],
            "history": dict(run.history),
            "random": random_state(),
        }

    TRAININGS[loop.__name__] = training
    return loop


@by_loop
def loop_with_validation(run, at):
    model = layers(nn.Dropout(0.3), nn.BatchNorm1d(5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
    by_epoch = StepLR(optimizer, 1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer, max_norm=1.0)
    val_step = gt.make_val_step(model, nn.MSELoss())
    objects = {
        "model": model,
        "optimizer": optimizer,
        "schedule": schedule,
        "by_epoch": by_epoch,
    }
    run.track(**objects)
    for x, y in run.batches((X, Y), epochs=3, **PAIR):
        at()
        loss = train_step(x, y)
        schedule.step()
        if run.epoch_ends:
            by_epoch.step()
            val_loss = val_step(*VAL)
            run.best(val_loss)
            run.log(loss=loss, val_loss=val_loss)
    return objects


@by_loop
def loop_that_adds_gradients_up(run, at):
    model = layers(nn.Dropout(0.3))
    average = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    objects = {
        "model": model,
        "average": average,
        "optimizer": optimizer,
        "scaler": scaler,
    }
    run.track(**objects)
    for x, y in run.batches((X, Y), epochs=3, **PAIR):
        at()
        loss = nn.functional.mse_loss(model(x), y) / 3
        scaler.scale(loss).backward()
        if (run.step + 1) % 3 == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            average.update_parameters(model)
            run.best(loss.detach())
        run.log(loss=loss.detach())
    return objects


@by_loop
def loop_that_tracks_a_step(run, at):
    """It changes the step on the way, too."""
    model, loss_fn = layers(nn.Dropout(0.3)), TrainedLoss()
    model[0].requires_grad_(False)
    optimizer = torch.optim.Adam([*model[-1:].parameters(), *loss_fn.parameters()])
    schedule = StepLR(optimizer, 3)
    train_step = gt.make_train_step(model, loss_fn, optimizer, lr_scheduler=schedule)
    run.track(train_step)
    for x, y in run.batches((X, Y), epochs=3, **PAIR):
        at()
        if run.step == 5:
            first = list(model[0].requires_grad_().parameters())
            optimizer.add_param_group({"params": first, "lr": 0.2})
            train_step.max_norm = 0.5
        run.log(loss=train_step(x, y))
    return {
        "model": model,
        "loss": loss_fn,
        "optimizer": optimizer,
        "schedule": schedule,
    }


@by_loop
def loop_of_a_gan(run, at):
    maker = nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    )
    spectral = nn.utils.parametrizations.spectral_norm
    critic = nn.Sequential(spectral(nn.Linear(3, 8)), nn.Dropout(), nn.Linear(8, 1))
    objects = {
        "maker": maker,
        "critic": critic,
        "maker_optimizer": torch.optim.Adam(maker.parameters(), betas=(0.5, 0.9)),
        "critic_optimizer": torch.optim.RMSprop(critic.parameters()),
    }
    run.track(**objects)
    for x in run.batches(X, epochs=3, **PAIR):
        at()
        made = maker(torch.randn(len(x), 2))
        critic_loss = critic(made.detach()).mean() - critic(x).mean()
        objects["critic_optimizer"].zero_grad()
        critic_loss.backward()
        objects["critic_optimizer"].step()
        maker_loss = -critic(made).mean()
        objects["maker_optimizer"].zero_grad()
        maker_loss.backward()
        objects["maker_optimizer"].step()
        run.log(maker=maker_loss.detach(), critic=critic_loss.detach())
    return objects


def loop_over(run, at, data, **options):
    model = layers(nn.Dropout())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run.track(model=model, optimizer=optimizer)
    for x, y in run.batches(data, **{"epochs": 3, **options}):
        at()
        run.log(loss=train_step(x, y), ends=run.epoch_ends)
    return {"model": model, "optimizer": optimizer}


@by_loop
def loop_over_a_loader(run, at):
    return loop_over(run, at, loader_of())


@by_loop
def loop_over_a_loader_with_workers(run, at):
    own = torch.Generator().manual_seed(5)
    return loop_over(run, at, loader_of(num_workers=2, generator=own))


@by_loop
def loop_over_a_stream_by_steps(run, at):
    """Epochs of five updates, and an end in the middle of one."""
    steps = {"epoch_steps": 5, "max_steps": 13}
    return loop_over(run, at, EndlessStream(), epochs=None, batch_size=6, **steps)


@by_loop
def loop_over_passes_by_steps(run, at):
    """Epochs of three updates over passes of four, or with others of six."""
    return loop_over(run, at, (X, Y), epochs=4, epoch_steps=3, **PAIR)


@by_loop
def loop_over_a_loader_by_steps(run, at):
    return loop_over(run, at, loader_of(), epochs=2, epoch_steps=6)


@by_loop
def loop_over_rows_that_draw(run, at):
    return loop_over(run, at, Augmented(), **PAIR)


# --- Stopped --------------------------------------------------------------------------

WITH_WORKERS = [name for name in TRAININGS if name.endswith("workers")]


def signal_at(moment, number):
    """Give an ``at`` that sends this process a signal at a moment."""

    def at(*now):
        if now == moment:
            os.kill(os.getpid(), number)

    return at


def best_of(path):
    record = Checkpoints(path).newest_header()
    assert record is not None
    return record.best


def main(name, path, end, when=None, step=None):
    torch.set_num_threads(1)
    at, seed = nothing, 99
    if when is not None:
        at, seed = signal_at((when, int(step)), signal.SIGKILL), 0
    found = TRAININGS[name](path, at, seed, **EVERY_STEP)
    torch.save(found, end)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(*sys.argv[1:])
