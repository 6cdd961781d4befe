"""Every program in ``examples/`` runs, in a short form, and reaches its number."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

EXAMPLES = Path(__file__).parent.parent / "examples"


def check_digits(scores: dict[str, Any]) -> None:
    assert scores["accuracy"] >= 0.95  # 0.1 by chance; 0.99 in the long form


def check_characters(scores: dict[str, Any]) -> None:
    assert scores["perplexity"] < 0.6 * scores["unigram"]
    # What the text's own frequencies give: a broken baseline would be easy to beat.
    assert 15 < scores["unigram"] < 20


def check_gan(scores: dict[str, Any]) -> None:
    torch.testing.assert_close(scores["mean"], scores["real_mean"], atol=0.15, rtol=0)
    torch.testing.assert_close(scores["std"], scores["real_std"], atol=0.15, rtol=0)


def check_own_loop(scores: dict[str, Any]) -> None:
    assert scores["identical"]
    assert scores["val_loss"] < 0.2 * scores["baseline"]


CASES = {
    "characters": ({"epochs": 2, "stride": 16}, check_characters),
    "digits": ({"epochs": 5}, check_digits),
    "gan": ({"epochs": 15}, check_gan),
    "own_loop": ({"epochs": 6, "num_rows": 1000}, check_own_loop),
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    # On the path, so that loader workers that are not forked can import it as well.
    monkeypatch.syspath_prepend(EXAMPLES)

    def load(name: str) -> ModuleType:
        module = importlib.import_module(name)
        assert Path(module.__file__ or "").parent == EXAMPLES
        return module

    # Networks this small wait for their second thread, where cores are shared, for
    # twenty times as long as they compute.
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):  # the examples seed torch's generator
        yield load
    torch.set_num_threads(num_threads)


@pytest.mark.parametrize("name", CASES)
def test_example(name, load, capsys):
    options, check = CASES[name]
    check(load(name).main(**options))
    assert capsys.readouterr().out.strip()


def test_digits_are_the_same_digits_again(load, capsys):
    main = load("digits").main
    first, again = (main(epochs=1) for _ in range(2))
    assert first == again  # shifts are drawn in two workers


def test_own_loop_notices_a_generator_that_was_not_put_back(load, monkeypatch, capsys):
    own_loop = load("own_loop")
    monkeypatch.setattr("gradatim.run.stateful.set_rng_state", lambda state: None)
    assert not own_loop.main(epochs=2, num_rows=500)["identical"]
    assert "OTHER WEIGHTS" in capsys.readouterr().out


def test_own_loop_notices_a_scheduler_that_was_not_put_back(load, monkeypatch, capsys):
    own_loop = load("own_loop")
    monkeypatch.setattr(
        torch.optim.lr_scheduler.CosineAnnealingLR, "load_state_dict", lambda *_: None
    )
    assert not own_loop.main(epochs=2, num_rows=500)["identical"]


def test_every_example_is_run_and_described():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(CASES)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in readme, f"README.md does not name {path.name}"


@pytest.mark.parametrize("name", CASES)
def test_example_is_short_and_uses_what_is_public(name):
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert "import gradatim as gt\n" in source
    assert "from gradatim" not in source
    assert "gt._" not in source
    assert source.endswith('\n\nif __name__ == "__main__":\n    main()\n')
    assert 40 <= len(source.splitlines()) <= 110
