"""Numbers of the device, read by the host without waiting for the device."""

from collections import deque
from typing import Any

import torch
from torch import Tensor

__all__ = ["DeferredScalars"]


class DeferredScalars:
    """0-dim tensors that travel to the host many at a time, without a wait.

    ``.item()`` on a CUDA tensor waits until the device has done all that was asked
    of it, and so empties its queue at every step. Here the tensors of a window are
    stacked and copied by the device itself into pinned memory, behind the work that
    makes them; an event tells when they have arrived.

    Args:
        window: How many calls of :meth:`push` share a copy. The default was chosen by
            hand, not measured.

    >>> scalars = DeferredScalars(window=2)
    >>> scalars.push(torch.tensor(1.0), 16); scalars.push(torch.tensor(2.0), 8)
    >>> scalars.arrived()
    [(1.0, 16), (2.0, 8)]
    """

    def __init__(self, *, window: int = 64) -> None:
        self.window = window
        self._waiting: list[tuple[Any, ...]] = []
        self._sent: deque[tuple[list[Any], torch.cuda.Event | None]] = deque()

    def push(self, *values: Any) -> None:
        """Add values that belong together: 0-dim tensors, or whatever is on the host.

        Every ``window`` calls a copy starts.
        """
        self._waiting.append(values)
        if len(self._waiting) >= self.window:
            self._send()

    def arrived(self) -> list[tuple[Any, ...]]:
        """Give what has arrived since the last call, in order, without waiting."""
        rows: list[tuple[Any, ...]] = []
        while self._sent:
            columns, event = self._sent[0]
            if event is not None and not event.query():
                break
            rows += zip(*map(_on_host, columns), strict=True)
            self._sent.popleft()
        return rows

    def drain(self) -> list[tuple[Any, ...]]:
        """Wait for all values that have not been given yet, and give them."""
        if self._waiting:
            self._send()
        for _, event in self._sent:
            if event is not None:
                event.synchronize()
        return self.arrived()

    def _send(self) -> None:
        columns = [_send_column(column) for column in zip(*self._waiting, strict=True)]
        event = None
        if any(isinstance(column, Tensor) and column.is_pinned() for column in columns):
            event = torch.cuda.Event()
            event.record()
        self._sent.append((columns, event))
        self._waiting = []


def _send_column(values: tuple[Any, ...]) -> Any:
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not tensors:
        return values
    if len(tensors) < len(values):
        device = tensors[0].device
        values = tuple(torch.as_tensor(value, device=device) for value in values)
    column = torch.stack(values)
    if column.device.type != "cuda":
        # Other devices may have no pinned memory: the host waits, once a window.
        return column.cpu()
    host = torch.empty(column.shape, dtype=column.dtype, pin_memory=True)
    return host.copy_(column, non_blocking=True)


def _on_host(column: Any) -> Any:
    return column.tolist() if isinstance(column, Tensor) else column
