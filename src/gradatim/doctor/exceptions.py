"""Exceptions of PyTorch explained: the layer, the shapes, the line, and the cure."""

import re
import traceback
from dataclasses import dataclass

from torch import Tensor, nn

from gradatim.doctor.pitfall import Finding
from gradatim.watching import SourceLine, is_user_file

__all__ = ["explain"]


MAX_LENGTH_OF_LAYER = 80  # characters, as wide as a terminal
MAX_TENSORS = 4  # shown as evidence; chosen by hand, not measured


@dataclass(frozen=True)
class _Place:
    """Where an exception was raised."""

    line: SourceLine | None
    """The innermost line of the user's own code."""
    name: str
    """The name of the innermost module that was called, within the outermost one."""
    module: nn.Module | None
    """The innermost module that was called."""
    tensors: dict[str, Tensor]
    """The variables of the user's innermost function that are tensors."""

    @property
    def layer(self) -> str:
        """The layer as it is printed: ``fc1: Linear(in_features=4, ...)``."""
        if self.module is None:
            return ""
        about = " ".join(repr(self.module).split())
        if len(about) > MAX_LENGTH_OF_LAYER:
            about = type(self.module).__name__
        return f"{self.name}: {about}" if self.name else about


@dataclass(frozen=True)
class _Rule:
    """What a message of PyTorch means, and what cures it."""

    code: str
    title: str
    pattern: str
    verdict: str
    """It may name groups of the pattern, and ``{layer}``."""
    cure: str
    """It may name groups of the pattern."""

    def page(self) -> str:
        """Give the page of this exception."""
        verdict = self.verdict.replace("{layer}", "")
        return (
            f"{verdict}\n\nAn exception of PyTorch whose message has::\n\n"
            f"    {self.pattern}"
        )


def explain(error: BaseException) -> Finding | None:
    """Explain an exception that ended a training; None for one that needs no words.

    >>> import torch
    >>> try:
    ...     nn.Linear(4, 1)(torch.zeros(8, 3))
    ... except RuntimeError as error:
    ...     finding = explain(error)
    >>> finding.code, finding.cure
    ('GT901', 'nn.Linear(3, 1)')
    """
    text = str(error)
    for rule in RULES:
        match = re.search(rule.pattern, text, re.S)
        if match is None:
            continue
        place = _place_of(error)
        groups = {k: v for k, v in match.groupdict().items() if v is not None}
        layer = f" in {place.layer}" if place.layer else ""
        cure = rule.cure.format(**match.groupdict())
        if rule.code == "GT901" and isinstance(place.module, nn.Linear):
            cure = f"nn.Linear({match['b']}, {place.module.out_features})"
        return Finding(
            code=rule.code,
            title=rule.title,
            severity="error",
            verdict=rule.verdict.format(layer=layer, **groups),
            evidence=_evidence(text, place),
            cure=cure,
            line=place.line,
        )
    return None


def _evidence(text: str, place: _Place) -> str:
    """Give the first line of a message, and the tensors that were at hand."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    shapes = [
        f"{name} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')} on {t.device}"
        for name, t in list(place.tensors.items())[:MAX_TENSORS]
    ]
    return "; ".join([first, *shapes])


def _place_of(error: BaseException) -> _Place:
    """Find the user's innermost line and the innermost module in a traceback."""
    line: SourceLine | None = None
    tensors: dict[str, Tensor] = {}
    modules: list[nn.Module] = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        code, variables = frame.f_code, frame.f_locals
        if is_user_file(code.co_filename):
            line = SourceLine(code.co_filename, number, code.co_name)
            tensors = {n: v for n, v in variables.items() if isinstance(v, Tensor)}
        owner = variables.get("self")
        if isinstance(owner, nn.Module) and code.co_name == "forward":
            modules.append(owner)
    if not modules:
        return _Place(line, "", None, tensors)
    names = {id(module): name for name, module in modules[0].named_modules()}
    return _Place(line, names.get(id(modules[-1]), ""), modules[-1], tensors)


RULES = (
    _Rule(
        "GT901",
        "inner sizes differ",
        r"mat1 and mat2 shapes cannot be multiplied "
        r"\((?P<a>\d+)x(?P<b>\d+) and (?P<c>\d+)x(?P<d>\d+)\)",
        "Rows of {b} numbers meet a layer for rows of {c}{layer}.",
        "give both the same inner size: {b} against {c}",
    ),
    _Rule(
        "GT902",
        "channels differ",
        r"expected input\[(?P<shape>[\d, ]+)\] to have (?P<want>\d+) channels, "
        r"but got (?P<got>\d+) channels",
        "A convolution for {want} channels is given {got}{layer}.",
        "in_channels={got}; or channels first, x.permute(0, 3, 1, 2), where they "
        "are last",
    ),
    _Rule(
        "GT903",
        "two devices",
        r"Expected all tensors to be on the same device|"
        r"is not on the expected device|"
        r"Input type .* and weight type .*cuda.* should be the same",
        "Tensors of two devices meet{layer}.",
        "x, y = x.to(device), y.to(device) in the loop, model.to(device) before "
        "the optimizer is made; new tensors with device=x.device",
    ),
    _Rule(
        "GT904",
        "two dtypes",
        r"(?:mat1 and mat2 must have the same dtype, but got (?P<one>\w+) and "
        r"(?P<other>\w+)|expected (?:m1 and m2|scalar type) .*?(?:but found|got)|"
        r"expected scalar type \w+ but found \w+|"
        r"Input type .*? and (?:weight|bias) type)",
        "Data and weights have different dtypes{layer}.",
        "x = x.float(): NumPy and pandas give float64, weights are float32",
    ),
    _Rule(
        "GT905",
        "parameter changed in place",
        r"a leaf Variable that requires grad is being used in an in-place operation",
        "A parameter is changed in place while autograd records.",
        "with torch.no_grad(): around the update",
    ),
    _Rule(
        "GT906",
        "loss without a graph",
        r"element 0 of tensors does not require grad and does not have a grad_fn",
        "Nothing that the loss was computed from asks for a gradient.",
        "leave out what cuts the graph (.item(), .detach(), .data, numpy(), "
        "argmax, torch.no_grad()), or call requires_grad_() on the parameters",
    ),
    _Rule(
        "GT907",
        "backward a second time",
        r"Trying to backward through the graph a second time",
        "backward went through a graph that the one before has freed.",
        "compute the loss anew for each backward; a state that is carried over "
        "from batch to batch needs state = state.detach()",
    ),
    _Rule(
        "GT908",
        "changed after use",
        r"one of the variables needed for gradient computation has been modified by an "
        r"inplace operation",
        "A tensor that backward needs was changed in place after it was used.",
        "write x = x + 1 instead of x += 1, relu(x) instead of relu_(x); an update "
        "goes between backward and the next forward",
    ),
    _Rule(
        "GT909",
        "numpy of a tensor with a graph",
        r"Can't call numpy\(\) on Tensor that requires grad",
        "NumPy knows no gradients, so the graph would be lost in silence.",
        "tensor.detach().cpu().numpy()",
    ),
    _Rule(
        "GT910",
        "parameter is no leaf",
        r"can't optimize a non-leaf Tensor",
        "The optimizer is given a result, not a parameter: it never gets a .grad.",
        "send it to its device first, then tensor.requires_grad_()",
    ),
    _Rule(
        "GT911",
        "batch of one with batch norm",
        r"Expected more than 1 value per channel when training",
        "Batch norm cannot take the spread of one row{layer}.",
        "DataLoader(..., drop_last=True), or model.eval() where it does not train",
    ),
    _Rule(
        "GT912",
        "class out of range",
        r"Target (?P<target>-?\d+) is out of bounds",
        "A target has class {target}, which the predictions have no column for.",
        "classes count from 0; out_features is the largest class + 1",
    ),
    _Rule(
        "GT913",
        "loss is no scalar",
        r"grad can be implicitly created only for scalar outputs",
        "backward starts from one number, and this loss has several.",
        "loss.mean().backward(), or reduction='mean' in the loss",
    ),
    _Rule(
        "GT914",
        "sizes differ",
        r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor b "
        r"\((?P<b>\d+)\) at non-singleton dimension (?P<dim>\d+)",
        "Along dimension {dim} one tensor has {a}, the other {b}{layer}.",
        "print both shapes; reshape, or cut one, so that they agree",
    ),
    _Rule(
        "GT915",
        "class targets of a wrong dtype",
        r"expected scalar type Long but found|\"nll_loss_\w+\" not implemented for|"
        r"expected target .*Long",
        "Class targets must be whole numbers of dtype int64.",
        "y = y.long()",
    ),
    _Rule(
        "GT916",
        "index beyond an embedding",
        r"index out of range in self",
        "An index is as large as the embedding has rows, or larger{layer}.",
        "num_embeddings must be the largest index + 1",
    ),
    _Rule(
        "GT917",
        "shape that does not fit",
        r"shape '\[(?P<shape>[-\d, ]+)\]' is invalid for input of size (?P<size>\d+)",
        "{size} numbers cannot be put into the shape [{shape}]{layer}.",
        "keep the batch: x.flatten(1), or x.view(x.size(0), -1)",
    ),
    _Rule(
        "GT918",
        "gradient is None",
        r"'NoneType' object has no attribute '(?:zero_|data|norm|clone|add_|mul_)'|"
        r"unsupported operand type\(s\) for \*: 'float' and 'NoneType'",
        "A .grad is None: its tensor is no leaf, or backward did not reach it.",
        "update in place under torch.no_grad(): a -= lr * a.grad; a = a - ... "
        "makes a new tensor without a .grad",
    ),
    _Rule(
        "GT919",
        "tensor of another device to NumPy",
        r"can't convert \w+:\d+ device type tensor to numpy",
        "NumPy reads the memory of the CPU alone.",
        "tensor.detach().cpu().numpy()",
    ),
)
"""The first rule whose pattern is in the message is used."""
