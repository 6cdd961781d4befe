"""Options are declared once, and every function that takes them still names them."""

import inspect
from typing import TypedDict, Unpack

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.data.options import BatchKeywords, BatchOptions, ReadingKeywords
from gradatim.signatures import shows_options
from gradatim.step import StepOptions

STEP_DEFAULTS = {
    "forward": None,
    "max_norm": None,
    "num_microbatches": 1,
    "loss_weight": None,
    "precision": "float32",
    "on_nonfinite": "raise",
    "check_gradients": False,
    "check_shapes": True,
}
BATCH_DEFAULTS = {
    "batch_size": 32,
    "shuffle": True,
    "seed": 0,
    "drop_last": False,
    "num_workers": 0,
    "collate_fn": None,
    "sampler": None,
    "weights": None,
}
NO_BATCH_DEFAULTS = dict.fromkeys(BATCH_DEFAULTS)
FIT_OPTIONS = [
    "epochs",
    "max_steps",
    "val_every",
    "epoch_steps",
    "callbacks",
    "progress",
]
LOOP_OPTIONS = ["epochs", "max_steps", "epoch_steps", "device"]
READING_DEFAULTS = {"batch_size": None, "num_workers": None, "collate_fn": None}


@pytest.mark.parametrize(
    "function, options, others",
    [
        (gt.make_train_step, STEP_DEFAULTS, ["lr_scheduler"]),
        (gt.TrainStep, STEP_DEFAULTS, ["lr_scheduler"]),
        (gt.Trainer, STEP_DEFAULTS, ["metrics", "train_metrics"]),
        (gt.data.Batches, BATCH_DEFAULTS, ["device", "resident"]),
        (gt.Trainer.fit, NO_BATCH_DEFAULTS, FIT_OPTIONS),
        (gt.Run.batches, NO_BATCH_DEFAULTS, LOOP_OPTIONS),
        (gt.Trainer.evaluate, READING_DEFAULTS, []),
        (gt.Trainer.predict, READING_DEFAULTS, []),
        (gt.Trainer.predict_proba, READING_DEFAULTS, []),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_every_option_and_its_default_is_in_the_signature(function, options, others):
    parameters = inspect.signature(function).parameters.values()
    named = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert set(named) == {*options, *others}
    assert {name: named[name] for name in options} == options
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters)
    assert [name for name in named if name in options] == list(options)
    page = inspect.getdoc(function)
    if function in (gt.make_train_step, gt.data.Batches):
        assert all(f"{name}: " in page for name in options)


def test_the_declarations_name_the_same_options():
    assert set(StepOptions.__annotations__) == set(STEP_DEFAULTS)
    assert set(BatchKeywords.__annotations__) == set(BATCH_DEFAULTS)
    assert set(ReadingKeywords.__annotations__) == set(READING_DEFAULTS)
    ours = {name: getattr(BatchOptions(), name) for name in BATCH_DEFAULTS}
    assert ours == BATCH_DEFAULTS


def parts():
    model = nn.Linear(1, 1)
    return model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1)


MODEL = nn.Linear(1, 1)
DATA = torch.zeros(4, 1), torch.zeros(4, 1)
CALLS = {
    "make_train_step": lambda **wrong: gt.make_train_step(*parts(), **wrong),
    "Trainer": lambda **wrong: gt.Trainer(*parts(), **wrong),
    "Batches": lambda **wrong: gt.data.Batches(DATA, **wrong),
    "fit": lambda **wrong: gt.Trainer(*parts()).fit(DATA, epochs=1, **wrong),
    "fit batches": lambda **wrong: gt.Trainer(*parts()).fit(
        gt.data.Batches(DATA), epochs=1, **wrong
    ),
    "run.batches": lambda **wrong: gt.Run("x").batches(DATA, epochs=1, **wrong),
    "evaluate": lambda **wrong: gt.Trainer(*parts()).evaluate(DATA, **wrong),
    "predict": lambda **wrong: gt.Trainer(*parts()).predict(DATA, **wrong),
    "predict_proba": lambda **wrong: gt.Trainer(
        MODEL, nn.BCELoss(), torch.optim.SGD(MODEL.parameters(), lr=0.1)
    ).predict_proba(DATA, **wrong),
}


@pytest.mark.parametrize("value", [3, None])
@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_keyword_is_named(name, value):
    with pytest.raises(TypeError, match="unexpected keyword argument 'batchsize'"):
        CALLS[name](batchsize=value)


def test_a_schedule_of_the_trainer_is_a_callback():
    with pytest.raises(TypeError, match="'lr_scheduler'"):
        gt.Trainer(*parts(), lr_scheduler=None)


def test_options_stand_where_the_functions_own_end():
    class Keywords(TypedDict, total=False):
        size: int | None
        name: str | None

    def with_defaults(name="x", *, size=3):
        """Have the options with other defaults."""

    @shows_options(Keywords, defaults=with_defaults)
    def cut(data, *, far=False, **options: Unpack[Keywords]):
        return data, far, options

    assert str(inspect.signature(cut)) == "(data, *, far=False, size=3, name='x')"
    assert cut(1, size=2) == (1, False, {"size": 2})
    shows_options(Keywords, before="far")(cut_before := lambda data, *, far, **more: 0)
    parameters = list(inspect.signature(cut_before).parameters)
    assert parameters == ["data", "size", "name", "far"]
