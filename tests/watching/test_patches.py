"""What is watched is put back: every name, by identity, and every hook."""

import dataclasses
import gc
import random
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks_of_all
from torch.optim import optimizer as optimizers
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingWarmRestarts,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

import gradatim.doctor as doctor
from gradatim.ladder import RUNGS
from gradatim.losses import WATCHED_LOSSES
from gradatim.watching import FirstAndLast, Watcher, installed
from gradatim.watching.patches import COMPARED

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
    SequentialLR,
    ChainedScheduler,
    CosineAnnealingWarmRestarts,
    DataLoader,
    _BaseDataLoaderIter,
    random,
    np.random,
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
    train(nn.Linear(2, 1))  # torch imports a part of itself only then
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
    assert all(callable(getattr(F, name)) for name in WATCHED_LOSSES)
    assert all(loss is getattr(F, name) for name, loss in WATCHED_LOSSES.items())


def test_one_watch_in_another():
    with doctor.watch() as outer, doctor.watch() as inner:
        train(nn.Linear(2, 1))
    assert outer.seen.num_steps == inner.seen.num_steps == 3


@pytest.mark.parametrize(
    "rung", [r for r in RUNGS if r.trains], ids=lambda rung: rung.module
)
def test_a_rung_is_the_same_bit_for_bit(rung, unchecked, capsys):
    alone = rung.load()(epochs=3)
    with doctor.watch() as seen:
        watched = rung.load()(epochs=3)
    assert watched == alone
    assert [each for each in seen.findings if each.severity != "info"] == []


def test_a_model_is_compiled_whole():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(5, 3)
    with doctor.watch():
        whole = torch.compile(model, backend="eager", fullgraph=True)
        assert torch.equal(whole(x), model(x))
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
def test_the_update_of_a_compiled_step_is_seen(unchecked):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with doctor.watch() as watch:
        update = torch.compile(optimizer.step, backend="eager")
        F.mse_loss(model(torch.ones(4, 3)), torch.zeros(4, 1)).backward()
        before = model.weight.detach().clone()
        update()
    assert not torch.equal(before, model.weight) and watch.seen.num_steps == 1
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_transformer_takes_the_same_path_in_eval_mode():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(3, 5, 8)
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 5])
    with torch.no_grad():
        alone = model(x, src_key_padding_mask=mask)
        with doctor.watch():
            watched = model(x, src_key_padding_mask=mask)
    assert watched.shape == alone.shape and torch.equal(watched, alone)


@pytest.mark.parametrize("steps", [7_500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_memory_is_bounded(steps, unchecked):
    def sizes(seen):
        for each in dataclasses.fields(seen):
            value = getattr(seen, each.name)
            if isinstance(value, (FirstAndLast, list)):
                yield each.name, len(value)
            elif dataclasses.is_dataclass(value):
                yield from sizes(value)

    model = nn.Linear(2, 1)
    with doctor.watch() as watched:
        train(model, steps=2_500)
        gc.collect()
        early = dict(sizes(watched.seen))
        train(model, steps=steps - 2_500)
        late = dict(sizes(watched.seen))
    assert watched.seen.num_steps == steps
    grown = {n: (early[n], late[n]) for n in late if late[n] > early[n] + 10}
    assert all(after <= 2_000 for _, after in grown.values()), grown
    assert max(late.values()) <= 2_500, late


def test_no_graph_and_no_tensor_is_kept():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    alive = []
    with doctor.watch():
        for _ in range(8):
            output = model(torch.ones(4, 2))
            loss = output.sum()
            loss.backward()
            alive += [weakref.ref(output), weakref.ref(loss)]
            del output, loss
        gc.collect()
        assert [ref for ref in alive if ref() is not None] == []


def test_a_model_may_go():
    with doctor.watch():
        model = nn.Linear(2, 1)
        train(model)
        ref = weakref.ref(model)
        del model
        gc.collect()
        assert ref() is None


def test_threads_train_side_by_side():
    failed = []

    def work():
        try:
            train(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), steps=30)
        except Exception as error:
            failed.append(error)

    with doctor.watch() as watched:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        train(nn.Linear(2, 1))
    assert failed == []
    assert watched.seen.num_steps == 3
    # What the threads called is not taken for what calls the next one.
    assert [each.kind for each in watched.seen.models] == ["Linear"]
    assert watched.seen.forwards.count == 3 and all(
        each.used for each in watched.seen.forwards
    )


def test_a_forward_that_raises_leaves_the_next_one_alone():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
            self.fails = True

        def forward(self, x):
            y = self.inner(x)
            if self.fails:
                raise ArithmeticError
            return y

    model = Nested()
    with doctor.watch() as watched:
        for _ in range(3):
            with pytest.raises(ArithmeticError):
                model(torch.ones(1, 2))
        model.fails = False
        model(torch.ones(1, 2))
        nn.Linear(2, 1)(torch.ones(1, 2))
    kinds = {watched.seen.models[f.model].kind for f in watched.seen.forwards}
    assert "Linear" in kinds and watched.seen.forwards.last is not None


def test_what_a_user_makes_ones_own_still_works():
    class Loud(nn.Linear):
        calls = 0

        def train(self, mode=True):
            Loud.calls += 1
            return super().train(mode)

    class Mine(torch.optim.SGD):
        def zero_grad(self, set_to_none=True):
            Loud.calls += 1
            super().zero_grad(set_to_none)

    class Halves(LRScheduler):
        def get_lr(self):
            return [group["lr"] / 2 for group in self.optimizer.param_groups]

        def step(self, epoch=None):
            super().step(epoch)

    original = F.mse_loss
    with doctor.watch():
        model = Loud(2, 1)
        optimizer = Mine(model.parameters(), lr=0.1)
        scheduler = Halves(optimizer)
        patched = F.mse_loss
        F.mse_loss = lambda *args, **kwargs: patched(*args, **kwargs)
        before = Loud.calls
        model.eval()
        model.train()
        optimizer.zero_grad()
        F.mse_loss(model(torch.ones(4, 2)), torch.zeros(4, 1)).backward()
        optimizer.step()
        scheduler.step()
    assert F.mse_loss is original
    assert before + 3 == Loud.calls


METHODS = ("view", "reshape", *COMPARED, "__hash__", "__rsub__")


def test_methods_of_tensors_are_as_they_were():
    before = {name: getattr(torch.Tensor, name) for name in METHODS}
    with doctor.watch():
        for name in ("view", "reshape", *COMPARED):
            assert getattr(torch.Tensor, name) is not before[name]
        assert torch.Tensor.__hash__ is before["__hash__"]
        with doctor.watch():
            assert torch.ones(2).view(2, 1).shape == (2, 1)
    for name in METHODS:
        assert getattr(torch.Tensor, name) is before[name]


def test_operators_take_what_they_took():
    column, row = torch.arange(3.0).view(3, 1), torch.ones(3)
    with doctor.watch():
        assert (column == None) is False and (column != None) is True  # noqa: E711
        assert (column == "x") is False and (None == column) is False  # noqa: E711, SIM300
        assert torch.equal(3 - column, -(column - 3))
        assert (column == 1).sum() == 1 and (1 == column).sum() == 1  # noqa: SIM300
        assert (column == row).shape == column.eq(other=row).shape == (3, 3)
        assert torch.equal(column.sub(row, alpha=2), column - 2 * row)
        assert {column: 1}[column] == 1 and [column].index(column) == 0
        assert row.view(torch.int32).dtype == torch.int32
        assert row.view(size=(1, 3)).shape == row.reshape(shape=(1, 3)).shape
        assert torch.equal(torch.zeros(3, 1) == np.ones(3), torch.zeros(3, 3).bool())
        with pytest.raises(TypeError):
            column - "x"
        with pytest.raises(RuntimeError, match="invalid for input of size"):
            column.view(7)


def use_methods(x, y):
    return [
        x == y,
        x != y,
        x - y,
        y - x,
        x.eq(y),
        x.ne(y),
        x.sub(y, alpha=2),
        x == None,  # noqa: E711
        x == 1,
        x.view(1, 3),
        x.reshape(3),
        x.view(size=(3,)),
    ]


def test_what_overrides_functions_is_given_the_same_ones():
    given = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            given.append((function, types, len(args)))
            return function(*args, **(kwargs or {}))

    class Mine(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            given.append((function, types, len(args)))
            return super().__torch_function__(function, types, args, kwargs or {})

    def use():
        given.clear()
        with Mode():
            use_methods(torch.ones(3, 1), torch.ones(3))
        made = use_methods(torch.ones(3, 1).as_subclass(Mine), torch.ones(3))
        return list(given), [type(each) for each in made]

    alone = use()
    with doctor.watch():
        watched = use()
    assert watched == alone and len(alone[0]) > 20


def test_views_are_traced_compiled_and_mapped():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, x):
            y = self.linear(x.view(3, 4).reshape(4, 3))
            off = (y - x[:, 0]).abs() + (y == x[:, 0]).float()
            return off.sum() + torch.Tensor.view(x, -1).eq(1).sum()

    torch.manual_seed(0)
    net, x = Net(), torch.randn(4, 3)
    alone = net(x)
    with doctor.watch(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch._dynamo.reset()  # what annotates our functions is compiled once for all
        whole = torch.compile(net, backend="eager", fullgraph=True)
        assert torch.equal(whole(x), alone)
        assert torch.equal(torch.jit.trace(net, x)(x), alone)
        assert torch.equal(torch.export.export(net, (x,)).module()(x), alone)
        parameters = dict(net.named_parameters())
        assert torch.equal(torch.func.functional_call(net, parameters, x), alone)
        mapped = torch.func.vmap(lambda row: (row.view(3, 1) - row).sum(dim=0))(x)
    torch._dynamo.reset()
    assert torch.allclose(mapped, x.sum(dim=1, keepdim=True) - 3 * x)


def test_outputs_are_let_go():
    model = nn.Linear(2, 1)
    watcher = Watcher()
    with installed(watcher):
        train(model)
        assert watcher.tensor_calls._outputs
    assert not watcher.tensor_calls._outputs and not watcher.tensor_calls._targets
