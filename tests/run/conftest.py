"""The runs that some tests of run folders read."""

from tests.trained_runs import trained

__all__ = ["trained"]
