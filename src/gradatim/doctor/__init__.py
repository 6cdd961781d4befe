"""The doctor: mistakes that raise nothing, found in any loop, explained and cured."""

from gradatim.doctor.pitfall import Diagnosis, Finding, Pitfall, all_pitfalls, diagnose
from gradatim.doctor.ways import run_script, watch

__all__ = [
    "Diagnosis",
    "Finding",
    "Pitfall",
    "all_pitfalls",
    "diagnose",
    "run_script",
    "watch",
]
