"""Nothing is asked of the network: every command works where there is none."""

import pytest

from tests.cli.process import ended

CLOSED = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"the network is asked: {event} {arguments!r}")

sys.addaudithook(refuse)
"""
SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 3)
y = x.sum(1, keepdim=True)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(20):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
COMMANDS = {
    "fit": ["fit", "{at}/houses.csv", "--target", "price", "--epochs", "1"],
    "predict": ["predict", "{at}/houses.csv", "--run", "{at}/run"],
    "evaluate": ["evaluate", "{at}/houses.csv", "--run", "{at}/run"],
    "inspect": ["inspect", "{at}/houses.csv"],
    "show": ["show", "--run", "{at}/run"],
    "resume": ["resume", "--run", "{at}/run"],
    "graph": ["graph", "--run", "{at}/run", "-o", "graph.html"],
    "trace": ["trace", "--run", "{at}/run", "-o", "trace.html"],
    "doctor": ["doctor", "script.py"],
    "ladder": ["ladder", "3"],
    "learn list": ["learn", "list"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_asks_nothing_of_the_network(name, trained, tmp_path):
    at = trained("price")
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [each.format(at=at) for each in COMMANDS[name]]
    code, _, said = ended(*arguments, cwd=tmp_path, before=CLOSED)
    assert "the network is asked" not in said
    assert code == 0, said


def test_the_network_would_be_refused(tmp_path):
    """The check can fail."""
    asking = f"{CLOSED}\nimport socket\nsocket.create_connection(('127.0.0.1', 9))"
    code, _, said = ended("--help", cwd=tmp_path, before=asking)
    assert code != 0 and "the network is asked: socket.getaddrinfo" in said
