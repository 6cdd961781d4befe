"""What only a running forward shows: the module and line of each node, and its data.

Autograd numbers its nodes. While a forward is recorded, the numbers before and after
each call of a module and of a torch function are noted, so that later the number of a
node tells which call made it.
"""

import contextlib
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from types import FrameType
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from gradatim.graphs.build import ForwardNotes, build_graph
from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Group, kept_name
from gradatim.graphs.tensors import describe_tensor
from gradatim.graphs.variable_names import is_calling_code, local_names, names_of_caller
from gradatim.nested import tensors_of
from gradatim.text import printable
from gradatim.torch_private import (
    keep_from_compiler,
    next_sequence_number,
    sequence_number,
)

__all__ = ["Recorded", "record"]

TAKE_NUMBERS_AS_TENSORS = {
    f"{before}{name}{after}"
    for name in ("add", "sub", "mul", "div", "truediv")
    for before, after in (("", ""), ("", "_"), ("r", ""), ("__r", "__"))
}
"""Functions whose node keeps a place for a number, as it does for a tensor."""

PLACE = re.compile(r'File "(?P<file>.+?)", line (?P<line>\d+)')
"""Where a line of code stands, such as ``File "train.py", line 8``, in a traceback."""


@dataclass(slots=True)
class _Call:
    """One call of a module."""

    module: nn.Module
    parent: int | None
    """The call that this one happened in: a place in the list of calls."""
    start: int
    """The number of the first node that autograd makes in the call, or later."""
    end: int = sys.maxsize
    """The number of the first node that autograd makes after the call."""


@dataclass(slots=True)
class _DataOfCall:
    """The arguments without a gradient of one call of a torch function."""

    start: int
    """As for a :class:`_Call`."""
    end: int
    boxes: list[dict[str, Any]]
    """For each of these arguments the fields of its box."""


@dataclass
class Recorded:
    """A recorded forward; made by :func:`record`."""

    model: nn.Module | None = None
    names: MutableMapping[str, Tensor] = field(default_factory=WeakValueDictionary)
    """The leaves with a gradient that were variables of the code that ran."""
    _calls: list[_Call] = field(default_factory=list)
    _data: list[_DataOfCall] = field(default_factory=list)

    def graph(
        self,
        tensor: Tensor | Sequence[Tensor],
        *,
        names: Mapping[str, Tensor] | None = None,
        data: bool = False,
    ) -> Graph:
        """Look at the graph behind a tensor, with what the recording adds to it.

        Args:
            tensor: A tensor, or several, that the recorded forward has computed.
            names: As for :func:`graph`.
            data: Whether to draw constants and data too, which autograd does not know.

        Raises:
            GraphError: There is no graph behind the tensor.
        """
        if names is None:
            names = names_of_caller() | dict(self.names)
        for model in (self.model or _only_model(self._calls), None):
            notes = _RecordedNotes(self, model, with_data=data)
            graph = build_graph(tensor, model=model, names=names, notes=notes)
            # Without a parameter, this is no graph of the only model that was called:
            # it is built once more, without the model's names.
            if self.model or any(node.kind == "parameter" for node in graph.nodes):
                break
        return graph


@contextlib.contextmanager
def record(model: nn.Module | None = None) -> Iterator[Recorded]:
    """Note modules, source lines and data while a forward runs.

    The forward computes the same as without it, but runs slower, because Python's stack
    is kept for every node. A compiled module stays one box without an inside.

    Args:
        model: The model that names modules and parameters; by default the only module
            with parameters that is called. Other modules, such as a loss, have the
            names of their classes.

    >>> model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    >>> with record(model) as recorded:
    ...     loss = model(torch.ones(5, 1)).mean()
    >>> [group.title for group in recorded.graph(loss).groups]
    ['0: Linear', '1: Tanh', '2: Linear']
    """
    recorded = Recorded(model)
    hooks = _Hooks(recorded)
    # Anomaly mode keeps the stack of each node. It would also look for NaN, which stays
    # as the user has set it.
    checks_nan = torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    with (
        register_module_forward_pre_hook(hooks.enter),
        register_module_forward_hook(hooks.leave, always_call=True),
        torch.autograd.set_detect_anomaly(True, check_nan=checks_nan),
        _FunctionWatch(recorded),
    ):
        yield recorded


class _Hooks:
    """Hooks before and after the forward of each module.

    They do nothing inside a compiled forward, which would break there.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.calls = recorded._calls
        self.open: list[int] = []
        """The calls that have not returned, from the outside in."""
        # Autograd numbers the nodes of each thread on their own, so only the calls of
        # one thread are noted.
        self.thread = get_ident()

    @keep_from_compiler
    def enter(self, module: nn.Module, args: Any) -> None:
        """Note that a module is called."""
        if torch.compiler.is_compiling() or get_ident() != self.thread:
            return
        parent = self.open[-1] if self.open else None
        self.open.append(len(self.calls))
        self.calls.append(_Call(module, parent, next_sequence_number()))

    @keep_from_compiler
    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """Note that a module returns."""
        if torch.compiler.is_compiling() or get_ident() != self.thread:
            return
        # A view gets a new node after an in-place change, but only when it is asked
        # for its node. It is asked here, so that the number lies inside this call.
        for tensor in tensors_of(output):
            _ = tensor.grad_fn
        while self.open:
            call = self.calls[self.open.pop()]
            call.end = next_sequence_number()
            if call.module is module:
                return
            # The call that was closed is one that an error has left.


class _FunctionWatch(TorchFunctionMode):
    """Notes the arguments of each torch function that is called."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self.data = recorded._data
        self.names = recorded.names
        self.looked_up: WeakValueDictionary[int, Tensor] = WeakValueDictionary()
        """The leaves whose names have been looked for, by ``id``."""

    @keep_from_compiler
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        start = next_sequence_number()
        result = func(*args, **(kwargs or {}))
        end = next_sequence_number()
        if end > start:
            values = [*args, *(kwargs or {}).values()]
            self._note_names(values)
            if getattr(func, "__name__", "") not in TAKE_NUMBERS_AS_TENSORS:
                values = [v for v in values if not isinstance(v, (int, float, complex))]
            boxes = _data_boxes(values, sys._getframe(1))
            if boxes:
                self.data.append(_DataOfCall(start, end, boxes))
        return result

    def _note_names(self, values: Sequence[Any]) -> None:
        """Note the variables that hold leaves, when a leaf is first used."""
        leaves = [v for v in values if isinstance(v, Tensor) and v.is_leaf]
        leaves = [leaf for leaf in leaves if leaf.requires_grad]
        new = [leaf for leaf in leaves if self.looked_up.get(id(leaf)) is not leaf]
        names = local_names(sys._getframe(2)) if new else {}
        for leaf in new:
            self.looked_up[id(leaf)] = leaf
            if id(leaf) in names:
                self.names[names[id(leaf)]] = leaf


def _only_model(calls: Iterable[_Call]) -> nn.Module | None:
    """Give the only module with parameters that no other module has called."""
    roots = {call.module: None for call in calls if call.parent is None}
    models = [module for module in roots if any(True for _ in module.parameters())]
    return models[0] if len(models) == 1 else None


def _data_boxes(values: Sequence[Any], frame: FrameType | None) -> list[dict[str, Any]]:
    """Give the fields of boxes for the numbers and the tensors without a gradient.

    ``values`` are the arguments of a function; the variables of ``frame``, which has
    called it, give names.
    """
    boxes: list[dict[str, Any]] = []
    names: dict[int, str] | None = None
    for value in values:
        if type(value) in (int, float, complex):
            boxes.append({"name": str(value)})
        for tensor in tensors_of(value):
            if not tensor.requires_grad:
                names = local_names(frame) if names is None else names
                default = "data" if tensor.dim() else "constant"
                name = names.get(id(tensor)) or default
                boxes.append({"name": name, **describe_tensor(tensor)})
    return boxes


class _RecordedNotes(ForwardNotes):
    """What a recording has noted, looked up by the numbers of autograd's nodes."""

    def __init__(
        self, recorded: Recorded, model: nn.Module | None, *, with_data: bool
    ) -> None:
        self.calls = recorded._calls
        self.starts = [call.start for call in self.calls]
        self.data_calls = recorded._data if with_data else []
        self.data_starts = [call.start for call in self.data_calls]
        self.undrawn = {i: list(call.boxes) for i, call in enumerate(self.data_calls)}
        """For each call of a function the boxes that no node has taken so far."""
        self.model = model
        self.names = {m: n for n, m in model.named_modules()} if model else {}

    def group(self, function: Function) -> int | None:
        number = sequence_number(function)
        index: int | None = bisect_right(self.starts, number) - 1
        if index == -1:
            return None
        while index is not None and number >= self.calls[index].end:
            index = self.calls[index].parent
        return index

    def line(self, function: Function) -> str:
        metadata: Any = function.metadata
        # Anomaly mode has kept the stack there.
        for entry in reversed(metadata.get("traceback_", [])):
            place, *code = [text.strip() for text in entry.strip().splitlines()]
            match = PLACE.match(place)
            if match and is_calling_code(match["file"]):
                parts = [f"{Path(match['file']).name}:{match['line']}", *code[:1]]
                return printable("  ".join(parts).expandtabs(1))
        return ""

    def data(self, function: Function, num_missing: int) -> list[dict[str, Any]]:
        number = sequence_number(function)
        index = bisect_right(self.data_starts, number) - 1
        if index < 0 or number >= self.data_calls[index].end:
            return []
        undrawn = self.undrawn[index]
        # One call of a function may make several nodes. Each takes as many tensors as
        # autograd has empty places; the last one takes the rest. Numbers are drawn only
        # where there is an empty place for them: in 2 * b, but not in b ** 2.
        is_last = number == self.data_calls[index].end - 1
        tensors = [box for box in undrawn if "shape" in box]
        if num_missing >= len(undrawn):
            taken = list(undrawn)
        elif num_missing >= len(tensors) or is_last:
            taken = tensors
        else:
            taken = tensors[:num_missing]
        for box in taken:
            undrawn.remove(box)
        return [dict(box) for box in taken]

    def groups(self, used: Iterable[int]) -> tuple[list[Group], dict[int, int]]:
        wanted: set[int] = set()
        for index in used:
            above: int | None = index
            while above is not None and above not in wanted:
                wanted.add(above)
                above = self.calls[above].parent
        num_calls = Counter(self.calls[index].module for index in wanted)
        groups: list[Group] = []
        numbers: dict[int, int] = {}
        num_before: Counter[nn.Module] = Counter()
        for index in sorted(wanted):
            call = self.calls[index]
            module = call.module
            parent = None if call.parent is None else numbers.get(call.parent)
            if module is self.model and num_calls[module] == 1:
                continue  # The whole graph is in the model; a frame would say nothing.
            num_before[module] += 1
            kind = kept_name(type(module).__name__)
            numbers[index] = len(groups)
            groups.append(
                Group(
                    number=len(groups),
                    name=kept_name(self.names.get(module) or kind),
                    kind=kind,
                    parent=parent,
                    call=num_before[module],
                    num_calls=num_calls[module],
                )
            )
        return groups, numbers
