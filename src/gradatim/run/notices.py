"""What a run says: on standard error, so that what a program prints stays its own."""

import sys

__all__ = ["tell"]


def tell(line: str) -> None:
    """Write a line at once: a kill may come next."""
    print(line, file=sys.stderr, flush=True)
