"""What a pitfall and a finding are, and how findings of one cause become one."""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gradatim.watching.lines import Line
from gradatim.watching.seen import Seen

__all__ = ["Finding", "Pitfall", "all_pitfalls", "diagnose"]

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
SECTIONS = ("What it sees", "Why it matters", "Example", "Instead", "Source")
IGNORE = re.compile(r"#\s*gt:\s*ignore(?:\[([A-Z0-9, ]+)\])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake that was found."""

    code: str
    title: str
    severity: Severity
    verdict: str
    """What is wrong, in one sentence, with the user's own names."""
    evidence: str
    """The numbers that were seen."""
    cure: str
    """A line of code, or what to do."""
    line: Line | None = None
    tried: str = ""
    """What the cure changed when it was tried on a copy."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "code": self.code,
            "title": self.title,
            "severity": self.severity,
            "verdict": self.verdict,
            "evidence": self.evidence,
            "cure": self.cure,
            "file": self.line.file if self.line else None,
            "line": self.line.number if self.line else None,
            "tried": self.tried,
        }


class Pitfall:
    """A mistake that raises nothing; one class, one file, one code.

    A subclass has a docstring with the sections of ``SECTIONS``, which is its page.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    """A few words, such as ``gradients never zeroed``."""
    severity: ClassVar[Severity] = "warning"
    hides: ClassVar[tuple[str, ...]] = ()
    """Codes of what only follows from this one: they are not told beside it."""

    def find(self, seen: Seen) -> Iterator[Finding]:
        """Give the findings in what was seen, at most a few."""
        raise NotImplementedError

    def finding(
        self,
        *,
        verdict: str,
        evidence: str,
        cure: str,
        line: Line | None = None,
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
        text = inspect.cleandoc(cls.__doc__ or "")
        return f"{cls.code}  {cls.title}  ({cls.severity})\n\n{text}\n"


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


def diagnose(
    seen: Seen, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> list[Finding]:
    """Find what is wrong in what was seen.

    Args:
        seen: By a watch.
        select: Codes, or how they begin (``GT3``); all by default.
        ignore: Codes to leave out, as above.

    Returns:
        One finding for each cause, the worst first.
    """
    found: list[Finding] = []
    hidden: set[str] = set()
    for pitfall in all_pitfalls():
        of_this = list(pitfall.find(seen))
        found += of_this
        # Also what is ignored hides what follows from it.
        hidden |= set(pitfall.hides) if of_this else set()
    kept = [
        each
        for each in found
        if each.code not in hidden
        and (not select or each.code.startswith(tuple(select)))
        and not each.code.startswith(tuple(ignore) or ("-",))
        and not _is_ignored(each)
    ]
    return sorted(kept, key=lambda each: (SEVERITIES.index(each.severity), each.code))


def _is_ignored(finding: Finding) -> bool:
    """Tell whether its line says ``# gt: ignore`` or ``# gt: ignore[GT203]``."""
    if finding.line is None:
        return False
    match = IGNORE.search(finding.line.code)
    return match is not None and (match[1] is None or finding.code in match[1])


def unique(findings: Iterable[Finding]) -> list[Finding]:
    """Leave one finding for each line."""
    return list({(each.code, each.line): each for each in findings}.values())


@dataclass
class Diagnosis:
    """Findings of a watch that has ended; made by :func:`gradatim.watch`."""

    seen: Seen = field(default_factory=Seen)
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, the worst first."""
        return diagnose(self.seen, select=self.select, ignore=self.ignore)
