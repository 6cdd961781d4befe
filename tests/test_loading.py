"""A trained model from its files: what it answers, and whom it is given to."""

import os
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run as command
from gradatim.errors import (
    ConfigError,
    DamagedError,
    DataError,
    RunError,
    SchemaError,
)
from gradatim.run.module_file import save_modules
from gradatim.store.manifest import sealed
from gradatim.tables.fit.fit import predict_rows
from tests.bits import assert_same_bits
from tests.faults.hostile import seal_folder
from tests.houses import TARGETS, with_target
from tests.trained_runs import fitted_on, trained, write_run

__all__ = ["trained"]  # the fixture

CLASSES = [name for name, task in TARGETS.items() if task != "regression"]


@pytest.fixture
def alone(trained, tmp_path):
    """Give a copy of the ``model`` folder of a run, and nothing else of it."""

    def copy(target):
        return shutil.copytree(trained(target).run.path / "model", tmp_path / "mine")

    return copy


def answered(trained, target, tmp_path, suffix=".parquet"):
    """What ``gradatim predict`` writes."""
    run, output = trained(target), tmp_path / f"answers{suffix}"
    arguments = ["--run", str(run.run.path), "-o", str(output)]
    assert command(["predict", str(run.csv), *arguments]) == 0
    if suffix == ".csv":
        return pd.read_csv(output)
    return pq.read_table(output)


class TestTable:
    @pytest.mark.parametrize("target", TARGETS)
    def test_a_run_answers_as_gradatim_predict_does(self, target, trained, tmp_path):
        table = answered(trained, target, tmp_path)
        predictor = gt.load(trained(target).run.path)
        theirs = table["prediction"].to_numpy()
        ours = predictor.predict(trained(target).csv)
        assert ours.shape == theirs.shape == (160,)
        assert ours.tolist() == theirs.tolist()

    @pytest.mark.parametrize("target", CLASSES)
    def test_its_probabilities_are_those_of_gradatim_predict(
        self, target, trained, tmp_path
    ):
        table = answered(trained, target, tmp_path)
        predictor = gt.load(trained(target).run.path)
        ours = predictor.predict_proba(trained(target).csv)
        theirs = [column.to_numpy() for column in table.columns[1:]]
        assert ours.dtype == np.float32
        assert np.array_equal(ours, np.stack(theirs, axis=1))
        np.testing.assert_allclose(ours.sum(axis=1), 1, rtol=1e-6)
        labels = np.array(predictor.schema.labels)
        best = labels[ours.argmax(axis=1)]
        assert np.array_equal(best, predictor.predict(trained(target).csv))

    @pytest.mark.parametrize("target", TARGETS)
    def test_the_model_folder_is_enough(self, target, trained, alone):
        run, folder = trained(target), alone(target)
        ours = gt.load(str(folder)).predict(run.csv)
        assert np.array_equal(ours, gt.load(run.run.path).predict(run.csv))
        x = run.fitted.plan.table.x
        model = gt.load(folder).model
        assert torch.equal(predict_rows(model, x), predict_rows(run.fitted.model, x))
        assert not model.training

    @pytest.mark.parametrize("target", ["price", "town"])
    def test_rows_may_come_from_a_path_pandas_or_pyarrow(self, target, trained):
        run = trained(target)
        predictor = gt.load(run.run.path)
        wanted = predictor.predict(run.csv)
        frame = pd.read_csv(run.csv)
        frame["built"] = pd.to_datetime(frame["built"]).dt.date
        sources = [
            str(run.csv),
            run.parquet,
            frame,
            frame.drop(columns=target),
            frame[sorted(frame)],
            pa.Table.from_pandas(frame),
        ]
        for source in sources:
            assert np.array_equal(predictor.predict(source), wanted)

    def test_a_target_among_the_rows_is_left_alone(self, trained):
        """It may be missing, or hold what training has never seen."""
        predictor = gt.load(trained("town").run.path)
        frame = pd.read_csv(trained("town").csv)
        wanted = predictor.predict(frame)
        for value in (None, "Rom"):
            frame["town"] = pd.Series([value] * len(frame), dtype="string")
            assert np.array_equal(predictor.predict(frame), wanted)

    def test_rows_that_do_not_fit_are_refused(self, trained):
        predictor = gt.load(trained("price").run.path)
        frame = pd.read_csv(trained("price").csv)
        with pytest.raises(DataError, match="lacks 1 of 5 columns: 'area'"):
            predictor.predict(frame.drop(columns="area"))
        with pytest.raises(SchemaError, match="'x' is not a number"):
            predictor.predict(frame.astype({"area": object}).assign(area="x"))

    def test_a_number_has_no_probability(self, trained):
        with pytest.raises(ConfigError, match=r"no classes.*\n.*predict\(\)"):
            gt.load(trained("price").run.path).predict_proba(trained("price").csv)

    def test_labels_keep_their_kind(self, trained):
        kinds = {"sold": bool, "grade": int, "town": str}
        for target, kind in kinds.items():
            predictor = gt.load(trained(target).run.path)
            answers = predictor.predict(trained(target).csv)
            assert {type(answer) for answer in answers.tolist()} == {kind}

    def test_targets_far_from_zero_come_back_in_their_units(self, tmp_path):
        frame = with_target("price")
        frame["price"] = (frame["price"] * 10).round().astype(int) + 1_700_000_000
        frame.to_csv(tmp_path / "far.csv", index=False)
        fitted = fitted_on(tmp_path / "far.csv", "price")
        run = write_run(tmp_path / "run", fitted, {})
        answers = gt.load(run.path).predict(tmp_path / "far.csv")
        assert answers.dtype == np.float64
        assert abs(answers - frame["price"]).max() < 2e4

    def test_scores_are_those_of_the_run(self, trained):
        predictor = gt.load(trained("grade").run.path)
        assert predictor.scores == trained("grade").run.scores["scores"]
        assert predictor.schema == trained("grade").run.schema

    def test_answers_are_the_same_with_more_threads(self, trained):
        predictor = gt.load(trained("price").run.path)
        wanted = predictor.predict(trained("price").csv)
        torch.set_num_threads(2)
        assert np.array_equal(predictor.predict(trained("price").csv), wanted)
        assert torch.get_num_threads() == 2

    def test_nothing_is_drawn(self, trained):
        before = torch.get_rng_state()
        gt.load(trained("town").run.path)
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_tutorials_line_answers(self, tmp_path):
        arguments = ["--epochs", "5", "--run", str(tmp_path / "line")]
        assert command(["fit", *arguments]) == 0
        predictor = gt.load(tmp_path / "line")
        answers = predictor.predict(pa.table({"x": [0.0, 1.0]}))
        (weight,), bias = (
            predictor.model.network.weight[0],
            predictor.model.network.bias,
        )
        assert answers == pytest.approx([bias.item(), bias.item() + weight.item()])

    def test_a_module_is_no_factory(self, trained):
        with pytest.raises(ConfigError, match=r"(?s)a module\..*lambda num_features"):
            gt.load(trained("price").run.path, model=nn.Linear(1, 1))


def own_network(num_features, num_outputs):
    return nn.Sequential(
        nn.Linear(num_features, 5), nn.BatchNorm1d(5), nn.Linear(5, num_outputs)
    )


@pytest.fixture(scope="module")
def custom(trained):
    return fitted_on(trained("town").csv, "town", factory=own_network)


@pytest.fixture
def custom_run(custom, tmp_path):
    return write_run(tmp_path / "run", custom, {}).path


class TestFactory:
    def test_a_network_of_ones_own_is_made_by_its_factory(
        self, custom_run, custom, trained
    ):
        predictor = gt.load(custom_run, model=own_network)
        x = custom.plan.table.x
        ours = predict_rows(predictor.model, x)
        assert torch.equal(ours, predict_rows(custom.model, x))
        labels = np.array(predictor.schema.labels)[ours.argmax(dim=1)]
        assert np.array_equal(predictor.predict(trained("town").csv), labels)

    def test_without_it_the_file_names_nothing(self, custom_run):
        with pytest.raises(ConfigError, match=r"(?s)'custom'.*model=FACTORY") as caught:
            gt.load(custom_run)
        assert str(custom_run / "model") in str(caught.value).partition("\n")[0]

    def test_another_factory_is_told_what_differs(self, custom_run):
        def wider(num_features, num_outputs):
            return nn.Sequential(
                nn.Linear(num_features, 6), nn.BatchNorm1d(6), nn.Linear(6, num_outputs)
            )

        with pytest.raises(
            ConfigError, match=r"network\.0\.bias: float32 \(5,\) -> float32 \(6,\)"
        ):
            gt.load(custom_run, model=wider)

    def test_a_factory_that_fails_is_told(self, custom_run):
        with pytest.raises(ConfigError, match=r"gave a int, not an nn\.Module"):
            gt.load(custom_run, model=lambda num_features, num_outputs: 7)


# --- Runs of Python -------------------------------------------------------------------

X = torch.linspace(-1, 1, 36).reshape(12, 3)
Y = X.sum(1, keepdim=True)


def network(width=4):
    layers = [nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 1)]
    return nn.Sequential(*layers)


def by_trainer(folder, model, epochs=1, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        (X, Y), epochs=epochs, callbacks=[gt.Run(folder, **options)], progress=False
    )


def by_loop(folder, model, epochs=1, last=99):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(folder)
    run.track(model=model, optimizer=optimizer)
    for batch in run.batches((X, Y), batch_size=4, epochs=epochs):
        train_step(*batch)
        if run.step == last:
            break


@pytest.fixture(params=[by_trainer, by_loop])
def run(request, tmp_path):
    model = network()
    request.param(tmp_path / "run", model)
    return tmp_path / "run", model


class TestModule:
    def test_a_module_gets_the_weights(self, run):
        folder, model = run
        mine = network()
        assert gt.load(folder, model=mine) is mine
        assert_same_bits(dict(mine.state_dict()), dict(model.state_dict()))
        assert not mine.training

    def test_a_function_makes_the_module(self, run):
        folder, model = run
        before = torch.get_rng_state()
        mine = gt.load(folder, model=network)
        assert torch.equal(torch.get_rng_state(), before)
        assert_same_bits(dict(mine.state_dict()), dict(model.state_dict()))

    def test_the_model_folder_is_enough(self, run, tmp_path):
        folder, model = run
        copy = shutil.copytree(folder / "model", tmp_path / "ä copy")
        mine = gt.load(str(copy), model=network)
        assert torch.equal(mine(X), model.eval()(X))

    def test_a_compiled_module_gets_them_too(self, run):
        folder, model = run
        mine = network()
        gt.load(folder, model=torch.compile(mine, backend="eager"))
        assert torch.equal(mine[0].weight, model[0].weight)

    def test_its_memory_format_stays(self, tmp_path):
        convolution = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
        module_file(tmp_path / "model", convolution)
        mine = gt.load(tmp_path, model=nn.Conv2d(2, 3, 3))
        assert torch.equal(mine.weight, convolution.weight)

    def test_several_modules_get_their_own(self, tmp_path):
        modules = {"encoder": nn.Linear(3, 2), "head": nn.Linear(2, 1)}
        optimizer = torch.optim.SGD(modules["encoder"].parameters(), lr=0.1)
        run = gt.Run(tmp_path)
        run.track(optimizer=optimizer, **modules)
        for _ in run.batches((X, Y), batch_size=12, epochs=1):
            pass
        mine = nn.ModuleDict({"encoder": nn.Linear(3, 2), "head": nn.Linear(2, 1)})
        gt.load(tmp_path, model=mine)
        for name, module in modules.items():
            assert torch.equal(mine[name].weight, module.weight)

    @pytest.mark.parametrize(
        ("make", "what"),
        [
            (
                lambda: network(5),
                r"0\.weight: float32 \(4, 3\) -> float32 \(5, 3\)",
            ),
            (lambda: network().double(), r"0\.bias: float32 \(4,\) -> float64 \(4,\)"),
            (lambda: network()[:2], r"2\.weight: float32 \(1, 4\) -> none"),
            (
                lambda: nn.Sequential(*network(), nn.Linear(1, 1)),
                r"3\.weight: none -> float32 \(1, 1\)",
            ),
        ],
    )
    def test_another_module_is_told_what_differs(self, make, what, run):
        folder, _ = run
        mine = make()
        before = {name: value.clone() for name, value in mine.state_dict().items()}
        with pytest.raises(RunError, match=what) as caught:
            gt.load(folder, model=mine)
        first = str(caught.value).partition("\n")[0]
        assert str(folder / "model") in first and "Sequential" in first
        assert_same_bits(dict(mine.state_dict()), before)

    def test_without_a_module_the_file_names_nothing(self, run):
        with pytest.raises(ConfigError, match=r"(?s)not its code.*load\(path, model="):
            gt.load(run[0])

    @pytest.mark.parametrize("made", [7, "network", None])
    def test_a_function_has_to_make_a_module(self, made, run):
        with pytest.raises(ConfigError, match=r"model gave a .*, not an nn\.Module"):
            gt.load(run[0], model=lambda: made)

    def test_state_beside_the_tensors_comes_back(self, tmp_path):
        module_file(tmp_path / "model", Counting(words={"a": (1, 2)}))
        assert gt.load(tmp_path, model=Counting).words == {"a": (1, 2)}

    def test_a_state_that_the_module_does_not_take_is_told(self, tmp_path):
        module_file(tmp_path / "model", Counting(words={"a": 1}))
        with pytest.raises(RunError, match=r"(?s)of another model.*no list of words"):
            gt.load(tmp_path, model=Picky)


class Counting(nn.Module):
    def __init__(self, words=None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.words = words

    def get_extra_state(self):
        return self.words

    def set_extra_state(self, state):
        self.words = state


class Picky(Counting):
    def set_extra_state(self, state):
        raise TypeError("no list of words")


def module_file(path, module):
    path.parent.mkdir(exist_ok=True)
    save_modules(path, {"model": module})


# --- What is no model -----------------------------------------------------------------


class TestWhere:
    def test_a_run_that_has_not_ended_has_none(self, tmp_path):
        by_loop(tmp_path / "run", network(), epochs=2, last=4)
        with pytest.raises(
            RunError, match=r"run holds no model.*\n.*has ended\.\nGo on with"
        ):
            gt.load(tmp_path / "run", model=network)

    @pytest.mark.parametrize("name", ["gone", "a file"])
    def test_what_is_no_folder_is_told(self, name, tmp_path):
        (tmp_path / "a file").write_text("x")
        with pytest.raises(RunError, match=rf"{name} is no folder\. Give a run"):
            gt.load(tmp_path / name)

    def test_an_empty_folder_holds_no_model(self, tmp_path):
        with pytest.raises(RunError, match=r"holds no model: there is no manifest"):
            gt.load(tmp_path)

    def test_a_checkpoint_is_no_model(self, run):
        folder, _ = run
        checkpoint = max((folder / "checkpoints").iterdir())
        with pytest.raises(DamagedError, match=r"has no model\.json: it is no model"):
            gt.load(checkpoint, model=network)

    def test_the_model_before_is_read_where_a_kill_left_that(self, run):
        folder, model = run
        (folder / "model").rename(folder / "model-old")
        mine = gt.load(folder, model=network)
        assert torch.equal(mine[0].weight, model[0].weight)

    def test_a_run_may_be_moved_and_be_a_link(self, run, tmp_path):
        folder, model = run
        moved = shutil.move(folder, tmp_path / "elsewhere")
        (tmp_path / "link").symlink_to(moved)
        assert torch.equal(
            gt.load(tmp_path / "link", model=network)[0].weight, model[0].weight
        )

    def test_a_model_that_is_a_link_is_refused(self, run, tmp_path):
        folder, _ = run
        shutil.move(folder / "model", tmp_path / "elsewhere")
        (folder / "model").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(DamagedError, match="model is a link"):
            gt.load(folder, model=network)


class TestDamaged:
    @pytest.mark.parametrize(
        "name",
        [
            "manifest.json",
            "model.json",
            "model.safetensors",
            "schema.json",
            "scores.json",
        ],
    )
    @pytest.mark.parametrize("how", ["a bit", "cut", "emptied", "missing", "more"])
    def test_every_file_of_a_table_is_watched(self, name, how, alone):
        folder = alone("town")
        damage(folder / name, how)
        with pytest.raises(RunError, match=r"mine.*\n.*\n.*"):
            gt.load(folder)

    @pytest.mark.parametrize("name", ["manifest.json", "model.json"])
    @pytest.mark.parametrize("how", ["a bit", "cut", "emptied", "missing", "more"])
    def test_every_file_of_a_module_is_watched(self, name, how, run):
        folder, _ = run
        damage(folder / "model" / name, how)
        with pytest.raises(RunError, match=r"run.*\n.*\n.*"):
            gt.load(folder, model=network)

    def test_a_file_more_is_refused_though_the_manifest_names_it(self, alone):
        folder = alone("town")
        (folder / "hook.json").write_text('{"call": "os.system"}')
        seal_folder(folder)
        with pytest.raises(DamagedError, match=r"hook\.json does not belong there"):
            gt.load(folder)

    @pytest.mark.parametrize(
        "name", ["model.safetensors", "schema.json", "scores.json"]
    )
    def test_a_file_less_is_refused_though_the_manifest_does_not_name_it(
        self, name, alone
    ):
        folder = alone("town")
        (folder / name).unlink()
        seal_folder(folder)
        with pytest.raises(DamagedError, match=name):
            gt.load(folder)

    def test_the_schema_of_another_run_is_refused(self, alone, trained):
        folder = alone("town")
        shutil.copy(trained("price").run.path / "schema.json", folder)
        seal_folder(folder)
        with pytest.raises(RunError, match=r"schema\.json does not fit model\.json"):
            gt.load(folder)

    def test_another_version_is_told(self, alone):
        folder = alone("town")
        (folder / "manifest.json").write_bytes(sealed({"version": 2, "files": {}}))
        with pytest.raises(RunError, match="version 2, but this gradatim reads"):
            gt.load(folder)

    def test_weights_far_too_large_are_not_read(self, alone, monkeypatch):
        folder = alone("town")
        os.truncate(folder / "model.safetensors", 1 << 33)
        seal_folder(folder)
        with pytest.raises(DamagedError, match=r"8,589,934,592 bytes, not the 1\d,\d+"):
            gt.load(folder)


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "more":
        path.with_name("more").write_bytes(content)
    else:
        content[len(content) // 2] ^= 4
        kept = {"a bit": len(content), "cut": len(content) // 2, "emptied": 0}
        path.write_bytes(content[: kept[how]])
