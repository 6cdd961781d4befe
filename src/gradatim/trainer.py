"""Epochs over steps, with validation and a history. Nothing else."""

import contextlib
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from gradatim.data.batches import Batches, as_batches, has_own_batches
from gradatim.data.options import BatchKeywords, ReadingKeywords
from gradatim.epoch import EpochSoFar, MeanLoss, Plan, no_batch_message
from gradatim.errors import ConfigError, DataError, GradatimWarning
from gradatim.history import History
from gradatim.hooks import hooks_of
from gradatim.interrupt import INTERRUPTED, stop_on_ctrl_c
from gradatim.losses import LossFn, to_probabilities
from gradatim.modules import autocast, device_of, evaluating
from gradatim.nested import concat_rows, map_tensors, parts_of, tensors_of
from gradatim.progress import Progress
from gradatim.signatures import refuse_unknown, shows_options
from gradatim.step import StepOptions, TrainStep

__all__ = ["Trainer"]

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
            also describes ``max_norm``, ``num_microbatches``, ``loss_weight``,
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

    @shows_options(StepOptions, defaults=TrainStep)
    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        optimizer: torch.optim.Optimizer,
        *,
        metrics: Mapping[str, Metric] | None = None,
        **options: Unpack[StepOptions],
    ) -> None:
        # A trainer takes its schedule as a callback: lr_scheduler is refused here.
        refuse_unknown("Trainer", options, StepOptions.__annotations__)
        self.train_step = TrainStep(model, loss_fn, optimizer, **options)
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
        self.so_far = EpochSoFar(self._mean_loss())

    @property
    def num_steps(self) -> int:
        """Updates done."""
        return self.train_step.num_steps

    @property
    def num_samples(self) -> int:
        """Rows trained on; a row counts again in every epoch."""
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

        It takes effect between an update and its ``on_step_end`` hooks, so that all of
        these hooks see the same.
        """
        self.stop_requested = reason

    def state_dict(self, *, model: bool = True) -> dict[str, Any]:
        """Give what is needed to go on after any update, but the history.

        Model, optimizer, counters, and how far the epoch at hand is. The tensors are
        those in use. Callbacks and random generators have states of their own. With
        ``model=False`` the model is left out, for who saves it in a file of its own.
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
        taken. Called in ``on_fit_begin`` it also puts the data back. The arguments are
        those of :meth:`TrainStep.load_state_dict`.
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

    @shows_options(BatchKeywords, before="callbacks")
    def fit(
        self,
        train: Any,
        val: Any = None,
        *,
        epochs: int,
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        **options: Unpack[BatchKeywords],
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
            batch_size: For ``train`` and ``val``. :class:`~gradatim.data.Batches`
                describes this option and the next four, with their defaults. Leave them
                out for a ``DataLoader`` or ``Batches``, which have their own.
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
        refuse_unknown("fit", options, BatchKeywords.__annotations__)
        if not isinstance(epochs, int) or epochs < 1:
            raise ConfigError(f"epochs must be a whole number from 1, got {epochs!r}.")
        device = device_of(self.model)
        train_batches = as_batches(train, device=device, **options)
        val_batches = None if val is None else _in_order(val, device, options)
        display = [Progress(few_epochs=epochs < 10)] if progress else []
        hooks = hooks_of([*callbacks, *display])
        batches = (train_batches, val_batches)
        plan = self.plan = Plan(self.epoch, epochs, *batches, list(callbacks))
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
                    if row is None:  # the epoch was stopped on the way
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
                    # A later fit begins a new epoch, also if this one was broken off.
                    ends.callback(self._end_plan)
                    # Every hook is called, also where another one raises an error.
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
        """Do an epoch's updates, or the rest of them.

        Returns:
            The epoch's row of the history; None if the epoch was stopped on the way.
        """
        train_step, weighing = self.train_step, self.train_step.weighing
        step_begin, step_end = hooks["on_step_begin"], hooks["on_step_end"]
        so_far = self.so_far
        collect = so_far.mean.add_numbers
        for batch in batches.epoch(self.epoch, start=so_far.num_batches):
            batch = parts_of(batch)
            rows = weighing.samples_of(batch)
            for hook in step_begin:
                hook(self, batch)
            loss = train_step(*batch, collect=collect)
            # A batch counts when its update is done, not when it is fetched.
            so_far.num_rows += int(weighing.of_batch(batch)) if rows is None else rows
            so_far.num_batches += 1
            if self.stop_requested is not None:
                self.stop(self.stop_requested)
            for hook in step_end:
                hook(self, loss)
            if self.should_stop:
                train_step.flush()
                return None
        if so_far.num_batches == 0:
            raise DataError(no_batch_message(f"epoch {self.epoch + 1}"))
        train_step.flush()
        seconds = time.perf_counter() - so_far.begin
        return {
            "epoch": self.epoch + 1,
            "train_loss": so_far.mean.value(),
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "num_steps": self.num_steps,
            "epoch_time_s": seconds,
            "samples_per_s": so_far.num_rows / seconds,
        }

    def _mean_loss(self) -> MeanLoss:
        return MeanLoss(sums=self.train_step.weighing.sums)

    def _validate(self, batches: Batches) -> dict[str, float]:
        return {f"val_{k}": v for k, v in self._evaluate(batches).items()}

    @shows_options(ReadingKeywords)
    def evaluate(
        self, data: Any, **options: Unpack[ReadingKeywords]
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
        refuse_unknown("evaluate", options, ReadingKeywords.__annotations__)
        device = device_of(self.model)
        return self._evaluate(_in_order(data, device, options, PREDICT_BATCH_SIZE))

    def _evaluate(self, batches: Batches) -> dict[str, float]:
        mean, num_batches = self._mean_loss(), 0
        step, in_bfloat16 = self.train_step, self.train_step.parts.in_bfloat16
        outputs: list[tuple[Any, Any]] = []
        with evaluating(self.model):
            for batch in batches.epoch(0):
                batch = parts_of(batch)
                num_batches += 1
                with autocast(self.model, in_bfloat16):
                    predictions, targets = step.forward(self.model, batch)
                    loss = step.loss_fn(predictions, targets)
                mean.add(loss, step.weighing.of_batch(batch))
                if self.metrics:
                    outputs.append((predictions, targets))
            if num_batches == 0:
                raise DataError(no_batch_message("the data"))
            scores = {"loss": mean.value()}
            if outputs:
                predictions, targets = concat_rows(outputs)
                for name, metric in self.metrics.items():
                    scores[name] = _number(name, metric(predictions, targets))
        return scores

    @shows_options(ReadingKeywords)
    def predict(self, data: Any, **options: Unpack[ReadingKeywords]) -> Any:
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
        refuse_unknown("predict", options, ReadingKeywords.__annotations__)
        _warn_of_shuffled(data)
        device = device_of(self.model)
        batches = _in_order(data, device, options, PREDICT_BATCH_SIZE)
        home = next(tensors_of(data), torch.empty(0)).device
        outputs = []
        with evaluating(self.model):
            for batch in batches.epoch(0):
                with autocast(self.model, self.train_step.parts.in_bfloat16):
                    predictions = self._predict_batch(batch)
                outputs.append(map_tensors(lambda t: t.to(home), predictions))
        if not outputs:
            raise DataError(no_batch_message("the data"))
        return concat_rows(outputs)

    def _predict_batch(self, batch: Any) -> Any:
        if self.train_step.own_forward:
            return self.train_step.forward(self.model, parts_of(batch))[0]
        return self.model(parts_of(batch)[0])

    @shows_options(ReadingKeywords)
    def predict_proba(
        self, data: Any, **options: Unpack[ReadingKeywords]
    ) -> Shaped[Tensor, "rows ..."]:
        """Give the probabilities that the model's outputs stand for.

        Softmax over dim 1 for ``CrossEntropyLoss``, ``exp`` for ``NLLLoss``, sigmoid
        for ``BCEWithLogitsLoss``, the outputs themselves for ``BCELoss``. Arguments as
        for :meth:`predict`.

        Raises:
            ConfigError: The loss is none of these.
        """
        refuse_unknown("predict_proba", options, ReadingKeywords.__annotations__)
        probabilities = to_probabilities(self.loss_fn)
        outputs = self.predict(data, **options)
        # A softmax in bfloat16 would be right to two digits.
        is_half = outputs.dtype in (torch.bfloat16, torch.float16)
        return probabilities(outputs.float() if is_half else outputs)


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


def _in_order(
    data: Any,
    device: torch.device,
    options: BatchKeywords | ReadingKeywords,
    batch_size: int | None = None,
) -> Batches:
    """Give batches in the order of the rows, or the user's own as they are.

    They have ``batch_size`` where the options have none.
    """
    if has_own_batches(data):
        return as_batches(data, device=device)
    return as_batches(
        data,
        batch_size=options.get("batch_size") or batch_size,
        shuffle=False,
        num_workers=options.get("num_workers"),
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
