"""Print the lowest versions that pyproject.toml declares, as constraints for pip.

``python tests/lowest_versions.py [TORCH]``: another torch may be named, where the
lowest one is not to be had.
"""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("course", "plots", "sklearn", "test")


def lowest(project, torch=None):
    """Give ``name==version`` for each requirement that has a lowest version."""
    requirements = list(project["dependencies"])
    for extra in EXTRAS:
        requirements += project["optional-dependencies"][extra]
    found = {}
    for requirement in requirements:
        if match := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
            found[match[1]] = match[2]
    if torch:
        found["torch"] = torch
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    print(*lowest(tomllib.loads(text)["project"], *sys.argv[1:]), sep="\n")
