"""The step and its microbatches, against PyTorch written by hand."""

import functools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import gradatim as gt
from tests.bits import assert_same_bits, bits_of

CLASSES = 4
CLASS_WEIGHT = torch.tensor([0.5, 1.0, 2.0, 4.0])


def network(outputs=1, *, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, outputs))


def gradient_of(loss_fn, x, y, outputs, **options):
    """Give gradients and loss of one step that leaves the weights as they are."""
    model = network(outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    loss = gt.make_train_step(model, loss_fn, optimizer, **options)(x, y)
    return [p.grad for p in model.parameters()], loss


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_tolerance_sees_a_part_weighed_wrongly():
    with pytest.raises(AssertionError):
        assert_close([torch.tensor(0.1)], [torch.tensor(0.1 + 3e-6)])


def test_step_equals_the_hand_written_loop():
    ours, theirs = network(), network()
    loss_fn, optimizer = nn.MSELoss(), torch.optim.SGD(theirs.parameters(), lr=0.1)
    train_step = gt.make_train_step(
        ours, loss_fn, torch.optim.SGD(ours.parameters(), lr=0.1)
    )
    for _ in range(5):
        x, y = torch.randn(16, 3), torch.randn(16, 1)
        our_loss = train_step(x, y)
        optimizer.zero_grad()
        loss = loss_fn(theirs(x), y)
        loss.backward()
        optimizer.step()
        assert torch.equal(our_loss, loss.detach())
    assert_same_bits(bits_of(ours), bits_of(theirs))


REGRESSION = [nn.MSELoss(), nn.HuberLoss(), F.mse_loss, nn.MSELoss(reduction="sum")]
CLASSIFICATION = [
    nn.CrossEntropyLoss(),
    nn.CrossEntropyLoss(weight=CLASS_WEIGHT),
    nn.CrossEntropyLoss(ignore_index=0),
    nn.CrossEntropyLoss(weight=CLASS_WEIGHT, ignore_index=1, label_smoothing=0.1),
    nn.CrossEntropyLoss(weight=CLASS_WEIGHT, reduction="sum"),
    functools.partial(F.cross_entropy, weight=CLASS_WEIGHT, ignore_index=2),
    functools.partial(F.cross_entropy, reduction="sum"),
]


@settings(max_examples=25)
@given(
    rows=st.integers(1, 23),
    num_microbatches=st.integers(2, 7),
    loss_fn=st.sampled_from(REGRESSION),
)
def test_microbatches_leave_the_gradient_alone(rows, num_microbatches, loss_fn):
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, 3, generator=generator)
    y = torch.randn(rows, 1, generator=generator)
    whole = gradient_of(loss_fn, x, y, 1)
    assert_close(
        gradient_of(loss_fn, x, y, 1, num_microbatches=num_microbatches), whole
    )


@settings(max_examples=40)
@given(
    rows=st.integers(2, 23),
    num_microbatches=st.integers(2, 7),
    loss_fn=st.sampled_from(CLASSIFICATION),
    seed=st.integers(0, 99),
)
def test_microbatches_weigh_targets_as_the_whole_batch_does(
    rows, num_microbatches, loss_fn, seed
):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 3, generator=generator)
    y = torch.randint(CLASSES, (rows,), generator=generator)
    y[0] = 3  # ignored by none of these losses: the mean is a number
    whole = gradient_of(loss_fn, x, y, CLASSES)
    parts = gradient_of(loss_fn, x, y, CLASSES, num_microbatches=num_microbatches)
    assert_close(parts, whole)


def test_a_part_with_all_targets_ignored_is_left_out():
    x = torch.randn(6, 3)
    y = torch.tensor([-100, -100, 1, 2, -100, 3])
    whole = gradient_of(nn.CrossEntropyLoss(), x, y, CLASSES)
    parts = gradient_of(nn.CrossEntropyLoss(), x, y, CLASSES, num_microbatches=3)
    assert parts[1].isfinite()
    assert_close(parts, whole)


def test_a_batch_with_all_targets_ignored_is_named_whole_or_in_parts():
    x, y = torch.randn(4, 3), torch.full((4,), -100)
    for num_microbatches in (1, 2):
        with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
            gradient_of(
                nn.CrossEntropyLoss(), x, y, CLASSES, num_microbatches=num_microbatches
            )


def test_class_probabilities_weigh_by_rows():
    x, y = torch.randn(7, 3), torch.rand(7, CLASSES).softmax(1)
    loss_fn = nn.CrossEntropyLoss(weight=CLASS_WEIGHT)
    whole = gradient_of(loss_fn, x, y, CLASSES)
    assert_close(gradient_of(loss_fn, x, y, CLASSES, num_microbatches=3), whole)


def test_sequences_weigh_by_the_tokens_that_are_not_ignored():
    x, y = torch.randn(5, 3), torch.randint(2, (5, 2))
    y[1], y[3, 0] = -100, -100

    def loss_fn(predictions, targets):
        return F.cross_entropy(predictions.view(-1, 2, 2), targets)

    whole = gradient_of(loss_fn, x, y, 4, check_shapes=False)
    parts = gradient_of(
        loss_fn,
        x,
        y,
        4,
        check_shapes=False,
        num_microbatches=2,
        loss_weight=lambda y: (y != -100).sum(),
    )
    assert_close(parts, whole)
    with pytest.raises(AssertionError):  # rows alone would weigh them wrongly
        assert_close(
            gradient_of(loss_fn, x, y, 4, check_shapes=False, num_microbatches=2), whole
        )


def test_forward_and_loss_weight_split_dict_batches():
    def gradients(**options):
        model = network(CLASSES)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        step = gt.make_train_step(
            model,
            nn.CrossEntropyLoss(ignore_index=0),
            optimizer,
            forward=lambda model, batch: (model(batch["x"]), batch["label"]),
            loss_weight=lambda batch: (batch["label"] != 0).sum(),
            **options,
        )
        loss = step({"x": x, "label": torch.tensor([0, 0, 0, 1, 2])})
        return [p.grad for p in model.parameters()], loss

    x = torch.randn(5, 3)
    assert_close(gradients(num_microbatches=2), gradients())


def test_clipping_sees_the_gradient_of_the_whole_batch():
    x, y = torch.randn(8, 3), 100 * torch.randn(8, 1)
    weights = []
    for num_microbatches in (1, 4):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        step = gt.make_train_step(
            model,
            nn.MSELoss(),
            optimizer,
            max_norm=0.5,
            num_microbatches=num_microbatches,
        )
        before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        step(x, y)
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach())
        assert (weights[-1] - before).norm() == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(*weights)


def test_clipping_is_not_led_by_parameters_that_no_optimizer_clears():
    model, by_hand = network(), network()
    step = gt.make_train_step(
        model,
        nn.MSELoss(),
        torch.optim.SGD(model[2].parameters(), lr=0.1),
        max_norm=0.1,
    )
    optimizer = torch.optim.SGD(by_hand[2].parameters(), lr=0.1)
    for _ in range(3):
        x, y = torch.randn(8, 3), torch.randn(8, 1)
        step(x, y)
        optimizer.zero_grad()
        nn.MSELoss()(by_hand(x), y).backward()
        nn.utils.clip_grad_norm_(by_hand[2].parameters(), 0.1)
        optimizer.step()
    assert_same_bits(model.state_dict(), by_hand.state_dict())


def test_bf16_is_near_float32_and_leaves_the_weights_float32():
    weights = []
    for precision in ("float32", "bf16"):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step = gt.make_train_step(model, nn.MSELoss(), optimizer, precision=precision)
        generator = torch.Generator().manual_seed(1)
        for _ in range(20):
            x = torch.randn(32, 3, generator=generator)
            loss = step(x, x.sum(1, keepdim=True))
        assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())
        assert loss.dtype == torch.float32
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    # bfloat16 keeps 8 bits: 2 ** -8 = 0.004 a product; 0.02 is the stated tolerance.
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=0.02)
    assert not torch.equal(*weights)


def test_bf16_in_microbatches_is_near_bf16():
    x, y = torch.randn(9, 3), torch.randn(9, 1)
    whole = gradient_of(nn.MSELoss(), x, y, 1, precision="bf16")
    parts = gradient_of(nn.MSELoss(), x, y, 1, precision="bf16", num_microbatches=2)
    torch.testing.assert_close(parts, whole, rtol=0.02, atol=0.02)


def test_two_steps_train_a_gan_as_by_hand():
    def nets():
        torch.manual_seed(4)
        return nn.Linear(2, 1), nn.Linear(1, 1)

    def optimizers(*models):
        return [torch.optim.Adam(m.parameters(), lr=0.01) for m in models]

    bce, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)
    batches = [(torch.randn(8, 1), torch.randn(8, 2)) for _ in range(4)]

    generator, critic = nets()
    g_optimizer, c_optimizer = optimizers(generator, critic)
    critic_step = gt.make_train_step(
        critic, bce, c_optimizer,
        forward=lambda critic, batch: (
            critic(torch.cat([batch[0], generator(batch[1]).detach()])),
            torch.cat([ones, zeros]),
        ),
    )  # fmt: skip
    generator_step = gt.make_train_step(
        generator, bce, g_optimizer,
        forward=lambda generator, noise: (critic(generator(noise)), ones),
    )  # fmt: skip
    for real, noise in batches:
        critic_step(real, noise)
        generator_step(noise)

    by_hand = nets()
    g_optimizer, c_optimizer = optimizers(*by_hand)
    for real, noise in batches:
        c_optimizer.zero_grad()
        fake = by_hand[0](noise).detach()
        bce(by_hand[1](torch.cat([real, fake])), torch.cat([ones, zeros])).backward()
        c_optimizer.step()
        g_optimizer.zero_grad()
        bce(by_hand[1](by_hand[0](noise)), ones).backward()
        g_optimizer.step()
    assert_same_bits(generator.state_dict(), by_hand[0].state_dict())
    assert_same_bits(critic.state_dict(), by_hand[1].state_dict())
