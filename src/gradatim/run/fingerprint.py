"""Where a run is computed, and how it is compared with where it was begun."""

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import torch

from gradatim.engines.eager import EagerEngine
from gradatim.errors import ConfigError, ResumeError

__all__ = [
    "CHOICES",
    "changes",
    "check_accept",
    "environment",
    "fingerprint",
    "refuse_changes",
    "signature",
]

CHOICES = ("data", "config")
"""What may be accepted as changed. A model's weights have no place in another model."""

MAX_CHANGES = 10
"""How many changes an error lists. Chosen by hand, not measured."""


def environment() -> dict[str, Any]:
    """Describe this process for ``environment.json``.

    No names of people, hosts or folders are in it.
    """
    has_cuda = torch.cuda.is_available()
    return {
        "gradatim": metadata.version("gradatim"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": metadata.version("numpy"),
        "pyarrow": metadata.version("pyarrow"),
        "platform": f"{platform.system()}-{platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "num_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if has_cuda else None,
        "device_name": torch.cuda.get_device_name() if has_cuda else None,
    }


def fingerprint(
    device: torch.device, *, engine: str = EagerEngine.name, num_workers: int = 0
) -> dict[str, Any]:
    """Give what the last bits of a result depend on, beside data and configuration.

    A change of these is allowed, and told when the run goes on.

    >>> fingerprint(torch.device("cpu"))["engine"]
    'eager'
    """
    return {
        "torch": torch.__version__,
        "processor": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "num_workers": num_workers,
        "device": device.type,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "engine": engine,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


def _processor() -> str:
    """Name the processor: libraries choose their kernels by it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def signature(state: Mapping[str, Any]) -> dict[str, str]:
    """Give dtype and shape of every tensor of a state.

    >>> signature({"weight": torch.zeros(1, 2)})
    {'weight': 'float32 (1, 2)'}
    """
    return {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }


def changes(old: Any, new: Any, name: str = "") -> list[str]:
    """List what differs, each as ``name: old -> new``.

    >>> changes({"lr": 0.1, "betas": [0.9]}, {"lr": 0.2, "betas": [0.9]})
    ['lr: 0.1 -> 0.2']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{name}.{key}" if name else str(key)
            lines += changes(old.get(key, "none"), new.get(key, "none"), inner)
        return lines
    if old == new:
        return []
    if (
        isinstance(old, list)
        and isinstance(new, list)
        and len(old) == len(new)
        and all(isinstance(part, dict) for part in (*old, *new))
    ):
        return changes(dict(enumerate(old)), dict(enumerate(new)), name)
    return [f"{name}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = str(value)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    most = 12 if is_digest else 100
    return f"{text[:most]}..." if len(text) > most else text


def check_accept(accept: Iterable[str]) -> tuple[str, ...]:
    """Refuse to accept something else than ``"data"`` and ``"config"``."""
    names = (accept,) if isinstance(accept, str) else tuple(accept)
    for name in names:
        if name not in CHOICES:
            raise ConfigError(
                f"accept has {name!r}, which cannot be accepted as changed.\n"
                "Weights and optimizer state belong to one model.\n"
                f"Only {' and '.join(CHOICES)} can; for another model begin a new run."
            )
    return names


def refuse_changes(
    what: str, changed: list[str], *, run: str, accept: tuple[str, ...]
) -> list[str]:
    """Refuse to go on where something changed that was not accepted.

    Args:
        what: ``"data"``, ``"config"`` or ``"model"``.
        changed: What :func:`changes` lists; given back where that was accepted.
        run: The name of the run, for the message.
        accept: What may have changed.
    """
    if not changed or what in accept:
        return changed
    shown = "\n".join(f"  {line}" for line in changed[:MAX_CHANGES])
    if len(changed) > MAX_CHANGES:
        shown += f"\n  and {len(changed) - MAX_CHANGES} more"
    cure = "Put it back as it was, or begin a new run in another folder"
    if what in CHOICES:
        cure += f'; accept=["{what}"] (--accept {what}) goes on all the same'
    raise ResumeError(
        f"{run}: the {what} changed since the run began:\n{shown}\n"
        f"What goes on would be neither the old run nor a new one.\n{cure}."
    )
