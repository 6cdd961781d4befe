"""The doctor beside a trainer: what it sees, when it tells; it leaves no trace."""

import pytest
import torch
from torch import nn

import gradatim
from gradatim import Trainer
from gradatim.doctor import Doctor
from tests.bits import assert_same_bits, bits_of


def data(rows=400):
    torch.manual_seed(0)
    x = torch.randn(rows, 5)
    return x, x[:, :1].sin()


def trainer(*, lr=1e-2, optimizer=torch.optim.Adam, model=None, loss_fn=None):
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
    return Trainer(model, loss_fn or nn.MSELoss(), optimizer(model.parameters(), lr=lr))


def fit(made, *, doctor=None, val=None, epochs=10, batch_size=40, **options):
    given = []
    doctor = doctor or Doctor(
        tell=lambda finding: given.append((made.epoch, finding.code))
    )
    made.fit(
        data(),
        val,
        epochs=epochs,
        batch_size=batch_size,
        seed=0,
        callbacks=[doctor, *options.pop("callbacks", ())],
        progress=False,
        **options,
    )
    return doctor, given


@pytest.mark.parametrize("epochs", [1, 3, 30])
def test_a_sound_training_is_left_alone(epochs):
    x, y = data()
    doctor, given = fit(trainer(), val=(x + 1.5, y), epochs=epochs)
    assert doctor.findings == [] and given == []


def test_the_first_updates_are_told_of_at_once():
    class Softmax(nn.Sequential):
        pass

    model = Softmax(nn.Linear(5, 3), nn.Softmax(dim=1))
    made = trainer(model=model, loss_fn=nn.CrossEntropyLoss())
    given = []
    doctor = Doctor(tell=lambda finding: given.append((made.num_steps, finding.code)))
    x, _ = data()
    target = x[:, :3].argmax(dim=1)
    made.fit(
        (x, target), epochs=5, batch_size=10, callbacks=[doctor], progress=False, seed=0
    )
    assert given == [(20, "GT302")]


@pytest.mark.parametrize("batch_size", [40, 400], ids=["many", "few"])
def test_the_first_validation_is_seen(batch_size):
    x, y = data()
    doctor, given = fit(trainer(), val=(x[:100], y[:100]), batch_size=batch_size)
    assert [finding.code for finding in doctor.findings] == ["GT502"]
    assert given[0][0] <= 2  # long before the end


def test_a_training_that_diverges_later_is_told_once():
    made = trainer(lr=0.15, optimizer=torch.optim.SGD, model=nn.Linear(5, 1))
    x, y = data()
    given = []
    doctor = Doctor(tell=lambda finding: given.append(finding.code))
    made.fit(
        (3 * x, y),
        epochs=10,
        batch_size=100,
        callbacks=[doctor],
        progress=False,
        seed=0,
    )
    assert given == ["GT204"]


def test_what_stands_still_shows_over_epochs():
    doctor, given = fit(trainer(lr=1e-9), epochs=30)
    assert [finding.code for finding in doctor.findings] == ["GT203"]
    (finding,) = doctor.findings
    assert "tried" in str(finding) and given[0][0] >= 2


def test_updates_are_counted_that_nobody_watched():
    doctor, _ = fit(trainer(), epochs=12)
    assert doctor._watcher.seen.num_steps == 120


def test_weights_are_the_same_bits_as_without(unchecked):
    ends = []
    for callbacks in ([], [Doctor(tell=lambda finding: None)]):
        made = trainer(lr=1e-9)
        x, y = data()
        made.fit(
            (x, y),
            (x[:50], y[:50]),
            epochs=12,
            batch_size=40,
            seed=0,
            callbacks=callbacks,
            progress=False,
        )
        ends.append((bits_of(made.model, made.optimizer), torch.get_rng_state()))
    assert_same_bits(*[end[0] for end in ends])
    assert torch.equal(ends[0][1], ends[1][1])


def test_hooks_are_gone_after_an_error():
    class Breaks(gradatim.Callback):
        def on_step_end(self, trainer, loss):
            raise RuntimeError("broken")

    before = torch.Tensor.backward, nn.Module.train
    with pytest.raises(RuntimeError, match="broken"):
        fit(trainer(), callbacks=[Breaks()])
    assert (torch.Tensor.backward, nn.Module.train) == before


def test_select_and_ignore():
    x, y = data()
    val = (x[:100], y[:100])
    none, _ = fit(trainer(), doctor=Doctor(ignore=["GT5"], tell=print), val=val)
    assert none.findings == []
    one, _ = fit(
        trainer(), doctor=Doctor(select=["GT502"], tell=lambda finding: None), val=val
    )
    assert [finding.code for finding in one.findings] == ["GT502"]


def test_a_second_fit_begins_anew():
    made = trainer()
    doctor, _ = fit(made, val=tuple(t[:100] for t in data()))
    fit(made, doctor=doctor, val=None)
    assert doctor.findings == []


def test_a_run_goes_on_without_it(tmp_path):
    made = trainer()
    fit(made, epochs=2, callbacks=[gradatim.Run(tmp_path / "run")])
    again = trainer()
    again.fit(
        data(),
        epochs=4,
        batch_size=40,
        seed=0,
        callbacks=[gradatim.Run(tmp_path / "run")],
        progress=False,
    )
    assert again.epoch == 4


def test_the_cure_of_what_is_told_is_not_tried_again(monkeypatch):
    from gradatim.doctor import diagnosis

    tried, original = [], diagnosis.try_out

    def counted(trial, replay):
        tried.append(trial)
        return original(trial, replay)

    monkeypatch.setattr(diagnosis, "try_out", counted)
    doctor, _ = fit(trainer(lr=1e-9), epochs=100)
    assert [finding.code for finding in doctor.findings] == ["GT203"]
    assert len(tried) == 1
