"""Metric objects of torchmetrics give what its functions give of all rows at once."""

import pytest
import torch
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics import functional as of_all_rows
from torchmetrics.classification import (
    BinaryAUROC,
    MulticlassCalibrationError,
    MulticlassF1Score,
)
from torchmetrics.regression import R2Score, SpearmanCorrCoef

import gradatim as gt

X = torch.randn(203, 6, generator=torch.Generator().manual_seed(0))
LABELS = (X[:, :3] + torch.randn(203, 3).sin()).argmax(dim=1)
MULTI, BINARY, NUMBER = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss(), nn.MSELoss()

pytestmark = pytest.mark.filterwarnings("ignore:Metric .* will save all:UserWarning")

CASES = {
    "f1": (
        lambda: MulticlassF1Score(num_classes=3, average="macro"),
        lambda p, t: of_all_rows.f1_score(
            p, t, task="multiclass", num_classes=3, average="macro"
        ),
        (3, MULTI, LABELS),
    ),
    "calibration": (
        lambda: MulticlassCalibrationError(num_classes=3),
        lambda p, t: of_all_rows.calibration_error(
            p, t, task="multiclass", num_classes=3
        ),
        (3, MULTI, LABELS),
    ),
    "auroc": (
        BinaryAUROC,
        lambda p, t: of_all_rows.auroc(p, t.long(), task="binary"),
        (1, BINARY, (LABELS[:, None] == 0).float()),
    ),
    "r2": (R2Score, of_all_rows.r2_score, (1, NUMBER, X.sum(1, keepdim=True).tanh())),
    "spearman": (
        SpearmanCorrCoef,
        lambda p, t: of_all_rows.spearman_corrcoef(p.squeeze(1), t.squeeze(1)),
        (1, NUMBER, X.sum(1, keepdim=True).tanh()),
    ),
}


def trainer_of(outputs, loss_fn, metrics):
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.Trainer(model, loss_fn, optimizer, metrics=metrics)


@pytest.mark.parametrize("name", CASES)
def test_an_object_a_function_and_all_rows_at_once_give_one_value(name):
    metric, function, (outputs, loss_fn, y) = CASES[name]
    trainer = trainer_of(outputs, loss_fn, {"object": metric(), "function": function})
    # 203 rows in batches of 32: the last one has 11.
    history = trainer.fit((X, y), (X, y), epochs=2, batch_size=32, progress=False)
    scores = trainer.evaluate((X, y), batch_size=32)
    with torch.no_grad():
        expected = function(trainer.model.eval()(X), y).item()
    assert expected == expected
    for given in (scores["object"], scores["function"], history["val_object"][-1]):
        assert given == pytest.approx(expected, rel=1e-5)


def test_a_collection_gives_all_of_its_metrics():
    collection = MetricCollection([R2Score(), SpearmanCorrCoef()], prefix="my_")
    y = X.sum(1, keepdim=True).tanh()
    trainer = trainer_of(1, NUMBER, collection)
    scores = trainer.evaluate((X, y), batch_size=32)
    with torch.no_grad():
        expected = of_all_rows.r2_score(trainer.model.eval()(X), y).item()
    assert scores["my_R2Score"] == pytest.approx(expected, rel=1e-5)
    assert "my_SpearmanCorrCoef" in scores
