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
class _Rule:
    """What a message of PyTorch means, and what cures it."""

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
    for code, rule in RULES.items():
        match = re.search(rule.pattern, text, re.S)
        if match is None:
            continue
        line, name, module, tensors = _place_of(error)
        groups = {k: v for k, v in match.groupdict().items() if v is not None}
        layer = "" if module is None else f" in {_printed(name, module)}"
        cure = rule.cure.format(**match.groupdict())
        if code == "GT901" and isinstance(module, nn.Linear):
            cure = f"nn.Linear({match['b']}, {module.out_features})"
        first = text.strip().splitlines()[0] if text.strip() else ""
        shapes = [
            f"{n} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')} on {t.device}"
            for n, t in list(tensors.items())[:MAX_TENSORS]
        ]
        return Finding(
            code=code,
            title=rule.title,
            severity="error",
            verdict=rule.verdict.format(layer=layer, **groups),
            evidence="; ".join([first, *shapes]),
            cure=cure,
            line=line,
        )
    return None


def _place_of(
    error: BaseException,
) -> tuple[SourceLine | None, str, nn.Module | None, dict[str, Tensor]]:
    """Find where an exception was raised.

    Returns:
        The innermost line of the user's own code; the name of the innermost module that
        was called within the outermost one, and that module; the tensors among the
        variables of the user's innermost function.
    """
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
        return line, "", None, tensors
    names = {id(module): name for name, module in modules[0].named_modules()}
    return line, names.get(id(modules[-1]), ""), modules[-1], tensors


def _printed(name: str, module: nn.Module) -> str:
    """Print a layer as ``fc1: Linear(in_features=4, ...)``."""
    about = " ".join(repr(module).split())
    if len(about) > MAX_LENGTH_OF_LAYER:
        about = type(module).__name__
    return f"{name}: {about}" if name else about


RULES = {
    "GT901": _Rule(
        "inner sizes differ",
        r"mat1 and mat2 shapes cannot be multiplied "
        r"\((?P<a>\d+)x(?P<b>\d+) and (?P<c>\d+)x(?P<d>\d+)\)",
        "Rows of {b} numbers meet a layer for rows of {c}{layer}.",
        "give both the same inner size: {b} against {c}",
    ),
    "GT902": _Rule(
        "channels differ",
        r"expected input\[(?P<shape>[\d, ]+)\] to have (?P<want>\d+) channels, "
        r"but got (?P<got>\d+) channels",
        "A convolution for {want} channels is given {got}{layer}.",
        "in_channels={got}; or channels first, x.permute(0, 3, 1, 2), where they "
        "are last",
    ),
    "GT903": _Rule(
        "two devices",
        r"Expected all tensors to be on the same device|"
        r"is not on the expected device|"
        r"Input type .* and weight type .*cuda.* should be the same",
        "Tensors of two devices meet{layer}.",
        "x, y = x.to(device), y.to(device) in the loop, model.to(device) before "
        "the optimizer is made; new tensors with device=x.device",
    ),
    "GT904": _Rule(
        "two dtypes",
        r"(?:mat1 and mat2 must have the same dtype, but got (?P<one>\w+) and "
        r"(?P<other>\w+)|expected (?:m1 and m2|scalar type) .*?(?:but found|got)|"
        r"expected scalar type \w+ but found \w+|"
        r"Input type .*? and (?:weight|bias) type)",
        "Data and weights have different dtypes{layer}.",
        "x = x.float(): NumPy and pandas give float64, weights are float32",
    ),
    "GT905": _Rule(
        "parameter changed in place",
        r"a leaf Variable that requires grad is being used in an in-place operation",
        "A parameter is changed in place while autograd records.",
        "with torch.no_grad(): around the update",
    ),
    "GT906": _Rule(
        "loss without a graph",
        r"element 0 of tensors does not require grad and does not have a grad_fn",
        "Nothing that the loss was computed from asks for a gradient.",
        "leave out what cuts the graph (.item(), .detach(), .data, numpy(), "
        "argmax, torch.no_grad()), or call requires_grad_() on the parameters",
    ),
    "GT907": _Rule(
        "backward a second time",
        r"Trying to backward through the graph a second time",
        "backward went through a graph that the one before has freed.",
        "compute the loss anew for each backward; a state that is carried over "
        "from batch to batch needs state = state.detach()",
    ),
    "GT908": _Rule(
        "changed after use",
        r"one of the variables needed for gradient computation has been modified by an "
        r"inplace operation",
        "A tensor that backward needs was changed in place after it was used.",
        "write x = x + 1 instead of x += 1, relu(x) instead of relu_(x); an update "
        "goes between backward and the next forward",
    ),
    "GT909": _Rule(
        "numpy of a tensor with a graph",
        r"Can't call numpy\(\) on Tensor that requires grad",
        "NumPy knows no gradients, so the graph would be lost in silence.",
        "tensor.detach().cpu().numpy()",
    ),
    "GT910": _Rule(
        "parameter is no leaf",
        r"can't optimize a non-leaf Tensor",
        "The optimizer is given a result, not a parameter: it never gets a .grad.",
        "send it to its device first, then tensor.requires_grad_()",
    ),
    "GT911": _Rule(
        "batch of one with batch norm",
        r"Expected more than 1 value per channel when training",
        "Batch norm cannot take the spread of one row{layer}.",
        "DataLoader(..., drop_last=True), or model.eval() where it does not train",
    ),
    "GT912": _Rule(
        "class out of range",
        r"Target (?P<target>-?\d+) is out of bounds",
        "A target has class {target}, which the predictions have no column for.",
        "classes count from 0; out_features is the largest class + 1",
    ),
    "GT913": _Rule(
        "loss is no scalar",
        r"grad can be implicitly created only for scalar outputs",
        "backward starts from one number, and this loss has several.",
        "loss.mean().backward(), or reduction='mean' in the loss",
    ),
    "GT914": _Rule(
        "sizes differ",
        r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor b "
        r"\((?P<b>\d+)\) at non-singleton dimension (?P<dim>\d+)",
        "Along dimension {dim} one tensor has {a}, the other {b}{layer}.",
        "print both shapes; reshape, or cut one, so that they agree",
    ),
    "GT915": _Rule(
        "class targets of a wrong dtype",
        r"expected scalar type Long but found|\"nll_loss_\w+\" not implemented for|"
        r"expected target .*Long",
        "Class targets must be whole numbers of dtype int64.",
        "y = y.long()",
    ),
    "GT916": _Rule(
        "index beyond an embedding",
        r"index out of range in self",
        "An index is as large as the embedding has rows, or larger{layer}.",
        "num_embeddings must be the largest index + 1",
    ),
    "GT917": _Rule(
        "shape that does not fit",
        r"shape '\[(?P<shape>[-\d, ]+)\]' is invalid for input of size (?P<size>\d+)",
        "{size} numbers cannot be put into the shape [{shape}]{layer}.",
        "keep the batch: x.flatten(1), or x.view(x.size(0), -1)",
    ),
    "GT918": _Rule(
        "gradient is None",
        r"'NoneType' object has no attribute '(?:zero_|data|norm|clone|add_|mul_)'|"
        r"unsupported operand type\(s\) for \*: 'float' and 'NoneType'",
        "A .grad is None: its tensor is no leaf, or backward did not reach it.",
        "update in place under torch.no_grad(): a -= lr * a.grad; a = a - ... "
        "makes a new tensor without a .grad",
    ),
    "GT919": _Rule(
        "tensor of another device to NumPy",
        r"can't convert \w+:\d+ device type tensor to numpy",
        "NumPy reads the memory of the CPU alone.",
        "tensor.detach().cpu().numpy()",
    ),
}
"""By code; the first rule whose pattern is in the message is used."""
