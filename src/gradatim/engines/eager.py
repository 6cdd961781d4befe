"""The eager engine: PyTorch runs every operation when it is met, as in any loop."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from torch import Tensor

from gradatim.engines import StepParts
from gradatim.losses import check_scalar
from gradatim.named_loss import split_loss
from gradatim.precision import autocast
from gradatim.rows import split_rows

__all__ = ["EagerEngine"]


class EagerEngine:
    """Run forward, backward and update as a loop written by hand does.

    A step calls ``forward_backward`` at every batch, so which of the two ways below it
    is gets decided once, in :meth:`prepare`.
    """

    name: ClassVar[str] = "eager"
    rtol: ClassVar[float] = 0.0
    atol: ClassVar[float] = 0.0
    forward_backward: Callable[[Any], Tensor]

    @classmethod
    def why_not(cls, parts: StepParts) -> list[str]:
        """Give no reason: whatever PyTorch can run, this engine runs."""
        return []

    def prepare(self, parts: StepParts) -> None:
        """Choose how a batch is run: as a whole, or in parts."""
        self.parts = parts
        self.model, self.forward = parts.model, parts.forward
        self.loss_fn, self.optimizer = parts.loss_fn, parts.optimizer
        self.parts_of_loss: dict[str, Tensor] = {}
        is_whole = parts.num_microbatches == 1 and parts.autocast_dtype is None
        self.forward_backward = self._whole if is_whole else self._in_parts

    def update(self, closure: Callable[[], Tensor] | None = None) -> bool:
        """Let the optimizer move the parameters."""
        scaler = self.parts.scaler
        if closure is not None:
            self.optimizer.step(closure)  # type: ignore[arg-type]  # a Tensor is meant
        elif scaler is None:
            self.optimizer.step()
        else:
            scale = scaler.get_scale()
            scaler.step(self.optimizer)
            scaler.update()
            # The scale falls exactly where gradients overflowed.
            return scaler.get_scale() >= scale
        return True

    def _whole(self, batch: Any) -> Tensor:
        predictions, targets = self.forward(self.model, batch)
        loss = self.loss_fn(predictions, targets)
        if not isinstance(loss, Tensor):
            loss, self.parts_of_loss = split_loss(loss)
        check_scalar(loss)
        loss.backward()
        return loss.detach()

    def _in_parts(self, batch: Any) -> Tensor:
        """Forward and backward of each microbatch, in the precision that is asked."""
        total: Tensor | None = None
        total_parts: dict[str, Tensor] = {}
        scaler = self.parts.scaler
        for part, share in self._microbatches(batch):
            with autocast(self.model, self.parts.autocast_dtype):
                predictions, targets = self.forward(self.model, part)
                loss, named = split_loss(self.loss_fn(predictions, targets))
                check_scalar(loss)
            # Backward outside: its operations take the dtypes of the forward's.
            if share is not None:
                loss = loss * share
                named = {name: value * share for name, value in named.items()}
            (loss if scaler is None else scaler.scale(loss)).backward()
            total = loss.detach() if total is None else total + loss.detach()
            for name, value in named.items():
                has_before = name in total_parts
                total_parts[name] = total_parts[name] + value if has_before else value
        assert total is not None
        self.parts_of_loss = total_parts
        return total

    def _microbatches(self, batch: Any) -> Iterator[tuple[Any, float | None]]:
        """Go through the microbatches with the share that each mean loss has.

        The share is None where a loss counts as it is.
        """
        weighing, num_microbatches = self.parts.weighing, self.parts.num_microbatches
        if num_microbatches == 1:
            yield batch, None
            return
        microbatches = split_rows(batch, num_microbatches)
        if weighing.sums:
            for microbatch in microbatches:
                yield microbatch, None
            return
        # Weights that depend on targets lie on the device; one wait for all parts,
        # as a part without any weight must be left out: its mean is 0 / 0.
        weights = [float(weighing.of_batch(part)) for part in microbatches]
        total = sum(weights)
        for microbatch, weight in zip(microbatches, weights, strict=True):
            if weight or not total:
                yield microbatch, weight / total if total else None
