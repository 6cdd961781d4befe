"""From what was seen to findings: one for each cause, the worst first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gradatim.doctor.exceptions import explain
from gradatim.doctor.finding import SEVERITIES, Finding
from gradatim.doctor.pitfall import all_pitfalls
from gradatim.doctor.trial import try_out
from gradatim.watching import TrainingSeen

__all__ = ["Diagnosis", "diagnose"]

IGNORE = re.compile(r"#\s*gt:\s*ignore(?:\[([A-Z0-9, ]+)\])?")


def diagnose(
    seen: TrainingSeen, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
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
        # Also what is ignored hides what follows from it; what is hidden does not, so
        # that of two that hide each other one is told.
        if of_this and pitfall.code not in hidden:
            hidden |= set(pitfall.hides)
    kept = [
        each
        for each in found
        if each.code not in hidden
        and (not select or each.code.startswith(tuple(select)))
        and not each.code.startswith(tuple(ignore) or ("-",))
        and not _is_ignored(each)
    ]
    if seen.kept.replay is not None and not seen.is_open:
        kept = [_tried(each, seen) for each in kept]
    return sorted(kept, key=lambda each: (SEVERITIES.index(each.severity), each.code))


def _tried(finding: Finding, seen: TrainingSeen) -> Finding:
    """Try a finding's cure, where it can be tried; without effect it is advice."""
    pitfall = next(p for p in all_pitfalls() if p.code == finding.code)
    trial = pitfall.trial(seen)
    assert seen.kept.replay is not None
    outcome = None if trial is None else try_out(trial, seen.kept.replay)
    if outcome is None or not (outcome.helps or pitfall.is_doubtful):
        return finding
    severity = finding.severity if outcome.helps else "info"
    return replace(finding, tried=str(outcome), severity=severity)


def _is_ignored(finding: Finding) -> bool:
    """Tell whether its line says ``# gt: ignore`` or ``# gt: ignore[GT203]``."""
    if finding.line is None:
        return False
    match = IGNORE.search(finding.line.code)
    return match is not None and (match[1] is None or finding.code in match[1])


@dataclass
class Diagnosis:
    """Findings of a watch that has ended; made by :func:`gradatim.watch`."""

    seen: TrainingSeen = field(default_factory=TrainingSeen)
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    _kept: list[Finding] | None = field(default=None, init=False, repr=False)

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, the worst first.

        While the watch is on no cure is tried.
        """
        if self.seen.is_open:
            return self._find()
        if self._kept is None:
            self._kept = self._find()
        return self._kept

    def _find(self) -> list[Finding]:
        found = diagnose(self.seen, select=self.select, ignore=self.ignore)
        if self.seen.error is None or (finding := explain(self.seen.error)) is None:
            return found
        return [finding, *found]
