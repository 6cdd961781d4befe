"""What chapters compute is what the tutorial says."""

import importlib

import pytest

from gradatim.course import CHAPTERS


def defs_of(number, **given):
    chapter = CHAPTERS[number - 1]
    module = importlib.import_module(f"gradatim.course.chapters.{chapter.slug}")
    _, defs = module.app.run(defs=given) if given else module.app.run()
    return defs


def test_02_the_limit_and_the_way_down():
    defs = defs_of(2)
    assert defs["limit"] == pytest.approx(0.806, abs=1e-3)
    assert not defs["went"].diverged


def test_09_the_loss_function_and_80_times_the_gradient():
    defs = defs_of(9)
    assert defs["end"] == pytest.approx([1.0235, 1.9690], abs=5e-5)
    assert defs["ratio"] == pytest.approx(80)
    assert not defs["went"].diverged


def test_10_where_the_models_start_and_end():
    defs = defs_of(10)
    for name, start in (("manual", [0.3367, 0.1288]), ("sequential", [0.8300, 0.7645])):
        path = defs[name].path
        assert path[0].tolist() == pytest.approx(start, abs=5e-5)
        assert path[-1].tolist() == pytest.approx([1.0235, 1.9690], abs=5e-5)


def test_11_the_train_step_ends_there_too():
    defs = defs_of(11)
    assert defs["start"] == pytest.approx([0.8300, 0.7645], abs=5e-5)
    assert defs["end"] == pytest.approx([1.0235, 1.9690], abs=5e-5)


def test_12_mini_batches_end_close_to_least_squares():
    defs = defs_of(12)
    assert defs["num_updates"] == 5
    assert defs["best"].tolist() == pytest.approx([1.0235, 1.9690], abs=5e-5)
    assert defs["loaded"].path[-1].tolist() == pytest.approx(
        defs["best"].tolist(), abs=0.02
    )
