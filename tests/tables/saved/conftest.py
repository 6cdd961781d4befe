"""Runs trained once, for the tests that read them."""

from tests.trained_runs import trained

__all__ = ["trained"]
