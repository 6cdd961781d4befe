"""The losses of single rows, against the loss of all."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradatim as gt
from gradatim.losses import ELEMENTWISE_LOSSES
from gradatim.trace.sample_losses import per_sample, sample_losses
from tests.trace.models import X, Y, made

P = torch.linspace(0.05, 0.95, 24).view(6, 4)
T = P.flip(0)
CLASSES = torch.tensor([0, 3, 1, 1, 2, 0])

PAIRS = {
    nn.GaussianNLLLoss: ((P, torch.ones_like(P)), T),
    nn.MultiLabelMarginLoss: (P, torch.tensor([[0, 2, -1, 1]] * 6)),
    nn.HingeEmbeddingLoss: (P, torch.where(P > 0.5, 1.0, -1.0)),
    nn.SoftMarginLoss: (P, torch.where(P > 0.5, 1.0, -1.0)),
    nn.MultiLabelSoftMarginLoss: (P, (P > 0.5).float()),
}


def rows_of(loss_fn, predictions, targets):
    return sample_losses(loss_fn, per_sample(loss_fn), predictions, targets)


def joined(loss_fn, predictions, targets):
    if isinstance(predictions, tuple):
        return loss_fn(predictions[0], targets, predictions[1])
    return loss_fn(predictions, targets)


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # KLDivLoss's own remark
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("loss", [*ELEMENTWISE_LOSSES, nn.MultiMarginLoss])
def test_they_join_to_the_loss(loss, reduction):
    loss_fn = loss(reduction=reduction)
    targets = CLASSES if loss is nn.MultiMarginLoss else T
    predictions, targets = PAIRS.get(loss, (P, targets))
    rows = rows_of(loss_fn, predictions, targets)
    assert rows.shape == (6,) and loss_fn.reduction == reduction
    whole = joined(loss_fn, predictions, targets)
    torch.testing.assert_close(getattr(rows, reduction)(), whole)


@pytest.mark.parametrize("function", [F.mse_loss, partial(F.huber_loss, delta=0.2)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_so_do_those_of_functions(function, reduction):
    loss_fn = partial(function, reduction=reduction)
    rows = rows_of(loss_fn, P, T)
    torch.testing.assert_close(getattr(rows, reduction)(), loss_fn(P, T))


def test_class_losses():
    rows = rows_of(nn.CrossEntropyLoss(), P, CLASSES)
    assert torch.equal(rows, F.cross_entropy(P, CLASSES, reduction="none"))
    weight = torch.tensor([1.0, 2, 3, 4])
    loss_fn = nn.CrossEntropyLoss(weight=weight, ignore_index=2)
    rows = rows_of(loss_fn, P, CLASSES)
    assert rows[4] == 0  # ignored
    kept = CLASSES != 2
    share = rows.sum() / weight[CLASSES[kept]].sum()
    torch.testing.assert_close(share, loss_fn(P, CLASSES))
    images = torch.randn(6, 4, 2, 2)
    pixels = torch.randint(4, (6, 2, 2))
    rows = rows_of(nn.CrossEntropyLoss(), images, pixels)
    torch.testing.assert_close(rows.mean(), F.cross_entropy(images, pixels))


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
def test_batchmean_adds_up_within_a_row():
    loss_fn = nn.KLDivLoss(reduction="batchmean")
    rows = rows_of(loss_fn, P.log_softmax(1), T.softmax(1))
    torch.testing.assert_close(rows.mean(), loss_fn(P.log_softmax(1), T.softmax(1)))


def test_a_loss_of_ones_own_does_not_tell():
    class Own(nn.MSELoss):
        def forward(self, predictions, targets):
            return 2 * super().forward(predictions, targets)

    assert per_sample(Own()) is None
    assert per_sample(lambda p, t: (p - t).mean()) is None
    assert per_sample(partial(nn.MSELoss(), torch.ones(3))) is None


@pytest.mark.parametrize("parts", [1, 3])
def test_the_trace_has_them_and_the_worst(parts):
    model, optimizer = made()
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, num_microbatches=parts)
    errors = ((model(X) - Y) ** 2).squeeze(1)
    torch.testing.assert_close(torch.tensor(trace.sample_losses), errors.detach())
    assert sum(trace.sample_losses) / 8 == pytest.approx(trace.loss)
    assert [each.row for each in trace.worst] == errors.topk(5).indices.tolist()
    worst = trace.worst[0]
    assert worst.loss == max(trace.sample_losses)
    assert (worst.prediction - worst.target) ** 2 == pytest.approx(worst.loss)
    assert worst.target == Y[worst.row].item()


def test_rows_that_are_nan_come_first():
    model, optimizer = made()
    x = X.clone()
    x[5] = torch.nan
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, Y)
    assert trace.worst[0].row == 5 and trace.worst[0].loss != trace.worst[0].loss
    assert trace.worst[1].loss >= trace.worst[2].loss
