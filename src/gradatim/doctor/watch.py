"""Two ways to ask the doctor: about a block of code, and about a script."""

import contextlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradatim.doctor.diagnosis import Diagnosis
from gradatim.watching import Watcher, installed

__all__ = ["run_script", "watch"]


@contextlib.contextmanager
def watch(
    *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> Iterator[Diagnosis]:
    """Watch the training in a block of code, and find what is wrong with it.

    Nothing changes: the same numbers come out, bit for bit, and every hook is gone
    afterwards.

    Args:
        select: Codes of pitfalls, or how they begin (``GT3``); all by default.
        ignore: Codes to leave out.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x, y = torch.randn(8, 2), torch.randn(8)
    >>> with watch() as seen:
    ...     for _ in range(5):
    ...         optimizer.zero_grad()
    ...         ((model(x) - y) ** 2).mean().backward()
    ...         optimizer.step()
    >>> [finding.code for finding in seen.findings]
    ['GT301']
    """
    watcher = Watcher()
    diagnosis = Diagnosis(watcher.seen, select, ignore)
    try:
        with installed(watcher):
            yield diagnosis
    except Exception as error:
        watcher.seen.error = error
        raise


def run_script(
    path: Path,
    arguments: Sequence[str] = (),
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Diagnosis:
    """Run a script as Python does, under watch, and find what is wrong with it.

    An exception that ends the script is kept in ``seen.error``.

    Args:
        path: The script.
        arguments: What the script finds in ``sys.argv``, after its own name.
        select: As for :func:`watch`.
        ignore: As for :func:`watch`.
    """
    watcher = Watcher()
    watcher.seen.is_script = True
    argv, sys.argv = sys.argv, [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with installed(watcher):
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit:
        pass
    except Exception as error:
        watcher.seen.error = error
    finally:
        sys.path.remove(str(path.resolve().parent))
        sys.argv = argv
    return Diagnosis(watcher.seen, select, ignore)
