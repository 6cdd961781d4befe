"""What a training left behind, epoch by epoch."""

from collections.abc import Mapping
from typing import Any

from gradatim.plots import axes_or_new

__all__ = ["ROW_KEYS", "History"]

ROW_KEYS = (
    "epoch",
    "train_loss",
    "val_loss",
    "lr",
    "num_steps",
    "epoch_time_s",
    "samples_per_s",
)
"""The keys of a row that the trainer itself writes."""


class History(dict[str, list[Any]]):
    """A dict of lists, one entry a row: ``history["val_loss"][-1]``.

    A row is added at the end of each epoch and, with ``val_every=``, after each
    validation; it is about the training since the row before. Keys that the trainer
    writes: ``epoch`` (counted from 1), ``train_loss`` (mean over samples, each loss
    taken before its update), ``val_loss`` and ``val_<metric>`` where there are
    validation data, ``lr`` (of the first parameter group), ``num_steps`` (updates so
    far), ``epoch_time_s`` and ``samples_per_s`` (training without validation). Parts of
    a loss are ``train_<part>`` and ``val_<part>``; what ``trainer.log`` is given has
    its own name. A row without a value has None.

    Attributes:
        stop_reason: Why the last ``fit`` ended: ``"epochs"`` when all were done,
            ``"interrupted"`` by Ctrl-C, else what the callback that stopped it says.

    >>> history = History()
    >>> history.append({"epoch": 1, "train_loss": 0.5})
    >>> history.append({"epoch": 2, "train_loss": 0.25, "val_loss": 0.3})
    >>> history["val_loss"], len(history.to_dicts())
    ([None, 0.3], 2)
    """

    stop_reason: str | None = None

    @property
    def num_epochs(self) -> int:
        """Rows recorded: epochs, and validations between them."""
        return max((len(values) for values in self.values()), default=0)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; keys that are new or left out are filled with None."""
        before = self.num_epochs
        for key in row:
            if key not in self:
                self[key] = [None] * before
        for key, values in self.items():
            values.append(row.get(key))

    def set_last(self, name: str, value: Any) -> None:
        """Put a value into the last row."""
        if name not in self:
            self[name] = [None] * self.num_epochs
        self[name][-1] = value

    def last(self) -> dict[str, Any]:
        """Give the last epoch's values; empty before the first."""
        # A list first: the progress display asks from another thread.
        return {key: values[-1] for key, values in list(self.items()) if values}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one dict an epoch, for a DataFrame or JSON lines."""
        rows = zip(*self.values(), strict=True)
        return [dict(zip(self, row, strict=True)) for row in rows]

    def plot(self, keys: list[str] | None = None, *, ax: Any = None) -> Any:
        """Draw curves over the epochs with matplotlib (``gradatim[plots]``).

        Args:
            keys: What to draw; by default all that are losses.
            ax: Matplotlib axes to draw into, which are given back; None makes some.

        Raises:
            ImportError: matplotlib is not installed.
            KeyError: A key that no epoch has.
        """
        ax = axes_or_new(ax, drawn_by="history.plot()")
        epochs = self.get("epoch", [])
        x = "epoch" if len(set(epochs)) == len(epochs) else "num_steps"
        for key in keys or [key for key in self if key.endswith("loss")]:
            pairs = zip(self[x], self[key], strict=True)
            points = [(epoch, value) for epoch, value in pairs if value is not None]
            marker = "o" if len(points) == 1 else None
            ax.plot(*zip(*points, strict=True), label=key, marker=marker)
        ax.set_xlabel("epoch" if x == "epoch" else "updates")
        ax.set_ylabel("loss" if keys is None else "")
        if ax.has_data():
            ax.legend()
        return ax
