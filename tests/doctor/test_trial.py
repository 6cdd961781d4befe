"""Cures are tried on copies, and a doubtful finding without effect is advice."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradatim
from gradatim.doctor import run_script
from gradatim.doctor.trial import Trial, Variant, try_out
from tests.bits import assert_same_bits, bits_of

PROGRAMS = Path(__file__).parent / "programs" / "sick"
TRIED = {
    "gt101_never_zeroed": 0.5,
    "gt203_rate_too_low": 0.5,
    "gt204_rate_too_high": 0.1,
    "gt302_softmax_twice": 0.95,
    "gt303_sigmoid_twice_2": 0.9,
    "gt305_targets_first": 1.0,
    "gt307_summed_loss": 0.01,
    "gt503_pixels": 0.5,
    "gt503_raw_units": 0.1,
    "gt504_prices": 0.1,
    "gt703_zero_weights": 0.9,
}
"""Programs, and the share of the loss that their cures leave at most."""
NUMBERS = r"loss after \d+ steps of a copy (\S+) instead of (\S+|no number)$"


@pytest.mark.parametrize("name", TRIED)
def test_the_finding_says_what_its_cure_changes(name):
    (finding,) = run_script(PROGRAMS / f"{name}.py").findings
    assert finding.code == name[:5].upper()
    match = re.search(NUMBERS, finding.tried or "")
    assert match is not None, finding.tried
    before = float("inf") if match[2] == "no number" else float(match[2])
    assert float(match[1]) < TRIED[name] * before
    assert f"tried {finding.tried}" in str(finding)


def squared(output, y):
    return F.mse_loss(output, y)


def trained(*, lr=0.1, loss_of=squared, num_steps=25, model=None):
    torch.manual_seed(0)
    model = model or nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    x = torch.randn(30, 3)
    y = x.sum(dim=1, keepdim=True)
    with gradatim.watch() as seen:
        for _ in range(num_steps):
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()
    return seen, model


def test_a_copy_goes_the_way_of_the_program():
    seen, model = trained(num_steps=100, lr=1e-4)
    outcome = try_out(Trial(cures=(Variant(),)), seen.seen.kept.replay)
    with torch.no_grad():
        x = seen.seen.kept.replay.batches[0].args[0]
        own = float(F.mse_loss(model(x), x.sum(dim=1, keepdim=True)))
    assert (outcome.num_steps, outcome.before) == (100, pytest.approx(own, rel=1e-5))
    assert outcome.before == outcome.after and not outcome.helps


def test_a_trial_leaves_no_trace(unchecked):
    seen, model = trained(lr=3.0)
    before = bits_of(model)
    state = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    (finding,) = seen.findings
    assert finding.code == "GT204" and finding.tried
    assert_same_bits(bits_of(model), before)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert random.getstate() == state[2]


def test_nothing_is_tried_while_the_watch_is_on():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
    x = torch.randn(30, 3)
    with gradatim.watch() as seen:
        for _ in range(25):
            optimizer.zero_grad()
            F.mse_loss(model(x), x.sum(dim=1, keepdim=True)).backward()
            optimizer.step()
        assert [finding.tried for finding in seen.findings] == [None]
    assert [finding.tried is None for finding in seen.findings] == [False]


def test_a_doubtful_finding_whose_cure_changes_nothing_is_advice(monkeypatch):
    from gradatim.doctor.pitfalls.lr_too_high import LrTooHigh

    def same(self, seen):
        return Trial(as_is=Variant(lr=1e-9), cures=(Variant(lr=1e-9),))

    assert trained(lr=3.0)[0].findings[0].severity == "warning"
    monkeypatch.setattr(LrTooHigh, "trial", same)
    assert trained(lr=3.0)[0].findings[0].severity == "info"


def two_losses(output, y):
    return F.mse_loss(output, y) + 0.1 * F.l1_loss(output, y)


def scaled_loss(output, y):
    return 0.5 * F.mse_loss(output, y)


class WithHook(nn.Linear):
    def __init__(self):
        super().__init__(3, 1)
        self.register_forward_hook(lambda *given: None)


@pytest.mark.parametrize("loss_of", [two_losses, scaled_loss])
def test_a_step_of_another_kind_is_not_replayed(loss_of):
    assert trained(loss_of=loss_of)[0].seen.kept.replay is None


def test_a_model_with_hooks_is_not_replayed():
    assert trained(model=WithHook())[0].seen.kept.replay is None


def test_what_a_model_prints_is_not_printed_by_its_copy(capsys):
    class Loud(nn.Linear):
        def forward(self, x):
            print("forward")
            return super().forward(x)

    seen, _ = trained(lr=3.0, model=Loud(3, 1))
    capsys.readouterr()
    assert seen.findings[0].tried
    assert capsys.readouterr().out == ""
