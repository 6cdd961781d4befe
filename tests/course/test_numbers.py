"""What chapters compute is what the tutorial says."""

import contextlib
import io

import numpy as np
import pytest
import torch

from gradatim.course import CHAPTERS
from gradatim.course.notebook import load_app
from gradatim.ladder import rung_12_loaders, rung_13_evaluation


def defs_of(number, **given):
    chapter = CHAPTERS[number - 1]
    app = load_app(chapter)
    _, defs = app.run(defs=given) if given else app.run()
    return defs


def test_01_the_points_and_the_split():
    defs = defs_of(1)
    assert defs["x"].shape == (100, 1) and defs["updates"] == 5
    assert (defs["a_best"], defs["b_best"]) == pytest.approx((1, 2), abs=0.05)
    random = np.random.RandomState(42)
    x = random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * random.randn(100, 1)
    rows = np.arange(100)
    random.shuffle(rows)
    assert np.array_equal(defs["x"], x) and np.array_equal(defs["y"], y)
    assert np.array_equal(defs["rows_train"], rows[:80])
    assert np.array_equal(defs["rows_val"], rows[80:])


def test_02_the_limit_and_the_way_down():
    defs = defs_of(2)
    assert defs["limit"] == pytest.approx(0.806, abs=1e-3)
    assert not defs["went"].diverged


def test_06_autograd_ends_where_numpy_did():
    defs = defs_of(6)
    assert defs["start"] == pytest.approx([0.3367, 0.1288], abs=5e-5)
    assert defs["end"] == pytest.approx([1.0235, 1.9690], abs=5e-5)
    one, two, three = defs["tried"].values()
    told = "AttributeError: 'NoneType' object has no attribute 'zero_'"
    assert one.error == told and not one.is_leaf
    assert two.error.startswith("RuntimeError: a leaf Variable that requires grad")
    assert two.after == two.before
    assert not three.error and three.is_leaf and three.after != three.before


def test_07_the_boxes_of_the_graphs():
    defs = defs_of(7)
    drawn = {part: len(graph.nodes) for part, graph in defs["drawn"].items()}
    assert drawn == {"yhat": 4, "error": 5, "loss": 7}
    assert len(defs["branched"].graph.nodes) == 12
    assert defs["arrived"]["a"] == "-3.112" and defs["arrived"]["b"] == "-1.816"


def test_08_an_optimizer_ends_there_too():
    defs = defs_of(8)
    assert defs["end"] == pytest.approx([1.0235, 1.9690], abs=5e-5)
    assert defs["apart"] < 1e-5
    assert defs["firsts"]["Adam"] == pytest.approx((0.1, 0.1), abs=1e-5)


def test_03_by_hand_and_least_squares():
    defs = defs_of(3)
    assert [f"{n:.8f}" for n in defs["start"]] == ["0.49671415", "-0.13826430"]
    assert [f"{defs[n]:.8f}" for n in "ab"] == ["1.02354094", "1.96896411"]
    assert [f"{n:.8f}" for n in defs["best"]] == ["1.02354075", "1.96896447"]
    assert defs["agree"] == 6 and 245 < defs["near"] < 265


def test_04_the_same_data_in_float32():
    defs = defs_of(4)
    x = defs["x_tensor"]
    assert x.dtype == torch.float32 and x.shape == (80, 1)
    assert np.array_equal(x.cpu().numpy(), defs["x_train"].astype("float32"))
    assert defs["shares"]


def test_05_only_the_second_way_gives_no_leaf():
    defs = defs_of(5)
    assert defs["trainable"] == {"1": True, "2": False, "3": True, "4": True}
    assert defs["start"] == pytest.approx((0.3367, 0.1288), abs=5e-5)


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


def test_13_the_best_line_of_the_split_and_the_peeker():
    defs = defs_of(13)
    split = defs["split"]
    assert (len(split.train), len(split.val)) == (80, 20)
    assert not set(split.train) & set(split.val)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        a, b, _ = rung_12_loaders.run(200)
    assert "a {:.4f}  b {:.4f}  of this split".format(*defs["best"]) in told.getvalue()
    assert (a, b) == pytest.approx(defs["best"], abs=0.02)
    assert defs["train_error"] == 0 < defs["val_error"]
    assert defs["peek"].best > 0.6


def test_14_both_curves_are_rung_13s():
    defs = defs_of(14)
    walked = defs["walked"]
    with contextlib.redirect_stdout(io.StringIO()):
        a, b, losses = rung_13_evaluation.run(len(walked.val_losses))
    assert walked.path[-1] == pytest.approx((a, b), abs=1e-6)
    assert walked.train_losses == losses["train_loss"]
    assert walked.val_losses == losses["val_loss"]
    assert walked.train_losses[0] > 10 * walked.train_losses[-1]
    assert walked.val_losses[0] > 10 * walked.val_losses[-1]
    assert defs["stepped"].rates[::20] == pytest.approx([0.1, 0.01, 0.001])
    assert defs["by_batch"] != pytest.approx(defs["by_row"])


def test_15_bit_for_bit_and_on_exactly():
    defs = defs_of(15)
    assert defs["found"].num_equal == len(defs["found"].lines) == 2 + 2 * 30
    assert defs["went_on"].is_equal
    assert "resume is exact" in defs["went_on"].told
    assert defs["stopped"].left == pytest.approx(min(defs["stopped"].val))


def test_16_the_network_beats_the_linear_model_and_that_the_mean():
    defs = defs_of(16)
    scores = defs["fitted"].scores
    rmse = [scores[name]["rmse"] for name in ("model", "linear", "baseline")]
    assert rmse[0] < 0.8 * rmse[1] and rmse[1] < 0.5 * rmse[2]
    assert "GT101" in defs["doctor_says"]
