"""Notes how a model is built: what its modules are, and where they were made."""

import weakref
from dataclasses import dataclass, field

from torch import Tensor, nn

from gradatim.torch_private import Dropout, Norm, own_modules, own_parameters
from gradatim.watching.identities import identity_of
from gradatim.watching.model_call import ModelObserver
from gradatim.watching.position import Position
from gradatim.watching.source_lines import SourceLine, is_user_file, line_of, user_frame

__all__ = ["ModelStructure", "Structures", "has_mode"]

MOST_MODULES_MADE = 20_000  # remembered: chosen by hand, not measured


@dataclass(slots=True)
class ModelStructure:
    """The modules that a model is made of."""

    modules: dict[int, str] = field(default_factory=dict)
    """The name of each module, by its identity."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The class of each module that has parameters of its own, by its name."""
    with_mode: dict[str, str] = field(default_factory=dict)
    """The class of each part that does something else in eval mode, by its name."""
    init_lines: dict[str, SourceLine] = field(default_factory=dict)
    """Where the ``__init__`` of each module of the user's own begins, by its name."""
    made_at: dict[str, SourceLine] = field(default_factory=dict)
    """The user's line that made each part, by its name."""
    repeated: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Containers that hold one module at several places: its class, the number of
    these places, and the number of all places."""
    of_library: set[str] = field(default_factory=set)
    """The names of modules whose class is neither the user's nor PyTorch's."""


class Structures(ModelObserver[ModelStructure]):
    """Sees modules made, and which of them a model is made of."""

    def __init__(self, position: Position) -> None:
        super().__init__(position)
        self._made_at: dict[int, tuple[weakref.ref[nn.Module], SourceLine | None]] = {}

    def module_made(self, module: nn.Module) -> None:
        """A module was constructed."""
        frame = user_frame(3)
        # Go from the module's own __init__ out to the line that makes the module.
        while frame is not None and frame.f_code.co_name == "__init__":
            if frame.f_locals.get("self") is not module:
                break
            frame = frame.f_back
        is_full = len(self._made_at) >= MOST_MODULES_MADE
        if frame is not None and is_user_file(frame.f_code.co_filename) and not is_full:
            self._made_at[id(module)] = weakref.ref(module), line_of(frame)

    def new_record(self, module: nn.Module) -> ModelStructure:
        """Look at all modules of a model."""
        record = ModelStructure(
            init_lines=_init_lines(module),
            repeated=_repeated_modules(module),
            of_library=_of_library(module),
        )
        self._note(record, module)
        return record

    def on_new_parameters(self, number: int, module: nn.Module) -> None:
        """Look at the modules again, after some were put in."""
        self._note(self.records[number], module)

    def name_since(self, number: int, module: nn.Module, model: nn.Module) -> bool:
        """Note the name of a module if it was put into a model after the last look."""
        for name, part in model.named_modules():
            if part is module:
                self.records[number].modules[identity_of(module)] = name
                return True
        return False

    def _note(self, record: ModelStructure, module: nn.Module) -> None:
        named = list(module.named_modules())
        record.modules.update({identity_of(part): name for name, part in named})
        record.kinds = {n: type(m).__name__ for n, m in named if own_parameters(m)}
        record.with_mode = {n: type(m).__name__ for n, m in named if has_mode(m)}
        for name, part in named:
            ref, line = self._made_at.get(id(part), (None, None))
            if ref is not None and ref() is part and line is not None:
                record.made_at[name] = line


def has_mode(module: nn.Module) -> bool:
    """Tell whether a module does something else in eval mode."""
    if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
        return module.dropout > 0
    if isinstance(module, Dropout):
        return module.p > 0
    if isinstance(module, Norm):
        return isinstance(module.running_mean, Tensor)
    return False


def _init_lines(module: nn.Module) -> dict[str, SourceLine]:
    """Find where the ``__init__`` of each module of the user's own begins."""
    lines = {}
    for name, part in module.named_modules():
        code = getattr(type(part).__init__, "__code__", None)
        if code is not None and is_user_file(code.co_filename):
            lines[name] = SourceLine(code.co_filename, code.co_firstlineno, "__init__")
    return lines


def _repeated_modules(module: nn.Module) -> dict[str, tuple[str, int, int]]:
    """Find containers that hold one module with parameters at several places."""
    repeated = {}
    for name, container in module.named_modules():
        if not isinstance(container, (nn.Sequential, nn.ModuleList)):
            continue
        children = [m for m in own_modules(container).values() if m is not None]
        ids = [id(m) for m in children if next(m.parameters(), None) is not None]
        again = [m for m in children if ids.count(id(m)) > 1]
        if again:
            count = ids.count(id(again[0]))
            repeated[name] = type(again[0]).__name__, count, len(ids)
    return repeated


def _of_library(module: nn.Module) -> set[str]:
    """Name the modules whose class is neither the user's nor PyTorch's."""
    names = set()
    for name, part in module.named_modules():
        code = getattr(getattr(type(part), "forward", None), "__code__", None)
        is_torchs = type(part).__module__.startswith("torch.")
        if code is not None and not is_torchs and not is_user_file(code.co_filename):
            names.add(name)
    return names
