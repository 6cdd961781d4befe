import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import gradatim as gt

MODULES = [
    info.name
    for info in pkgutil.walk_packages(gt.__path__, "gradatim.")
    if not info.name.endswith("__main__")
]

PACKAGES = [
    info.name for info in pkgutil.walk_packages(gt.__path__, "gradatim.") if info.ispkg
]


def in_a_new_process(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["gradatim", *MODULES])
def test_all_is_sorted_and_its_names_are_there(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert names == sorted(set(names), key=as_ruff_sorts)
    for public in names:
        assert getattr(module, public) is not None


@pytest.mark.parametrize("name", PACKAGES)
def test_all_of_a_package_has_every_name_that_it_gathers(name):
    module = importlib.import_module(name)
    gathered = {
        public
        for public, value in vars(module).items()
        if not public.startswith("_")
        if getattr(value, "__module__", "").startswith(f"{name}.")
    }
    assert gathered <= set(getattr(module, "__all__", []))


def as_ruff_sorts(name):
    """Constants, classes, functions."""
    return not name.isupper(), name.islower() or not name[0].isupper(), name


def test_every_name_of_the_first_hour_is_loaded_when_used():
    lazy = {name for name in gt.__all__ if name in gt._HOME} | {"data"}
    assert lazy == set(gt.__all__) and set(gt._HOME) < lazy
    for name, home in gt._HOME.items():
        assert getattr(gt, name) is getattr(importlib.import_module(home), name)
        assert name in importlib.import_module(home).__all__
    assert set(gt.__all__) <= set(dir(gt))
    with pytest.raises(AttributeError, match="no attribute 'Trianer'"):
        gt.Trianer  # noqa: B018


BY_HAND = """
import numpy, torch, torch.utils.data
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters())
model(torch.ones(1, 1)).sum().backward()
optimizer.step()
"""
CORE = """
import json, sys
{before}
before = set(sys.modules)
{code}
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""


def test_the_package_is_imported_without_torch():
    loaded = in_a_new_process(CORE.format(before="", code="import gradatim"))
    assert not {"torch", "numpy", "jaxtyping", "pyarrow", "rich"} & set(loaded)
    assert "gradatim" in loaded


def test_the_core_needs_torch_numpy_and_jaxtyping_alone():
    training = """
import gradatim as gt
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters())
trainer = gt.Trainer(model, torch.nn.MSELoss(), optimizer)
trainer.fit(gt.data.line(), epochs=2)
trainer.predict(gt.data.line()[0])
gt.lr_range_test(model, torch.nn.MSELoss(), optimizer, gt.data.line())
"""
    loaded = set(in_a_new_process(CORE.format(before=BY_HAND, code=training)))
    ours = {"gradatim", "jaxtyping", "wadler_lindig"}  # jaxtyping's own, to print
    assert "gradatim" in loaded
    assert loaded <= set(sys.stdlib_module_names) | {"torch", "numpy"} | ours
