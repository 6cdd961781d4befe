"""The doctor: mistakes that raise nothing, found in any loop, explained and cured."""

from gradatim.doctor.callback import Doctor
from gradatim.doctor.check import Checkup, check
from gradatim.doctor.diagnosis import Diagnosis, diagnose
from gradatim.doctor.exceptions import explain
from gradatim.doctor.finding import Finding
from gradatim.doctor.pitfall import Pitfall, all_pitfalls
from gradatim.doctor.watch import run_script, watch

__all__ = [
    "Checkup",
    "Diagnosis",
    "Doctor",
    "Finding",
    "Pitfall",
    "all_pitfalls",
    "check",
    "diagnose",
    "explain",
    "run_script",
    "watch",
]
