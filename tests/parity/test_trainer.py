"""``Trainer.fit`` ends with the bits of the loop that a student would write."""

import functools

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from gradatim.data.batches import epoch_order
from tests.bits import assert_same_bits, bits_of

ROWS, BATCH, EPOCHS, SEED = 70, 16, 3, 5  # a ragged last batch of 6


def data(rows=ROWS, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 3, generator=generator)
    return x, x.sum(1, keepdim=True) + 0.1 * torch.randn(rows, 1, generator=generator)


def network(*layers):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), *layers, nn.ReLU(), nn.Linear(8, 1))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def ordered_batches(x, y, epoch):
    order = epoch_order(len(x), seed=SEED, epoch=epoch)
    for start in range(0, len(x), BATCH):
        rows = order[start : start + BATCH]
        yield x[rows], y[rows]


def by_hand(model, optimizer, epochs_of, val=None, *, after_step=None, after_epoch=None,
            max_norm=None):  # fmt: skip
    """The loop; ``epochs_of(epoch)`` gives its batches."""
    loss_fn = nn.MSELoss()
    history = {"train_loss": [], "val_loss": []}
    for epoch in range(EPOCHS):
        model.train()
        total, rows = 0.0, 0
        for x, y in epochs_of(epoch):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            if max_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            if after_step is not None:
                after_step()
            total += loss.item() * len(x)
            rows += len(x)
        history["train_loss"].append(total / rows)
        if val is not None:
            model.eval()
            with torch.no_grad():
                history["val_loss"].append(loss_fn(model(val[0]), val[1]).item())
        if after_epoch is not None:
            after_epoch(history)
    return history


def assert_same_training(ours, theirs):
    (trainer, history), (model, optimizer, losses) = ours, theirs
    model.train()
    assert_same_bits(bits_of(trainer.model), bits_of(model))
    assert_same_bits(bits_of(trainer.optimizer), bits_of(optimizer))
    for key, values in losses.items():
        if values:
            assert_same_bits(history[key], values, key)


@pytest.mark.parametrize("optimizer_of", [sgd, adamw])
@pytest.mark.parametrize(
    "layers",
    [(), (nn.Dropout(0.3),), (nn.BatchNorm1d(8), nn.Dropout(0.3))],
    ids=["plain", "dropout", "batch_norm"],
)
@pytest.mark.parametrize("max_norm", [None, 0.1])
def test_fit_equals_the_hand_written_loop(optimizer_of, layers, max_norm):
    (x, y), val = data(), data(rows=20, seed=2)
    results = []
    for _ in range(2):
        model = network(*(type(layer)(*_arguments(layer)) for layer in layers))
        results.append((model, optimizer_of(model)))
    (ours, our_optimizer), (theirs, their_optimizer) = results

    torch.manual_seed(9)
    trainer = gt.Trainer(ours, nn.MSELoss(), our_optimizer, max_norm=max_norm)
    history = trainer.fit(
        (x, y), val, epochs=EPOCHS, batch_size=BATCH, seed=SEED, progress=False
    )
    torch.manual_seed(9)
    losses = by_hand(
        theirs,
        their_optimizer,
        functools.partial(ordered_batches, x, y),
        max_norm=max_norm,
    )
    assert_same_training((trainer, history), (theirs, their_optimizer, losses))


def _arguments(layer):
    return (8,) if isinstance(layer, nn.BatchNorm1d) else (layer.p,)


def test_the_comparison_sees_another_seed():
    x, y = data()
    ours, theirs = network(), network()
    optimizer = sgd(theirs)
    trainer = gt.Trainer(ours, nn.MSELoss(), sgd(ours))
    history = trainer.fit(
        (x, y), epochs=EPOCHS, batch_size=BATCH, seed=SEED + 1, progress=False
    )
    losses = by_hand(theirs, optimizer, functools.partial(ordered_batches, x, y))
    with pytest.raises(AssertionError):
        assert_same_training((trainer, history), (theirs, optimizer, losses))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_users_own_shuffled_loader_draws_as_in_a_hand_written_loop(num_workers):
    x, y = data()

    def loader():
        return DataLoader(
            TensorDataset(x, y), batch_size=BATCH, shuffle=True, num_workers=num_workers
        )

    ours, theirs = network(nn.Dropout(0.3)), network(nn.Dropout(0.3))
    optimizer = adamw(theirs)
    torch.manual_seed(9)
    trainer = gt.Trainer(ours, nn.MSELoss(), adamw(ours))
    history = trainer.fit(loader(), epochs=EPOCHS, progress=False)
    torch.manual_seed(9)
    train_loader = loader()
    losses = by_hand(theirs, optimizer, lambda epoch: train_loader)
    assert_same_training((trainer, history), (theirs, optimizer, losses))


def one_cycle(optimizer):
    return OneCycleLR(optimizer, max_lr=0.1, total_steps=EPOCHS * -(-ROWS // BATCH))


def test_a_scheduler_per_step_equals_the_hand_written_loop():
    x, y = data()
    ours, theirs = network(), network()
    our_optimizer, their_optimizer = sgd(ours), sgd(theirs)
    our_schedule, their_schedule = one_cycle(our_optimizer), one_cycle(their_optimizer)
    trainer = gt.Trainer(ours, nn.MSELoss(), our_optimizer)
    history = trainer.fit(
        (x, y),
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        callbacks=[gt.LRScheduler(our_schedule, per="step")],
        progress=False,
    )
    losses = by_hand(
        theirs,
        their_optimizer,
        functools.partial(ordered_batches, x, y),
        after_step=their_schedule.step,
    )
    assert_same_training((trainer, history), (theirs, their_optimizer, losses))
    assert our_schedule.get_last_lr() == their_schedule.get_last_lr() != [0.05]


def test_the_steps_own_scheduler_equals_the_callback():
    x, y = data()
    results = []
    for _ in range(2):
        model = network()
        optimizer = sgd(model)
        results.append((model, optimizer, one_cycle(optimizer)))
    (ours, optimizer, schedule), (theirs, their_optimizer, their_schedule) = results
    step = gt.make_train_step(ours, nn.MSELoss(), optimizer, lr_scheduler=schedule)
    for epoch in range(EPOCHS):
        for batch in ordered_batches(x, y, epoch):
            step(*batch)
    by_hand(
        theirs,
        their_optimizer,
        functools.partial(ordered_batches, x, y),
        after_step=their_schedule.step,
    )
    assert_same_bits(bits_of(ours, optimizer), bits_of(theirs, their_optimizer))


def test_a_scheduler_per_epoch_equals_the_hand_written_loop():
    x, y = data()
    ours, theirs = network(), network()
    our_optimizer, their_optimizer = adamw(ours), adamw(theirs)
    their_schedule = StepLR(their_optimizer, step_size=1, gamma=0.5)
    trainer = gt.Trainer(ours, nn.MSELoss(), our_optimizer)
    history = trainer.fit(
        (x, y),
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        callbacks=[gt.LRScheduler(StepLR(our_optimizer, step_size=1, gamma=0.5))],
        progress=False,
    )
    losses = by_hand(
        theirs,
        their_optimizer,
        functools.partial(ordered_batches, x, y),
        after_epoch=lambda history: their_schedule.step(),
    )
    assert_same_training((trainer, history), (theirs, their_optimizer, losses))
    assert history["lr"] == [0.01, 0.005, 0.0025]


def test_reduce_on_plateau_sees_the_validation_loss():
    x, y = data()
    val = (x[:20], -y[:20])  # gets worse as training gets better: a plateau
    ours, theirs = network(), network()
    our_optimizer, their_optimizer = adamw(ours), adamw(theirs)
    plateau = functools.partial(ReduceLROnPlateau, patience=0, factor=0.5)
    their_schedule = plateau(their_optimizer)
    trainer = gt.Trainer(ours, nn.MSELoss(), our_optimizer)
    history = trainer.fit(
        (x, y),
        val,
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        callbacks=[gt.LRScheduler(plateau(our_optimizer))],
        progress=False,
    )
    by_hand(
        theirs,
        their_optimizer,
        functools.partial(ordered_batches, x, y),
        val,
        after_epoch=lambda history: their_schedule.step(history["val_loss"][-1]),
    )
    assert_same_bits(bits_of(ours, our_optimizer)[1], bits_of(their_optimizer)[0])
    assert history["lr"][-1] < 0.01


def test_validation_over_one_batch_equals_the_hand_written_one():
    (x, y), val = data(), data(rows=20, seed=2)
    ours, theirs = network(nn.BatchNorm1d(8)), network(nn.BatchNorm1d(8))
    optimizer = sgd(theirs)
    trainer = gt.Trainer(ours, nn.MSELoss(), sgd(ours))
    history = trainer.fit(
        (x, y),
        gt.data.Batches(val, batch_size=20, shuffle=False),
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        progress=False,
    )
    losses = by_hand(theirs, optimizer, functools.partial(ordered_batches, x, y), val)
    assert_same_training((trainer, history), (theirs, optimizer, losses))


def test_microbatches_equal_the_same_split_written_by_hand():
    x, y = data()
    ours, theirs = network(nn.Dropout(0.3)), network(nn.Dropout(0.3))
    optimizer, loss_fn = sgd(theirs), nn.MSELoss()
    torch.manual_seed(9)
    trainer = gt.Trainer(ours, nn.MSELoss(), sgd(ours), num_microbatches=3)
    trainer.fit((x, y), epochs=2, batch_size=BATCH, seed=SEED, progress=False)
    torch.manual_seed(9)
    for epoch in range(2):
        for x_batch, y_batch in ordered_batches(x, y, epoch):
            optimizer.zero_grad()
            for x_part, y_part in zip(
                x_batch.tensor_split(3), y_batch.tensor_split(3), strict=True
            ):
                share = len(x_part) / len(x_batch)
                (loss_fn(theirs(x_part), y_part) * share).backward()
            optimizer.step()
    assert_same_bits(bits_of(ours, trainer.optimizer), bits_of(theirs, optimizer))


def test_6_epochs_and_4_more_are_10():
    x, y = data(rows=20)
    runs = []
    for parts in ((10,), (6, 4)):
        model = network(nn.Dropout(0.3))
        torch.manual_seed(9)
        trainer = gt.Trainer(model, nn.MSELoss(), sgd(model))
        for epochs in parts:
            trainer.fit((x, y), epochs=epochs, batch_size=8, seed=SEED, progress=False)
        runs.append(trainer)
    one, two = runs
    assert_same_bits(
        bits_of(one.model, one.optimizer), bits_of(two.model, two.optimizer)
    )
    assert one.epoch == two.epoch == 10
    for key in ("epoch", "train_loss", "num_steps", "lr"):
        assert_same_bits(one.history[key], two.history[key], key)
