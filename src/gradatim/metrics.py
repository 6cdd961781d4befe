"""Metrics of a trainer: functions of all rows, and objects that are fed by batch.

A function ``metric(predictions, targets)`` sees all rows at once, so that no mean of
means is taken; for this, all outputs are kept until the end. An object with ``update``,
``compute`` and ``reset``, as those of torchmetrics, is fed batch by batch and keeps
what it needs itself.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from gradatim.errors import ConfigError
from gradatim.nested import map_tensors
from gradatim.outputs import joined
from gradatim.precision import in_full_precision

__all__ = [
    "Metric",
    "MetricObject",
    "Metrics",
    "TrainMetrics",
    "check_metrics",
    "number_of",
    "refuse_shared_objects",
]


@runtime_checkable
class MetricObject(Protocol):
    """A metric that is fed batch by batch: torchmetrics' protocol."""

    def update(self, predictions: Any, targets: Any) -> Any:
        """Take in a batch."""

    def compute(self) -> Any:
        """Give the value of all batches since :meth:`reset`: a number, or a dict."""

    def reset(self) -> Any:
        """Forget all batches."""


Metric = Callable[[Any, Any], Any] | MetricObject
"""``metric(predictions, targets)`` of all rows gives a number; or an object."""


def check_metrics(metrics: Any, *, name: str = "metrics") -> dict[str, Metric]:
    """Give the metrics by their names; refuse what is none.

    A collection that is a metric itself, as torchmetrics' ``MetricCollection``, has its
    names already.

    Raises:
        ConfigError: No mapping, a class, or a name that the history has already.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, MetricObject) and not isinstance(metrics, (Mapping, type)):
        return {"": metrics}
    if isinstance(metrics, type) or not isinstance(metrics, Mapping):
        kind = metrics.__name__ if isinstance(metrics, type) else type(metrics).__name__
        raise ConfigError(
            f"{name} is a {kind}.\n"
            "Each metric needs a name, under which the history has it.\n"
            f'Give a dict: {name}={{"accuracy": accuracy}}.'
        )
    for key, metric in metrics.items():
        if key == "loss":
            raise ConfigError(
                "a metric has the name 'loss'.\n"
                "It would take the loss's place in the history.\n"
                "Give it another name."
            )
        if isinstance(metric, type):
            raise ConfigError(
                f"the metric {key!r} is the class {metric.__name__} itself.\n"
                "It needs an object that can count.\n"
                f"Make one: {metric.__name__}(...)."
            )
        if not (isinstance(metric, MetricObject) or callable(metric)):
            raise ConfigError(
                f"the metric {key!r} is a {type(metric).__name__}, which cannot be "
                "called.\nNothing would be computed.\n"
                "Give a function metric(predictions, targets), or an object with "
                "update, compute and reset."
            )
    return dict(metrics)


def refuse_shared_objects(
    metrics: Mapping[str, Metric], train_metrics: Mapping[str, Metric]
) -> None:
    """Refuse an object that would count the rows of training and of validation.

    Raises:
        ConfigError: There is one.
    """
    objects = [m for m in metrics.values() if isinstance(m, MetricObject)]
    for name, metric in train_metrics.items():
        if any(metric is other for other in objects):
            raise ConfigError(
                f"the metric {name!r} of train_metrics is an object of metrics, too.\n"
                "A validation would make it forget the rows that are trained on.\n"
                "Give each its own: copy.deepcopy(metric)."
            )


class Metrics:
    """One evaluation's metrics.

    >>> from torch.nn.functional import l1_loss
    >>> metrics = Metrics({"mae": l1_loss})
    >>> metrics.add(torch.tensor([1.0]), torch.tensor([3.0]))
    >>> metrics.add(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
    >>> metrics.values()["mae"]
    0.6666666865348816
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._objects = {
            name: metric
            for name, metric in metrics.items()
            if isinstance(metric, MetricObject)
        }
        self._functions: dict[str, Any] = {
            name: metric
            for name, metric in metrics.items()
            if name not in self._objects
        }
        self._outputs: list[tuple[Any, Any]] = []
        for metric in self._objects.values():
            metric.reset()

    def add(self, predictions: Any, targets: Any) -> None:
        """Take in a batch; where there are functions, its outputs are kept."""
        if not (self._objects or self._functions):
            return
        predictions = map_tensors(in_full_precision, predictions)
        for metric in self._objects.values():
            update(metric, predictions, targets)
        if self._functions:
            self._outputs.append((predictions, targets))

    def values(self) -> dict[str, float]:
        """Give the numbers by their names.

        Raises:
            ConfigError: A metric gives no number.
        """
        values: dict[str, float] = {}
        for name, metric in self._objects.items():
            values |= compute(name, metric)
        if self._functions:
            predictions, targets = joined(self._outputs)
            for name, function in self._functions.items():
                values |= _numbers(
                    name, self._called(name, function, predictions, targets)
                )
        return values

    def _called(self, name: str, function: Any, predictions: Any, targets: Any) -> Any:
        try:
            return function(predictions, targets)
        except (TypeError, AttributeError) as error:
            lists = isinstance(predictions, list) or isinstance(targets, list)
            if not lists or isinstance(self._outputs[0][0], list):
                raise
            first, second = self._outputs[0][0], self._outputs[-1][0]
            raise ConfigError(
                f"the metric {name!r} fails: {type(error).__name__}: {error}.\n"
                f"It gets lists with a row an entry, as batches have different shapes: "
                f"{_shape_of(first)}, {_shape_of(second)}.\n"
                "Let it go through the rows of both lists, or give an object with "
                "update, compute and reset, which is fed batch by batch."
            ) from error


def _shape_of(outputs: Any) -> Any:
    return tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs)


class TrainMetrics:
    """Metrics of the rows that are trained on, between two rows of the history.

    A function is called for each batch: the mean of its values is weighted by rows.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        for metric in self._objects().values():
            # torchmetrics leaves the counts out of state_dict() unless it is told.
            keep = getattr(metric, "persistent", None)
            if callable(keep):
                keep(mode=True)
            metric.reset()

    @property
    def names(self) -> list[str]:
        """The names as they were given."""
        return list(self._metrics)

    def _objects(self) -> dict[str, MetricObject]:
        return {k: v for k, v in self._metrics.items() if isinstance(v, MetricObject)}

    def add(self, outputs: list[tuple[Any, Any]]) -> Iterator[tuple[str, Tensor]]:
        """Take in the outputs of a batch; give what the functions say of it."""
        if not outputs:
            return
        predictions, targets = joined(outputs)
        for name, metric in self._metrics.items():
            if isinstance(metric, MetricObject):
                update(metric, predictions, targets)
                continue
            with torch.no_grad():
                value = metric(predictions, targets)
            if not (isinstance(value, Tensor) and value.dim() == 0):
                value = torch.tensor(number_of(name, value))
            yield f"train_{name}", value.detach()

    def values(self) -> dict[str, float]:
        """Give what the objects have counted, and let them begin anew."""
        values: dict[str, float] = {}
        for name, metric in self._objects().items():
            values |= compute(f"train_{name}".removesuffix("_"), metric)
            metric.reset()
        return values

    def state_dict(self) -> dict[str, Any]:
        """Give the counts of the objects that have a state."""
        return {
            name: metric.state_dict()
            for name, metric in self._objects().items()
            if hasattr(metric, "state_dict")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with these counts."""
        for name, metric in self._objects().items():
            if name in state and hasattr(metric, "load_state_dict"):
                metric.load_state_dict(state[name])

    def why_inexact(self) -> list[str]:
        """Name the objects whose counts cannot be saved."""
        return [
            f"the metric train_{name} has no state_dict() to save its counts"
            for name, metric in self._objects().items()
            if not hasattr(metric, "state_dict")
        ]


def update(metric: MetricObject, predictions: Any, targets: Any) -> None:
    """Feed a batch to a metric, which follows the predictions to their device."""
    to_device = getattr(metric, "to", None)
    if isinstance(predictions, Tensor) and callable(to_device):
        to_device(predictions.device)
    metric.update(predictions, targets)


def compute(name: str, metric: MetricObject) -> dict[str, float]:
    """Give what an object has counted, by its name.

    Raises:
        ConfigError: It gives no number, nor a dict of numbers.
    """
    return dict(_numbers(name, metric.compute()))


def _numbers(name: str, value: Any) -> dict[str, float]:
    return dict(_named_numbers(name, value))


def _named_numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if not isinstance(value, Mapping):
        yield name, number_of(name, value)
        return
    for key, part in value.items():
        full = f"{name}_{key}" if name else str(key)
        yield full, number_of(full, part)


def number_of(name: str, value: Any) -> float:
    """Give the value of a metric as a number.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, Tensor):
        value = value.detach()
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
        raise ConfigError(
            f"the metric {name!r} gives a {kind}{shape}.\n"
            "The history keeps one number an epoch.\n"
            "Let it return a number, for example with .mean()."
        ) from error
