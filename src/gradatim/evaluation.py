"""Scores and predictions of a model: what a trainer does without learning."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from gradatim.data.batches import Batches
from gradatim.epoch import MeanLoss, no_batch_message
from gradatim.errors import ConfigError, DataError, GradatimWarning
from gradatim.metrics import Metric, Metrics
from gradatim.modules import evaluating
from gradatim.named_loss import split_loss
from gradatim.nested import map_tensors
from gradatim.outputs import joined
from gradatim.precision import autocast, in_full_precision
from gradatim.rows import arguments_of
from gradatim.step import TrainStep
from gradatim.value_names import refuse_shared_names

__all__ = ["evaluate_batches", "predict_batches", "warn_of_shuffled"]


def evaluate_batches(
    step: TrainStep,
    metrics: Mapping[str, Metric],
    batches: Batches,
    *,
    in_training: bool = False,
) -> dict[str, float]:
    """Give the mean loss over samples, the means of its parts, and every metric.

    Raises:
        FetchStopped: ``in_training``, a signal has ended the fetch of a batch.
        DataError: There is no batch.
        ConfigError: A metric gives no number.
    """
    num_batches, sums = 0, step.weighing.sums
    means: dict[str, MeanLoss] = {"loss": MeanLoss(sums=sums)}
    with evaluating(step.model):
        counted = Metrics(metrics)
        for batch in (
            batches.until_stopped(0, begins_again=True)
            if in_training
            else batches.epoch(0)
        ):
            batch = batches.as_parts(batch)
            rows = step.weighing.rows_of(batch)
            batch = arguments_of(batch)
            num_batches += 1
            with autocast(step.model, step.parts.autocast_dtype):
                predictions, targets = step.forward(step.model, batch)
                loss, parts = split_loss(step.loss_fn(predictions, targets))
            weight = step.weighing.of_batch(batch) if rows is None else rows
            means["loss"].add(loss, weight)
            for name, part in parts.items():
                means.setdefault(name, MeanLoss(sums=sums)).add(part, weight)
            counted.add(predictions, targets)
        if num_batches == 0:
            raise DataError(no_batch_message("the data"))
        scores = {name: mean.value() for name, mean in means.items()}
        values = counted.values()
        refuse_shared_names(scores, values)
        return scores | values


def predict_batches(
    step: TrainStep, model: nn.Module, batches: Batches, home: torch.device
) -> Any:
    """Give the outputs for all rows, on the device ``home``, in float32 or wider.

    Raises:
        DataError: There is no batch.
        ConfigError: The user's ``forward`` gives a loss, and no outputs.
    """
    if step.gives_loss:
        raise ConfigError(
            "forward= gives the loss of a batch, and no predictions.\n"
            "There is nothing that predict() could give.\n"
            "Call the model itself, or give a forward= with predictions and targets "
            "and a loss_fn."
        )
    outputs = []
    with evaluating(model):
        for batch in map(arguments_of, map(batches.as_parts, batches.epoch(0))):
            with autocast(model, step.parts.autocast_dtype):
                if step.own_forward:
                    predictions = step.forward(model, batch)[0]
                else:
                    predictions = model(batch[0])
            outputs.append(
                map_tensors(lambda t: in_full_precision(t).to(home), predictions)
            )
    if not outputs:
        raise DataError(no_batch_message("the data"))
    return joined(outputs)


def warn_of_shuffled(data: Any) -> None:
    """Warn of predictions that would not be in the order of the rows."""
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
