"""Questions to the record of a training, asked of a small one whose answers we know."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import gradatim
from gradatim.doctor.evaluations import evaluations
from gradatim.doctor.gradients import have_moved, reached_leaves, update_ratios
from gradatim.doctor.learning_rates import fall_of_lr, is_full_batch, rates_of
from gradatim.doctor.loss_trend import fall_of_loss, trend_of_loss
from gradatim.doctor.queries import (
    only_optimizer,
    optimized_parameters,
    optimizers_of,
    steps_of,
    trained_line_of,
    training_loader,
)
from gradatim.doctor.untrained_layers import (
    layers_without_gradient,
    never_with_gradient,
)


class Net(nn.Module):
    """Two layers; the output of the first may be cut from its graph."""

    def __init__(self, cut=False):
        super().__init__()
        self.first, self.last, self.cut = nn.Linear(3, 4), nn.Linear(4, 1), cut

    def forward(self, x):
        h = self.first(x)
        return self.last(h.detach() if self.cut else h)


def trained(*, epochs=4, cut=False, gamma=1.0):
    """Train for some epochs of 5 batches, each followed by a validation."""
    torch.manual_seed(0)
    x = torch.randn(40, 3)
    data = TensorDataset(x, x.sum(dim=1, keepdim=True))
    with gradatim.watch() as diagnosis:
        model = Net(cut)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
        loader = DataLoader(data, batch_size=8)
        for _ in range(epochs):
            for x_batch, y_batch in loader:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x_batch), y_batch).backward()
                optimizer.step()
            scheduler.step()
            with torch.no_grad():
                nn.functional.mse_loss(model(data.tensors[0]), data.tensors[1])
    return diagnosis.seen


@pytest.fixture(scope="module")
def seen():
    return trained()


def test_the_model_and_its_optimizer(seen):
    assert only_optimizer(seen) == 0 and optimizers_of(seen, seen.models[0]) == [0]
    assert len(steps_of(seen, 0)) == 20 and steps_of(seen, 1) == []
    assert optimized_parameters(seen) == set(seen.models[0].parameters.names)
    assert "model(x_batch)" in trained_line_of(seen, 0).code


def test_the_loader_whose_batches_train(seen):
    loader = training_loader(seen, seen.optimizers[0])
    assert loader is seen.loaders[0] and loader.length == 5


def test_calls_that_evaluate(seen):
    calls = evaluations(seen, 0)
    assert [call.step for call in calls] == [5, 10, 15, 20]
    assert {call.inputs[0].shape for call in calls} == {(40, 3)}


def test_the_loss_falls(seen):
    first, last = fall_of_loss(seen)
    trend = trend_of_loss(seen)
    assert last < first and trend.num_losses == 20 and not trend.diverges


def test_updates_are_a_part_of_the_weights(seen):
    ratios = update_ratios(steps_of(seen, 0))
    assert ratios and all(0 < ratio < 1 for ratio in ratios)


def test_leaves_that_are_trained_have_moved(seen):
    looks = reached_leaves(seen)
    assert set(looks) == optimized_parameters(seen)
    assert all(map(have_moved, looks.values()))


def test_a_layer_before_a_cut_has_no_gradient():
    seen = trained(cut=True)
    assert layers_without_gradient(seen, seen.models[0]) == ["first"]
    names = seen.models[0].parameters.names
    never = {names[key] for key in never_with_gradient(seen)}
    assert never == {"first.weight", "first.bias"}


def test_no_layer_is_without_a_gradient_where_all_are_trained(seen):
    assert layers_without_gradient(seen, seen.models[0]) == []
    assert never_with_gradient(seen) == set()


def test_a_learning_rate_that_is_gone():
    seen = trained(epochs=8, gamma=0.01)
    peak, last, share = fall_of_lr(seen, 0)
    assert peak == 0.05 and last < 1e-10
    assert share == 6 / 8  # the second epoch's is 1/100 of the peak, which is not low
    assert rates_of(seen, 0)[0] == 0.05 and not is_full_batch(seen, 0)
    assert fall_of_lr(trained(), 0) is None
