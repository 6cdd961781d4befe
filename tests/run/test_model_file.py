"""The model's two files, read with suspicion even where no digest protects them."""

import json
import shutil

import pytest
import torch
from torch import nn

from gradatim.errors import ConfigError, RunError
from gradatim.run.folder import write_run
from gradatim.run.model_file import load_table_model
from gradatim.tabular.fit import predict_rows
from tests.run.conftest import fitted_on


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained("town").run.path / "model", tmp_path / "model")


@pytest.fixture
def schema(trained):
    return trained("town").run.schema


def change(folder, **changes):
    """Change the description; an architecture is merged."""
    path = folder / "model.json"
    description = json.loads(path.read_text())
    architecture = {**description["architecture"], **changes.pop("architecture", {})}
    description |= {"architecture": architecture, **changes}
    path.write_text(json.dumps(description))


def test_it_answers_as_before(folder, schema, trained):
    model, fitted = load_table_model(folder, schema), trained("town").fitted
    x = fitted.plan.table.x
    assert torch.equal(predict_rows(model, x), predict_rows(fitted.model, x))


def test_reading_leaves_the_global_generator_alone(folder, schema):
    before = torch.get_rng_state()
    load_table_model(folder, schema)
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
def test_a_wrong_description_is_refused(changes, message, folder, schema):
    change(folder, **changes)
    with pytest.raises(RunError, match=message):
        load_table_model(folder, schema)


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"version": NaN}'])
def test_what_is_no_description_is_refused(text, folder, schema):
    (folder / "model.json").write_text(text)
    with pytest.raises(RunError, match=r"model\.json"):
        load_table_model(folder, schema)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_cut_weights_are_refused(length, folder, schema):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RunError, match=r"model\.safetensors cannot be read"):
        load_table_model(folder, schema)


def test_missing_weights_are_told(folder, schema):
    (folder / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"model\.safetensors does not exist"):
        load_table_model(folder, schema)


def test_a_pickle_is_not_read(folder, schema):
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(RunError, match=r"model\.safetensors cannot be read"):
        load_table_model(folder, schema)


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
