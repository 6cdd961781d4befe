import ast
import linecache
import re
from functools import lru_cache

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.doctor.source_code.syntax import nodes_of
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

MEANT = re.compile(
    "shar(e|ing)|tied|tying|recurr|universal|unroll|re-?use", re.IGNORECASE
)
"""Words near a line that say that sharing is meant."""
NUM_LINES_AROUND = 8  # before and after; chosen by hand, not measured


class ModuleRepeated(Pitfall):
    """``[layer] * n`` is n times one and the same layer.

    What it sees:
        One module with parameters at several places of an ``nn.Sequential`` or
        ``nn.ModuleList``: a warning where a list is multiplied in the source, or where
        a ``ModuleList`` has nothing else; otherwise advice, as weights may be shared
        on purpose.

    Why it matters:
        Four layers of 64 x 64 have 16,640 parameters; one layer four times has 4,160,
        and each place gets the sum of the gradients of all.

    Example::

        self.layers = nn.ModuleList([nn.Linear(64, 64)] * 4)

    Instead::

        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(4))

    Source: Python's language reference on ``*`` of sequences.
    """

    code = "GT602"
    title = "one module at several places"

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            for name, (kind, num_same, num_all) in model.structure.repeated.items():
                line = _multiplied_line(model, name)
                is_sure = line is not None or num_same == num_all
                where = f"{model.kind}.{name}" if name else model.kind
                yield self.finding(
                    verdict=f"{where} holds one and the same {kind} at {num_same} "
                    "places.",
                    evidence=f"{num_same} of {num_all} places with parameters are one "
                    "object",
                    cure="nn.ModuleList(make() for _ in range(n)): a new module each "
                    "time; copy.deepcopy(layer) of one that exists",
                    line=line or assignment_line(model, name) or model.line,
                    severity="warning" if is_sure and not _is_meant(line) else "info",
                )


def _multiplied_line(model: ModelSeen, name: str) -> SourceLine | None:
    """Find the line that multiplies a list of modules, that of the part if it does."""
    assigned = str(assignment_line(model, name))
    files = {line.file for line in model.structure.init_lines.values()}
    if model.line is not None:
        files.add(model.line.file)
    lines = [SourceLine(file, n) for file in files for n in multiplied_lists(file)]
    return min(lines, key=lambda line: str(line) != assigned, default=None)


def _is_meant(line: SourceLine | None) -> bool:
    """Tell whether the source near a line speaks of sharing."""
    if line is None:
        return False
    numbers = range(line.number - NUM_LINES_AROUND, line.number + NUM_LINES_AROUND)
    return any(MEANT.search(linecache.getline(line.file, n)) for n in numbers)


@lru_cache(maxsize=64)
def multiplied_lists(file: str) -> tuple[int, ...]:
    """Find the lines where a list of objects is multiplied, ``[layer] * n``."""
    products = [n for n in nodes_of(file, ast.BinOp) if isinstance(n.op, ast.Mult)]
    return tuple(sorted(p.lineno for p in products if _has_list_of_objects(p)))


def _has_list_of_objects(product: ast.BinOp) -> bool:
    sides = (product.left, product.right)
    parts = [part for side in sides if isinstance(side, ast.List) for part in side.elts]
    return any(isinstance(part, (ast.Name, ast.Call)) for part in parts)
