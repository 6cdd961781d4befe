"""What a pitfall is, and which there are."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from typing import ClassVar

from gradatim.doctor.finding import Finding, Severity
from gradatim.doctor.trial import Trial
from gradatim.watching import SourceLine, TrainingSeen

__all__ = ["Finding", "Pitfall", "Trial", "all_pitfalls", "unique"]

SECTIONS = ("What it sees", "Why it matters", "Example", "Instead", "Source")


class Pitfall:
    """A mistake that raises nothing; one class, one file, one code.

    A subclass has a docstring with the sections of ``SECTIONS``, which is its page.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    """A few words, such as ``gradients never zeroed``."""
    severity: ClassVar[Severity] = "warning"
    is_doubtful: ClassVar[bool] = False
    """Whether a finding whose tried cure changes little becomes advice."""
    hides: ClassVar[tuple[str, ...]] = ()
    """Codes of what only follows from this one: they are not told beside it."""

    def find(self, seen: TrainingSeen) -> Iterator[Finding]:
        """Give the findings in what was seen, at most a few."""
        raise NotImplementedError

    def trial(self, seen: TrainingSeen) -> Trial | None:
        """Give what is to be tried on a copy, if that can be tried."""
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
        """Give its documentation, from the docstring."""
        return inspect.cleandoc(cls.__doc__ or "")


@functools.cache
def all_pitfalls() -> tuple[Pitfall, ...]:
    """Give all pitfalls, by their codes."""
    from gradatim.doctor import pitfalls as package

    found: dict[str, Pitfall] = {}
    for module in pkgutil.iter_modules(package.__path__):
        source = importlib.import_module(f"{package.__name__}.{module.name}")
        for value in vars(source).values():
            is_class = isinstance(value, type) and issubclass(value, Pitfall)
            if is_class and value.__module__ == source.__name__:
                found[value.code] = value()
    return tuple(found[code] for code in sorted(found))


def unique(findings: Iterable[Finding]) -> list[Finding]:
    """Leave one finding for each line."""
    return list({(each.code, each.line): each for each in findings}.values())
