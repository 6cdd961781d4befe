"""From a tensor back through autograd's nodes: how a :class:`Graph` is built."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.errors import ConfigError, GraphError
from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Arrow, Group, Kind, Node, kept_name
from gradatim.graphs.saved_tensors import saved_and_options
from gradatim.graphs.tensors import describe_tensor, dtype_name, shape_of
from gradatim.graphs.variable_names import names_of_caller
from gradatim.nodes import leaf_of, operation_name
from gradatim.text import shown
from gradatim.torch_private import what_node_gives

__all__ = ["ForwardNotes", "build_graph", "graph"]

Inputs = list[tuple[Function | None, int]]


def graph(
    tensor: Tensor | Sequence[Tensor],
    *,
    model: nn.Module | None = None,
    names: Mapping[str, Tensor] | None = None,
) -> Graph:
    """Look at the graph that autograd has built behind a tensor.

    Nothing is computed and nothing changes. After ``backward``, saved tensors are
    shown as freed. Tensors that a hook has packed, as in checkpointed segments, stay
    packed. To see modules, source lines and data, use :func:`gradatim.record`.

    Args:
        tensor: A loss or predictions; or several tensors.
        model: The model whose parameters are named. Any other tensor that requires a
            gradient is then an input.
        names: Names for other tensors. By default the variables of the calling
            function, and the parameters of its models, give their names.

    Raises:
        GraphError: There is no graph behind the tensor.

    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> x = torch.ones(80, 1)
    >>> line = graph(a + b * x)
    >>> [(node.kind, node.name) for node in line.nodes]
    [('parameter', 'b'), ('operation', 'Mul'), ('parameter', 'a'), ('output', 'Add')]
    """
    known = names_of_caller() if names is None else names
    return build_graph(tensor, model=model, names=known)


class ForwardNotes:
    """What was noted during the forward; these are the answers if nothing was."""

    def group(self, function: Function) -> int | None:
        """Give the call of a module that made an operation."""
        return None

    def line(self, function: Function) -> str:
        """Give the line of source that made an operation."""
        return ""

    def data(self, function: Function, num_missing: int) -> list[dict[str, Any]]:
        """Give the inputs of an operation that have no gradient, as fields of boxes.

        Autograd knows nothing about ``num_missing`` of its inputs.
        """
        return []

    def groups(self, used: Iterable[int]) -> tuple[list[Group], dict[int, int]]:
        """Give the groups for the calls that :meth:`group` gave, and those around them.

        Also gives the number of the group by call.
        """
        return [], {}


def build_graph(
    tensor: Tensor | Sequence[Tensor],
    *,
    model: nn.Module | None,
    names: Mapping[str, Tensor],
    notes: ForwardNotes | None = None,
) -> Graph:
    """Build a graph as :func:`graph` does, with what was noted during the forward."""
    is_one = not isinstance(tensor, (list, tuple))
    tensors: list[Any] = [tensor] if is_one else list(tensor)
    if not tensors or not all(isinstance(root, Tensor) for root in tensors):
        raise ConfigError(
            f"graph() takes a tensor or several, got {shown(tensor)}.\n"
            "A graph is what lies behind a tensor.\nGive it the loss, or predictions."
        )
    for root in tensors:
        if not root.requires_grad:
            raise GraphError(_no_graph(root, model))
    builder = _Builder(model, names, notes or ForwardNotes())
    for root in tensors:
        if root.grad_fn is None:
            builder.add_leaf(root, None)
    builder.add_operations(
        [root.grad_fn for root in tensors if root.grad_fn is not None]
    )
    return builder.finish(tensors)


class _Builder:
    """The nodes and arrows that have been added so far."""

    def __init__(
        self, model: nn.Module | None, names: Mapping[str, Tensor], notes: ForwardNotes
    ) -> None:
        self.notes = notes
        self.nodes: list[dict[str, Any]] = []
        self.arrows: list[Arrow] = []
        self.functions: dict[int, Function] = {}
        self.leaves: dict[int, Tensor] = {}
        self.has_model = model is not None
        parameters = {} if model is None else dict(model.named_parameters())
        self.model_ids = {id(parameter) for parameter in parameters.values()}
        # Reversed, so that of two names for one tensor the first one stays.
        self.names = {id(value): name for name, value in reversed(list(names.items()))}
        self.names |= {id(value): name for name, value in parameters.items()}

    def add_operations(self, roots: list[Function]) -> None:
        """Add all operations behind the roots, each after its inputs."""
        numbers: dict[Function, int] = {}
        starts = set(roots)
        for root in roots:
            # A depth-first search without recursion, because graphs are deep. An
            # entry is an operation, and whether its inputs have been added.
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
                        (above, False)
                        for above, _ in reversed(inputs)
                        if above is not None and leaf_of(above) is None
                    ]

    def _add(
        self,
        function: Function,
        kind: Kind,
        inputs: Inputs,
        numbers: Mapping[Function, int],
    ) -> int:
        """Add the box of an operation whose inputs are there, and arrows to it."""
        group = self.notes.group(function)
        num_missing = sum(above is None for above, _ in inputs)
        boxes: list[int] = []
        data = self.notes.data(function, num_missing)
        for above, _ in inputs:
            if above is None:
                if data:
                    boxes.append(self._box(kind="data", group=group, **data.pop(0)))
            elif (leaf := leaf_of(above)) is not None:
                boxes.append(self.add_leaf(leaf, group))
            else:
                boxes.append(numbers[above])
        boxes += [self._box(kind="data", group=group, **fields) for fields in data]
        saved, options = saved_and_options(function)
        outputs = what_node_gives(function)
        number = self._box(
            kind=kind,
            name=operation_name(function),
            saved=saved,
            options=options,
            group=group,
            line=self.notes.line(function),
            **(describe_tensor(outputs[0]) if outputs else {}),
        )
        self.functions[number] = function
        self.arrows += [Arrow(box, number) for box in boxes]
        return number

    def add_leaf(self, leaf: Tensor, group: int | None) -> int:
        """Add a box for one use of a parameter or input."""
        is_models = not self.has_model or id(leaf) in self.model_ids
        is_parameter = is_models or isinstance(leaf, nn.Parameter)
        kind: Kind = "parameter" if is_parameter else "input"
        name = self.names.get(id(leaf), kind)
        number = self._box(kind=kind, name=name, group=group, **describe_tensor(leaf))
        self.leaves[number] = leaf
        return number

    def _box(self, *, name: str, **fields: Any) -> int:
        self.nodes.append({"name": kept_name(name), **fields})
        return len(self.nodes) - 1

    def finish(self, tensors: Sequence[Tensor]) -> Graph:
        """Number the groups that are used, and make the graph."""
        used = {fields["group"] for fields in self.nodes} - {None}
        groups, group_numbers = self.notes.groups(used)
        nodes = [
            Node(number=i, **{**fields, "group": group_numbers.get(fields["group"])})
            for i, fields in enumerate(self.nodes)
        ]
        return Graph(
            nodes,
            self.arrows,
            groups,
            tensors=tensors,
            functions=self.functions,
            leaves=self.leaves,
        )


def _no_graph(tensor: Tensor, model: nn.Module | None) -> str:
    """Say why there is no graph behind a tensor."""
    what = f"the tensor of shape {shape_of(tensor)} has no graph behind it."
    parameters = [] if model is None else list(model.parameters())
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return (
            f"{what}\nIts dtype is {dtype_name(tensor.dtype)}, and only real and "
            "complex numbers have gradients.\nGive what it was computed from: not a "
            "class, an index or a comparison."
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
