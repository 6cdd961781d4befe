"""On what a run was made: versions and the machine, as far as results depend on it."""

import platform
from importlib import metadata
from typing import Any

import torch

__all__ = ["environment"]


def environment() -> dict[str, Any]:
    """Describe this process; no names of people, hosts or folders are in it."""
    return {
        "gradatim": metadata.version("gradatim"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": metadata.version("numpy"),
        "pyarrow": metadata.version("pyarrow"),
        "platform": f"{platform.system()}-{platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "num_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "device_name": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else None,
    }
