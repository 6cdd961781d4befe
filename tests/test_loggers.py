"""Rows of the history go out once, to anything; what fails there stops no training."""

import functools
import sys
import warnings

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError, GradatimWarning

X = torch.linspace(-1, 1, 24).view(24, 1)
Y = 3 * X + 1


def trainer_of(*, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def fit(trainer, *callbacks, epochs=2, **options):
    return trainer.fit(
        (X, Y),
        (X, Y),
        epochs=epochs,
        batch_size=8,
        callbacks=callbacks,
        progress=False,
        **options,
    )


class WithStep:
    def __init__(self):
        self.rows, self.steps = [], []

    def log(self, data, step=None, commit=None):
        self.rows.append(data)
        self.steps.append(step)


class WithoutStep:
    def __init__(self):
        self.rows = []

    def log(self, values):
        self.rows.append(values)


def without_none(history):
    rows = history.to_dicts()
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def test_each_row_goes_out_whole_with_its_step():
    class Late(gt.Callback):
        goes_last = True

        def on_history(self, trainer):
            trainer.log(late=trainer.num_steps)

    target, rows = WithStep(), []
    history = fit(trainer_of(), gt.Log(target), gt.Log(rows.append), Late())
    expected = without_none(history)
    assert [row.pop("late") for row in expected] == [3.0, 6.0]
    assert [{**row, "late": None} for row in rows] == [
        {**row, "late": None} for row in expected
    ]
    assert target.steps == [3, 6] == [row["num_steps"] for row in target.rows]


def test_a_method_without_step_and_functions_of_all_kinds_take_rows():
    target, by_step, module = WithoutStep(), [], sys.modules[__name__]

    def with_options(values, **options):
        by_step.append(options["step"])

    partial = functools.partial(with_options)
    logs = [gt.Log(target), gt.Log(with_options), gt.Log(partial), gt.Log(module)]
    history = fit(trainer_of(), *logs, epochs=1)
    assert target.rows == without_none(history) == LOGGED
    assert by_step == [3, 3]


LOGGED = []


def log(values):
    """So that this module is a target, as those of wandb and trackio are."""
    LOGGED.append(values)


def test_a_logger_gets_a_row_of_its_own_and_nothing_else_changes():
    def spoil(values):
        values.clear()

    plain, logged = trainer_of(), trainer_of()
    assert without_times(fit(plain)) == without_times(fit(logged, gt.Log(spoil)))
    assert torch.equal(plain.predict(X), logged.predict(X))


def without_times(history):
    return {k: v for k, v in history.items() if not k.endswith("_s")}


def test_validations_between_epochs_are_rows_too():
    target = WithStep()
    fit(trainer_of(), gt.Log(target), epochs=2, val_every=2)
    assert target.steps == [2, 3, 4, 6]
    assert "val_loss" not in target.rows[1], "a value that is not there is left out"


def test_a_logger_that_fails_is_told_once_and_tried_again():
    calls = []

    def broken(values, step):
        calls.append(step)
        if step != 9:
            raise ConnectionError("no route to host")

    plain, trainer, callback = trainer_of(), trainer_of(), gt.Log(broken)
    expected = fit(plain, epochs=4)
    with pytest.warns(GradatimWarning) as told:
        history = fit(trainer, callback, epochs=4)
    assert without_times(history) == without_times(expected)
    assert calls == [3, 6, 9, 12] and len(told) == 1
    message = str(told[0].message)
    assert "broken failed at step 3: ConnectionError: no route to host" in message
    with pytest.warns(GradatimWarning, match="failed at step 15"):
        fit(trainer, callback, epochs=1)  # another training, in which it is told again


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_of_the_logger_passes(error):
    def stop(values):
        raise error

    with pytest.raises(error):
        fit(trainer_of(), gt.Log(stop))


@pytest.mark.parametrize(
    "target, message",
    [
        (3, "Log is given a int, which has no log"),
        (WithStep, "class WithStep itself"),
        (lambda: None, "Log is given a function, which has no log"),
        (lambda level, message: None, "which has no log"),
        (warnings, "Log is given a module"),
        (None, "gt.Log.tensorboard"),
    ],
)
def test_what_takes_no_row_is_refused_at_once(target, message):
    with pytest.raises(ConfigError, match=message):
        gt.Log(target)


def test_a_run_that_goes_on_sends_each_row_once(tmp_path):
    class Fail(gt.Callback):
        only_watches = True

        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 11:
                raise OSError

    target = WithStep()
    log = gt.Log(target)
    run = {"every_s": None, "every_steps": 4}
    with pytest.raises(OSError):
        fit(trainer_of(), log, gt.Run(tmp_path, **run), Fail(), epochs=5)
    # The checkpoint may be of an update before the last row that was sent.
    history = fit(trainer_of(seed=3), log, gt.Run(tmp_path, **run), epochs=5)
    assert target.steps == [3, 6, 9, 12, 15] == history["num_steps"]
    fit(trainer_of(seed=3), log, gt.Run(tmp_path, **run), epochs=6)
    assert target.steps == [3, 6, 9, 12, 15, 18]


def test_rows_computed_again_from_an_older_checkpoint_are_not_sent_again():
    target = WithStep()
    log, trainer = gt.Log(target), trainer_of()
    fit(trainer, log, epochs=1)
    state = trainer.state_dict()
    state["train_step"] = {**state["train_step"]}
    weights = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    fit(trainer, log, epochs=1)
    again = trainer_of()
    again.load_state_dict({**state, "train_step": state["train_step"]}, model=False)
    again.model.load_state_dict(weights)
    fit(again, log, epochs=2)
    assert target.steps == [3, 6, 9]


def test_a_training_that_begins_anew_is_sent_whole():
    target = WithStep()
    log = gt.Log(target)
    for _ in range(2):
        fit(trainer_of(), log)
    assert target.steps == [3, 6, 3, 6]


def test_a_run_goes_on_with_another_logger_or_without(tmp_path):
    for logs in ([gt.Log([].append)], [], [gt.Log(WithStep())]):
        trainer = trainer_of()
        fit(trainer, gt.Run(tmp_path), *logs, epochs=trainer.epoch + 1 + len(logs))


def test_nothing_is_imported_before_it_is_asked_for(monkeypatch):
    names = ("torch.utils.tensorboard", "mlflow")
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    fit(trainer_of(), gt.Log([].append))
    with pytest.raises(ImportError, match="pip install tensorboard"):
        gt.Log.tensorboard("logs")
    with pytest.raises(ImportError, match="pip install mlflow-skinny"):
        gt.Log.mlflow()


# With the packages themselves, which reach no network here.


def scalars_of(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    tags = read.Tags()
    return tags, {
        name: [(event.step, event.value) for event in read.Scalars(name)]
        for name in tags["scalars"]
    }


def test_tensorboard(tmp_path):
    trainer = trainer_of()
    log = gt.Log.tensorboard(tmp_path / "logs", config={"lr": 0.05, "rows": [8, "x"]})
    assert not (tmp_path / "logs").exists(), "nothing is written before the first row"
    fit(trainer, log)
    history = fit(trainer, log, epochs=1)  # which opens it again
    tags, scalars = scalars_of(tmp_path / "logs")
    assert set(scalars) == set(history)
    for name, values in history.items():
        assert [step for step, _ in scalars[name]] == [3, 6, 9]
        assert [v for _, v in scalars[name]] == pytest.approx(values, rel=1e-6)
    assert tags["tensors"] == ["config/text_summary"]


def test_a_folder_that_cannot_be_made_stops_no_training(tmp_path):
    (tmp_path / "file").write_text("")
    log = gt.Log.tensorboard(tmp_path / "file" / "logs")
    with pytest.warns(GradatimWarning, match="TensorBoard failed at step 3: ") as told:
        assert fit(trainer_of(), log, epochs=3).num_epochs == 3
    assert len(told) == 1


def test_a_loop_of_ones_own_sends_rows(tmp_path):
    log = gt.Log.tensorboard(tmp_path)
    for step in (1, 2):
        log.log({"loss": 1 / step, "kl": None, "name": "x"}, step=step)
    log.close()
    log.close()
    assert scalars_of(tmp_path)[1] == {"loss": [(1, 1.0), (2, 0.5)]}


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")
    yield mlflow
    assert mlflow.active_run() is None


def of_mlflow(mlflow, name):
    client = mlflow.MlflowClient()
    (run,) = [run for run in client.search_runs(["0"]) if run.info.run_name == name]
    metrics = {
        key: [
            (m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)
        ]
        for key in run.data.metrics
    }
    return run, metrics


def test_mlflow(mlflow):
    log, trainer = gt.Log.mlflow(config={"lr": 0.05}, run_name="line"), trainer_of()
    fit(trainer, log)
    history = fit(trainer, log, epochs=1)  # which goes on with the same run
    run, metrics = of_mlflow(mlflow, "line")
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.05"}
    for name, values in history.items():
        assert metrics[name] == list(zip([3, 6, 9], values, strict=True))


def test_mlflow_is_told_of_a_training_that_failed(mlflow):
    class Fail(gt.Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 2:
                raise OSError

    with pytest.raises(OSError):
        fit(trainer_of(), gt.Log.mlflow(run_name="broken"), Fail())
    run, metrics = of_mlflow(mlflow, "broken")
    assert run.info.status == "FAILED" and len(metrics["train_loss"]) == 1


def test_a_run_of_mlflow_that_is_active_is_used_and_left_open(mlflow):
    with mlflow.start_run(run_name="theirs"):
        fit(trainer_of(), gt.Log.mlflow())
        assert mlflow.active_run() is not None
    assert of_mlflow(mlflow, "theirs")[1]["num_steps"] == [(3, 3.0), (6, 6.0)]


def test_wandb(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    import wandb

    lean = wandb.Settings(
        console="off", disable_git=True, x_disable_meta=True, x_disable_stats=True
    )
    run = wandb.init(mode="offline", dir=tmp_path, project="line", settings=lean)
    history = fit(trainer_of(), gt.Log(run))
    run.log({}, step=7)  # a row is closed when the next one begins
    summary = dict(run.summary)
    run.finish()
    assert {k: summary[k] for k in history} == history.last()
