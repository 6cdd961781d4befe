"""Rows of a history for those who collect such: wandb, TensorBoard, MLflow, others.

Nothing of theirs is imported before it is asked for. A logger that fails is warned of
once, and the training goes on without it.
"""

import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError, GradatimWarning
from gradatim.hooks import Callback

__all__ = ["Log"]

FLUSH_S = 10
"""Seconds until TensorBoard sees a row. Chosen by hand: its own 120 are too long."""

TIMES = ("epoch_time_s", "samples_per_s")
"""What differs in a row of a history when an epoch is computed again."""


class _Opened:
    """A logger that is opened with the first row, and closed when ``fit`` ends."""

    name = ""

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        """Take a row."""
        raise NotImplementedError

    def close(self, *, completed: bool) -> None:
        """End it, until the next row opens it again."""
        raise NotImplementedError


class Log(Callback):
    """Send each row of the history to a logger.

    A row is sent when it is whole: after each epoch and, with ``fit(val_every=)``,
    after each validation. Its step is the number of updates. A run that goes on sends
    no row again that this object has sent already. What the logger raises is warned of
    once in a training, which goes on.

    In a loop of your own call :meth:`log`, and :meth:`close` at the end.

    Args:
        target: Anything with a method ``log(values)`` or ``log(values, step=...)``,
            such as a run of wandb or trackio, or a function of that kind. Opening and
            closing it is up to you.

    Raises:
        ConfigError: ``target`` has no such method, or is a class.

    >>> rows = []
    >>> callbacks = [Log(rows.append)]
    """

    only_watches = True
    # Another callback may add its values to the row in its own on_history.
    goes_last = True

    def __init__(self, target: Any) -> None:
        if isinstance(target, type):
            raise ConfigError(
                f"Log is given the class {target.__name__} itself.\n"
                "Its log() needs an object to work on.\n"
                f"Make one: gt.Log({target.__name__}(...))."
            )
        takes = _function_of(target)
        if takes is None or _takes_step(takes) is None:
            raise ConfigError(
                f"Log is given a {type(target).__name__}, which has no log(values) or "
                "log(values, step=...), and is no such function.\n"
                "It could be sent no row.\n"
                "Give a function that takes a dict. For TensorBoard there is "
                "gt.Log.tensorboard(folder), for MLflow gt.Log.mlflow()."
            )
        self.target = target
        self._has_warned = False
        self._is_new_fit = False
        self._sent: set[tuple[Any, ...]] = set()
        """The rows that were sent in this training, without their times."""

    @classmethod
    def tensorboard(
        cls, folder: str | Path, *, config: Mapping[str, Any] | None = None
    ) -> "Log":
        """Write the rows for TensorBoard: ``tensorboard --logdir FOLDER``.

        Args:
            folder: Where the event files go.
            config: Choices to show as a text beside the curves.

        Raises:
            ImportError: tensorboard is not installed.
        """
        return cls(_TensorBoard(folder, config or {}))

    @classmethod
    def mlflow(
        cls, *, config: Mapping[str, Any] | None = None, **options: Any
    ) -> "Log":
        """Send the rows to MLflow, to the tracking server that is set there.

        A run of MLflow that is active is used and left open. Otherwise one is begun
        with the first row and ended with the training, as failed if that raised an
        error; a later ``fit`` goes on with it.

        Args:
            config: Choices to keep as the run's parameters.
            **options: For ``mlflow.start_run``, such as ``run_name`` or ``run_id``.

        Raises:
            ImportError: MLflow is not installed.
        """
        return cls(_MLflow(config or {}, options))

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Send a row: numbers by their names; a value that is None is left out.

        Args:
            values: What the logger is given, as a dict of its own.
            step: Given to a logger that takes one.
        """
        row = {name: value for name, value in values.items() if value is not None}
        self._try(lambda: self._send(row, step), f"at step {step}")

    def close(self) -> None:
        """Close what :meth:`tensorboard` or :meth:`mlflow` has opened."""
        self._close(completed=True)

    def on_fit_begin(self, trainer: Any) -> None:
        """Begin to send."""
        self._has_warned = False
        self._is_new_fit = True

    def on_epoch_begin(self, trainer: Any) -> None:
        """Tell a training that begins from one that goes on."""
        if self._is_new_fit and trainer.num_steps == 0:
            self._sent.clear()
        self._is_new_fit = False

    def on_history(self, trainer: Any) -> None:
        """Send the last row of the history."""
        row = trainer.history.last()
        # A run that goes on from before a row computes it again, with the same bits.
        same = tuple(sorted((k, repr(v)) for k, v in row.items() if k not in TIMES))
        if same not in self._sent:
            self._sent.add(same)
            self.log(row, step=trainer.num_steps)

    def on_fit_end(self, trainer: Any) -> None:
        """Close what this object has opened."""
        plan = trainer.plan
        self._close(completed=plan is None or plan.completed)

    def _send(self, row: dict[str, Any], step: int | None) -> None:
        function = _function_of(self.target)
        assert function is not None
        if _takes_step(function):
            function(row, step=step)
        else:
            function(row)

    def _close(self, *, completed: bool) -> None:
        target = self.target
        if isinstance(target, _Opened):
            self._try(lambda: target.close(completed=completed), "when it was closed")

    def _try(self, call: Callable[[], None], when: str) -> None:
        try:
            call()
        except Exception as error:
            if self._has_warned:
                return
            self._has_warned = True
            told = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"the logger {_name_of(self.target)} failed {when}: {told}\n"
                "It lacks what it did not take. The training goes on, and its history "
                "is whole.\n"
                "Look at the error. Later rows are sent all the same, and further "
                "errors of this training are not told.",
                GradatimWarning,
                stacklevel=2,
            )


class _TensorBoard(_Opened):
    name = "TensorBoard"

    def __init__(self, folder: str | Path, config: Mapping[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "gt.Log.tensorboard() writes with tensorboard, which is not installed."
                "\nInstall it with: pip install tensorboard"
            ) from error
        self._make: Callable[[], Any] = lambda: SummaryWriter(
            str(folder), flush_secs=FLUSH_S
        )
        self._writer: Any = None
        self._config = config

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        if self._writer is None:
            self._writer = self._make()
            if self._config:
                text = json.dumps(dict(self._config), indent=4, default=str)
                # Markdown takes what is indented as it is.
                self._writer.add_text("config", text.replace("\n", "\n    "), step)
        for name, value in _numbers(values).items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, completed: bool) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._config = {}
            writer.close()


class _MLflow(_Opened):
    name = "MLflow"

    def __init__(self, config: Mapping[str, Any], options: dict[str, Any]) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError(
                "gt.Log.mlflow() sends to MLflow, which is not installed.\n"
                "Install it with: pip install mlflow-skinny, or mlflow for its pages."
            ) from error
        self._mlflow: Any = mlflow
        self._config = config
        self._options = options
        self._is_open = False

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        mlflow = self._mlflow
        if not self._is_open and mlflow.active_run() is None:
            run_id = mlflow.start_run(**self._options).info.run_id
            self._options = {"run_id": run_id}
            self._is_open = True
        if self._config:
            mlflow.log_params(dict(self._config))
            self._config = {}
        mlflow.log_metrics(_numbers(values), step=step)

    def close(self, *, completed: bool) -> None:
        if self._is_open:
            self._is_open = False
            self._mlflow.end_run("FINISHED" if completed else "FAILED")


def _name_of(target: Any) -> str:
    """Name an opened logger, a function, a module, or the class of an object."""
    if isinstance(target, _Opened):
        return target.name
    names = (getattr(target, key, None) for key in ("__qualname__", "__name__"))
    return next((name for name in names if name), type(target).__name__)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Give the values that a curve can be drawn of."""
    return {k: float(v) for k, v in values.items() if isinstance(v, (int, float))}


def _function_of(target: Any) -> Callable[..., Any] | None:
    """Give the method ``log`` of a target, or the target if it is a function."""
    log = getattr(target, "log", None)
    if callable(log):
        return log
    return target if callable(target) else None


def _takes_step(function: Callable[..., Any]) -> bool | None:
    """Tell whether it takes a step beside the values; None if not even those alone."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built in, and silent about its arguments
        return False
    for takes, options in ((True, {"step": 0}), (False, {})):
        try:
            signature.bind({}, **options)
        except TypeError:
            continue
        return takes
    return None
