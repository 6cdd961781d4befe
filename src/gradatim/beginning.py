"""What is wrong with a training as far as it is known before its first update.

An error that comes after hours, or a silent mistake, costs more than a look beforehand.
Nothing here trains: a model is only called where there are metrics to be tried, in eval
mode and without gradients, and random generators are put back.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradatim.callbacks import LRScheduler
from gradatim.data.peek import peek
from gradatim.epoch import Plan
from gradatim.errors import ConfigError, GradatimError, GradatimWarning
from gradatim.history import ROW_KEYS
from gradatim.hooks import TrainerView
from gradatim.metrics import Metric, MetricObject, Metrics
from gradatim.modules import bare, evaluating
from gradatim.named_loss import split_loss
from gradatim.nested import tensors_of
from gradatim.precision import autocast
from gradatim.rng import keeping_rng
from gradatim.rows import arguments_of
from gradatim.schedule_checks import check_schedule
from gradatim.text import nearest_name, one_line
from gradatim.value_names import refuse_shared_names

__all__ = ["check_beginning"]

HIGHER_IS_BETTER = {
    *("acc", "accuracy", "auc", "auroc", "bleu", "dice", "f1", "iou", "jaccard", "map"),
    *("miou", "ndcg", "precision", "psnr", "r2", "recall", "roc", "ssim", "top1"),
}
"""Words in the names of scores for which more is better."""

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

STACK_LEVEL = 3
"""Of a warning, so that it names the line that called ``fit``."""


def check_beginning(
    trainer: TrainerView, plan: Plan, metrics: Mapping[str, Metric]
) -> None:
    """Refuse what would fail later, and warn of what would go wrong in silence.

    Raises:
        ConfigError: The training would fail, or could not decide what it is to decide.
    """
    _check_lazy(trainer, plan)
    _check_dtypes(trainer, plan)
    _check_last_batch(trainer, plan)
    for callback in plan.callbacks:
        if isinstance(callback, LRScheduler):
            check_schedule(
                callback.scheduler,
                per=callback.per,
                plan=plan,
                num_done=int(getattr(callback.scheduler, "last_epoch", 0)),
                stacklevel=STACK_LEVEL,
            )
    if metrics and plan.val_batches is None:
        warnings.warn(
            f"there are metrics ({', '.join(filter(None, metrics)) or 'several'}), but "
            "fit() has no validation data.\n"
            "They will not be computed.\n"
            "Give validation data as the second argument, or train_metrics= to the "
            "trainer for those of the training rows.",
            GradatimWarning,
            stacklevel=STACK_LEVEL,
        )
    monitors = [
        (callback, monitor)
        for callback in plan.callbacks
        if isinstance(monitor := getattr(callback, "monitor", None), str)
    ]
    known = set(ROW_KEYS) | {f"val_{name}" for name in metrics}
    is_known = all(monitor in known for _, monitor in monitors)
    tried = _try_metrics(trainer, plan, metrics) if metrics or not is_known else None
    for callback, monitor in monitors:
        _check_mode(callback, monitor, metrics)
        _check_monitor(callback, monitor, plan, metrics, tried)


def _check_lazy(trainer: TrainerView, plan: Plan) -> None:
    lazy = [name for name, p in trainer.model.named_parameters() if is_lazy(p)]
    if lazy and plan.callbacks:
        raise ConfigError(
            f"{len(lazy)} parameters have no shape yet, {lazy[0]} among them.\n"
            "A run, early stopping and averages save weights whose shapes they know.\n"
            "Call the model once with a few rows before you make the optimizer: "
            "model(x[:2])."
        )


def _check_dtypes(trainer: TrainerView, plan: Plan) -> None:
    """Compare the dtype of the first rows with that of the weights."""
    if trainer.train_step.own_forward or trainer.train_step.precision != "float32":
        return
    dtypes = {p.dtype for p in trainer.model.parameters() if p.is_floating_point()}
    batches = peek(plan.batches, num_rows=1) if torch.float64 in dtypes else []
    if len(dtypes) != 1 or not batches:
        return
    x = arguments_of(batches[0])[0]
    dtype = next(iter(dtypes))
    if isinstance(x, Tensor) and x.is_floating_point() and x.dtype != dtype:
        raise ConfigError(
            f"the weights are {dtype}, the rows {x.dtype}.\n"
            "PyTorch multiplies only what has one dtype.\n"
            "Make them one: model.float() before the optimizer is made, or x.double()."
        )


def _check_last_batch(trainer: TrainerView, plan: Plan) -> None:
    """Try a batch of one row where the last batch has one, and batch norm is there."""
    num_rows, loader = plan.batches.num_rows, plan.batches.loader
    source: Any = plan.batches if loader is None else loader
    size = getattr(source, "batch_size", None)
    if not num_rows or not size or plan.batches.num_batches is None:
        return
    if plan.batches.num_batches * size < num_rows:  # drop_last
        return
    last = num_rows - (plan.batches.num_batches - 1) * size
    smallest = last // max(1, min(trainer.train_step.num_microbatches, last))
    has_norm = any(isinstance(part, BATCH_NORMS) for part in trainer.model.modules())
    if smallest != 1 or not has_norm:
        return
    batches = peek(plan.batches, num_rows=1)
    if not batches:
        return
    model = copy.deepcopy(bare(trainer.model)).train()
    try:
        with torch.no_grad(), keeping_rng():
            trainer.train_step.forward(model, arguments_of(batches[0]))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"{num_rows} rows in batches of {size} leave one row for the last update, "
            "and batch norm cannot take a mean and a deviation of one row.\n"
            "PyTorch would raise an error at the end of the epoch.\n"
            "Give drop_last=True, or another batch_size."
        ) from error


def _try_metrics(
    trainer: TrainerView, plan: Plan, metrics: Mapping[str, Metric]
) -> list[str] | None:
    """Try loss and metrics on the first rows; give the names of the loss's parts.

    Returns:
        None where the data cannot be looked at beforehand.

    Raises:
        ConfigError: A metric fails.
    """
    batches = plan.batches if plan.val_batches is None else plan.val_batches
    step, parts = trainer.train_step, dict[str, Tensor]()
    with warnings.catch_warnings(), keeping_rng(), evaluating(trainer.model):
        warnings.simplefilter("ignore")  # they come again, where all rows are looked at
        counted, seen = Metrics(metrics), []
        for batch in map(arguments_of, peek(batches)):
            with autocast(trainer.model, step.parts.autocast_dtype):
                predictions, targets = step.forward(trainer.model, batch)
                _, parts = split_loss(step.loss_fn(predictions, targets))
            refuse_shared_names(parts, metrics)
            seen.append(targets)
            _try(partial(counted.add, predictions, targets), metrics, seen)
        if seen:
            _try(counted.values, metrics, seen)
        for metric in metrics.values():
            if isinstance(metric, MetricObject):
                metric.reset()
    return list(parts) if seen else None


def _try(
    call: Callable[[], Any], metrics: Mapping[str, Metric], seen: list[Any]
) -> None:
    try:
        call()
    except GradatimError:
        raise
    except Exception as error:
        # Of few rows a right metric may say that there is one class alone.
        is_of_values = isinstance(error, (ValueError, ArithmeticError))
        if is_of_values and not _vary(seen):
            return
        names = ", ".join(repr(name) for name in metrics if name)
        raise ConfigError(
            f"the metrics {names} fail on the first validation rows: "
            f"{type(error).__name__}: {one_line(error)}.\n"
            "The training would fail after its first epoch.\n"
            "A function is called as metric(predictions, targets) with all rows; where "
            "batches are padded to different lengths, with lists of rows. An object "
            "with update, compute and reset is fed batch by batch."
        ) from error


def _vary(seen: Iterable[Any]) -> bool:
    tensors = [tensor for targets in seen for tensor in tensors_of(targets)]
    return any(bool((tensor != tensor.flatten()[0]).any()) for tensor in tensors)


def _check_mode(callback: Any, monitor: str, metrics: Mapping[str, Metric]) -> None:
    """Warn where the worst value would be taken for the best."""
    kind, scheduler = type(callback).__name__, getattr(callback, "scheduler", None)
    mode = getattr(callback, "mode", None) or getattr(scheduler, "mode", None)
    name = monitor.removeprefix("val_").removeprefix("train_")
    higher = getattr(metrics.get(name), "higher_is_better", None)
    if higher is None and HIGHER_IS_BETTER & set(name.lower().split("_")):
        higher = True
    if (higher, mode) not in ((True, "min"), (False, "max")):
        return
    taken, better = ("less", "more") if higher else ("more", "less")
    warnings.warn(
        f"{kind} takes {taken} of {monitor!r} for better (mode={mode!r}), but {better} "
        "of it is better.\n"
        "The worst epoch would be taken for the best.\n"
        f'Give mode="{"max" if higher else "min"}".',
        GradatimWarning,
        stacklevel=STACK_LEVEL + 1,
    )


def _check_monitor(
    callback: Any,
    monitor: str,
    plan: Plan,
    metrics: Mapping[str, Metric],
    parts: list[str] | None,
) -> None:
    """Refuse to monitor what no row of the history will have.

    ``parts`` are the names of the loss's parts, None where they are not known.
    """
    kind, is_val = type(callback).__name__, monitor.startswith("val_")
    known = set(ROW_KEYS) | {f"train_{part}" for part in parts or ()}
    if plan.val_batches is None:
        known.discard("val_loss")
        if monitor == "val_loss":
            raise ConfigError(
                f"{kind} monitors {monitor!r}, but fit() has no validation data.\n"
                "Without them nothing can be decided.\n"
                "Give them as the second argument, or monitor train_loss."
            )
    else:
        known |= {f"val_{name}" for name in (*(parts or ()), *metrics)}
    # What a callback of the user's logs, only training will tell.
    others = [
        c for c in plan.callbacks if not type(c).__module__.startswith("gradatim")
    ]
    is_open = others or parts is None or (is_val and "" in metrics)
    if monitor in known or is_open or monitor.startswith("train_"):
        return
    raise ConfigError(
        f"{kind} monitors {monitor!r}, which the history will not have: there are "
        f"{', '.join(sorted(known))}.{nearest_name(monitor, known)}\n"
        "Without it nothing can be decided.\n"
        "Name one of these, or give the trainer a metric of that name."
    )
