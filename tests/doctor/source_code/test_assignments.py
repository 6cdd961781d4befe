"""Where a part of a model is made is found in the source."""

import weakref

from torch import nn

from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import ModelSeen, SourceLine


def test_where_a_part_is_assigned(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        "class Net(nn.Module):\n    def __init__(self):\n"
        "        self.layers_of = 1\n        self.layers = [nn.Linear(1, 1)]\n"
        "        if self.head == 2:\n            pass\n"
    )
    start = SourceLine(str(path), 2, "__init__")
    ref = weakref.ref(nn.Identity())
    model = ModelSeen(ref, "Net", None)
    model.structure.init_lines["net"] = start
    line = assignment_line(model, "net.layers[0]")
    assert line is not None and line.number == 4
    assert assignment_line(model, "net.head") is None
    assert assignment_line(model, "other.layers") is None
