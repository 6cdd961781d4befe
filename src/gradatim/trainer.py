"""Epochs over steps, with validation and a history. Nothing else."""

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.utils.data import (
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from gradatim.callbacks import hooks_of
from gradatim.data.batches import Batches, as_batches, has_own_batches
from gradatim.deferred import DeferredScalars
from gradatim.errors import ConfigError, DataError, GradatimWarning
from gradatim.history import History
from gradatim.interrupt import INTERRUPTED, stop_on_ctrl_c
from gradatim.losses import (
    LossFn,
    make_weigh,
    reduction,
    to_probabilities,
    weighs_targets,
)
from gradatim.modules import autocast, device_of, evaluating
from gradatim.nested import concat_rows, map_tensors, num_rows, parts_of, tensors_of
from gradatim.progress import Progress
from gradatim.step import Forward, OnNonfinite, Precision, TrainStep, make_forward

__all__ = ["Trainer", "no_batch_message"]

Metric = Callable[[Any, Any], Any]
"""``metric(predictions, targets)`` of all rows at once gives a number."""

PREDICT_BATCH_SIZE = 256


class Trainer:
    """Train, evaluate and predict with a model.

    What else a training needs comes as callbacks of :meth:`fit`. Batches go to the
    device on which the model lies; move the model there before you make the optimizer.

    Args:
        model: Called as ``model(x)``.
        loss_fn: Called as ``loss_fn(predictions, targets)``.
        optimizer: Holds the model's parameters.
        metrics: Functions ``metric(predictions, targets)`` by the names that they
            get in the history (with ``val_`` before) and in :meth:`evaluate`. Each
            sees all rows at once, so that no mean of means is taken.
        forward: For batches that are not ``(x, y)``; see ``make_train_step``, which
            also tells ``max_norm``, ``num_microbatches``, ``loss_weight``,
            ``precision``, ``on_nonfinite`` and ``check_shapes``.

    Attributes:
        epoch: Epochs done, over all calls of :meth:`fit`.
        history: A :class:`History` of them.
        train_step: The update that is called for each batch.
        so_far: How far the epoch at hand is: ``so_far.num_batches`` and so on.
        stop_requested: What :meth:`request_stop` was given in this :meth:`fit`.
        plan: While :meth:`fit` runs, its epochs and batches; else None.

    >>> _ = torch.manual_seed(42)
    >>> model = nn.Sequential(nn.Linear(1, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = Trainer(model, nn.MSELoss(), optimizer)
    >>> x = torch.linspace(0, 1, 100).unsqueeze(1)
    >>> history = trainer.fit((x, 1 + 2 * x), epochs=100, progress=False)
    >>> trainer.predict(x[:2]).round(decimals=2)
    tensor([[1.0000],
            [1.0200]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        optimizer: torch.optim.Optimizer,
        *,
        metrics: Mapping[str, Metric] | None = None,
        forward: Forward | None = None,
        max_norm: float | None = None,
        num_microbatches: int = 1,
        loss_weight: Callable[[Any], float | Tensor] | None = None,
        precision: Precision = "float32",
        on_nonfinite: OnNonfinite = "raise",
        check_shapes: bool = True,
    ) -> None:
        # Their targets are seen in forward alone, and decide what a batch weighs.
        seen = None
        if forward is not None and loss_weight is None and weighs_targets(loss_fn):
            forward = seen = _SeenTargets(forward)
        self.train_step = TrainStep(
            model,
            loss_fn,
            optimizer,
            forward=forward,
            max_norm=max_norm,
            num_microbatches=num_microbatches,
            loss_weight=loss_weight,
            precision=precision,
            on_nonfinite=on_nonfinite,
            check_shapes=check_shapes,
        )
        self.model = model
        self.loss_fn = loss_fn
        self.optimizer = optimizer
        self.metrics = dict(metrics or {})
        if "loss" in self.metrics:
            raise ConfigError(
                "a metric has the name 'loss'.\n"
                "It would take the loss's place in the history.\n"
                "Give it another name."
            )
        self.epoch = 0
        self._samples_before = 0
        self.history = History()
        self.plan: Plan | None = None
        self.should_stop = False
        self.stop_requested: str | None = None
        self._forward = make_forward(forward)
        self._own_forward = forward is not None
        self._weigh = make_weigh(
            loss_fn, loss_weight=loss_weight, own_forward=forward is not None
        )
        if seen is not None:
            weigh_pair = make_weigh(loss_fn)
            self._weigh = lambda batch: weigh_pair((batch, seen.targets))
        self._autocast = precision == "bf16"
        self.so_far = EpochSoFar(self._mean_loss())

    @property
    def num_steps(self) -> int:
        """Updates done."""
        return self.train_step.num_steps

    @property
    def num_samples(self) -> int:
        """Rows trained on, each as often as it was."""
        return self._samples_before + self.so_far.num_rows

    def _forget_stop(self) -> None:
        self.should_stop, self.stop_requested = False, None
        self.history.stop_reason = None

    def stop(self, reason: str) -> None:
        """End the training after this step or epoch; ``reason`` goes to the history."""
        self.should_stop = True
        self.history.stop_reason = reason

    def request_stop(self, reason: str) -> None:
        """As :meth:`stop`, from a signal handler or another thread.

        It takes effect between an update and the hooks of its end, so that all of them
        see the same.
        """
        self.stop_requested = reason

    def state_dict(self, *, model: bool = True) -> dict[str, Any]:
        """Give what is needed to go on after any update, but the history.

        Model, optimizer, counters, and how far the epoch at hand is. The tensors are
        those in use. Callbacks and random generators have states of their own.

        Args:
            model: False leaves the model out, for who saves it in a file of its own.
        """
        self.train_step.flush()
        state = {
            "train_step": self.train_step.state_dict(model=model),
            "epoch": self.epoch,
            "num_samples": self.num_samples,
            "so_far": self.so_far.state_dict(),
        }
        if self.plan is not None:
            state["batches"] = self.plan.batches.state_dict()
            if self.plan.val_batches is not None:
                state["val_batches"] = self.plan.val_batches.state_dict()
        return state

    def load_state_dict(
        self, state: dict[str, Any], *, model: bool = True, loss: bool = True
    ) -> None:
        """Go on from what :meth:`state_dict` gave; ``state`` stays as it is.

        The next :meth:`fit` begins in the middle of the epoch, where the state was
        taken. Called in ``on_fit_begin`` it also puts the data back.

        Args:
            state: What :meth:`state_dict` gave, with the same ``model``.
            model: False leaves the model as it is.
            loss: False leaves a loss that is a module as it is.
        """
        self.train_step.load_state_dict(state["train_step"], model=model, loss=loss)
        self.epoch = state["epoch"]
        self.so_far = EpochSoFar(self._mean_loss())
        self.so_far.load_state_dict(state["so_far"])
        self._samples_before = state["num_samples"] - self.so_far.num_rows
        if self.plan is not None and "batches" in state:
            self.plan.batches.load_state_dict(state["batches"])
            if self.plan.val_batches is not None and "val_batches" in state:
                self.plan.val_batches.load_state_dict(state["val_batches"])

    def fit(
        self,
        train: Any,
        val: Any = None,
        *,
        epochs: int,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        seed: int | None = None,
        drop_last: bool | None = None,
        num_workers: int | None = None,
        callbacks: Sequence[Any] = (),
        progress: bool = True,
    ) -> History:
        """Train for ``epochs`` more epochs.

        Called again, it goes on: epoch numbers, history and the order of the batches
        continue. Ctrl-C ends it after the step at hand, with weights and the history
        of whole epochs kept; a second Ctrl-C raises ``KeyboardInterrupt`` at once.

        Args:
            train: A tuple of tensors or arrays, a ``Dataset``, ``IterableDataset``,
                ``DataLoader``, ``Table`` or :class:`~gradatim.data.Batches`.
            val: The same, or None. Never shuffled, unless it is your own loader.
            epochs: How many to add.
            batch_size: For ``train`` and ``val``; this and the next four are told in
                :class:`~gradatim.data.Batches`, defaults included. They are left out
                for a ``DataLoader`` or ``Batches``, which have their own.
            shuffle: For ``train``.
            seed: For ``train``.
            drop_last: For ``train``.
            num_workers: For ``train`` and ``val``.
            callbacks: Called in this order.
            progress: On a terminal a line that is renewed ten times a second,
                elsewhere one line every tenth of the run.

        Returns:
            ``trainer.history``, with all epochs so far.

        Raises:
            ConfigError: An option is out of its range or does not fit the data.
            DataError: No rows, or no batch in an epoch.
            NonFiniteLossError: The loss is NaN or infinite.
        """
        if not isinstance(epochs, int) or epochs < 1:
            raise ConfigError(f"epochs must be a whole number from 1, got {epochs!r}.")
        device = device_of(self.model)
        train_batches = as_batches(
            train,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            num_workers=num_workers,
            device=device,
        )
        val_batches = None
        if val is not None:
            val_batches = _unshuffled(val, device, batch_size, num_workers)
        display = [Progress(few_epochs=epochs < 10)] if progress else []
        hooks = hooks_of([*callbacks, *display])
        plan = self.plan = Plan(
            self.epoch, epochs, train_batches, val_batches, callbacks
        )
        self._forget_stop()
        if not self.model.training:
            self.model.train()
        with stop_on_ctrl_c(self):
            try:
                for hook in hooks["on_fit_begin"]:
                    hook(self)
                while self.epoch < plan.last_epoch and not self.should_stop:
                    self.so_far.begin = time.perf_counter() - self.so_far.seconds
                    for hook in hooks["on_epoch_begin"]:
                        hook(self)
                    row = self._train_epoch(train_batches, hooks)
                    if row is None:  # stopped on the way: no mean of a whole epoch
                        break
                    if val_batches is not None:
                        row |= self._validate(val_batches)
                    self.epoch += 1
                    self.history.append(row)
                    self._begin_epoch()
                    if self.stop_requested is not None:
                        self.stop(self.stop_requested)
                    for hook in hooks["on_epoch_end"]:
                        hook(self)
                if not self.should_stop:
                    self.history.stop_reason = "epochs"
                plan.completed = True
            except KeyboardInterrupt:  # the second one, or that of another handler
                self.stop(INTERRUPTED)
                raise
            finally:
                with contextlib.ExitStack() as ends:
                    # An epoch that was broken off is not gone on with by itself.
                    ends.callback(self._end_plan)
                    # Each is called, also where one of them raises an error.
                    for hook in reversed(hooks["on_fit_end"]):
                        ends.callback(hook, self)
        return self.history

    def _end_plan(self) -> None:
        self._begin_epoch()
        self.plan = None

    def _begin_epoch(self) -> None:
        self._samples_before = self.num_samples
        self.so_far = EpochSoFar(self._mean_loss())

    def _train_epoch(
        self, batches: Batches, hooks: dict[str, list[Callable[..., None]]]
    ) -> dict[str, Any] | None:
        """Do an epoch's updates, or the rest; None if it was stopped on the way."""
        train_step, weigh = self.train_step, self._weigh
        weighs_rows = weigh is num_rows
        step_begin, step_end = hooks["on_step_begin"], hooks["on_step_end"]
        so_far = self.so_far
        mean = so_far.mean
        for batch in batches.epoch(self.epoch, start=so_far.num_batches):
            batch = parts_of(batch)
            rows = num_rows(batch)
            for hook in step_begin:
                hook(self, batch)
            loss = train_step(*batch)
            mean.add(loss, rows if weighs_rows else weigh(batch))
            # Counted when it is done: a batch that is only fetched is not.
            so_far.num_rows += rows
            so_far.num_batches += 1
            if self.stop_requested is not None:
                self.stop(self.stop_requested)
            for hook in step_end:
                hook(self, loss)
            if self.should_stop:
                train_step.flush()
                return None
        if so_far.num_rows == 0:
            raise DataError(no_batch_message(f"epoch {self.epoch + 1}"))
        train_loss = mean.value()
        train_step.flush()
        seconds = time.perf_counter() - so_far.begin
        return {
            "epoch": self.epoch + 1,
            "train_loss": train_loss,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "num_steps": self.num_steps,
            "epoch_time_s": seconds,
            "samples_per_s": so_far.num_rows / seconds,
        }

    def _mean_loss(self) -> "MeanLoss":
        return MeanLoss(
            sums=reduction(self.loss_fn) == "sum",
            skip_nonfinite=self.train_step.on_nonfinite == "skip",
        )

    def _validate(self, batches: Batches) -> dict[str, float]:
        return {f"val_{k}": v for k, v in self._evaluate(batches).items()}

    def evaluate(
        self,
        data: Any,
        *,
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> dict[str, float]:
        """Give the loss, as the mean over samples, and every metric.

        Weights, buffers and modes stay as they are; no graph is built.

        Args:
            data: As for :meth:`fit`.
            batch_size: Rows at a time.
            num_workers: As for :meth:`fit`.

        Returns:
            ``{"loss": ..., "<metric>": ...}``.
        """
        device = device_of(self.model)
        batch_size = batch_size or PREDICT_BATCH_SIZE
        return self._evaluate(_unshuffled(data, device, batch_size, num_workers))

    def _evaluate(self, batches: Batches) -> dict[str, float]:
        mean = MeanLoss(sums=reduction(self.loss_fn) == "sum")
        loss_fn, rows = self.train_step.loss_fn, 0
        outputs: list[tuple[Any, Any]] = []
        with evaluating(self.model):
            for batch in batches.epoch(0):
                batch = parts_of(batch)
                rows += num_rows(batch)
                with autocast(self.model, self._autocast):
                    predictions, targets = self._forward(self.model, batch)
                    loss = loss_fn(predictions, targets)
                mean.add(loss, self._weigh(batch))
                if self.metrics:
                    outputs.append((predictions, targets))
            if rows == 0:
                raise DataError(no_batch_message("the data"))
            scores = {"loss": mean.value()}
            if outputs:
                predictions, targets = concat_rows(outputs)
                for name, metric in self.metrics.items():
                    scores[name] = _number(name, metric(predictions, targets))
        return scores

    def predict(
        self,
        data: Any,
        *,
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> Any:
        """Give the model's outputs for all rows, in their order.

        In eval mode, without gradients, in batches; every mode is put back.

        Args:
            data: ``x`` as one tensor, array or dict, or what :meth:`fit` takes, of
                which the targets are ignored.
            batch_size: Rows at a time.
            num_workers: As for :meth:`fit`.

        Returns:
            The outputs, a tensor ``(rows, ...)`` on the device that the rows came from;
            for a model that gives several, the same structure of tensors.
        """
        device = device_of(self.model)
        batch_size = batch_size or PREDICT_BATCH_SIZE
        _warn_of_shuffled(data)
        batches = _unshuffled(data, device, batch_size, num_workers)
        home = next(tensors_of(data), torch.empty(0)).device
        outputs = []
        with evaluating(self.model):
            for batch in batches.epoch(0):
                with autocast(self.model, self._autocast):
                    predictions = self._predict_batch(batch)
                outputs.append(map_tensors(lambda t: t.to(home), predictions))
        if not outputs:
            raise DataError(no_batch_message("the data"))
        return concat_rows(outputs)

    def _predict_batch(self, batch: Any) -> Any:
        if self._own_forward:
            return self._forward(self.model, parts_of(batch))[0]
        return self.model(parts_of(batch)[0])

    def predict_proba(
        self,
        data: Any,
        *,
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> Shaped[Tensor, "rows ..."]:
        """Give the probabilities that the model's outputs stand for.

        Softmax over dim 1 for ``CrossEntropyLoss``, ``exp`` for ``NLLLoss``, sigmoid
        for ``BCEWithLogitsLoss``, the outputs themselves for ``BCELoss``. Arguments as
        for :meth:`predict`.

        Raises:
            ConfigError: The loss is none of these.
        """
        probabilities = to_probabilities(self.loss_fn)
        outputs = self.predict(data, batch_size=batch_size, num_workers=num_workers)
        # A softmax in bfloat16 would be right to two digits.
        is_half = outputs.dtype in (torch.bfloat16, torch.float16)
        return probabilities(outputs.float() if is_half else outputs)


class Plan:
    """What a running ``fit`` has in view; the progress display reads it.

    A callback may change ``last_epoch``.
    """

    def __init__(
        self,
        first_epoch: int,
        epochs: int,
        batches: Batches,
        val_batches: Batches | None,
        callbacks: Sequence[Any],
    ) -> None:
        self.first_epoch = first_epoch
        self.epochs = epochs
        """As :meth:`Trainer.fit` was given them."""
        self.last_epoch = first_epoch + epochs
        self.batches = batches
        self.val_batches = val_batches
        self.callbacks = list(callbacks)
        """Without the progress display."""
        self.completed = False
        """Whether the epochs ended without an error: True in ``on_fit_end`` then."""


class EpochSoFar:
    """How far an epoch is."""

    def __init__(self, mean: "MeanLoss") -> None:
        self.mean = mean
        self.num_batches = 0
        """Batches trained on."""
        self.num_rows = 0
        """Rows trained on."""
        self.seconds = 0.0
        """Taken by the part that another process did."""
        self.begin = time.perf_counter()

    def samples_per_s(self) -> float | None:
        """Give the speed, as far as it is told by now."""
        seconds = time.perf_counter() - self.begin
        return self.num_rows / seconds if self.num_rows else None

    def state_dict(self) -> dict[str, Any]:
        """Give the counts, and sums of which the mean loss is made."""
        self.mean.value()  # waits for what is under way on a device
        seconds = time.perf_counter() - self.begin if self.num_batches else 0.0
        return {
            "num_batches": self.num_batches,
            "num_rows": self.num_rows,
            "seconds": seconds,
            "loss_total": self.mean.total,
            "loss_weight": self.mean.weight,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.num_batches = int(state["num_batches"])
        self.num_rows = int(state["num_rows"])
        self.seconds = float(state["seconds"])
        self.mean.total = float(state["loss_total"])
        self.mean.weight = float(state["loss_weight"])


class MeanLoss:
    """The mean loss over samples, from the means of batches.

    Sums in double precision on the host. On a device the losses come over in windows,
    without waiting.

    >>> mean = MeanLoss()
    >>> mean.add(torch.tensor(1.0), 3); mean.add(torch.tensor(5.0), 1)
    >>> mean.value()
    2.0
    """

    def __init__(self, *, sums: bool = False, skip_nonfinite: bool = False) -> None:
        self.sums = sums
        self.skip_nonfinite = skip_nonfinite
        self.total = 0.0
        self.weight = 0.0
        self._deferred = DeferredScalars()

    def add(self, loss: Tensor, weight: float | Tensor) -> None:
        """Add a batch's loss and how much it weighs."""
        if loss.is_cpu:
            self._add(loss.item(), float(weight))
            return
        self._deferred.push(loss, weight)
        for pair in self._deferred.arrived():
            self._add(*pair)

    def value(self) -> float:
        """Wait for the losses that are still under way; give the mean of all."""
        for pair in self._deferred.drain():
            self._add(*pair)
        return self.total / self.weight if self.weight else math.nan

    def so_far(self) -> float:
        """Give the mean of the losses that are here, without waiting."""
        return self.total / self.weight if self.weight else math.nan

    def _add(self, loss: float, weight: float) -> None:
        if not weight or (self.skip_nonfinite and not math.isfinite(loss)):
            return
        self.total += loss if self.sums else loss * weight
        self.weight += weight


class _SeenTargets:
    """A ``forward`` that keeps its last targets, to tell what they weigh."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.targets: Any = None

    def __call__(self, model: nn.Module, batch: Any) -> tuple[Any, Any]:
        predictions, self.targets = self.forward(model, batch)
        return predictions, self.targets


def no_batch_message(name: str) -> str:
    """Say that ``name``, an epoch or the data, had no batch."""
    return (
        f"{name} had no batch.\n"
        "A mean over nothing is no number, and nothing can be learned from it.\n"
        "Look for an exhausted iterator, an empty loader, or drop_last with fewer "
        "rows than a batch."
    )


def _number(name: str, value: Any) -> float:
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


def _unshuffled(
    data: Any, device: torch.device, batch_size: int | None, num_workers: int | None
) -> Batches:
    """Give batches in the order of the rows, or the user's own as they are."""
    if has_own_batches(data):
        return as_batches(data, device=device)
    return as_batches(
        data,
        batch_size=batch_size,
        shuffle=False,
        num_workers=num_workers,
        device=device,
    )


def _warn_of_shuffled(data: Any) -> None:
    shuffled = getattr(data, "shuffle", False) if isinstance(data, Batches) else False
    samplers = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)
    if shuffled or isinstance(getattr(data, "sampler", None), samplers):
        warnings.warn(
            f"predictions of a shuffled {type(data).__name__} come in its order.\n"
            "They would be paired with the wrong rows.\n"
            "Give the data themselves, or shuffle=False.",
            GradatimWarning,
            stacklevel=3,
        )
