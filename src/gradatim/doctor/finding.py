"""One mistake that was found, with its evidence and its cure."""

from dataclasses import dataclass
from typing import Any, Literal

from gradatim.watching import SourceLine

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake that was found."""

    code: str
    title: str
    severity: Severity
    verdict: str
    """What is wrong, in one sentence, with the user's own names."""
    evidence: str
    """The numbers that show it."""
    cure: str
    """A line of code, or what to do."""
    line: SourceLine | None = None
    tried: str | None = None
    """What the cure changed on a copy; None where it was not tried."""

    @property
    def page(self) -> str:
        """The command that prints the page of this pitfall."""
        return f"gradatim doctor --explain {self.code}"

    def __str__(self) -> str:
        lines = [f"{self.code} {self.severity}: {self.verdict}"]
        if self.line is not None:
            lines.append(f"  at    {self.line}  {self.line.code}")
        lines += [f"  seen  {self.evidence}", f"  cure  {self.cure}"]
        if self.tried is not None:
            lines.append(f"  tried {self.tried}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as ``gradatim doctor --json`` prints it."""
        fields = ("code", "title", "severity", "verdict", "evidence", "cure", "tried")
        return {
            **{name: getattr(self, name) for name in fields},
            "file": self.line.file if self.line else None,
            "line": self.line.number if self.line else None,
            "page": self.page,
        }
