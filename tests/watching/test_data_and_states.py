"""What observers of loaders, seeds, states, sorted batches and replays note."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradatim.watching.loaders import generators_of
from gradatim.watching.sorted_batches import BatchOrder
from tests.watching.loops import line_with, train, watched

X, Y = torch.randn(8, 2), torch.randn(8, 1)


def test_a_loader_is_noted_with_its_passes_and_batches():
    with watched() as watcher:
        loader = DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=True)  # made
        for _ in range(2):
            for _batch in loader:  # started
                pass
        DataLoader(TensorDataset(X, Y))
    first, second = watcher.seen.loaders
    assert (first.length, first.batch_size, first.num_workers) == (3, 3, 0)
    assert first.shuffles and not second.shuffles
    assert first.starts.count == 2 and first.iter_line is not None
    assert first.line.number == line_with("made", __file__)
    assert first.iter_line.number == line_with("started", __file__)
    assert first.fetched >= 6 and second.fetched == 0
    assert (first.device, first.num_bytes_away) == ("", 0)


def test_tensors_on_another_device_are_weighed():
    """The device meta stands for a GPU: it has no numbers, and is not the CPU."""
    with watched() as watcher:
        DataLoader(TensorDataset(torch.empty(10, 3, device="meta"), torch.zeros(10)))
    (record,) = watcher.seen.loaders
    assert (record.device, record.num_bytes_away) == ("meta", 120)


NOISE = np.random.default_rng(0)


class Noisy(Dataset):
    def __init__(self):
        self.generator = np.random.default_rng(1)
        self.idle = random.Random(0)

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.generator.random() + NOISE.random()


def test_generators_are_those_a_row_draws_from():
    assert generators_of(Noisy()) == ("generator", "NOISE")
    assert generators_of(TensorDataset(X)) == ()


def test_generators_know_whether_numbers_were_drawn():
    with watched() as watcher:
        torch.manual_seed(1)  # first seed
        torch.manual_seed(1)
        torch.rand(1)
        torch.manual_seed(2)
        random.seed(3)
    seeds = watcher.seen.seeds
    calls = [(call.name, call.seed, call.drawn) for call in seeds.calls]
    assert calls == [
        ("torch", 1, True),
        ("torch", 1, False),
        ("torch", 2, True),
        ("random", 3, True),
    ]
    assert next(iter(seeds.calls)).line.number == line_with("first seed", __file__)
    assert seeds.first.keys() == {"torch", "random"}


def test_a_generator_that_is_put_back_is_undone():
    with watched() as watcher:
        state = torch.get_rng_state()
        torch.manual_seed(1)
        torch.set_rng_state(state)
    assert [call.undone for call in watcher.seen.seeds.calls] == [True]


def test_generators_made_for_a_row_are_counted():
    class Rows(Dataset):
        def __getitem__(self, index):
            return np.random.default_rng(7).random()  # in a row

    rows = Rows()
    with watched() as watcher:
        for index in range(3):
            rows[index]
        np.random.default_rng(7)
    (((line, seed), count),) = watcher.seen.seeds.in_rows.items()
    assert (seed, count) == (7, 3)
    assert line.number == line_with("in a row", __file__)


def test_a_state_that_moved_on_is_noted_when_it_is_loaded():
    model = nn.Linear(2, 1)
    with watched() as watcher:
        train(model, X, Y, num_steps=1)
        best = model.state_dict()  # taken
        train(model, X, Y, num_steps=2)
        model.load_state_dict(best)  # used
    (use,) = watcher.seen.state_uses
    assert (use.how, use.updates) == ("itself", 2)
    assert use.taken.number == line_with("taken", __file__)
    assert use.used.number == line_with("used", __file__)


def test_a_state_that_was_copied_is_left_alone():
    model = nn.Linear(2, 1)
    with watched() as watcher:
        best = {name: t.clone() for name, t in model.state_dict().items()}
        train(model, X, Y, num_steps=2)
        model.load_state_dict(best)
    assert watcher.seen.state_uses == []


def test_a_state_is_saved_by_position_or_by_name(tmp_path):
    model = nn.Linear(2, 1)
    with watched() as watcher:
        state = model.state_dict()
        train(model, X, Y, num_steps=1)
        torch.save(state, tmp_path / "one.pt")
        torch.save(obj=state, f=tmp_path / "two.pt")
    assert [use.how for use in watcher.seen.state_uses] == ["saved", "saved"]


def sorted_batches(targets):
    order = BatchOrder()
    for start in [*range(0, 40, 10), *range(0, 40, 10)]:
        order.add(torch.randn(10, 2), targets[start : start + 10])
    return order


def test_batches_that_go_up_pass_after_pass():
    targets = torch.linspace(0.1, 4.05, 40)
    x = torch.stack([targets, torch.rand(40)], dim=1)
    order = BatchOrder()
    for start in [*range(0, 40, 10), *range(0, 40, 10)]:
        order.add(x[start : start + 10], targets[start : start + 10])
    record = order.record
    assert not order.is_over
    assert (record.num_batches, record.num_passes) == (4, 1)
    assert (record.low, record.high) == pytest.approx((0.1, 4.05))
    assert 0 < record.width < 1.0 and record.has_column


def test_batches_out_of_order_are_over():
    assert sorted_batches(torch.rand(40)).is_over
    assert sorted_batches(torch.arange(40.0)).is_over  # whole numbers may be classes


def test_a_plain_step_is_kept_for_a_replay():
    model = nn.Sequential(nn.Linear(2, 1))
    before = [p.detach().clone() for p in model.parameters()]
    with watched() as watcher:
        train(model, X, Y)
    replay = watcher.seen.kept.replay
    assert (replay.loss, replay.between, replay.is_swapped) == (
        "mse_loss",
        "same",
        False,
    )
    assert replay.num_updates == 3 and len(replay.batches) == 1  # one batch, again
    assert torch.equal(replay.batches[0].args[0], X)
    assert replay.batches[0].args[0] is not X
    copies = list(replay.model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, copies, strict=True))
    assert replay.first_loss == pytest.approx(
        float(F.mse_loss(replay.model(X), Y).detach()), rel=1e-6
    )


def test_a_step_of_another_kind_has_no_replay():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched() as watcher:
        F.mse_loss(model(X), Y).backward()
        F.mse_loss(model(X), Y).backward()
        optimizer.step()
    assert watcher.seen.kept.replay is None


@pytest.mark.parametrize(
    ("between", "loss_of"),
    [
        ("reshape", lambda output: F.mse_loss(output.view(-1), Y.view(-1))),
        ("softmax", lambda output: F.mse_loss(output.softmax(dim=1), Y)),
    ],
)
def test_what_leads_from_output_to_loss_is_told(between, loss_of):
    model = nn.Linear(2, 1)
    with watched() as watcher:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss_of(model(X)).backward()
        optimizer.step()
    assert watcher.seen.kept.replay.between == between
