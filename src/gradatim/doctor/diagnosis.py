"""From a watched training to findings: one for each cause, the worst first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from gradatim.doctor.exceptions import explain
from gradatim.doctor.finding import SEVERITIES, Finding
from gradatim.doctor.pitfall import Pitfall, all_pitfalls
from gradatim.doctor.trial import try_out
from gradatim.watching import TrainingSeen

__all__ = ["Diagnosis", "diagnose"]

IGNORE = re.compile(r"#\s*gt:\s*ignore(?:\[([A-Z0-9, ]+)\])?")


def diagnose(
    seen: TrainingSeen, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> list[Finding]:
    """Find what is wrong in a watched training.

    Args:
        seen: The record that a watch made.
        select: Codes, or how they begin (``GT3``); all by default.
        ignore: Codes to leave out, as above.

    Returns:
        One finding for each cause, the worst first.
    """
    findings: list[tuple[Pitfall, Finding]] = []
    hidden: set[str] = set()
    for pitfall in all_pitfalls():
        of_pitfall = list(islice(pitfall.find(seen), pitfall.max_findings))
        findings += [(pitfall, finding) for finding in of_pitfall]
        # A finding that the user ignores still hides what follows from it. A hidden one
        # does not, so that of two pitfalls that hide each other one is shown.
        if of_pitfall and pitfall.code not in hidden:
            hidden |= set(pitfall.hides)
    kept = [
        (pitfall, finding)
        for pitfall, finding in findings
        if finding.code not in hidden
        and (not select or finding.code.startswith(tuple(select)))
        and not finding.code.startswith(tuple(ignore) or ("-",))
        and not _is_ignored_at_its_line(finding)
    ]
    tried = [_with_cure_tried(pitfall, finding, seen) for pitfall, finding in kept]
    return sorted(tried, key=lambda f: (SEVERITIES.index(f.severity), f.code))


def _with_cure_tried(pitfall: Pitfall, finding: Finding, seen: TrainingSeen) -> Finding:
    """Try the cure on a copy, where it can be tried; one without effect is advice."""
    if seen.kept.replay is None or seen.is_open:
        return finding
    trial = pitfall.trial(seen)
    outcome = None if trial is None else try_out(trial, seen.kept.replay)
    if outcome is None or not (outcome.helps or pitfall.is_doubtful):
        return finding
    severity = finding.severity if outcome.helps else "info"
    return replace(finding, tried=str(outcome), severity=severity)


def _is_ignored_at_its_line(finding: Finding) -> bool:
    """Tell whether the line says ``# gt: ignore`` or ``# gt: ignore[GT203]``."""
    if finding.line is None:
        return False
    match = IGNORE.search(finding.line.code)
    return match is not None and (match[1] is None or finding.code in match[1])


@dataclass
class Diagnosis:
    """The findings of a watch; made by :func:`gradatim.watch`."""

    seen: TrainingSeen = field(default_factory=TrainingSeen)
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    _findings: list[Finding] | None = field(default=None, init=False, repr=False)

    @property
    def findings(self) -> list[Finding]:
        """The findings so far, the worst first.

        While the watch is on they are computed anew each time and no cure is tried.
        """
        if self.seen.is_open:
            return self._find()
        if self._findings is None:
            self._findings = self._find()
        return self._findings

    def _find(self) -> list[Finding]:
        findings = diagnose(self.seen, select=self.select, ignore=self.ignore)
        explained = None if self.seen.error is None else explain(self.seen.error)
        return findings if explained is None else [explained, *findings]
