"""What single pitfalls read in the source, and one that no program can show."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import gradatim
from gradatim.doctor.pitfalls.best_weights_not_copied import kept_models
from gradatim.doctor.pitfalls.module_repeated import multiplied_lists

LOOP = """
for epoch in range(9):
    model.train()
    {given}
    optimizer.step()
    if loss < best_loss:
        best_model = {value}
"""


@pytest.mark.parametrize(
    ("given", "value", "lines"),
    [
        ("pass", "model", ((7, "model"),)),
        ("pass", "copy.deepcopy(model)", ()),
        ("model = make()", "model", ()),
        ("pass", "loss", ()),
    ],
)
def test_a_model_kept_by_another_name(tmp_path, given, value, lines):
    path = tmp_path / "train.py"
    path.write_text(LOOP.format(given=given, value=value))
    assert kept_models(str(path)) == lines


def test_lists_that_are_multiplied(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("a = [layer] * 3\nb = 2 * [nn.Linear(1, 1)]\nc = [0.5] * 4\n")
    assert multiplied_lists(str(path)) == (1, 2)


def test_what_cannot_be_parsed_has_none(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("a = [layer * 3\n")
    assert multiplied_lists(str(path)) == kept_models(str(path)) == ()


def test_a_data_set_on_another_device_is_advice():
    """The device meta stands for a GPU: it has no numbers, and is not the CPU."""
    data = torch.empty(1000, 25, device="meta"), torch.zeros(1000)
    with gradatim.watch() as seen:
        DataLoader(TensorDataset(*data), batch_size=10)
    (finding,) = seen.findings
    assert (finding.code, finding.severity) == ("GT512", "info")
    assert "0.1 MB" in finding.evidence and "meta" in finding.evidence
    with gradatim.watch() as seen:
        DataLoader(TensorDataset(torch.zeros(4, 2)), batch_size=2)
    assert seen.findings == []
