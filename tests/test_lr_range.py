import copy

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from gradatim.errors import ConfigError, DataError, GradatimWarning, LossError
from tests.bits import assert_same_bits, bits_of, random_state

LINE = gt.data.line()


def line_model():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


@pytest.mark.parametrize("seed", range(3))
def test_the_suggestion_trains_the_line(seed):
    model, _ = line_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = gt.lr_range_test(model, nn.MSELoss(), optimizer, LINE, seed=seed)
    # The largest eigenvalue of the line's Hessian is about 2.5: it bears 2 / 2.5.
    assert 0.01 < seen.suggestion < 0.8
    optimizer.param_groups[0]["lr"] = seen.suggestion
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    history = trainer.fit(LINE, epochs=20, progress=False)
    assert history["train_loss"][-1] < 0.1 * history["train_loss"][0]


def test_rates_rise_geometrically_until_the_loss_diverges():
    model, optimizer = line_model()
    seen = gt.lr_range_test(
        model, nn.MSELoss(), optimizer, LINE, min_lr=1e-4, max_lr=100.0, num_steps=50
    )
    ratios = [b / a for a, b in zip(seen.lrs, seen.lrs[1:], strict=False)]
    assert seen.lrs[0] == 1e-4 and ratios == pytest.approx([ratios[0]] * len(ratios))
    assert len(seen.lrs) == len(seen.losses) == len(seen.smoothed) < 50
    assert seen.smoothed[0] == pytest.approx(seen.losses[0])
    whole = gt.lr_range_test(model, nn.MSELoss(), optimizer, LINE, max_lr=1e-4)
    assert whole.lrs[-1] == pytest.approx(1e-4) and len(whole.lrs) == 100


def test_nothing_of_the_users_changes(unchecked):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm1d(1), nn.Linear(1, 4), nn.Dropout(), nn.Linear(4, 1)
    )
    model[0].eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = StepLR(optimizer, 1)
    step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    step(*LINE)
    own = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(*LINE), 16, shuffle=True, generator=own)
    shuffled = DataLoader(TensorDataset(*LINE), 16, shuffle=True)
    before = bits_of(model, optimizer), random_state(), own.get_state()
    last_epoch = schedule.last_epoch
    for data in (LINE, loader, shuffled):
        gt.lr_range_test(model, nn.MSELoss(), optimizer, data, num_steps=10)
    assert_same_bits(
        before, (bits_of(model, optimizer), random_state(), own.get_state())
    )
    assert schedule.last_epoch == last_epoch


def test_parameters_of_the_loss_stay_too():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, predictions, targets):
            return ((predictions - targets) ** 2 * self.scale).mean()

    model, loss_fn = nn.Linear(1, 1), Learned()
    optimizer = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], lr=0.1)
    before = bits_of(model, loss_fn)
    gt.lr_range_test(model, loss_fn, optimizer, LINE, num_steps=5)
    assert_same_bits(before, bits_of(model, loss_fn))


def test_loaders_forward_and_short_data_are_taken():
    model, optimizer = line_model()
    x, y = LINE
    by_tensors = gt.lr_range_test(
        model, nn.MSELoss(), optimizer, gt.data.Batches(LINE, shuffle=False),
        num_steps=20, max_lr=0.1,
    )  # fmt: skip
    by_loader = gt.lr_range_test(
        model,
        nn.MSELoss(),
        optimizer,
        DataLoader(TensorDataset(x, y), batch_size=32),
        num_steps=20,
        max_lr=0.1,
    )
    by_dict = gt.lr_range_test(
        model,
        nn.MSELoss(),
        optimizer,
        gt.data.Batches({"x": x, "y": y}, shuffle=False),
        num_steps=20,
        max_lr=0.1,
        forward=lambda model, batch: (model(batch["x"]), batch["y"]),
    )
    assert by_tensors == by_loader == by_dict and len(by_loader.lrs) == 20


def test_shape_warnings_are_not_lost():
    model, optimizer = line_model()
    x, y = LINE
    with pytest.warns(GradatimWarning, match="broadcast to"):
        gt.lr_range_test(
            model,
            lambda p, t: ((p - t) ** 2).mean(),
            optimizer,
            (x, y.squeeze(1)),
            num_steps=5,
        )


def test_a_loss_that_never_falls_has_no_suggestion():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, maximize=True)
    seen = gt.lr_range_test(model, nn.MSELoss(), optimizer, (LINE[0], LINE[1] * 0))
    assert seen.suggestion is None
    assert len(seen.plot().get_lines()) == 2


def test_plot_marks_the_suggestion():
    model, optimizer = line_model()
    ax = gt.lr_range_test(model, nn.MSELoss(), optimizer, LINE).plot()
    assert len(ax.get_lines()) == 3 and ax.get_xscale() == "log"


def test_what_cannot_be_tested_is_refused():
    model, optimizer = line_model()
    loss_fn = nn.MSELoss()
    with pytest.raises(ConfigError, match=r"got 1\.0 and 0\.1"):
        gt.lr_range_test(model, loss_fn, optimizer, LINE, min_lr=1.0, max_lr=0.1)
    with pytest.raises(ConfigError, match="3 or more, got 2"):
        gt.lr_range_test(model, loss_fn, optimizer, LINE, num_steps=2)
    with pytest.raises(DataError, match="gave no batch"):
        empty = DataLoader(TensorDataset(LINE[0][:0], LINE[1][:0]))
        gt.lr_range_test(model, loss_fn, optimizer, empty)
    broken = copy.deepcopy(model)
    broken.bias.data.fill_(torch.nan)
    with pytest.raises(LossError, match="at the first rate already"):
        gt.lr_range_test(
            broken, loss_fn, torch.optim.SGD(broken.parameters(), lr=0.1), LINE
        )


def test_the_generator_of_a_data_set_is_put_back():
    class Noisy(torch.utils.data.Dataset):
        generator = torch.Generator().manual_seed(3)

        def __len__(self):
            return 64

        def __getitem__(self, row):
            noise = torch.randn(1, generator=self.generator)
            return LINE[0][row], LINE[1][row] + 0.01 * noise

    data = Noisy()
    before = data.generator.get_state()
    model, optimizer = line_model()
    gt.lr_range_test(model, nn.MSELoss(), optimizer, data, num_steps=5)
    assert torch.equal(data.generator.get_state(), before)
