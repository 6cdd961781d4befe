"""Every module of PyTorch's own list is drawn, twice with the same result."""

from itertools import islice

import pytest
import torch
from torch.testing._internal.common_modules import module_db

import gradatim as gt
from gradatim.nested import tensors_of
from tests.graphs.drawn import check_picture, drawn

MOST_SAMPLES = 2
"""Of one module: hundreds of a few of them differ in nothing that is drawn."""
NOT_FLOAT32 = {"FractionalMaxPool2d", "FractionalMaxPool3d"}
"""Their samples in the list have random numbers of another dtype."""


def _samples(info, dtype):
    """Give the modules of one entry and what they are called with."""
    samples = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=True
    )
    found = [each for each in samples if each.forward_input is not None]
    for sample in islice(found, 0, None, max(1, len(found) // MOST_SAMPLES)):
        made = sample.constructor_input
        yield info.module_cls(*made.args, **made.kwargs), sample.forward_input


# The list tries what warns: the remarks are PyTorch's own.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("info", module_db, ids=lambda info: info.formatted_name)
def test_a_module_of_pytorchs_list_is_drawn_twice_the_same(info):
    is_double = info.module_cls.__name__ in NOT_FLOAT32
    num_drawn = 0
    for model, given in _samples(info, torch.float64 if is_double else torch.float32):
        with gt.record(model) as recorded:
            output = model(*given.args, **given.kwargs)
        outputs = [each for each in tensors_of(output) if each.requires_grad]
        graph = recorded.graph(outputs, data=True)
        assert drawn(graph) == drawn(recorded.graph(outputs, data=True))
        check_picture(graph, ways=[True])
        backward = graph.gradients()
        assert not backward.why_not
        of_steps = {number for step in backward.steps for number in step.nodes}
        assert of_steps <= {each.number for each in graph.nodes if each.kind != "data"}
        num_drawn += 1
    assert num_drawn > 0


def test_the_list_is_long():
    assert len(module_db) > 100
