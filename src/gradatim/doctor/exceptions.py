"""An exception of PyTorch, explained: which layer, shapes and line, and what to do."""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from gradatim.doctor.pitfall import Finding
from gradatim.watching import SourceLine, is_user_file

__all__ = ["explain"]


@dataclass(frozen=True)
class _Place:
    """Where it happened."""

    line: SourceLine | None
    name: str
    """Of the innermost module that was called, within the outermost one."""
    module: nn.Module | None
    tensors: dict[str, Tensor]
    """Variables of the user's innermost function."""

    @property
    def layer(self) -> str:
        """The layer as it is printed: ``fc1, Linear(in_features=4, ...)``."""
        if self.module is None:
            return ""
        about = " ".join(repr(self.module).split())
        about = about if len(about) <= 80 else type(self.module).__name__
        return f"{self.name}: {about}" if self.name else about


@dataclass(frozen=True)
class _Rule:
    """What a message of PyTorch means."""

    code: str
    title: str
    pattern: str
    verdict: str
    """May name groups of the pattern, and ``layer``."""
    cure: Callable[[re.Match[str], _Place], str]

    def page(self) -> str:
        """Give its documentation."""
        verdict = self.verdict.replace("{layer}", "")
        return (
            f"{verdict}\n\nAn exception of PyTorch whose message has::\n\n"
            f"    {self.pattern}"
        )


def explain(error: BaseException) -> Finding | None:
    """Explain an exception that ended a training; None for one that says it itself.

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
        place = _place(error)
        groups = {k: v for k, v in match.groupdict().items() if v is not None}
        layer = f" in {place.layer}" if place.layer else ""
        return Finding(
            code=rule.code,
            title=rule.title,
            severity="error",
            verdict=rule.verdict.format(layer=layer, **groups),
            evidence=_evidence(text, place),
            cure=rule.cure(match, place),
            line=place.line,
        )
    return None


def _evidence(text: str, place: _Place) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    shapes = [
        f"{name} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')} on {t.device}"
        for name, t in list(place.tensors.items())[:4]
    ]
    return "; ".join([first, *shapes])


def _place(error: BaseException) -> _Place:
    line: SourceLine | None = None
    tensors: dict[str, Tensor] = {}
    modules: list[nn.Module] = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if is_user_file(code.co_filename):
            line = SourceLine(code.co_filename, number, code.co_name)
            tensors = {
                name: value
                for name, value in frame.f_locals.items()
                if isinstance(value, Tensor)
            }
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and code.co_name == "forward":
            modules.append(owner)
    name = ""
    if modules:
        names = {id(m): n for n, m in modules[0].named_modules()}
        name = names.get(id(modules[-1]), "")
    return _Place(line, name, modules[-1] if modules else None, tensors)


def _say(text: str) -> Callable[[re.Match[str], _Place], str]:
    return lambda match, place: text.format(**match.groupdict())


def _linear(match: re.Match[str], place: _Place) -> str:
    if isinstance(place.module, nn.Linear):
        return f"nn.Linear({match['b']}, {place.module.out_features})"
    return f"give both the same inner size: {match['b']} against {match['c']}"


RULES = (
    _Rule(
        "GT901",
        "inner sizes differ",
        r"mat1 and mat2 shapes cannot be multiplied "
        r"\((?P<a>\d+)x(?P<b>\d+) and (?P<c>\d+)x(?P<d>\d+)\)",
        "Rows of {b} numbers meet a layer for rows of {c}{layer}.",
        _linear,
    ),
    _Rule(
        "GT902",
        "channels differ",
        r"expected input\[(?P<shape>[\d, ]+)\] to have (?P<want>\d+) channels, "
        r"but got (?P<got>\d+) channels",
        "A convolution for {want} channels is given {got}{layer}.",
        _say(
            "in_channels={got}; or channels first, x.permute(0, 3, 1, 2), where they "
            "are last"
        ),
    ),
    _Rule(
        "GT903",
        "two devices",
        r"Expected all tensors to be on the same device|"
        r"is not on the expected device|"
        r"Input type .* and weight type .*cuda.* should be the same",
        "Tensors of two devices meet{layer}.",
        _say(
            "x, y = x.to(device), y.to(device) in the loop, model.to(device) before "
            "the optimizer is made; new tensors with device=x.device"
        ),
    ),
    _Rule(
        "GT904",
        "two dtypes",
        r"(?:mat1 and mat2 must have the same dtype, but got (?P<one>\w+) and "
        r"(?P<other>\w+)|expected (?:m1 and m2|scalar type) .*?(?:but found|got)|"
        r"expected scalar type \w+ but found \w+|"
        r"Input type .*? and (?:weight|bias) type)",
        "Data and weights have different dtypes{layer}.",
        _say("x = x.float(): NumPy and pandas give float64, weights are float32"),
    ),
    _Rule(
        "GT905",
        "parameter changed in place",
        r"a leaf Variable that requires grad is being used in an in-place operation",
        "A parameter is changed in place while autograd records.",
        _say("with torch.no_grad(): around the update"),
    ),
    _Rule(
        "GT906",
        "loss without a graph",
        r"element 0 of tensors does not require grad and does not have a grad_fn",
        "Nothing that the loss was computed from asks for a gradient.",
        _say(
            "leave out what cuts the graph (.item(), .detach(), .data, numpy(), "
            "argmax, torch.no_grad()), or call requires_grad_() on the parameters"
        ),
    ),
    _Rule(
        "GT907",
        "backward a second time",
        r"Trying to backward through the graph a second time",
        "backward went through a graph that the one before has freed.",
        _say(
            "compute the loss anew for each backward; a state that is carried over "
            "from batch to batch needs state = state.detach()"
        ),
    ),
    _Rule(
        "GT908",
        "changed after use",
        r"one of the variables needed for gradient computation has been modified by an "
        r"inplace operation",
        "A tensor that backward needs was changed in place after it was used.",
        _say(
            "write x = x + 1 instead of x += 1, relu(x) instead of relu_(x); an update "
            "goes between backward and the next forward"
        ),
    ),
    _Rule(
        "GT909",
        "numpy of a tensor with a graph",
        r"Can't call numpy\(\) on Tensor that requires grad",
        "NumPy knows no gradients, so the graph would be lost in silence.",
        _say("tensor.detach().cpu().numpy()"),
    ),
    _Rule(
        "GT910",
        "parameter is no leaf",
        r"can't optimize a non-leaf Tensor",
        "The optimizer is given a result, not a parameter: it never gets a .grad.",
        _say("send it to its device first, then tensor.requires_grad_()"),
    ),
    _Rule(
        "GT911",
        "batch of one with batch norm",
        r"Expected more than 1 value per channel when training",
        "Batch norm cannot take the spread of one row{layer}.",
        _say(
            "DataLoader(..., drop_last=True), or model.eval() where it does not train"
        ),
    ),
    _Rule(
        "GT912",
        "class out of range",
        r"Target (?P<target>-?\d+) is out of bounds",
        "A target has class {target}, which the predictions have no column for.",
        _say("classes count from 0; out_features is the largest class + 1"),
    ),
    _Rule(
        "GT913",
        "loss is no scalar",
        r"grad can be implicitly created only for scalar outputs",
        "backward starts from one number, and this loss has several.",
        _say("loss.mean().backward(), or reduction='mean' in the loss"),
    ),
    _Rule(
        "GT914",
        "sizes differ",
        r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor b "
        r"\((?P<b>\d+)\) at non-singleton dimension (?P<dim>\d+)",
        "Along dimension {dim} one tensor has {a}, the other {b}{layer}.",
        _say("print both shapes; reshape, or cut one, so that they agree"),
    ),
    _Rule(
        "GT915",
        "class targets of a wrong dtype",
        r"expected scalar type Long but found|\"nll_loss_\w+\" not implemented for|"
        r"expected target .*Long",
        "Class targets must be whole numbers of dtype int64.",
        _say("y = y.long()"),
    ),
    _Rule(
        "GT916",
        "index beyond an embedding",
        r"index out of range in self",
        "An index is as large as the embedding has rows, or larger{layer}.",
        _say("num_embeddings must be the largest index + 1"),
    ),
    _Rule(
        "GT917",
        "shape that does not fit",
        r"shape '\[(?P<shape>[-\d, ]+)\]' is invalid for input of size (?P<size>\d+)",
        "{size} numbers cannot be put into the shape [{shape}]{layer}.",
        _say("keep the batch: x.flatten(1), or x.view(x.size(0), -1)"),
    ),
    _Rule(
        "GT918",
        "gradient is None",
        r"'NoneType' object has no attribute '(?:zero_|data|norm|clone|add_|mul_)'|"
        r"unsupported operand type\(s\) for \*: 'float' and 'NoneType'",
        "A .grad is None: its tensor is no leaf, or backward did not reach it.",
        _say(
            "update in place under torch.no_grad(): a -= lr * a.grad; a = a - ... "
            "makes a new tensor without a .grad"
        ),
    ),
    _Rule(
        "GT919",
        "tensor of another device to NumPy",
        r"can't convert \w+:\d+ device type tensor to numpy",
        "NumPy reads the memory of the CPU alone.",
        _say("tensor.detach().cpu().numpy()"),
    ),
)
"""In the order of being tried."""
