import functools
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradatim.errors import (
    ConfigError,
    GradatimWarning,
    LossError,
    ShapeMismatchError,
)
from gradatim.losses import (
    CLASS_LOSSES,
    ELEMENTWISE_LOSSES,
    GAUSSIAN_LOSS,
    check_reduction,
    check_scalar,
    checked,
    loss_kind,
    reduction,
    to_probabilities,
)

ELEMENTWISE = [
    *(module() for module in ELEMENTWISE_LOSSES),
    *ELEMENTWISE_LOSSES.values(),
    *(functools.partial(f, reduction="sum") for f in ELEMENTWISE_LOSSES.values()),
]
CLASSES = [
    *(module() for module in CLASS_LOSSES),
    *CLASS_LOSSES.values(),
    *(functools.partial(f, reduction="sum") for f in CLASS_LOSSES.values()),
]


def name_of(loss_fn):
    bare = getattr(loss_fn, "func", loss_fn)
    kind = "partial-" if bare is not loss_fn else ""
    return kind + getattr(bare, "__name__", type(bare).__name__)


def takes_variance(loss_fn):
    bare = getattr(loss_fn, "func", loss_fn)
    return isinstance(bare, tuple(GAUSSIAN_LOSS)) or bare in GAUSSIAN_LOSS.values()


# --- Elementwise ----------------------------------------------------------------------


@pytest.mark.parametrize("loss_fn", ELEMENTWISE, ids=name_of)
def test_an_elementwise_loss_refuses_shapes_that_broadcast(loss_fn):
    predictions = torch.rand(8, 1)
    if takes_variance(loss_fn):
        predictions = (predictions, torch.ones(8, 1))
    for targets in (torch.rand(8), torch.rand(1, 1), torch.rand(8, 1, 1)):
        with pytest.raises(ShapeMismatchError) as caught:
            checked(loss_fn)(predictions, targets)
        assert f"(8, 1), targets {tuple(targets.shape)}" in str(caught.value)


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # KLDivLoss's own remark
@pytest.mark.parametrize("loss_fn", ELEMENTWISE, ids=name_of)
def test_an_elementwise_loss_takes_equal_shapes(loss_fn):
    predictions, targets = torch.rand(8, 2), torch.ones(8, 2)
    if name_of(loss_fn) in ("MultiLabelMarginLoss", "multilabel_margin_loss") or (
        "multilabel_margin_loss" in name_of(loss_fn)
    ):
        targets = torch.zeros(8, 2, dtype=torch.int64)
    if takes_variance(loss_fn):
        loss = checked(loss_fn)((predictions, torch.ones(8, 2)), targets)
    else:
        loss = checked(loss_fn)(predictions, targets)
    assert loss.shape == () and loss.isfinite()


@pytest.mark.parametrize(
    "predictions, targets, advice",
    [
        ((8, 1), (8,), r"targets\.unsqueeze\(1\)"),
        ((8,), (8, 1), r"targets\.squeeze\(1\)"),
        ((8, 2), (2, 8), r"targets\.view_as\(predictions\)"),
        ((8, 3), (8,), r"a last layer of 1 output(.|\n)*nn\.CrossEntropyLoss"),
        ((8, 1), (8, 3), "as many outputs as the targets have columns"),
    ],
)
def test_the_advice_fits_the_shapes(predictions, targets, advice):
    with pytest.raises(ShapeMismatchError, match=advice):
        checked(nn.MSELoss())(torch.zeros(predictions), torch.zeros(targets))


def test_a_tuple_of_predictions_is_refused_by_its_type():
    for loss_fn in (nn.MSELoss(), nn.CrossEntropyLoss()):
        with pytest.raises(LossError, match=r"type tuple(.|\n)*forward="):
            checked(loss_fn)((torch.zeros(2, 2), None), torch.zeros(2, 2))


def test_gaussian_nll_takes_mean_and_variance_as_predictions():
    mean, variance, targets = torch.rand(4, 1), torch.ones(4, 1), torch.rand(4, 1)
    theirs = nn.GaussianNLLLoss()(mean, targets, variance)
    assert torch.equal(checked(nn.GaussianNLLLoss())((mean, variance), targets), theirs)
    without = checked(nn.GaussianNLLLoss(), check_shapes=False)
    assert torch.equal(without((mean, variance), targets), theirs)
    with pytest.raises(ShapeMismatchError, match="Let the model return"):
        checked(nn.GaussianNLLLoss())(mean, targets)


def test_check_shapes_false_lets_everything_pass():
    loss_fn = nn.MSELoss()
    assert checked(loss_fn, check_shapes=False) is loss_fn


# --- Classes --------------------------------------------------------------------------


@pytest.mark.parametrize("loss_fn", CLASSES, ids=name_of)
def test_a_class_loss_retells_what_pytorch_refuses(loss_fn):
    scores, loss_fn = torch.rand(4, 3), checked(loss_fn)
    with pytest.raises(ShapeMismatchError, match=r"\(4, 3\), targets \(5,\).*int64"):
        loss_fn(scores, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ShapeMismatchError, match=r"targets\.squeeze\(1\)"):
        loss_fn(scores, torch.zeros(4, 1, dtype=torch.int64))
    with pytest.raises(LossError, match=r"\(4,\) of torch\.float32(.|\n)*\.long\(\)"):
        loss_fn(scores, torch.zeros(4))
    with pytest.raises(LossError, match=r"torch\.int32(.|\n)*\.long\(\)"):
        loss_fn(scores, torch.zeros(4, dtype=torch.int32))
    with pytest.raises(LossError, match=r"from 1 to 3, .* 3 classes(.|\n)*4 outputs"):
        loss_fn(scores, torch.tensor([1, 2, 3, 1]))
    with pytest.raises(LossError, match="from -1 to 2"):
        loss_fn(scores, torch.tensor([-1, 2, 0, 1]))


def test_ignored_targets_are_no_range_error_of_their_own():
    with pytest.raises(LossError, match="from 0 to 3"):
        checked(nn.CrossEntropyLoss())(torch.rand(3, 3), torch.tensor([-100, 0, 3]))


def test_scores_along_the_last_dim_get_their_own_advice():
    with pytest.raises(ShapeMismatchError, match=r"movedim\(-1, 1\)"):
        checked(nn.CrossEntropyLoss())(
            torch.rand(2, 5, 7), torch.zeros(2, 5, dtype=torch.int64)
        )


def test_one_hot_integers_get_their_own_advice():
    with pytest.raises(LossError, match=r"argmax\(1\)"):
        checked(nn.CrossEntropyLoss())(
            torch.rand(2, 3), F.one_hot(torch.tensor([0, 2]), 3)
        )


@pytest.mark.parametrize(
    "predictions, targets",
    [
        (torch.rand(4, 1), torch.rand(4, 1)),  # one class: its softmax is 1
        (torch.rand(4, 1), torch.zeros(4, dtype=torch.int64)),
        (torch.rand(4), torch.rand(4)),  # softmax over the rows
    ],
)
def test_one_score_a_sample_is_no_class_loss(predictions, targets):
    assert nn.CrossEntropyLoss()(predictions, targets) is not None  # PyTorch takes it
    with pytest.raises(ShapeMismatchError, match="one output per class"):
        checked(nn.CrossEntropyLoss())(predictions, targets)


@pytest.mark.parametrize(
    "scores, targets",
    [
        (torch.rand(4, 3), torch.tensor([0, 1, 2, 0])),
        (torch.rand(4, 3), torch.rand(4, 3).softmax(1)),
        (torch.rand(4, 3, 5), torch.zeros(4, 5, dtype=torch.int64)),
        (torch.rand(3), torch.tensor(1)),  # one sample alone
    ],
)
def test_a_class_loss_takes_what_pytorch_takes(scores, targets):
    theirs = nn.CrossEntropyLoss()(scores, targets)
    assert torch.equal(checked(nn.CrossEntropyLoss())(scores, targets), theirs)


def test_what_only_pytorch_knows_stays_its_own_error():
    with pytest.raises(RuntimeError, match="weight tensor"):
        checked(nn.CrossEntropyLoss(weight=torch.ones(5)))(
            torch.rand(4, 3), torch.zeros(4, dtype=torch.int64)
        )


# --- Other losses ---------------------------------------------------------------------


def squared(predictions, targets):
    return ((predictions - targets) ** 2).mean()


def test_any_other_loss_warns_once_where_shapes_broadcast_to_a_third():
    loss_fn = checked(squared)
    with pytest.warns(GradatimWarning, match=r"\(4, 1\), targets \(4,\).*\(4, 4\)"):
        loss_fn(torch.rand(4, 1), torch.rand(4))
    loss_fn(torch.rand(4, 1), torch.rand(4))  # a second warning would be an error


@pytest.mark.parametrize(
    "targets", [torch.rand(4, 1), torch.rand(1), torch.rand(4, 3), torch.rand(7, 2)]
)
def test_any_other_loss_is_silent_where_they_do_not(targets):
    checked(lambda p, t: p.sum() + t.sum())(torch.rand(4, 1), targets)


def test_any_other_loss_is_silent_if_told_so():
    checked(squared, check_shapes=False)(torch.rand(4, 1), torch.rand(4))


# --- The loss itself ------------------------------------------------------------------


def test_what_backward_cannot_start_from_is_refused(unchecked):
    weight = torch.ones(2, requires_grad=True)
    check_scalar(weight.sum())
    with pytest.raises(LossError, match=r"shape \(2,\)(.|\n)*loss\.mean\(\)"):
        check_scalar(weight * 1)
    with pytest.raises(LossError, match=r"a float, not a tensor(.|\n)*\.item\(\)"):
        check_scalar(0.5)
    with pytest.raises(LossError, match=r"no parameter(.|\n)*\.detach\(\)"):
        check_scalar(weight.sum().detach())


def test_reduction_none_is_refused_early():
    for loss_fn in (
        nn.MSELoss(reduction="none"),
        functools.partial(F.mse_loss, reduction="none"),
    ):
        with pytest.raises(ConfigError, match='Use reduction="mean"'):
            check_reduction(loss_fn)


def test_kind_and_reduction_are_seen_through_partials():
    twice = functools.partial(functools.partial(F.nll_loss, reduction="sum"))
    assert (loss_kind(twice), reduction(twice)) == ("class", "sum")
    assert reduction(functools.partial(nn.L1Loss(reduction="sum"))) == "sum"


@pytest.mark.parametrize(
    "loss_fn, expected",
    [
        (nn.CrossEntropyLoss(), [0.25, 0.75]),
        (functools.partial(F.cross_entropy, weight=None), [0.25, 0.75]),
    ],
)
def test_probabilities_of_class_losses(loss_fn, expected):
    logits = torch.tensor([[0.0, 3.0]]).log1p()
    torch.testing.assert_close(
        to_probabilities(loss_fn)(logits), torch.tensor([[0.2, 0.8]])
    )


def test_probabilities_of_the_other_class_losses():
    half = torch.tensor([[0.5]])
    assert torch.equal(to_probabilities(nn.BCELoss())(half), half)
    assert torch.equal(to_probabilities(nn.NLLLoss())(half.log()), half)
    assert torch.equal(
        to_probabilities(F.binary_cross_entropy_with_logits)(half * 0), half
    )
    with pytest.raises(ConfigError, match=r"MSELoss(.|\n)*Use predict\(\)"):
        to_probabilities(nn.MSELoss())


# --- Weights --------------------------------------------------------------------------


def test_no_check_of_ours_warns_on_its_own():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked(nn.MSELoss())(torch.rand(4, 1), torch.rand(4, 1))
