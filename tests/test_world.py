"""Several processes are refused by one clear line, until they are known."""

import pytest
import torch.distributed as dist
from torch import nn
from torch.optim import SGD

import gradatim as gt
from gradatim.errors import ConfigError
from gradatim.world import refuse_processes
from tests.run.forms import X, Y, make_trainer, network


@pytest.fixture
def world(monkeypatch):
    """Give what lets this process take itself for one of a group."""

    def begin(world_size, rank):
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: world_size)
        monkeypatch.setattr(dist, "get_rank", lambda: rank)

    return begin


def test_one_process_is_let_be(world):
    refuse_processes("fit()")
    world(1, 0)
    refuse_processes("fit()")


def test_a_fit_in_several_processes_is_refused(world):
    trainer = make_trainer()
    before = [p.detach().clone() for p in trainer.model.parameters()]
    world(2, 1)
    with pytest.raises(
        ConfigError, match=r"^fit\(\) trains in one .* rank 1 of 2: .*\n"
    ):
        trainer.fit((X, Y), epochs=1, progress=False)
    assert all(p.equal(q) for p, q in zip(trainer.model.parameters(), before, strict=1))


def test_a_run_in_several_processes_is_refused(world, tmp_path):
    world(4, 3)
    told = r"^run\.batches\(\) trains in one .* rank 3 of 4: .*(.|\n)* and no Run"
    with pytest.raises(ConfigError, match=told):
        gt.Run(tmp_path / "x").batches((X, Y), epochs=1)
    assert not (tmp_path / "x").exists()


def test_a_step_in_several_processes_is_let_be(world):
    world(2, 1)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    gt.make_train_step(model, nn.MSELoss(), optimizer)(X, Y)
