"""Whose a named value of the history is: no two values share a name."""

from collections.abc import Hashable, Iterable
from typing import Any

from gradatim.errors import ConfigError

__all__ = ["ValueNames", "refuse_shared_names"]


class ValueNames:
    """The names of values, each with what it belongs to.

    >>> names = ValueNames()
    >>> names.claim("train_kl", "a part of the loss")
    >>> names.claim("train_kl", "a part of the loss")
    """

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Any, str]] = {}

    def claim(self, name: str, what: str, owner: Hashable = None) -> None:
        """Let a name belong to what it is claimed for first.

        Args:
            name: The name that the history has, or will have.
            what: What has the value, for the message.
            owner: What tells two of them apart, where ``what`` does not.

        Raises:
            ConfigError: The name belongs to something else.
        """
        before, other = self._owners.setdefault(name, (owner or what, what))
        if before != (owner or what):
            raise ConfigError(
                f"{name!r} is both {other} and {what}.\n"
                "The history would have one number for the two.\n"
                "Give one of them another name."
            )


def refuse_shared_names(parts: Iterable[str], metrics: Iterable[str]) -> None:
    """Refuse a part of the loss and a metric of one name.

    >>> refuse_shared_names(["kl"], ["mae"])
    """
    names = ValueNames()
    for what, found in (("a part of the loss", parts), ("a metric", metrics)):
        for name in found:
            names.claim(name, what)
