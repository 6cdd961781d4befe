"""Private names of PyTorch stand in one file, and PyTorch still has them."""

import ast
import functools
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.optim import lr_scheduler
from torch.optim import optimizer as optimizers
from torch.utils.data import dataloader

import gradatim
from gradatim import torch_private
from gradatim.torch_private import (
    ALWAYS_CALLED,
    FORWARD_HOOKS,
    INNER_SCHEDULES,
    LAST_RATE,
    MILESTONES,
    ONE_SAMPLE_FOREVER,
    REGISTERED,
    UPDATE_HOOKS,
)

ROOT = Path(gradatim.__file__).parent
PYTHONS_OWN = {"_fields", "_asdict", "_replace", "_getframe", "_exit", "_thread"}
"""Names with an underscore that Python documents."""


def names_gone():
    """Name what the PyTorch at hand does not have of all the names above."""
    parameter = nn.Parameter(torch.ones(1))
    module, relu = nn.Linear(1, 1), parameter.relu().grad_fn
    loader = dataloader.DataLoader([0], generator=torch.Generator())
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    schedules = [lr_scheduler.ConstantLR(optimizer) for _ in range(2)]
    schedule = lr_scheduler.SequentialLR(optimizer, schedules, milestones=[1])
    accumulate = relu and relu.next_functions[0][0]
    begin = dataloader._MultiProcessingDataLoaderIter.__init__  # it starts processes
    of_iteration = SimpleNamespace(**dict.fromkeys(begin.__code__.co_names))
    owners = [
        (torch, ("_foreach_norm",)),
        (torch._C, ("_get_tracing_state", "_disabled_torch_function_impl")),
        (torch._C, ("TensorBase", "_functorch", "_autograd", "_dynamo")),
        (torch._C._functorch, ("is_functorch_wrapped_tensor",)),
        (torch._C._autograd, ("_get_sequence_nr",)),
        (torch._C._dynamo.eval_frame, ("_FrameAction", "_FrameExecStrategy")),
        (torch._C._dynamo.eval_frame, ("set_code_exec_strategy",)),
        (accumulate, ("variable",)),
        (relu, ("_sequence_nr", "_input_metadata", "_saved_result")),
        (relu, ("_raw_saved_result",)),
        (parameter, ("_version", "_indices", "_values", "_backward_hooks")),
        (parameter, ("_post_accumulate_grad_hooks",)),
        (module, (*REGISTERED, "_forward_hooks", "_forward_pre_hooks")),
        (module, ("_non_persistent_buffers_set",)),
        (module, ("_backward_hooks", "_backward_pre_hooks", "_compiled_call_impl")),
        (torch.compile(module, backend="eager"), ("_orig_mod",)),
        (modules, ("_global_backward_hooks", "_global_backward_pre_hooks")),
        (modules, (FORWARD_HOOKS, ALWAYS_CALLED)),
        (optimizers, UPDATE_HOOKS),
        (nn.modules.conv, ("_ConvNd",)),
        (nn.modules.dropout, ("_DropoutNd",)),
        (nn.modules.batchnorm, ("_NormBase", "_BatchNorm")),
        (dataloader, ("_BaseDataLoaderIter", ONE_SAMPLE_FOREVER)),
        (iter(loader), ("_index_sampler",)),
        (torch.utils.data._utils.worker, ("_worker_info",)),
        (loader, ("_iterator",)),
        (dataloader, ("_MultiProcessingDataLoaderIter",)),
        (torch._C, ("_remove_worker_pids",)),
        (of_iteration, ("_shutdown", "_workers", "_worker_pids_set", "_index_queues")),
        (of_iteration, ("_pin_memory_thread", "_pin_memory_thread_done_event")),
        (schedule, (INNER_SCHEDULES, MILESTONES, LAST_RATE)),
    ]
    return [
        name for owner, names in owners for name in names if not hasattr(owner, name)
    ]


def test_no_name_is_gone():
    assert names_gone() == []


def test_a_name_that_is_gone_is_told(monkeypatch):
    monkeypatch.delattr(nn.modules.conv, "_ConvNd")
    assert names_gone() == ["_ConvNd"]


def is_private(name):
    return re.fullmatch(r"_[a-zA-Z]\w*", name) is not None


def own_names(tree):
    """Find the names that a file of ours gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(getattr(node, "ctx", None), ast.Store):
            yield getattr(node, "id", getattr(node, "attr", ""))


def private_names(tree, ours):
    """Find private names of others in a file: read, imported, or as a string."""
    of_torch = known_names()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            is_torchs = ast.unparse(node).startswith(("torch.", "nn.", "F."))
            is_named = node.attr in of_torch and ast.unparse(node.value) != "self"
            if is_torchs or is_named or node.attr not in ours:
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "torch"
        ):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            yield from ((node.lineno, name) for name in names if is_private(name))
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
            yield from (
                (node.lineno, name)
                for name in names
                if is_private(name) and name not in PYTHONS_OWN
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_saved = node.value.startswith(("_saved_", "_raw_saved_"))
            if node.value in of_torch or is_saved:
                yield node.lineno, node.value


@functools.cache
def known_names():
    """Give the private names of PyTorch that the file names."""
    source = Path(torch_private.__file__).read_text(encoding="utf-8")
    words = set(re.findall(r"(?<!\w)_[a-zA-Z]\w*", source))
    return {word for word in words if not word.endswith("_")}


FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "torch_private.py")
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def test_no_other_file_uses_a_private_name():
    ours = {name for tree in TREES.values() for name in own_names(tree)} | PYTHONS_OWN
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in TREES.items()
        for line, name in private_names(tree, ours)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "torch._foreach_norm([])",
        "tensor._version",
        "from torch._C import autograd",
        "from torch.nn.modules.conv import _ConvNd",
        "import torch._dynamo",
        "getattr(module, '_orig_mod')",
        "getattr(node, f'_saved_{name}')",
        "iterator._nobody_knows_this",
    ],
)
def test_a_private_name_is_seen(source):
    assert len(list(private_names(ast.parse(source), set()))) == 1
