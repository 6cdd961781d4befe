"""What only the forward can tell: which module and line made a node, and from what."""

import contextlib
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from types import FrameType
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch._C._dynamo import eval_frame
from torch.autograd.graph import Node as Function
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from gradatim.graphs.build import ForwardNotes, build_graph
from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Group
from gradatim.graphs.tensors import describe_tensor
from gradatim.graphs.variable_names import (
    is_calling_code,
    local_names,
    names_of_caller,
)
from gradatim.nested import tensors_of
from gradatim.text import printable

__all__ = ["Recorded", "record"]

WITH_NUMBERS = {
    f"{before}{name}{after}"
    for name in ("add", "sub", "mul", "div", "truediv")
    for before, after in (("", ""), ("", "_"), ("r", ""), ("__r", "__"))
}
"""Functions that autograd takes a number into as it takes a tensor."""


@dataclass(slots=True)
class _Call:
    """One call of a module: autograd's numbers before it and after it."""

    module: nn.Module
    parent: int | None
    start: int
    end: int = sys.maxsize


@dataclass(slots=True)
class _Given:
    """What a function was given that has no gradient, and the nodes it made."""

    start: int
    end: int
    boxes: list[dict[str, Any]]


@dataclass
class Recorded:
    """A forward that was recorded; made by :func:`record`."""

    model: nn.Module | None = None
    names: MutableMapping[str, Tensor] = field(default_factory=WeakValueDictionary)
    """Of leaves with a gradient, where they were variables of the code that ran."""
    _calls: list[_Call] = field(default_factory=list)
    _given: list[_Given] = field(default_factory=list)

    def graph(
        self,
        tensor: Tensor | Sequence[Tensor],
        *,
        names: Mapping[str, Tensor] | None = None,
        data: bool = False,
    ) -> Graph:
        """Look at the graph behind a tensor; as :func:`graph`, and more.

        Args:
            tensor: Computed while this was recorded.
            names: As for :func:`graph`.
            data: Draw constants and data too, which autograd does not know.

        Raises:
            GraphError: There is no graph behind it.
        """
        if names is None:
            names = names_of_caller() | dict(self.names)
        for model in (self.model or _only_model(self._calls), None):
            notes = _RecordedNotes(self, model, with_data=data)
            found = build_graph(tensor, model=model, names=names, notes=notes)
            if self.model or any(node.kind == "parameter" for node in found.nodes):
                break  # else this graph is not of the model that was called
        return found


@contextlib.contextmanager
def record(model: nn.Module | None = None) -> Iterator[Recorded]:
    """Note modules, source lines and data while a forward runs.

    What is computed is the same as without. It is slower: Python's stack is kept for
    every node. A module that is compiled stays one opaque box.

    Args:
        model: Names modules and parameters; by default the only one with parameters
            that is called. Other modules, a loss for example, go by their classes.

    >>> model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    >>> with record(model) as recorded:
    ...     loss = model(torch.ones(5, 1)).mean()
    >>> [group.title for group in recorded.graph(loss).groups]
    ['0: Linear', '1: Tanh', '2: Linear']
    """
    recorded = Recorded(model)
    was_on = torch.is_anomaly_enabled()
    checked_nan = torch.is_anomaly_check_nan_enabled()
    hooks = _Hooks(recorded)
    before = register_module_forward_pre_hook(hooks.enter)
    after = register_module_forward_hook(hooks.leave, always_call=True)
    # Anomaly mode keeps the line of each node; it would also look for NaN.
    torch.autograd.set_detect_anomaly(True, check_nan=was_on and checked_nan)
    try:
        with _Watch(recorded):
            yield recorded
    finally:
        torch.autograd.set_detect_anomaly(was_on, checked_nan)
        after.remove()
        before.remove()


def _never_compiled(function: Any) -> Any:
    """Let a function be followed by the compiler, but never compiled on its own.

    Where a compiled module turns out to be one that PyTorch runs as it is, such as a
    Sequential, the functions that it calls are compiled: ours would be among them.
    """
    skip = eval_frame._FrameAction.SKIP
    strategy = eval_frame._FrameExecStrategy(skip, skip)
    eval_frame.set_code_exec_strategy(function.__code__, strategy)
    return function


class _Hooks:
    """Around each forward. A compiled one must not see them: it would break there."""

    def __init__(self, recorded: Recorded) -> None:
        self.calls = recorded._calls
        self.open: list[int] = []
        self.thread = get_ident()  # autograd numbers each thread on its own

    @_never_compiled
    def enter(self, module: nn.Module, args: Any) -> None:
        if torch.compiler.is_compiling() or get_ident() != self.thread:
            return
        parent = self.open[-1] if self.open else None
        self.open.append(len(self.calls))
        self.calls.append(_Call(module, parent, _next_number()))

    @_never_compiled
    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if torch.compiler.is_compiling() or get_ident() != self.thread:
            return
        # A view that an in-place change has made stale gets its node when asked for.
        for tensor in tensors_of(output):
            _ = tensor.grad_fn
        while self.open:
            call = self.calls[self.open.pop()]
            call.end = _next_number()
            if call.module is module:  # else one that an error has left
                return


class _Watch(TorchFunctionMode):
    """Looks at what each function of torch is given."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self.given = recorded._given
        self.names = recorded.names
        self.named: WeakValueDictionary[int, Tensor] = WeakValueDictionary()

    @_never_compiled
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        start = _next_number()
        result = func(*args, **(kwargs or {}))
        end = _next_number()
        if end > start:
            values = [*args, *(kwargs or {}).values()]
            self._note_names(values)
            if getattr(func, "__name__", "") not in WITH_NUMBERS:
                values = [v for v in values if not isinstance(v, (int, float, complex))]
            boxes = _boxes(values, sys._getframe(1))
            if boxes:
                self.given.append(_Given(start, end, boxes))
        return result

    def _note_names(self, values: Sequence[Any]) -> None:
        leaves = [v for v in values if isinstance(v, Tensor) and v.is_leaf]
        new = [v for v in leaves if v.requires_grad and self.named.get(id(v)) is not v]
        if not new:
            return
        names = local_names(sys._getframe(2))
        for leaf in new:
            self.named[id(leaf)] = leaf
            if id(leaf) in names:
                self.names[names[id(leaf)]] = leaf


def _only_model(calls: Iterable[_Call]) -> nn.Module | None:
    """Give the module with parameters that was called by none other, if it is one."""
    roots = {call.module: None for call in calls if call.parent is None}
    found = [module for module in roots if any(True for _ in module.parameters())]
    return found[0] if len(found) == 1 else None


def _next_number() -> int:
    return torch._C._autograd._get_sequence_nr()


def _boxes(values: Sequence[Any], frame: FrameType | None) -> list[dict[str, Any]]:
    """Describe the tensors without a gradient and the numbers among arguments."""
    found: list[dict[str, Any]] = []
    names: dict[int, str] | None = None
    for value in values:
        if type(value) in (int, float, complex):
            found.append({"name": str(value)})
            continue
        for tensor in tensors_of(value):
            if tensor.requires_grad:
                continue
            if names is None:
                names = local_names(frame)
            name = names.get(id(tensor)) or _constant(tensor)
            found.append({"name": name, **describe_tensor(tensor)})
    return found


def _constant(tensor: Tensor) -> str:
    return "data" if tensor.dim() else "constant"


class _RecordedNotes(ForwardNotes):
    """Answers of a recording, by autograd's numbers."""

    def __init__(
        self, recorded: Recorded, model: nn.Module | None, *, with_data: bool
    ) -> None:
        self.calls = recorded._calls
        self.starts = [call.start for call in self.calls]
        self.given = recorded._given if with_data else []
        self.given_starts = [each.start for each in self.given]
        self.left = {i: list(each.boxes) for i, each in enumerate(self.given)}
        self.model = model
        self.names = {m: n for n, m in model.named_modules()} if model else {}

    def group(self, function: Function) -> int | None:
        number = function._sequence_nr()
        index: int | None = bisect_right(self.starts, number) - 1
        if index == -1:
            return None
        while index is not None and number >= self.calls[index].end:
            index = self.calls[index].parent
        return index

    def line(self, function: Function) -> str:
        for entry in reversed(_traceback(function)):
            where, *code = [each.strip() for each in entry.strip().splitlines()]
            file, line = _place(where)
            if file and is_calling_code(file):
                parts = [f"{Path(file).name}:{line}", *code[:1]]
                return printable("  ".join(parts).expandtabs(1))
        return ""

    def data(self, function: Function, num_missing: int) -> list[dict[str, Any]]:
        number = function._sequence_nr()
        index = bisect_right(self.given_starts, number) - 1
        if index < 0 or number >= self.given[index].end:
            return []
        left = self.left[index]
        # Numbers are drawn where autograd keeps a place for them: 2 * b, not b ** 2.
        is_last = number == self.given[index].end - 1
        tensors = [box for box in left if "shape" in box]
        if num_missing >= len(left):
            found = list(left)
        elif num_missing >= len(tensors) or is_last:
            found = tensors
        else:
            found = tensors[:num_missing]
        for box in found:
            left.remove(box)
        return [{"name": box["name"], **box} for box in found]

    def groups(self, used: Iterable[int]) -> tuple[list[Group], dict[int, int]]:
        wanted: set[int] = set()
        for index in used:
            above: int | None = index
            while above is not None and above not in wanted:
                wanted.add(above)
                above = self.calls[above].parent
        counts: dict[nn.Module, int] = {}
        for index in wanted:
            module = self.calls[index].module
            counts[module] = counts.get(module, 0) + 1
        found: list[Group] = []
        numbers: dict[int, int] = {}
        calls: dict[nn.Module, int] = {}
        for index in sorted(wanted):
            call = self.calls[index]
            module = call.module
            parent = None if call.parent is None else numbers.get(call.parent)
            if module is self.model and counts[module] == 1:
                continue  # all of it is in the model: that box would say nothing
            calls[module] = calls.get(module, 0) + 1
            kind = printable(type(module).__name__)
            numbers[index] = len(found)
            found.append(
                Group(
                    number=len(found),
                    name=printable(self.names.get(module) or kind),
                    kind=kind,
                    parent=parent,
                    call=calls[module],
                    num_calls=counts[module],
                )
            )
        return found, numbers


def _traceback(function: Function) -> list[str]:
    metadata: Any = function.metadata
    found: list[str] = metadata.get("traceback_", [])
    return found


def _place(where: str) -> tuple[str, str]:
    """Take file and line from a line of a traceback.

    >>> _place('File "train.py", line 8, in <module>')
    ('train.py', '8')
    """
    _, _, rest = where.partition('File "')
    file, _, rest = rest.partition('", line ')
    return file, rest.partition(",")[0]
