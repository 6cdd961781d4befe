"""Averages of the weights over a training, which are scored in place of the weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gradatim.errors import ConfigError
from gradatim.hooks import Callback
from gradatim.modules import bare

__all__ = ["EMA", "SWA"]


class _Averaging(Callback):
    """What both averages share: whose weights are in the model, and what is saved."""

    # Before the other callbacks look at the weights, or put the best ones back.
    goes_first = True

    def __init__(self, averaged: dict[str, Any]) -> None:
        self._averaged_options = averaged
        self._model: nn.Module | None = None
        self._averaged: AveragedModel | None = None
        self._trained: list[Tensor] | None = None
        """The trained weights, while the averages have their place in the model."""

    @property
    def num_averaged(self) -> int:
        """How many times weights were added to the averages."""
        return 0 if self._averaged is None else int(self._averaged.n_averaged)

    def on_fit_begin(self, trainer: Any) -> None:
        if trainer.averages not in (None, self):
            raise ConfigError(
                f"{type(self).__name__} and {type(trainer.averages).__name__} both "
                "keep averages.\n"
                "Which of them is to be scored is open.\n"
                "Give one of them."
            )
        model = bare(trainer.model)
        if self._averaged is None or self._model is not model:
            self._model = model
            self._averaged = AveragedModel(model, **self._averaged_options)
        trainer.averages = self

    def on_fit_end(self, trainer: Any) -> None:
        trainer.averages = None
        if self.num_averaged:
            _copy(self._averages(), self._weights())

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Put the averages into the model, and the trained weights back at the end."""
        if self._trained is not None or not self.num_averaged:
            yield
            return
        weights = self._weights()
        self._trained = [weight.detach().clone() for weight in weights]
        _copy(self._averages(), weights)
        try:
            yield
        finally:
            _copy(self._trained, weights)
            self._trained = None

    def state_dict(self) -> dict[str, Any]:
        """Give the averages, and the weights that are trained."""
        assert self._averaged is not None
        trained = self._weights() if self._trained is None else self._trained
        return {
            "num_averaged": self.num_averaged,
            "averages": self._averages(),
            "trained": [weight.detach() for weight in trained],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the averages, and put the trained weights into the model."""
        assert self._averaged is not None
        _copy(state["averages"], self._averages())
        self._averaged.n_averaged.fill_(int(state["num_averaged"]))
        _copy(state["trained"], self._weights())

    def _add(self) -> None:
        assert self._averaged is not None and self._model is not None
        self._averaged.update_parameters(self._model)

    def _weights(self) -> list[Tensor]:
        assert self._model is not None
        return self._tensors_of(self._model)

    def _averages(self) -> list[Tensor]:
        assert self._averaged is not None
        return self._tensors_of(self._averaged.module)

    def _tensors_of(self, model: nn.Module) -> list[Tensor]:
        buffers = model.buffers() if self._averaged_options["use_buffers"] else ()
        return [*model.parameters(), *buffers]


class EMA(_Averaging):
    """Keep an exponential moving average of the weights, and use it in their place.

    After each update the average becomes ``decay * average + (1 - decay) * weight``.
    Validation, early stopping, the best step and the checkpoints of a run have the
    averages; training goes on with the weights. When ``fit`` ends, the model keeps the
    averages, and a later ``fit`` goes on from them.

    Args:
        decay: The share of the average that stays at an update, from 0 to 1.
        use_buffers: Average buffers too, such as the running means of batch norm;
            otherwise the model's present ones are used.

    Raises:
        ConfigError: ``decay`` is out of its range.

    Source: Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; the arithmetic is
    that of ``torch.optim.swa_utils.AveragedModel``.

    >>> import gradatim
    >>> x, y = gradatim.data.line()
    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = gradatim.Trainer(model, nn.MSELoss(), optimizer)
    >>> averages = EMA(0.9)
    >>> _ = trainer.fit((x, y), epochs=2, callbacks=[averages], progress=False)
    >>> averages.num_averaged
    8
    """

    def __init__(self, decay: float = 0.999, *, use_buffers: bool = False) -> None:
        if not 0 <= decay <= 1:
            raise ConfigError(f"decay must be from 0 to 1, got {decay}.")
        average = get_ema_multi_avg_fn(decay)
        super().__init__({"multi_avg_fn": average, "use_buffers": use_buffers})
        self.decay = decay

    def config(self) -> dict[str, Any]:
        """Give the choices that decide the averages."""
        use_buffers = self._averaged_options["use_buffers"]
        return {"decay": self.decay, "use_buffers": use_buffers}

    def on_step_end(self, trainer: Any, loss: Tensor) -> None:
        """Add the weights of the update."""
        if not trainer.train_step.left_out:
            self._add()


class SWA(_Averaging):
    """Average the weights of the last epochs, each alike, and use that in their place.

    Stochastic weight averaging: the weights at the end of each epoch from
    ``start_epoch`` on. What uses the averages is as with :class:`EMA`. For a model
    with batch norm, call ``torch.optim.swa_utils.update_bn(loader, model)`` when
    ``fit`` has ended, or set ``use_buffers``.

    Args:
        start_epoch: The first epoch whose weights count, from 1.
        use_buffers: As for :class:`EMA`.

    Raises:
        ConfigError: ``start_epoch`` is out of its range.

    Source: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407; the arithmetic is
    that of ``torch.optim.swa_utils.AveragedModel``.

    >>> callbacks = [SWA(start_epoch=75)]
    """

    def __init__(self, start_epoch: int = 1, *, use_buffers: bool = False) -> None:
        if type(start_epoch) is not int or start_epoch < 1:
            raise ConfigError(f"start_epoch must be 1 or more, got {start_epoch!r}.")
        super().__init__({"use_buffers": use_buffers})
        self.start_epoch = start_epoch
        self._last_epoch = 0
        """The last epoch whose weights were added, from 1."""

    def config(self) -> dict[str, Any]:
        """Give the choices that decide the averages."""
        use_buffers = self._averaged_options["use_buffers"]
        return {"start_epoch": self.start_epoch, "use_buffers": use_buffers}

    def state_dict(self) -> dict[str, Any]:
        """Give the averages, the weights that are trained, and the last epoch."""
        return {**super().state_dict(), "last_epoch": self._last_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the averages, and put the trained weights into the model."""
        super().load_state_dict(state)
        self._last_epoch = int(state["last_epoch"])

    def on_validation_begin(self, trainer: Any) -> None:
        """Add the weights of the epoch, which are scored with the averages."""
        if trainer.so_far.is_over:  # not in the middle of an epoch
            self._add_epoch(trainer.epoch + 1)

    def on_epoch_end(self, trainer: Any) -> None:
        """Add the weights of the epoch, where nothing was validated."""
        self._add_epoch(trainer.epoch)

    def _add_epoch(self, epoch: int) -> None:
        """Add the weights of an epoch, if they are not in the averages already."""
        if epoch >= self.start_epoch and epoch != self._last_epoch:
            self._last_epoch = epoch
            self._add()


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    with torch.no_grad():
        for source, target in zip(sources, targets, strict=True):
            target.copy_(source)
