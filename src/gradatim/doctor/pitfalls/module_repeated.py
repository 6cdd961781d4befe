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
    lines = [
        SourceLine(file, number) for file in files for number in multiplied_lists(file)
    ]
    lines.sort(key=lambda line: str(line) != assigned)
    return lines[0] if lines else None


def _is_meant(line: SourceLine | None) -> bool:
    """Tell whether the source near a line speaks of sharing."""
    if line is None:
        return False
    numbers = range(
        max(1, line.number - NUM_LINES_AROUND), line.number + NUM_LINES_AROUND
    )
    return any(MEANT.search(linecache.getline(line.file, n)) for n in numbers)


@lru_cache(maxsize=64)
def multiplied_lists(file: str) -> tuple[int, ...]:
    """Find the lines where a list of objects is multiplied, ``[layer] * n``."""
    return tuple(
        sorted(
            node.lineno
            for node in nodes_of(file)
            if isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mult)
            and any(
                isinstance(side, ast.List)
                and any(isinstance(e, (ast.Name, ast.Call)) for e in side.elts)
                for side in (node.left, node.right)
            )
        )
    )
