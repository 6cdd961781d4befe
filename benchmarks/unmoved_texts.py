"""What was seen, as texts that are equal whenever and wherever they are made."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import gradatim as gt

__all__ = [
    "ROOT",
    "SOURCES",
    "Record",
    "digest",
    "text_of_training",
    "texts_of_files",
    "with_placeholders",
]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(gt.__file__).resolve().parents[1]
"""The folder that gradatim is imported from, here and in every command."""

Record = dict[str, str]
"""What was seen, as text, by the name of what was looked at."""

TIMES = ("epoch_time_s", "samples_per_s")
"""The values of a history that differ from one training to the next."""

PLACEHOLDERS = [
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "<time>"),
    (r"\d[\d:]*:\d\d (left|in all)", r"<duration> \1"),
    (r"[\d,]+ samples/s", "<speed> samples/s"),
    (rf'"({"|".join(TIMES)}|seconds|update_time_us)": [\d.e+-]+', r'"\1": <duration>'),
    (r'"(gradatim|python|torch|numpy|pyarrow)": "\d[^"]*"', r'"\1": <version>'),
    (r"gradatim \d+\.\d+\.\d+", "gradatim <version>"),
    (r"process \d+", "process <id>"),
    (r"unmoved\.py:\d+", "unmoved.py:<line>"),
    # How long a line of the history is depends on its times, and so do the digests of
    # the history and of what notes them.
    (
        r'("rows": \d+,\s*"bytes": )\d+(,\s*"sha256": )"\w{64}"',
        r'\1<bytes>\2"<digest>"',
    ),
    (r'(\n"sha256": )"\w{64}"\}\s*$', r'\1"<digest>"}'),
]
"""Patterns of what differs from run to run, and what stands in its place."""

TIMED_COLUMN = r"(?<=  )samples_per_s|µs an$"
"""The headers in printed tables below which times or speeds stand."""


def with_placeholders(text: str, folder: Path) -> str:
    """Replace paths, times, speeds, versions, dates and process ids by placeholders.

    >>> with_placeholders("/tmp/x/a.csv: 12 samples/s", Path("/tmp/x"))
    '<folder>/a.csv: <speed> samples/s'
    """
    for path, name in [(folder, "<folder>"), (SOURCES, "<sources>"), (ROOT, "<root>")]:
        text = text.replace(str(path), name)
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return _without_timed_columns(text)


def _without_timed_columns(text: str) -> str:
    """Replace the numbers below the headers of times, each up to an empty line."""
    lines, header = text.split("\n"), None
    for index, line in enumerate(lines):
        if header is None:
            header = re.search(TIMED_COLUMN, line)
        elif not line.strip():
            header = None
        else:
            start, end = header.span()
            number = re.sub(r"[\d.e+]+", "<number>", line[start - 1 : end])
            lines[index] = line[: start - 1].rstrip() + number.strip() + line[end:]
    return "\n".join(lines)


def digest(data: bytes | str) -> str:
    """Give the SHA-256 of a file's or text's bytes."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Give the SHA-256 of tensors: their names, dtypes, shapes and bytes."""
    parts = []
    for name, tensor in sorted(tensors.items()):
        parts.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        parts.append(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest(b"".join(bytes(part) for part in parts))


def text_of_training(model: nn.Module, history: gt.History) -> str:
    """Write the digest of the weights and every value of the history but the times."""
    lines = [
        f"weights {digest_of_tensors(model.state_dict())}",
        f"end {history.stop_reason}",
    ]
    for row in history.to_dicts():
        lines.append(json.dumps({k: v for k, v in row.items() if k not in TIMES}))
    return "\n".join(lines)


def texts_of_files(place: Path, folder: Path) -> Record:
    """Give all files under ``place``: JSON and text whole, tensors and pages as digest.

    Of a manifest the name alone: it has the digests of files that hold times. Left out
    are the states of random generators, which gradatim saves and not always seeds.
    """
    texts = {}
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            text = digest_of_tensors(
                {k: v for k, v in tensors.items() if not k.startswith("rng.")}
            )
        elif path.name in ("manifest.json", "lock"):
            text = "is there"
        else:
            text = with_placeholders(path.read_text(encoding="utf-8"), folder)
            text = digest(text) if path.suffix == ".html" else text
        texts[f"file {path.relative_to(folder)}"] = text
    return texts
