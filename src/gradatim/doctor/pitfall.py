"""What a pitfall answers, and the list of all pitfalls."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import ClassVar

from gradatim.doctor.finding import Finding, Severity
from gradatim.doctor.trial import Trial
from gradatim.watching import SourceLine, TrainingSeen

__all__ = ["SECTIONS", "Finding", "Findings", "Pitfall", "all_pitfalls"]

SECTIONS = ("What it sees", "Why it matters", "Example", "Instead", "Source")
"""The sections of every page, in this order."""
Findings = Iterator[Finding]


class Pitfall:
    """A mistake that raises nothing: one class, one file, one code.

    The docstring of a subclass is its page. It has the sections of :data:`SECTIONS`.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    """A few words, such as ``gradients never zeroed``."""
    severity: ClassVar[Severity] = "warning"
    is_doubtful: ClassVar[bool] = False
    """Whether a finding becomes advice when its tried cure changes little."""
    hides: ClassVar[tuple[str, ...]] = ()
    """Codes of mistakes that only follow from this one and are not shown beside it."""
    max_findings: ClassVar[int] = 1
    """At most this many of the findings are shown; most mistakes have one cause."""

    def find(self, seen: TrainingSeen) -> Findings:
        """Yield the findings in a watched training, the most certain first."""
        raise NotImplementedError

    def trial(self, seen: TrainingSeen) -> Trial | None:
        """Give the cure that can be tried on a copy of the model, if there is one."""
        return None

    def finding(
        self,
        *,
        verdict: str,
        evidence: str,
        cure: str,
        line: SourceLine | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """Make a finding of this pitfall."""
        return Finding(
            code=self.code,
            title=self.title,
            severity=severity or self.severity,
            verdict=verdict,
            evidence=evidence,
            cure=cure,
            line=line,
        )

    @classmethod
    def page(cls) -> str:
        """Give the page of this pitfall: its docstring."""
        return inspect.cleandoc(cls.__doc__ or "")


@functools.cache
def all_pitfalls() -> tuple[Pitfall, ...]:
    """Give all pitfalls, in the order of their codes."""
    from gradatim.doctor import pitfalls as package

    by_code: dict[str, Pitfall] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for value in vars(module).values():
            is_pitfall = isinstance(value, type) and issubclass(value, Pitfall)
            if is_pitfall and value.__module__ == module.__name__:
                by_code[value.code] = value()
    return tuple(by_code[code] for code in sorted(by_code))
