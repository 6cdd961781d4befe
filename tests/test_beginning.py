"""What is known to be wrong before the first update is said then."""

import functools
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)
from torch.utils.data import DataLoader, Dataset

import gradatim as gt
from gradatim.errors import ConfigError, GradatimWarning
from tests.bits import assert_same_bits

X = torch.linspace(-1, 1, 33).view(33, 1)
Y = 3 * X + 1
CLASSES = (X[:, 0] > 0).long()


def net(*layers, outputs=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 4), *layers, nn.ReLU(), nn.Linear(4, outputs))


def trainer_of(model=None, loss_fn=None, **options):
    model = net() if model is None else model
    optimizer = options.pop("optimizer", None) or SGD(model.parameters(), lr=0.1)
    return gt.Trainer(model, loss_fn or nn.MSELoss(), optimizer, **options)


def fit(trainer, *callbacks, train=(X, Y), val=(X, Y), **options):
    options = {"epochs": 2, "batch_size": 8, "progress": False, **options}
    return trainer.fit(train, val, callbacks=callbacks, **options)


# --- Classes in place of objects ------------------------------------------------------


@pytest.mark.parametrize(
    "parts, message",
    [
        ((nn.Linear, nn.MSELoss(), SGD), "model is the class Linear itself"),
        (
            (net(), nn.MSELoss, None),
            r"loss_fn is the class MSELoss itself(.|\n)*Loss\(",
        ),
        (
            (net(), nn.MSELoss(), SGD),
            r"optimizer is the class SGD(.|\n)*torch.optim.SGD",
        ),
        (
            (net(), nn.MSELoss(), functools.partial(SGD, lr=0.1)),
            r"optimizer is a partial(.|\n)*torch.optim.SGD\(model.parameters",
        ),
        (
            (lambda x: x, nn.MSELoss(), None),
            "model is a function, not a torch.nn.Module",
        ),
        ((net(), "mse", None), "loss_fn is a str, which cannot be called"),
    ],
    ids=lambda value: None,
)
def test_a_class_or_a_text_is_no_part_of_a_step(unchecked, parts, message):
    model, loss_fn, optimizer = parts
    optimizer = optimizer or SGD(net().parameters(), lr=0.1)
    for make in (gt.Trainer, gt.make_train_step):
        with pytest.raises(ConfigError, match=message):
            make(model, loss_fn, optimizer)


# --- The model and the rows -----------------------------------------------------------


def test_layers_without_a_shape_are_named_where_their_weights_are_kept():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(1))
    trainer = trainer_of(model)
    with pytest.raises(ConfigError, match=r"4 parameters have no shape yet, 0\.weight"):
        fit(trainer, gt.EarlyStopping())
    assert trainer.num_steps == 0
    fit(trainer)  # PyTorch gives them their shapes, and nothing else needs them
    fit(trainer, gt.EarlyStopping())


def test_weights_and_rows_of_two_dtypes_are_named():
    trainer = trainer_of(net().double())
    with pytest.raises(
        ConfigError, match=r"weights are torch.float64, the rows torch.f"
    ):
        fit(trainer)
    fit(trainer, train=(X.double(), Y.double()), val=None)


LOADER = DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=8)


@pytest.mark.parametrize("train", [(X, Y), LOADER], ids=["tensors", "loader"])
def test_a_last_batch_of_one_row_is_named_where_batch_norm_needs_two(train):
    model, options = (
        net(nn.BatchNorm1d(4)),
        {} if train is not LOADER else {"batch_size": None},
    )
    trainer = trainer_of(model)
    before = torch.get_rng_state()
    with pytest.raises(ConfigError, match="33 rows in batches of 8 leave one row"):
        fit(trainer, train=train, **options)
    assert trainer.num_steps == 0
    assert torch.equal(before, torch.get_rng_state())
    assert model[1].num_batches_tracked == 0, "it was tried on a copy"


class Doubled(nn.Module):
    """Give each row two values of a channel, so that batch norm has enough of one."""

    def forward(self, x):
        return torch.stack([x, -x], dim=2)


@pytest.mark.parametrize(
    "model, options",
    [
        (net(nn.BatchNorm1d(4)), {"drop_last": True}),
        (net(nn.BatchNorm1d(4)), {"batch_size": 11}),
        (
            nn.Sequential(Doubled(), nn.BatchNorm1d(1), nn.Flatten(), nn.Linear(2, 1)),
            {},
        ),
        (net(), {}),
    ],
    ids=["dropped", "even", "no_norm_of_rows_alone", "no_norm"],
)
def test_a_last_batch_that_can_be_trained_on_is_left_alone(model, options):
    fit(trainer_of(model), **options)


def test_microbatches_of_one_row_count_too():
    trainer = trainer_of(net(nn.BatchNorm1d(4)), num_microbatches=3)
    train = (X[:11], Y[:11])  # the last batch has three rows
    with pytest.raises(ConfigError, match="leave one row"):
        fit(trainer, train=train)


# --- Schedules ------------------------------------------------------------------------


def schedule_of(make, **options):
    trainer = trainer_of()
    return trainer, gt.LRScheduler(make(trainer.optimizer), **options)


def warm_up(optimizer):
    return LambdaLR(optimizer, lambda step: min(1, (step + 1) / 40))


UPDATES = 50  # ten epochs of five batches


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda o: OneCycleLR(o, 0.1, total_steps=UPDATES),
            "OneCycleLR is made for 50",
        ),
        (lambda o: CosineAnnealingLR(o, UPDATES), "CosineAnnealingLR is made for 50"),
        (warm_up, "LambdaLR is stepped once an epoch, 10 times"),
    ],
)
def test_a_schedule_of_updates_that_is_stepped_per_epoch_is_told(make, message):
    trainer, schedule = schedule_of(make)
    with pytest.warns(GradatimWarning, match=message):
        fit(trainer, schedule, epochs=10)
    fit(*schedule_of(make, per="step"), epochs=10)


@pytest.mark.parametrize(
    "make",
    [
        lambda o: OneCycleLR(o, 0.1, total_steps=10),
        lambda o: CosineAnnealingLR(o, 10),
        lambda o: LambdaLR(o, lambda epoch: 0.95**epoch),
        lambda o: LambdaLR(o, lambda epoch: {0: 1.0, 1: 0.5}[min(epoch, 1)]),
        lambda o: StepLR(o, 3),
    ],
)
def test_a_schedule_of_epochs_is_left_alone(make):
    fit(*schedule_of(make), epochs=10)


def test_a_schedule_that_is_over_too_soon_is_told():
    cycle = functools.partial(OneCycleLR, max_lr=0.1, total_steps=20)
    with pytest.raises(ConfigError, match="total_steps=20, but 50 are planned"):
        fit(*schedule_of(cycle, per="step"), epochs=10)
    cosine = functools.partial(CosineAnnealingLR, T_max=20)
    with pytest.warns(GradatimWarning, match="made for 20 steps, but 50 are planned"):
        fit(*schedule_of(cosine, per="step"), epochs=10)
    trainer, schedule = schedule_of(cycle, per="step")
    fit(trainer, schedule, epochs=None, max_steps=20)
    with pytest.raises(ConfigError, match="total_steps=20, but 21 are planned"):
        fit(trainer, schedule, max_steps=1)


# --- Monitors -------------------------------------------------------------------------


def test_a_monitor_that_nothing_gives_is_refused_before_the_first_update():
    accuracy = {"accuracy": lambda p, t: (p.argmax(1) == t).float().mean()}
    trainer = trainer_of(net(outputs=2), nn.CrossEntropyLoss(), metrics=accuracy)
    data = {"train": (X, CLASSES), "val": (X, CLASSES)}
    for callback in (
        gt.EarlyStopping("val_accurac", mode="max"),
        gt.LRScheduler(
            ReduceLROnPlateau(trainer.optimizer, mode="max"), monitor="val_accurac"
        ),
    ):
        with pytest.raises(
            ConfigError, match=r"'val_accurac'(.|\n)*mean 'val_accuracy'"
        ):
            fit(trainer, callback, **data)
    assert trainer.num_steps == 0
    fit(trainer, gt.EarlyStopping("val_accuracy", mode="max"), **data)


def test_parts_of_a_loss_and_values_of_callbacks_may_be_monitored():
    def loss_fn(predictions, targets):
        loss = F.mse_loss(predictions, targets)
        return {"loss": loss, "mae": F.l1_loss(predictions, targets)}

    class Score(gt.Callback):
        def on_epoch_end(self, trainer):
            trainer.log(score=1.0)

    fit(trainer_of(loss_fn=loss_fn), gt.EarlyStopping("val_mae"))
    fit(trainer_of(), Score(), gt.EarlyStopping("score"))
    with pytest.raises(ConfigError, match=r"'val_mse'(.|\n)*val_loss, val_mae"):
        fit(trainer_of(loss_fn=loss_fn), gt.EarlyStopping("val_mse"))


@pytest.mark.parametrize(
    "name, mode, message",
    [
        ("acc", "min", r"takes less of 'val_acc' for better(.|\n)*mode=\"max\""),
        ("top1_accuracy", "min", "takes less of 'val_top1_accuracy'"),
        ("lower", "max", r"takes more of 'val_lower' for better(.|\n)*mode=\"min\""),
        ("acc", "max", None),
        ("mae", "min", None),
        ("macro", "min", None),
    ],
)
def test_the_worst_is_not_taken_for_the_best(name, mode, message):
    class Lower:
        higher_is_better = False

        def update(self, *_):
            """Take nothing in."""

        def compute(self):
            return 1.0

        reset = update

    metric = Lower() if name == "lower" else F.l1_loss
    trainer = trainer_of(metrics={name: metric})
    stopping = gt.EarlyStopping(f"val_{name}", mode=mode)
    if message is None:
        fit(trainer, stopping)
    else:
        with pytest.warns(GradatimWarning, match=message):
            fit(trainer, stopping)


# --- Metrics --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metric, message",
    [
        (lambda p, t: p - t, r"gives a Tensor of shape \(33, 1\)"),
        (lambda p: p.mean(), r"'m' fail on the first validation rows: TypeError"),
        (lambda p, t: p.nonsense(), "AttributeError"),
    ],
)
def test_a_metric_that_fails_is_told_before_the_first_update(metric, message):
    trainer = trainer_of(metrics={"m": metric})
    with pytest.raises(ConfigError, match=message):
        fit(trainer)
    assert trainer.num_steps == 0 and not trainer.history


def test_trying_metrics_leaves_everything_as_it_was():
    class Draws(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net(nn.BatchNorm1d(4), nn.Dropout(0.5))

        def forward(self, x):
            return self.net(x) + torch.rand(1)

    def trained(**options):
        model = Draws()
        torch.manual_seed(1)
        history = fit(trainer_of(model, **options), batch_size=11)
        return model.state_dict(), history["train_loss"], history["val_loss"]

    assert_same_bits(trained(metrics={"mae": F.l1_loss}), trained())


def test_a_metric_that_needs_two_classes_is_not_refused_for_its_first_rows():
    def needs_two_classes(predictions, targets):
        if len(targets.unique()) < 2:
            raise ValueError("only one class is there")
        return 1.0

    sorted_x, sorted_y = torch.randn(200, 1), torch.arange(200) // 100
    trainer = trainer_of(
        net(outputs=2), nn.CrossEntropyLoss(), metrics={"auc": needs_two_classes}
    )
    data = (sorted_x, sorted_y)
    assert fit(trainer, train=data, val=data)["val_auc"] == [1.0, 1.0]

    def never(predictions, targets):
        raise ValueError("a mix of targets")

    with pytest.raises(ConfigError, match="fail on the first validation rows"):
        fit(trainer_of(metrics={"never": never}))


def test_metrics_without_validation_data_are_told():
    with pytest.warns(GradatimWarning, match=r"metrics \(mae\), but fit\(\) has no"):
        fit(trainer_of(metrics={"mae": F.l1_loss}), val=None)


class Ragged(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, row):
        length = 2 + row % 5
        return torch.full((length,), row % 7), torch.full((length,), row % 2)


def padded(rows):
    xs, ys = zip(*rows, strict=True)
    pad = functools.partial(nn.utils.rnn.pad_sequence, batch_first=True)
    return pad(list(xs)), pad(list(ys), padding_value=-100)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.embed(x)).transpose(1, 2)


def test_batches_padded_to_their_own_lengths_are_lists_of_rows():
    def accuracy(predictions, targets):
        right = [p.argmax(0) == t for p, t in zip(predictions, targets, strict=True)]
        kept = [r[t != -100] for r, t in zip(right, targets, strict=True)]
        return torch.cat(kept).float().mean()

    loader = DataLoader(Ragged(), batch_size=4, collate_fn=padded)
    options = {"train": loader, "val": loader, "batch_size": None}
    trainer = trainer_of(Tagger(), nn.CrossEntropyLoss(), metrics={"acc": accuracy})
    history = fit(trainer, **options)
    assert 0 <= history["val_acc"][-1] <= 1
    rows = trainer.predict(loader)
    assert [tuple(row.shape) for row in rows[:2]] == [(2, 5), (2, 5)]
    assert len(rows) == 24 and len({row.shape for row in rows}) > 1

    def of_tensors(predictions, targets):
        return (predictions.argmax(1) == targets).float().mean()

    worse = trainer_of(Tagger(), nn.CrossEntropyLoss(), metrics={"acc": of_tensors})
    with pytest.raises(ConfigError, match=r"It gets lists with a row an entry"):
        fit(worse, **options)
    assert worse.num_steps == 0


def test_nothing_is_said_of_a_sound_training():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(trainer_of(metrics={"mae": F.l1_loss}), gt.EarlyStopping("val_mae"))
