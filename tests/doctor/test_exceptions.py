"""What PyTorch raises today is explained: code, cure, line, and the layer's name."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradatim.doctor import explain, run_script, watch
from gradatim.doctor.exceptions import RULES


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 8)
        self.fc2 = nn.Linear(6, 1)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def leaf():
    return torch.ones(2, requires_grad=True)


def inner_sizes():
    Net()(torch.zeros(5, 10))


def inner_sizes_by_hand():
    torch.zeros(5, 3) @ torch.zeros(4, 2)


def channels():
    nn.Conv2d(3, 4, 3)(torch.zeros(2, 1, 8, 8))


def devices():
    nn.Linear(2, 1, device="meta")(torch.zeros(3, 2))


def dtypes():
    nn.Linear(2, 1)(torch.from_numpy(np.zeros((3, 2))))


def dtypes_of_a_convolution():
    nn.Conv1d(1, 1, 1)(torch.zeros(1, 1, 4, dtype=torch.float64))


def in_place():
    a = leaf()
    a -= 0.1


def no_graph():
    F.mse_loss(torch.zeros(2), torch.zeros(2)).backward()


def twice():
    loss = (leaf() ** 2).sum()
    loss.backward()
    loss.backward()


def changed():
    h = leaf().exp()
    h += 1
    h.sum().backward()


def to_numpy():
    (leaf() * 2).numpy()


def no_leaf():
    torch.optim.SGD([leaf() * 2], lr=0.1)


def one_row():
    nn.BatchNorm1d(3)(torch.zeros(1, 3))


def wrong_class():
    F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]))


def no_scalar():
    (leaf() * 2).backward()


def sizes():
    torch.zeros(4, 3) + torch.zeros(4, 2)


def class_dtype():
    F.cross_entropy(torch.zeros(2, 3), torch.zeros(2))


def embedding():
    nn.Embedding(5, 2)(torch.tensor([5]))


def view():
    torch.zeros(3, 4).view(5, -1)


def none():
    a = leaf()
    (a * 2).sum().backward()
    a = a - 0.1 * a.grad
    (a * 2).sum().backward()
    a.grad.zero_()


CASES = {
    inner_sizes: ("GT901", "nn.Linear(8, 1)"),
    inner_sizes_by_hand: ("GT901", "3 against 4"),
    channels: ("GT902", "in_channels=1"),
    devices: ("GT903", "x.to(device)"),
    dtypes: ("GT904", "x.float()"),
    dtypes_of_a_convolution: ("GT904", "x.float()"),
    in_place: ("GT905", "no_grad"),
    no_graph: ("GT906", "requires_grad_()"),
    twice: ("GT907", "detach()"),
    changed: ("GT908", "x = x + 1"),
    to_numpy: ("GT909", ".detach().cpu().numpy()"),
    no_leaf: ("GT910", "requires_grad_()"),
    one_row: ("GT911", "drop_last=True"),
    wrong_class: ("GT912", "largest class + 1"),
    no_scalar: ("GT913", "loss.mean().backward()"),
    sizes: ("GT914", "reshape"),
    class_dtype: ("GT915", "y.long()"),
    embedding: ("GT916", "largest index + 1"),
    view: ("GT917", "flatten(1)"),
    none: ("GT918", "torch.no_grad()"),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.parametrize("raises", CASES, ids=lambda case: case.__name__)
def test_what_torch_raises_is_explained(raises):
    with pytest.raises(
        (RuntimeError, ValueError, IndexError, AttributeError)
    ) as caught:
        raises()
    finding = explain(caught.value)
    code, cure = CASES[raises]
    assert finding is not None, str(caught.value)
    assert (finding.code, cure in finding.cure) == (code, True), finding
    assert finding.line.file == __file__
    assert str(caught.value).strip().splitlines()[0] in finding.evidence


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "Expected all tensors to be on the same device, but found at least two "
            "devices, cuda:0 and cpu! (when checking argument for argument mat1)",
            "GT903",
        ),
        ("can't convert cuda:0 device type tensor to numpy. Use cpu()", "GT919"),
        (
            "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) "
            "should be the same",
            "GT903",
        ),
    ],
)
def test_what_only_another_device_raises(text, code):
    finding = explain(RuntimeError(text))
    assert finding.code == code and "cuda" in finding.evidence


def test_the_layer_is_named():
    with pytest.raises(RuntimeError) as caught:
        inner_sizes()
    finding = explain(caught.value)
    assert "fc2: Linear(in_features=6, out_features=1" in finding.verdict
    assert "8 numbers meet a layer for rows of 6" in finding.verdict
    assert finding.line.function == "forward"
    assert "x (5, 10) float32 on cpu" in finding.evidence


def test_what_is_no_mistake_with_torch_is_left_alone():
    assert explain(ValueError("no such file")) is None
    assert explain(KeyboardInterrupt()) is None


def test_codes_are_in_order_and_texts_are_whole():
    codes = list(RULES)
    assert codes == sorted(set(codes))
    assert all(rule.title and rule.verdict.endswith(".") for rule in RULES.values())


def test_a_script_that_ends_in_one_has_it_first(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(
        "import torch\nfrom torch import nn\n"
        "model = nn.Sequential(nn.Linear(4, 8), nn.Linear(6, 1))\n"
        "model(torch.zeros(3, 4))\n"
    )
    first = run_script(path).findings[0]
    assert (first.code, first.line.number) == ("GT901", 4)
    assert "1: Linear" in first.verdict


def test_a_block_that_raises_has_it_too():
    with pytest.raises(RuntimeError), watch() as seen:
        no_graph()
    assert [finding.code for finding in seen.findings] == ["GT906"]
