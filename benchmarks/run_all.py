"""Run the benchmarks: all of them, or those that are named.

    python benchmarks/run_all.py
    python benchmarks/run_all.py loops startup
    python benchmarks/run_all.py --log >> benchmarks/LOG.md

With ``--log`` what is printed is a section for LOG.md, with date, machine and versions.
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SECTIONS = {
    "loops": "The loop",
    "metrics": "Metrics",
    "table": "Tables",
    "predict": "Predicting",
    "checkpoints": "Checkpoints",
    "graphs": "Computation graphs",
    "doctor": "The doctor",
    "startup": "The start",
    "statements": "Statements of twelve workloads",
}
PACKAGES = (
    "torch",
    "numpy",
    "pyarrow",
    "pytorch-lightning",
    "skorch",
    "keras",
    "pytorch-ignite",
    "pygraphviz",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--log", action="store_true", help="print a section for LOG.md")
    args = parser.parse_args()
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(
            f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}"
        )
    if args.log:
        print(f"\n## {datetime.date.today()}\n\n{machine()}", flush=True)
    failed = []
    for section in args.sections or SECTIONS:
        print(f"\n### {SECTIONS[section]} (`{section}.py`)\n", flush=True)
        # A process each: what one imports or sets does not reach the next.
        script = Path(__file__).with_name(f"{section}.py")
        if subprocess.run([sys.executable, str(script)]).returncode:
            failed.append(section)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def machine() -> str:
    """Tell what the numbers were measured on."""
    packages = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    return (
        f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, {packages}."
    )


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
