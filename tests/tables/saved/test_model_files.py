"""The model's files, read with suspicion even where no digest protects them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError, RunError
from gradatim.store.manifest import read_folder
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.saved.model_files import parse_scores, read_table_model
from tests.trained_runs import fitted_on, plan_on, write_run


@pytest.fixture
def files(trained):
    """The contents of ``model/``, to be changed."""
    return read_folder(trained("town").run.path / "model")


def read(files):
    return read_table_model(files, Path("model"))


def change(files, **changes):
    """Change the description; an architecture is merged."""
    description = json.loads(files["model.json"])
    architecture = {**description["architecture"], **changes.pop("architecture", {})}
    description |= {"architecture": architecture, **changes}
    files["model.json"] = json.dumps(description).encode()


def test_it_answers_as_before(files, trained):
    model, fitted = read(files), trained("town").fitted
    x = fitted.plan.table.x
    assert torch.equal(predict_rows(model, x), predict_rows(fitted.model, x))


def test_reading_leaves_the_global_generator_alone(files):
    before = torch.get_rng_state()
    read(files)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2, but this gradatim reads version 1"),
        ({"task": "ranking"}, "unknown task 'ranking'"),
        ({"architecture": {"name": "os.system"}}, "unknown architecture"),
        ({"architecture": {"name": ["a"]}}, "unknown architecture"),
        ({"architecture": {"depth": 3}}, "has the fields .*depth"),
        ({"architecture": {"width": 10**9}}, "width is 1000000000"),
        ({"architecture": {"width": 1.5}}, r"width is 1\.5"),
        ({"architecture": {"width": True}}, "width is True"),
        ({"architecture": {"num_blocks": -1}}, "num_blocks is -1"),
        ({"architecture": {"dropout": 1.0}}, r"dropout is 1\.0"),
        ({"architecture": {"dropout": "much"}}, "dropout is 'much'"),
        ({"architecture": {"width": 17}}, r"does not fit model\.json"),
        ({"architecture": {"num_outputs": 4}}, r"does not fit model\.json"),
        ({"architecture": {"num_features": 3}}, "takes 3 features, the schema gives"),
    ],
)
def test_a_wrong_description_is_refused(changes, message, files):
    change(files, **changes)
    with pytest.raises(RunError, match=message):
        read(files)


def test_memory_is_not_asked_for_before_shapes_agree(files, monkeypatch):
    change(files, architecture={"width": 10**5, "num_blocks": 999})

    def allocated(*arguments, **options):
        raise AssertionError("a real network was made")

    monkeypatch.setattr("gradatim.tables.saved.model_files.TableModel", allocated)
    with pytest.raises(RunError, match=r"does not fit model\.json"):
        read(files)


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"version": NaN}'])
def test_what_is_no_description_is_refused(text, files):
    files["model.json"] = text.encode()
    with pytest.raises(RunError, match=r"model\.json"):
        read(files)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_cut_weights_are_refused(length, files):
    files["model.safetensors"] = files["model.safetensors"][:length]
    with pytest.raises(RunError, match=r"model\.safetensors is no safetensors file"):
        read(files)


def test_missing_weights_are_told(files):
    del files["model.safetensors"]
    with pytest.raises(RunError, match=r"lacks model\.safetensors"):
        read(files)


def test_a_pickle_is_not_read(files, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle")
    files["model.safetensors"] = (tmp_path / "pickle").read_bytes()
    with pytest.raises(RunError, match=r"model\.safetensors is no safetensors file"):
        read(files)


def own_network(num_features, num_outputs):
    return nn.Sequential(
        nn.Linear(num_features, 5), nn.BatchNorm1d(5), nn.Linear(5, num_outputs)
    )


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    fitted = fitted_on(trained("price").csv, "price", factory=own_network)
    return write_run(tmp_path_factory.mktemp("custom") / "run", fitted, {}), fitted


class TestCustom:
    def test_its_factory_makes_it_again(self, run):
        folder, fitted = run
        x = fitted.plan.table.x
        answers = predict_rows(folder.load_model(own_network), x)
        assert torch.equal(answers, predict_rows(fitted.model, x))

    def test_without_its_factory_it_is_refused(self, run):
        with pytest.raises(
            ConfigError, match=r"'custom'.*\n.*\n.*--model FILE.py:FACTORY"
        ):
            run[0].load_model()

    def test_another_factory_is_refused(self, run):
        with pytest.raises(
            ConfigError, match=r"does not take the weights(.|\n)*trained"
        ):
            run[0].load_model(lambda n, m: nn.Linear(n, m))


class TestDelivered:
    """Models that answer by the linear model, or by the mean of both."""

    @pytest.fixture(params=["linear", "mean"])
    def run(self, request, trained, tmp_path):
        plan = plan_on(trained("town").csv, "town")
        fitted = fit_table(plan, progress=False)
        choice = replace(fitted.choice, by=request.param)
        fitted.model.deliver(request.param, fitted.baselines)
        fitted = replace(fitted, choice=choice)
        return write_run(tmp_path / "run", fitted, {}), fitted

    def test_it_answers_as_before(self, run):
        folder, fitted = run
        x = fitted.plan.table.x
        answers = predict_rows(fitted.model, x)
        assert torch.equal(predict_rows(folder.load_model(), x), answers)
        predictor = gt.load(folder.path)
        assert torch.equal(predict_rows(predictor.model, x), answers)
        assert not torch.equal(predict_rows(fitted.model, x, by="network"), answers)
        assert folder.scores["delivered"] == fitted.choice.to_dict()

    @pytest.mark.parametrize("by", ["both", ["linear"], 1])
    def test_an_unknown_one_is_refused(self, by, run):
        files = read_folder(run[0].path / "model")
        change(files, delivered=by)
        with pytest.raises(RunError, match=r"the unknown model .* to deliver"):
            read(files)

    def test_without_its_numbers_it_is_refused(self, run):
        files = read_folder(run[0].path / "model")
        del files["baselines.safetensors"]
        with pytest.raises(RunError, match=r"no baselines\.safetensors"):
            read(files)

    @pytest.mark.parametrize(
        "choice", [{"by": "network"}, {"rows": -1}, {"mean": "0.5"}, {"extra": 1}]
    )
    def test_another_choice_is_refused(self, choice, run):
        content = read_folder(run[0].path / "model")["scores.json"]
        scores = json.loads(content)
        scores["delivered"] |= choice
        with pytest.raises(RunError, match="choice"):
            parse_scores(json.dumps(scores).encode(), Path("scores.json"))
