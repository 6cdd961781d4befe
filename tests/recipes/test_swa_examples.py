"""The two examples of torch.optim.swa_utils' documentation, in their loop and in ours.

https://docs.pytorch.org/docs/stable/optim.html#putting-it-all-together-swa and -ema.
"""

import torch
from torch import nn
from torch.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_multi_avg_fn,
    update_bn,
)
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from tests.recipes.by_hand import Losses, assert_same

EPOCHS, SWA_START = 8, 4
X = torch.linspace(-1, 1, 24).view(24, 1)
ROWS = TensorDataset(X, 3 * X + 1)


def parts():
    model = nn.Sequential(
        nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return DataLoader(ROWS, 8, shuffle=True), model, optimizer, nn.MSELoss()


def swa_by_hand():
    loader, model, optimizer, loss_fn = parts()
    swa_model, losses, rates = AveragedModel(model), [], []
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    swa_scheduler = SWALR(optimizer, swa_lr=0.05)
    for epoch in range(EPOCHS):
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
        if epoch > SWA_START:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        else:
            scheduler.step()
    update_bn(loader, swa_model)
    weights = swa_model.module.state_dict()
    return weights, {"losses": losses, "rates": rates, "means": {}}


class Schedules(gt.Callback):
    """One schedule up to an epoch, and another from there on."""

    def __init__(self, scheduler, swa_scheduler):
        self.scheduler, self.swa_scheduler = scheduler, swa_scheduler

    def on_epoch_end(self, trainer):
        is_late = trainer.epoch > SWA_START + 1
        (self.swa_scheduler if is_late else self.scheduler).step()


def swa():
    loader, model, optimizer, loss_fn = parts()
    losses, averages = Losses(), gt.SWA(start_epoch=SWA_START + 2)  # counted from 1
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    schedules = Schedules(scheduler, SWALR(optimizer, swa_lr=0.05))
    trainer = gt.Trainer(model, loss_fn, optimizer)
    callbacks = [losses, averages, schedules]
    history = trainer.fit(loader, epochs=EPOCHS, callbacks=callbacks, progress=False)
    assert averages.num_averaged == EPOCHS - SWA_START - 1
    update_bn(loader, model)
    numbers = {"losses": losses.values, "rates": history["lr"], "means": {}}
    return model.state_dict(), numbers


def test_swa():
    assert_same(swa_by_hand, swa)


def ema_by_hand():
    loader, model, optimizer, loss_fn = parts()
    ema_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    losses = []
    for _ in range(EPOCHS):
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            ema_model.update_parameters(model)
            losses.append(loss.item())
    update_bn(loader, ema_model)
    return ema_model.module.state_dict(), {"losses": losses, "means": {}}


def ema():
    loader, model, optimizer, loss_fn = parts()
    trainer, losses = gt.Trainer(model, loss_fn, optimizer), Losses()
    callbacks = [losses, gt.EMA(0.999)]
    trainer.fit(loader, epochs=EPOCHS, callbacks=callbacks, progress=False)
    update_bn(loader, model)
    return model.state_dict(), {"losses": losses.values, "means": {}}


def test_ema():
    assert_same(ema_by_hand, ema)
