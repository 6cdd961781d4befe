"""Tables of hooks that stand in the place of PyTorch's while a watch is open.

PyTorch walks through its table of hooks for all optimizers in each update, and through
the one for all modules when a forward raises, while the hooks run. If ours was put into
such a table, or taken out, a walk in another thread would fail at that moment.
"""

from collections import OrderedDict
from typing import Any

__all__ = ["OURS", "HookTable"]

OURS = -1
"""The number of our hook. PyTorch gives its own from 0 on."""


class HookTable(OrderedDict[int, Any]):
    """A table of PyTorch's with one hook of ours at its end.

    It has nothing of its own: the hooks that users add or remove go into PyTorch's.
    Whoever walks through it walks through a copy.

    >>> table = HookTable({3: "a user's"}, "ours")
    >>> table[4] = "another"
    >>> table.values(), len(table), 4 in table, table.of_users
    (["a user's", 'another', 'ours'], 3, True, {3: "a user's", 4: 'another'})
    """

    def __init__(self, of_users: dict[int, Any], ours: Any) -> None:
        super().__init__()
        self.of_users, self.ours = of_users, ours

    def __setitem__(self, key: int, hook: Any) -> None:
        self.of_users[key] = hook

    def __delitem__(self, key: int) -> None:
        del self.of_users[key]

    def __contains__(self, key: object) -> bool:
        return key in self.of_users

    def __len__(self) -> int:
        return len(self.of_users) + 1

    def values(self) -> Any:
        """Give all hooks as they are at this moment."""
        return [*self.of_users.values(), self.ours]

    def items(self) -> Any:
        """Give all hooks with their numbers, as they are at this moment."""
        return [*self.of_users.items(), (OURS, self.ours)]
