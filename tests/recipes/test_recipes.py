"""Every program of docs/recipes.md runs as it stands there, and does what is said."""

import functools
import json
import re

import pytest
import torch

from tests.recipes.page import DOCS, programs, run, shape_of

RECIPES = {program.title: program for program in programs("recipes.md")}


def check_hugging_face(names):
    accuracies = names["history"]["val_accuracy"]
    assert accuracies[-1] > 0.95  # 0.6 by chance
    # The rate has risen and fallen.
    assert names["schedule"].get_last_lr() == [0.0]


def check_language_model(names):
    history = names["history"]
    assert history["num_steps"] == [30, 60, 90, 120]
    assert history["epoch"] == [1, 1, 2, 2]
    assert 0.6 < history["val_loss"][-1] < 0.75 < history["val_loss"][0]


def check_segmentation(names):
    assert names["history"]["val_iou"][-1] > 0.75


def check_gan(names):
    for statistic in (torch.mean, torch.std):
        real, generated = (statistic(names[key], 0) for key in ("real", "generated"))
        torch.testing.assert_close(generated, real, atol=0.4, rtol=0)
    assert len(names["run"].history["critic"]) == 20
    # The same program goes on, and finds that all is done.
    again = run(RECIPES["A GAN with a run"])
    assert torch.equal(again["generator"][0].weight, names["generator"][0].weight)


def check_vae(names):
    history = names["history"]
    assert history["val_recon"][-1] < 0.1 * history["val_recon"][0]
    parts = zip(history["val_recon"], history["val_kl"], strict=True)
    sums = [recon + 0.1 * kl for recon, kl in parts]
    assert history["val_loss"] == pytest.approx(sums, rel=1e-5)


def check_averages(names):
    assert names["averaged"][-1] < names["plain"][-1]


def check_freeze(names):
    history = names["history"]
    assert history["lr_1"] == [None] * 5 + [0.003] * 5
    assert history["train_loss"][-1] < 0.9 * history["train_loss"][4]


def check_triplet(names):
    right = names["history"]["val_right"]
    assert right[-1] > right[0] > 0.5


def check_packed(names):
    losses = names["history"]["val_loss"]
    assert losses[-1] < 0.1 * losses[0]
    sequences = [x for x, _ in names["rows"][448:]]
    packed = torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    targets = torch.stack([y for _, y in names["rows"][448:]])
    with torch.no_grad():
        whole = ((names["model"](packed) - targets) ** 2).mean().item()
    assert losses[-1] == pytest.approx(whole, rel=1e-4)


def check_folds(names):
    assert len(names["scores"]) == 5
    assert names["scores"].mean() < 0.03  # the noise alone is 0.01


def check_optuna(names):
    assert 0 < len(names["pruned"]) < 12
    assert names["study"].best_value < 0.3


def check_compiled(names):
    losses = names["history"]["train_loss"]
    assert losses[-1] < 0.1 * losses[0]


def check_loggers(names):
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator("logs/line")
    events.Reload()
    values = [event.value for event in events.Scalars("val_loss")]
    assert values == pytest.approx(names["trainer"].history["val_loss"])


CHECKS = {
    "A model of Hugging Face, padded batches and a warm-up": check_hugging_face,
    "A language model by steps": check_language_model,
    "Segmentation with torchmetrics": check_segmentation,
    "A GAN with a run": check_gan,
    "A variational autoencoder with named parts": check_vae,
    "Averages of the weights": check_averages,
    "Freeze, then unfreeze": check_freeze,
    "Triplet loss": check_triplet,
    "Packed sequences": check_packed,
    "Cross-validation": check_folds,
    "Optuna, with pruning": check_optuna,
    "torch.compile": check_compiled,
    "Loggers": check_loggers,
}


def test_every_recipe_is_in_the_contents_and_is_checked():
    assert list(RECIPES) == list(CHECKS)
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \[(.*)\]\(#", text, re.M) == list(RECIPES)


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(title, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Inductor takes 20 s to begin. What it makes of a model is PyTorch's business.
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend="eager")
    )
    names = run(RECIPES[title])
    printed = capsys.readouterr().out
    assert shape_of(printed) == shape_of(RECIPES[title].printed)
    CHECKS[title](names)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of PyTorch itself
def test_compiled_by_inductor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    check_compiled(run(RECIPES["torch.compile"]))
    (header,) = tmp_path.glob("runs/compiled/model/model.json")
    assert "_orig_mod" not in json.dumps(json.loads(header.read_text()))


def test_a_program_that_prints_something_else_is_noticed():
    assert shape_of("loss 1.5 -> 0.3\n") == shape_of("loss 2.25 -> 0.1")
    assert shape_of("loss 1.5") != shape_of("loss 1.5 in 3 epochs")
