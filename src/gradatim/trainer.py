"""Epochs over steps, with validation and a history. Nothing else."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from gradatim.beginning import check_beginning
from gradatim.data.batches import Batches, as_batches, in_order, refuse_x_and_y
from gradatim.data.options import BatchKeywords, ReadingKeywords
from gradatim.data.passes import Passes
from gradatim.epoch import EpochSoFar, MeanLoss, Plan, no_batch_message
from gradatim.errors import ConfigError, DataError
from gradatim.evaluation import evaluate_batches, predict_batches, warn_of_shuffled
from gradatim.history import ROW_KEYS, History
from gradatim.hooks import Averages, Hook, Hooks, hooks_of
from gradatim.interrupt import INTERRUPTED, FetchStopped, stop_on_ctrl_c
from gradatim.losses import LossFn, to_probabilities
from gradatim.metrics import (
    Metric,
    MetricObject,
    TrainMetrics,
    check_metrics,
    number_of,
    refuse_shared_objects,
)
from gradatim.modules import device_of
from gradatim.nested import tensors_of
from gradatim.progress import Progress
from gradatim.rows import arguments_of
from gradatim.signatures import refuse_unknown, shows_options
from gradatim.step import StepOptions, TrainStep
from gradatim.value_names import ValueNames
from gradatim.world import refuse_processes

__all__ = ["Trainer"]

PREDICT_BATCH_SIZE = 256

OF_TRAIN_METRIC = "a metric of the training rows"
OF_VALIDATION = "a score of the validation rows"


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
            sees all rows at once, so that no mean of means is taken. An object with
            ``update``, ``compute`` and ``reset``, such as one of torchmetrics, is fed
            batch by batch, and no outputs are kept.
        train_metrics: The same for the rows that are trained on, as they are predicted
            before each update (with ``train_`` before). A function is called for each
            batch, and the mean is weighted by rows.
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
        averages: What keeps averages of the weights, such as :class:`gradatim.EMA`;
            else None.
        between_steps: False while an update is being made.

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
        loss_fn: LossFn | None,
        optimizer: torch.optim.Optimizer,
        *,
        metrics: Mapping[str, Metric] | MetricObject | None = None,
        train_metrics: Mapping[str, Metric] | MetricObject | None = None,
        **options: Unpack[StepOptions],
    ) -> None:
        # A trainer takes its schedule as a callback: lr_scheduler is refused here.
        refuse_unknown("Trainer", options, StepOptions.__annotations__)
        self.train_step = TrainStep(model, loss_fn, optimizer, **options)
        self.model = model
        self.loss_fn = loss_fn
        self.optimizer = optimizer
        self.metrics = check_metrics(metrics)
        for_training = check_metrics(train_metrics, name="train_metrics")
        if loss_fn is None and (self.metrics or for_training):
            raise ConfigError(
                "there are metrics, but forward= gives the loss of a batch alone.\n"
                "Metrics are of predictions and targets.\n"
                "Give a forward= with predictions and targets, and a loss_fn."
            )
        refuse_shared_objects(self.metrics, for_training)
        self._train_metrics = TrainMetrics(for_training) if for_training else None
        if for_training:
            self.train_step.keep_outputs()
        self.epoch = 0
        self._samples_before = 0
        self.history = History()
        self.plan: Plan | None = None
        self.should_stop = False
        self.stop_requested: str | None = None
        self.so_far = EpochSoFar(self._mean_loss())
        self.averages: Averages | None = None
        self.between_steps = True
        self._passes: Passes | None = None
        self._place = {"number": 0, "num_batches": 0}
        """Where the next ``fit`` begins in its data."""
        self._names = ValueNames()
        """What the values of this fit belong to."""
        self._hook: Hook | None = None
        """The hook that is being called."""
        self._row_is_open = False
        """Whether the last row of the history is the one at hand."""

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
            "place": self._place if self._passes is None else self._passes.state_dict(),
        }
        if self._train_metrics is not None:
            state["train_metrics"] = self._train_metrics.state_dict()
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
        # Before an epoch could have a number of steps of its own, it was a pass.
        whole = {"number": self.epoch, "num_batches": self.so_far.num_batches}
        self._place = state.get("place", whole)
        if self._passes is not None:
            self._passes.load_state_dict(self._place)
        if self._train_metrics is not None:
            self._train_metrics.load_state_dict(state.get("train_metrics", {}))
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
        epochs: int | None = None,
        max_steps: int | None = None,
        val_every: int | None = None,
        epoch_steps: int | None = None,
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        **options: Unpack[BatchKeywords],
    ) -> History:
        """Train for ``epochs`` more epochs, or ``max_steps`` more updates.

        Called again, it goes on: epoch numbers, history and the order of the batches
        continue. Ctrl-C ends it after the step at hand, with weights and the history
        of whole epochs kept; a second Ctrl-C raises ``KeyboardInterrupt`` at once.

        Args:
            train: A tuple of tensors, arrays or data frames, a data set, an
                ``IterableDataset``, ``DataLoader``, other batches to go through, a
                ``Table`` or :class:`~gradatim.data.Batches`, which tells them all.
            val: The same, or None. Never shuffled, unless it is your own loader.
            epochs: How many to add.
            max_steps: How many updates to add. With ``epochs`` too, what comes first
                ends the training. An epoch that it cuts short is validated as well.
            val_every: Updates from one validation to the next, each with a row of the
                history; by default every epoch has one at its end. The last update
                is followed by one in any case.
            epoch_steps: Updates in an epoch, for data without an end or where a pass is
                too long or too short for one; by default an epoch is a pass.
            batch_size: For ``train`` and ``val``. :class:`~gradatim.data.Batches`
                describes this option and the next seven, with their defaults. Leave
                them out for a ``DataLoader`` or ``Batches``, which have their own.
            shuffle: For ``train``.
            seed: For ``train``.
            drop_last: For ``train``.
            num_workers: For ``train`` and ``val``.
            collate_fn: For ``train``, and for ``val`` where that is no tensors.
            sampler: For ``train``.
            weights: For ``train``.
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
        refuse_processes("fit()")
        if not self.train_step.own_forward:
            refuse_x_and_y(train, val)
        device = device_of(self.model)
        train_batches = as_batches(train, device=device, **options)
        val_batches = (
            None if val is None else in_order(val, device, options, is_val=True)
        )
        plan = Plan(
            self.epoch,
            epochs,
            train_batches,
            val_batches,
            list(callbacks),
            first_step=self.num_steps,
            max_steps=max_steps,
            val_every=val_every,
            epoch_steps=epoch_steps,
        )
        few_epochs = plan.epochs is None or plan.epochs < 10
        display = [Progress(few_epochs=few_epochs)] if progress else []
        hooks = hooks_of([*callbacks, *display])
        check_beginning(self, plan, self.metrics)
        self.plan, self._passes = plan, self._passes_over(train_batches)
        self._forget_stop()
        if not self.model.training:
            self.model.train()
        self.between_steps = True
        if looks := hooks["on_backward_end"]:
            self.train_step.on_backward_end = partial(self._call, looks)
        self._name_metrics(plan)
        with stop_on_ctrl_c(self):
            try:
                self._call(hooks["on_fit_begin"])
                while plan.goes_on(self.so_far, self.epoch, self.num_steps):
                    if self.should_stop:
                        break
                    self.so_far.begin = time.perf_counter() - self.so_far.seconds
                    logged = (
                        dict(self.so_far.values) if self.so_far.num_batches else None
                    )
                    self._call(hooks["on_epoch_begin"])
                    if logged is not None:  # where a run goes on, it was logged before
                        self.so_far.values = logged
                    try:
                        if not self._train_epoch(plan, hooks):  # stopped on the way
                            break
                    except FetchStopped as stopped:
                        self._stop_between_batches(stopped, hooks)
                        break
                    self.epoch += 1
                    self._begin_epoch()
                    if self.stop_requested is not None:
                        self.stop(self.stop_requested)
                    # A row is whole when the hooks of its epoch have logged too.
                    self._call([*hooks["on_epoch_end"], *hooks["on_history"]])
                    self._row_is_open = False
                if not self.should_stop:
                    self.history.stop_reason = "epochs"
                plan.completed = True
            except BaseException as error:
                # Ctrl-C for the second time, or that of another handler.
                if isinstance(error, KeyboardInterrupt):
                    self.stop(INTERRUPTED)
                self._call(hooks["on_exception"], error)
                raise
            finally:
                with contextlib.ExitStack() as ends:
                    # A later fit begins a new epoch, also if this one was broken off.
                    ends.callback(self._end_plan)
                    # Every hook is called, also where another one raises an error.
                    for hook in reversed(hooks["on_fit_end"]):
                        ends.callback(self._call, [hook])
        return self.history

    def _call(self, hooks: Sequence[Hook], *given: Any) -> None:
        for hook in hooks:
            self._hook = hook
            hook.method(self, *given)
        self._hook = None

    def _name_metrics(self, plan: Plan) -> None:
        """Let the values that metrics will give belong to them."""
        self._names, self._hook = ValueNames(), None
        of_training = self._train_metrics
        for name in () if of_training is None else of_training.names:
            self._names.claim(f"train_{name}", OF_TRAIN_METRIC)
        for name in () if plan.val_batches is None else self.metrics:
            self._names.claim(f"val_{name}", OF_VALIDATION)

    def _passes_over(self, batches: Batches) -> Passes:
        passes = Passes(batches)
        passes.load_state_dict(self._place)
        return passes

    def _end_plan(self) -> None:
        if self._passes is not None:
            if self.so_far.num_batches:
                self._passes.begin_again()
            elif self._passes.num_batches:
                self._passes.begin_next()
            self._place = self._passes.state_dict()
        self._begin_epoch()
        self.plan = self._passes = None
        self.train_step.on_backward_end = None
        self._row_is_open = False

    def _begin_epoch(self) -> None:
        self._samples_before = self.num_samples
        self.so_far = EpochSoFar(self._mean_loss())

    def _train_epoch(self, plan: Plan, hooks: Hooks) -> bool:
        """Do an epoch's updates, or the rest of them, and close its row.

        Returns:
            False if the epoch was stopped on the way.
        """
        train_step, so_far, passes = self.train_step, self.so_far, self._passes
        assert passes is not None
        weighing = train_step.weighing
        step_begin, step_end = hooks["on_step_begin"], hooks["on_step_end"]
        collect = so_far.mean.add_numbers
        end = plan.last_batch(so_far, self.num_steps)
        if plan.validates_within(
            so_far, self.num_steps, end
        ):  # where a run goes on between the two
            self._validate_in_epoch(plan, hooks)
            collect = so_far.mean.add_numbers
        goes_on, between = plan.epoch_steps is not None, plan.val_every is not None
        notes_metrics = self._train_metrics is not None
        is_full = end is not None and so_far.num_batches >= end
        for batch in () if is_full else passes.batches(goes_on=goes_on):
            batch = plan.batches.as_parts(batch)
            rows = weighing.samples_of(batch)
            batch = arguments_of(batch)
            so_far.in_update, so_far.update_rows = True, None
            if step_begin:
                self._call(step_begin, batch)
            self.between_steps = False
            loss = train_step(*batch, collect=collect)
            # A batch counts when its update is done, not when it is fetched.
            if train_step.left_out:
                rows = 0
            elif rows is None:  # known by its weight, which forward may have to tell
                rows = int(weighing.of_batch(batch))
            if notes_metrics or train_step.engine.parts_of_loss:
                self._note_values(batch, rows)
            so_far.end_update(rows)
            passes.num_batches += 1
            self.between_steps = True
            if self.stop_requested is not None:
                self.stop(self.stop_requested)
            if step_end:
                self._call(step_end, loss)
            if self.should_stop:
                break
            if so_far.num_batches == end:
                is_full = True
                break
            if between and plan.validates_within(so_far, train_step.num_steps, end):
                if self._validate_in_epoch(plan, hooks):
                    break
                collect = so_far.mean.add_numbers
        so_far.in_update = False
        train_step.flush()
        if self.should_stop:
            return False
        if not is_full and goes_on:
            raise DataError(no_batch_message(f"pass {passes.number + 1} over the data"))
        if not so_far.num_batches and passes.num_batches:
            passes.begin_next()  # the epoch before ended where its pass did
            return self._train_epoch(plan, hooks)
        if not so_far.num_batches:
            raise DataError(no_batch_message(f"epoch {self.epoch + 1}"))
        so_far.is_over = True
        is_cut = is_full and so_far.num_batches != plan.batches_per_epoch
        plan.note_end(so_far, self.epoch + 1, self.num_steps, is_cut=is_cut)
        validate = plan.validates_after(so_far, self.epoch + 1, self.num_steps)
        self._add_row(plan, hooks, validate=validate)
        if not is_full:  # a signal that ends the validation leaves the place as it is
            passes.begin_next()
        return True

    def _stop_between_batches(self, stopped: FetchStopped, hooks: Hooks) -> None:
        """Stop where a signal has ended the wait for a batch."""
        self.so_far.in_update = False
        self.train_step.flush()
        self.stop_requested = self.stop_requested or stopped.reason
        self.stop(self.stop_requested)
        self._call(hooks["on_stop"])

    def _validate_in_epoch(self, plan: Plan, hooks: Hooks) -> bool:
        """Validate, and add a row to the history, in the middle of an epoch.

        Returns:
            Whether a callback has ended the training.
        """
        self._add_row(plan, hooks, validate=True)
        self.so_far.begin_row(self._mean_loss())
        self._call(hooks["on_history"])
        self._row_is_open = False
        return self.should_stop

    def _add_row(self, plan: Plan, hooks: Hooks, *, validate: bool) -> None:
        """Add a row to the history, with a validation where one is due."""
        self.train_step.flush()
        so_far = self.so_far
        so_far.in_update = False
        seconds = time.perf_counter() - so_far.begin
        has_batches = so_far.row_num_batches > 0
        row = {
            "epoch": self.epoch + 1,
            # None where there was no batch since the row before.
            "train_loss": so_far.mean.value() if has_batches else None,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "num_steps": self.num_steps,
            "epoch_time_s": seconds,
            "samples_per_s": so_far.row_num_rows / seconds if has_batches else None,
        }
        scores: dict[str, float] = {}
        if validate:
            assert plan.val_batches is not None
            self._call(hooks["on_validation_begin"])
            with self.scored_weights():
                scores = evaluate_batches(
                    self.train_step, self.metrics, plan.val_batches, in_training=True
                )
        # A signal may end the validation, which is done again then: what follows must
        # not be done twice.
        if self._train_metrics is not None and so_far.row_num_rows:
            self._put(self._train_metrics.values(), OF_TRAIN_METRIC)
        self._put({f"val_{name}": v for name, v in scores.items()}, OF_VALIDATION)
        if validate:
            self._call(hooks["on_validation_end"])
        self.history.append(row | so_far.noted())
        self._row_is_open = True

    def _put(self, values: Mapping[str, float], what: str) -> None:
        """Put the values of metrics into the row that is being made."""
        for name, value in values.items():
            self._names.claim(name, what)
            self.so_far.values[name] = value

    def _note_values(self, batch: Any, rows: int) -> None:
        """Note the parts of a batch's loss, and the metrics of its rows."""
        step, so_far = self.train_step, self.so_far
        if step.parts_of_loss:
            weight = step.weighing.of_batch(batch)
            for part, value in step.parts_of_loss.items():
                self._names.claim(f"train_{part}", "a part of the loss")
                so_far.note(f"train_{part}", value, weight, sums=step.weighing.sums)
        if self._train_metrics is not None:
            for name, value in self._train_metrics.add(step.outputs):
                so_far.note(name, value, rows)
            step.outputs.clear()

    def log(self, **values: float | Tensor) -> None:
        """Put named values into the history; called in the hooks of a callback.

        A value that is logged in ``on_step_begin``, ``on_backward_end`` or
        ``on_step_end`` goes into the next row as the mean over its batches, weighted
        by their rows; a tensor on a device is not waited for. Anywhere else it goes as
        it is into the row at hand: of the epoch that has begun, or that has just ended.

        A name belongs to one callback, and there to the updates or to the rows. Where
        the callback logs it once more, a mean has both values, and a row the last one.

        Args:
            values: Numbers or 0-dim tensors, by the names that they get.

        Raises:
            ConfigError: A name that another value of the history has, no single
                number, or no row that is to come.
        """
        hook, in_update = self._hook, self.so_far.in_update
        what = "logged outside of the callbacks"
        if hook is not None:
            what = f"logged by {type(hook.callback).__name__} in {hook.name}"
        owner = in_update, 0 if hook is None else id(hook.callback)
        for name, value in values.items():
            if name in ROW_KEYS:
                raise ConfigError(
                    f"log({name}=...) would replace a value of the trainer's own.\n"
                    "The history could not be read any more.\nGive it another name."
                )
            self._names.claim(name, what, owner)
            if in_update:
                if not isinstance(value, Tensor) or value.dim():
                    value = torch.tensor(number_of(name, value))
                self.so_far.log(name, value)
            elif self._row_is_open:
                self.history.set_last(name, number_of(name, value))
            elif hook is not None and hook.name == "on_fit_end":
                raise ConfigError(
                    f"log({name}=...) is called in on_fit_end.\n"
                    "Every row of the history is whole by then, and files may have it."
                    "\nLog it in on_epoch_end, or keep it in the callback."
                )
            else:
                self.so_far.values[name] = number_of(name, value)

    @contextlib.contextmanager
    def scored_weights(self) -> Iterator[None]:
        """Let the model have the weights that are scored and kept for its users.

        They are the weights that are trained, unless a callback such as
        :class:`gradatim.EMA` keeps averages of them.
        """
        if self.averages is None:
            yield
        else:
            with self.averages.used():
                yield

    def _mean_loss(self) -> MeanLoss:
        return MeanLoss(sums=self.train_step.weighing.sums)

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
            collate_fn: As for :meth:`fit`.

        Returns:
            ``{"loss": ..., "<metric>": ...}``.
        """
        refuse_unknown("evaluate", options, ReadingKeywords.__annotations__)
        device = device_of(self.model)
        batches = in_order(data, device, options, PREDICT_BATCH_SIZE)
        return evaluate_batches(self.train_step, self.metrics, batches)

    @shows_options(ReadingKeywords)
    def predict(self, data: Any, **options: Unpack[ReadingKeywords]) -> Any:
        """Give the model's outputs for all rows, in their order.

        In eval mode, without gradients, in batches; every mode is put back.

        Args:
            data: ``x`` as one tensor, array or dict, or what :meth:`fit` takes, of
                which the targets are ignored.
            batch_size: Rows at a time.
            num_workers: As for :meth:`fit`.
            collate_fn: As for :meth:`fit`.

        Returns:
            The outputs, a tensor ``(rows, ...)`` on the device that the rows came from;
            for a model that gives several, the same structure of tensors.
        """
        refuse_unknown("predict", options, ReadingKeywords.__annotations__)
        warn_of_shuffled(data)
        device = device_of(self.model)
        batches = in_order(data, device, options, PREDICT_BATCH_SIZE)
        home = next(tensors_of(data), torch.empty(0)).device
        return predict_batches(self.train_step, self.model, batches, home)

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
        return probabilities(self.predict(data, **options))
