"""From a tensor back through autograd's nodes: the graph as it stands."""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.errors import ConfigError, GraphError
from gradatim.graphs.graph import Arrow, Graph, Group, Kind, Node, Saved
from gradatim.graphs.shapes import num_bytes_of, shape_of
from gradatim.nodes import leaf_of, operation_name
from gradatim.text import printable, shown

__all__ = [
    "NOT_THE_USERS",
    "Notes",
    "about_tensor",
    "graph",
    "is_users",
    "names_of",
    "names_of_caller",
    "variables_of",
    "walk",
]

Inputs = list[tuple[Function | None, int]]


def graph(
    tensor: Tensor | Sequence[Tensor],
    *,
    model: nn.Module | None = None,
    names: Mapping[str, Tensor] | None = None,
) -> Graph:
    """Look at the graph that autograd has built behind a tensor.

    Nothing is computed and nothing changes: after ``backward`` its saved tensors are
    shown as freed, and those that a hook has packed, as in checkpointed segments, stay
    packed. For modules, source lines and data, see :func:`gradatim.record`.

    Args:
        tensor: A loss or predictions; or several tensors.
        model: Names its parameters; any other tensor that asks for a gradient is an
            input then.
        names: Of other tensors. By default the variables of the calling function, and
            the parameters of its models, give theirs.

    Raises:
        GraphError: There is no graph behind it.

    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> x = torch.ones(80, 1)
    >>> found = graph(a + b * x)
    >>> [(node.kind, node.name) for node in found.nodes]
    [('parameter', 'b'), ('operation', 'Mul'), ('parameter', 'a'), ('output', 'Add')]
    """
    known = names_of_caller() if names is None else names
    return walk(tensor, model=model, names=known)


def names_of_caller() -> dict[str, Tensor]:
    """Give the tensors that the calling function and its file have names for."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return {}
    return names_of(frame.f_globals) | names_of(variables_of(frame))


def variables_of(frame: FrameType) -> dict[str, Any]:
    """Copy the variables of a function that runs, and keep none of them alive.

    Until 3.13 Python keeps a copy of its own, as long as the function runs, from the
    first time that anyone asks.
    """
    held = frame.f_locals
    found = dict(held)
    is_copy = bool(frame.f_code.co_flags & CO_OPTIMIZED) and type(held) is dict
    # The frame, `held` and the argument; one more, and it is the user's own `locals()`.
    if is_copy and sys.getrefcount(held) == 3:
        held.clear()
    return found


def is_users(file: str) -> bool:
    """Tell whether code is neither torch's, nor ours, nor checks annotations."""
    return not file.startswith(NOT_THE_USERS) and "jaxtyping" not in file


NOT_THE_USERS = (
    str(Path(torch.__file__).parent),
    str(Path(__file__).parent),
    "<@beartype",
    "<eval_with_key>",  # what torch.fx and torch.compile write
)
"""Where files of others begin, whose lines are no answer to where a node was made."""


def names_of(variables: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the tensors among variables, and the parameters of the models among them."""
    found: dict[str, Tensor] = {}
    for name, value in list(variables.items()):
        if isinstance(value, nn.Module):
            found |= {f"{name}.{n}": p for n, p in value.named_parameters()}
        elif isinstance(value, Tensor):
            found[name] = value
    return found


class Notes:
    """What was seen during the forward; nothing, where it was not recorded."""

    def group(self, function: Function) -> int | None:
        """Give the call of a module that made a node."""
        return None

    def line(self, function: Function) -> str:
        """Give where in the source a node was made."""
        return ""

    def data(self, function: Function, num_missing: int) -> list[dict[str, Any]]:
        """Give what goes into a node and has no gradient: the fields of its boxes."""
        return []

    def groups(self, used: Iterable[int]) -> tuple[list[Group], dict[int, int]]:
        """Give the calls that are used, those around them too, and their numbers."""
        return [], {}


def walk(
    tensor: Tensor | Sequence[Tensor],
    *,
    model: nn.Module | None,
    names: Mapping[str, Tensor],
    notes: Notes | None = None,
) -> Graph:
    """Make a graph; see :func:`graph`."""
    is_one = isinstance(tensor, Tensor) or not isinstance(tensor, (list, tuple))
    tensors: list[Any] = [tensor] if is_one else list(tensor)
    if not tensors or not all(isinstance(each, Tensor) for each in tensors):
        raise ConfigError(
            f"graph() takes a tensor or several, got {shown(tensor)}.\n"
            "A graph is what lies behind a tensor.\nGive it the loss, or predictions."
        )
    for each in tensors:
        if not each.requires_grad:
            raise GraphError(_no_graph(each, model))
    walker = _Walker(model, names, notes or Notes())
    for each in tensors:
        if each.grad_fn is None:
            walker.add_leaf(each, None)
    walker.add_operations(
        [each.grad_fn for each in tensors if each.grad_fn is not None]
    )
    return walker.finish(tensors)


class _Walker:
    """Nodes and arrows found so far."""

    def __init__(
        self, model: nn.Module | None, names: Mapping[str, Tensor], notes: Notes
    ) -> None:
        self.notes = notes
        self.nodes: list[dict[str, Any]] = []
        self.arrows: list[Arrow] = []
        self.functions: dict[int, Function] = {}
        self.leaves: dict[int, Tensor] = {}
        self.is_model = model is not None
        of_model = {} if model is None else dict(model.named_parameters())
        self.of_model = {id(p) for p in of_model.values()}
        self.names = {id(each): name for name, each in reversed(list(names.items()))}
        self.names |= {id(each): name for name, each in of_model.items()}

    def add_operations(self, roots: list[Function]) -> None:
        """Add all behind the roots, each after what goes into it."""
        numbers: dict[Function, int] = {}
        starts = set(roots)
        for root in roots:
            # (function, whether its inputs are there): depth first, without recursion.
            stack = [(root, False)]
            while stack:
                function, is_ready = stack.pop()
                if function in numbers:
                    continue
                inputs: Inputs = list(function.next_functions)
                if is_ready:
                    kind: Kind = "output" if function in starts else "operation"
                    numbers[function] = self._add(function, kind, inputs, numbers)
                else:
                    stack.append((function, True))
                    stack += [
                        (other, False)
                        for other, _ in reversed(inputs)
                        if other is not None and leaf_of(other) is None
                    ]

    def _add(
        self,
        function: Function,
        kind: Kind,
        inputs: Inputs,
        numbers: Mapping[Function, int],
    ) -> int:
        group = self.notes.group(function)
        num_missing = sum(other is None for other, _ in inputs)
        above: list[int] = []
        data = self.notes.data(function, num_missing)
        for other, _ in inputs:
            if other is None:
                if data:
                    above.append(self._box(kind="data", group=group, **data.pop(0)))
            elif (leaf := leaf_of(other)) is not None:
                above.append(self.add_leaf(leaf, group))
            else:
                above.append(numbers[other])
        above += [self._box(kind="data", group=group, **each) for each in data]
        saved, options = _kept(function)
        number = self._box(
            kind=kind,
            name=operation_name(function),
            saved=saved,
            options=options,
            group=group,
            line=self.notes.line(function),
            **_output(function),
        )
        self.functions[number] = function
        self.arrows += [Arrow(each, number) for each in above]
        return number

    def add_leaf(self, leaf: Tensor, group: int | None) -> int:
        """Add a box for one use of a parameter or input."""
        is_input = self.is_model and id(leaf) not in self.of_model
        kind: Kind = "parameter"
        if is_input and not isinstance(leaf, nn.Parameter):
            kind = "input"
        name = self.names.get(id(leaf), kind)
        number = self._box(kind=kind, name=name, group=group, **about_tensor(leaf))
        self.leaves[number] = leaf
        return number

    def _box(self, *, name: str, **fields: Any) -> int:
        self.nodes.append({"name": printable(name), **fields})
        return len(self.nodes) - 1

    def finish(self, tensors: Sequence[Tensor]) -> Graph:
        """Number the groups that are used, and make the graph."""
        used = {each["group"] for each in self.nodes} - {None}
        groups, renumbered = self.notes.groups(used)
        nodes = [
            Node(number=i, **{**each, "group": renumbered.get(each["group"])})
            for i, each in enumerate(self.nodes)
        ]
        return Graph(
            nodes,
            self.arrows,
            groups,
            tensors=tensors,
            functions=self.functions,
            leaves=self.leaves,
        )


def about_tensor(tensor: Any) -> dict[str, Any]:
    """Give the fields that tell of a tensor, or of what autograd notes of one."""
    shape = shape_of(tensor)
    return {
        "shape": shape,
        "dtype": _dtype(tensor.dtype),
        "device": str(tensor.device),
        "num_bytes": num_bytes_of(shape, tensor.dtype.itemsize),
    }


def _output(function: Function) -> dict[str, Any]:
    """Give the fields that tell of what the operation gave first."""
    metadata = getattr(function, "_input_metadata", ())
    return about_tensor(metadata[0]) if metadata else {}


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@functools.cache
def _fields(kind: type) -> tuple[list[str], list[str]]:
    """Give what nodes of one class keep: tensors, and other values."""
    names = dir(kind)
    tensors = [
        n.removeprefix("_raw_saved_") for n in names if n.startswith("_raw_saved_")
    ]
    others = [n.removeprefix("_saved_") for n in names if n.startswith("_saved_")]
    return tensors, [n for n in others if n not in tensors and "_sym_" not in n]


def _kept(function: Function) -> tuple[tuple[Saved, ...], dict[str, str]]:
    tensors, others = _fields(type(function))
    saved: list[Saved] = []
    for name in tensors:
        saved += _saved(function, name)
    options = {}
    for name in others:
        try:
            value = getattr(function, f"_saved_{name}")
        except (RuntimeError, AttributeError):  # freed, or nothing of Python's
            continue
        if value is not None:
            options[name] = shown(value)
    return tuple(saved), options


def _saved(function: Function, name: str) -> list[Saved]:
    """Tell of a saved tensor without unpacking it, which a hook may make costly."""
    try:
        raw = getattr(function, f"_raw_saved_{name}")
    except (RuntimeError, AttributeError):
        return [Saved(name=name, state="freed")]
    if not isinstance(raw, (tuple, list)):
        found = _state(raw, name, lambda: getattr(function, f"_saved_{name}"))
        return [found] if found else []
    parts = [_state(each, f"{name}[{i}]", None) for i, each in enumerate(raw)]
    return [each for each in parts if each is not None]


def _state(raw: Any, name: str, unpack: Callable[[], Any] | None) -> Saved | None:
    if getattr(raw, "unpack_hook", True) is not None:
        return Saved(name=name, state="packed")
    tensor = raw.data
    if tensor is None and unpack is not None:
        # Freed, an input's own, or none at all: without a hook asking is for free.
        try:
            tensor = unpack()
        except RuntimeError:
            return Saved(name=name, state="freed")
    if not isinstance(tensor, Tensor):
        return None
    return Saved(
        name=name,
        state="kept",
        shape=shape_of(tensor),
        dtype=_dtype(tensor.dtype),
        num_bytes=num_bytes_of(shape_of(tensor), tensor.dtype.itemsize),
    )


def _no_graph(tensor: Tensor, model: nn.Module | None) -> str:
    what = f"the tensor of shape {shape_of(tensor)} has no graph behind it."
    parameters = [] if model is None else list(model.parameters())
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return (
            f"{what}\nIts dtype is {_dtype(tensor.dtype)}, and only real and complex "
            "numbers have gradients.\nGive what it was computed from: not a class, an "
            "index or a comparison."
        )
    if tensor.is_inference() or torch.is_inference_mode_enabled():
        return (
            f"{what}\nIt was computed under torch.inference_mode(): none is built.\n"
            "Compute it outside of that."
        )
    if not torch.is_grad_enabled():
        return (
            f"{what}\nGradients are off here (torch.no_grad()): none is built.\n"
            "Compute it outside of that."
        )
    if parameters and not any(p.requires_grad for p in parameters):
        return (
            f"{what}\nAll {len(parameters)} parameters of the model are frozen "
            "(requires_grad is False).\nCall model.requires_grad_() before the forward."
        )
    return (
        f"{what}\nNothing that it was computed from asks for a gradient, or it was "
        "computed under torch.no_grad(), or detached (detach(), .data, .item()).\n"
        "Look at each: tensor.requires_grad and tensor.grad_fn say where it was lost."
    )
