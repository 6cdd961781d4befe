"""What is watched is put back: every name, by identity, and every hook."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks_of_all
from torch.optim import optimizer as optimizers
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader

import gradatim.doctor as doctor
from gradatim.watching.patches import LOSSES

OWNERS = [
    F,
    torch,
    torch.autograd,
    torch.Tensor,
    nn.Module,
    torch.optim.Optimizer,
    torch.optim.SGD,
    torch.optim.LBFGS,
    LRScheduler,
    ReduceLROnPlateau,
    DataLoader,
]


def everything():
    names = {(i, n): v for i, o in enumerate(OWNERS) for n, v in vars(o).items()}
    hooks = [
        dict(getattr(hooks_of_all, name))
        for name in vars(hooks_of_all)
        if name.startswith("_global_") and name.endswith("hooks")
    ]
    hooks.append(dict(optimizers._global_optimizer_pre_hooks))
    hooks.append(dict(optimizers._global_optimizer_post_hooks))
    return names, hooks


def train(model, steps=3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(model(torch.ones(4, 2)), torch.zeros(4, 1)).backward()
        optimizer.step()


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_it_was(fails):
    names, hooks = everything()
    model = nn.Linear(2, 1)
    raises = pytest.raises(ZeroDivisionError) if fails else None
    with doctor.watch():
        assert F.mse_loss is not names[0, "mse_loss"]
    if raises is not None:
        with raises, doctor.watch():
            train(model)
            1 / 0  # noqa: B018
    else:
        with doctor.watch():
            train(model)
    after, hooks_after = everything()
    assert after.keys() == names.keys()
    assert [key for key in names if after[key] is not names[key]] == []
    assert hooks_after == hooks
    assert not model._forward_hooks and not model._forward_pre_hooks


def test_the_losses_that_are_patched_exist():
    assert all(callable(getattr(F, name)) for name in LOSSES)


def test_one_watch_in_another():
    with doctor.watch() as outer, doctor.watch() as inner:
        train(nn.Linear(2, 1))
    assert outer.seen.num_steps == inner.seen.num_steps == 3
