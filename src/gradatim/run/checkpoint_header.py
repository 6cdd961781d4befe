"""What a checkpoint says of itself: where training stands, and how it was begun."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradatim.errors import DamagedError
from gradatim.store.checks import (
    Check,
    fields,
    is_bool,
    is_count,
    is_list,
    is_number,
    is_object,
    is_text,
    list_of,
    optional,
)
from gradatim.store.pack import is_plain, unpack
from gradatim.text import shown

__all__ = ["CheckpointHeader", "damaged_field", "parse_header"]

FOLDER_NAME = re.compile(r"step-(0|[1-9]\d{0,17})(-old)?")
"""The names of checkpoints' folders: the step, and ``-old`` while it is replaced. Up to
18 digits: such a number fits into 64 bits."""


@dataclass(kw_only=True)
class CheckpointHeader:
    """What a checkpoint says of itself, beside the state; of a new run by default."""

    step: int = 0
    """Updates done."""
    epoch: int = 0
    """Whole epochs done."""
    batch: int = 0
    """Batches consumed of the epoch at hand."""
    samples: int = 0
    """Rows trained on, over all epochs."""
    history: dict[str, Any] = field(default_factory=dict)
    """Rows, bytes and SHA-256 of ``history.jsonl`` at this point."""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """What the last bits of a result depend on: versions, processor, threads."""
    data: dict[str, Any] = field(default_factory=dict)
    """The digests of the data, by ``"train"`` and ``"val"``."""
    config: dict[str, Any] = field(default_factory=dict)
    """Every choice that must not change, as it was before the first update."""
    epochs: int = 0
    """Epochs that were asked for, in all."""
    first_epoch: int = 0
    """Epochs that the model had behind it when the run began."""
    first_step: int = 0
    """Updates that the model had behind it when the run began."""
    best: dict[str, Any] | None = None
    """``step``, ``epoch``, ``name`` and ``value`` of the best so far."""
    ended: str | None = None
    """Why the run has ended; None while it goes on."""
    resumes: list[dict[str, Any]] = field(default_factory=list)
    """``step``, ``exact`` and ``why_not`` of every resume so far."""
    why_not: list[str] = field(default_factory=list)
    """Why what goes on from here is not exact, beside what the code itself tells."""

    @property
    def best_step(self) -> int | None:
        """The number of the best step so far; None where no values were compared."""
        return self.best["step"] if self.best else None


CHECKS: dict[str, Check] = {
    "step": is_count,
    "epoch": is_count,
    "batch": is_count,
    "samples": is_count,
    "history": fields(rows=is_count, bytes=is_count, sha256=is_text),
    "fingerprint": is_object,
    "data": is_object,
    "config": is_object,
    "epochs": is_count,
    "first_epoch": is_count,
    "best": optional(
        fields(step=is_count, epoch=is_count, name=is_text, value=is_number)
    ),
    "ended": optional(is_text),
    "first_step": is_count,
    "why_not": list_of(is_text),
    "resumes": list_of(fields(step=is_count, exact=is_bool, why_not=is_list)),
}
"""What the fields of a header may be."""

LATER = ("first_step", "why_not")
"""Fields that checkpoints of earlier versions lack."""


def parse_header(about: dict[str, Any], path: Path) -> CheckpointHeader:
    """Take the header out of what the JSON file at ``path`` holds.

    Raises:
        DamagedError: A field is missing, unknown, or has another kind of value.
    """
    wrong = set(about) ^ {*CHECKS, "version", "model", "state"}
    if wrong := wrong - (set(LATER) - set(about)):
        raise damaged_field(path, "fields", sorted(wrong))
    named = {name: about[name] for name in CHECKS if name in about}
    values = unpack(named, {}, str(path))
    for name, value in values.items():
        if not (CHECKS[name](value) and is_plain(value)):
            raise damaged_field(path, name, value)
    match = FOLDER_NAME.fullmatch(path.parent.name)
    if match is not None and int(match[1]) != values["step"]:
        raise damaged_field(path, "step", values["step"])
    return CheckpointHeader(**values)


def damaged_field(path: Path, name: str, value: Any) -> DamagedError:
    """Make the error of a file with a value that no checkpoint has."""
    return DamagedError(
        f"{path} has wrong {name}: {shown(value)}.\n"
        "It was damaged, or written by another version, and cannot be relied on.\n"
        "Put back a copy of the whole folder."
    )
