"""What is noted while a step runs: outputs, losses of the rows, gradients."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.engines import StepParts
from gradatim.losses import LossFn
from gradatim.step import TrainStep
from gradatim.torch_private import (
    gradient_hooks,
    inner_of_compiled,
    is_compiled_in_place,
)
from gradatim.trace.arithmetic import Slopes, slopes_of
from gradatim.trace.names import named_batch, named_tensors
from gradatim.trace.sample_losses import per_sample, sample_losses
from gradatim.trace.stats import TensorStats, norm_of, stats_of
from gradatim.trace.trace_data import ModuleOutput

__all__ = ["Observations", "ObservedStep"]


class Observations:
    """What has been seen of a model's first forward and backward.

    Observing draws no random number, and changes no tensor of the step.
    """

    def __init__(self, model: nn.Module, parameters: dict[str, Tensor]) -> None:
        self.outputs: list[ModuleOutput] = []
        self.loss: Tensor | None = None
        self.sample_losses: list[Tensor] = []
        self.pairs: list[tuple[Tensor, Tensor]] = []
        """Predictions and targets of each microbatch."""
        self.slopes: Slopes | None = None
        self.gradients: dict[str, TensorStats] = {}
        self.grad_norms: dict[str, float | None] = {}
        self.small_gradients: dict[str, Tensor] = {}
        self.num_evaluations = 0
        self.notes: list[str] = []
        self.is_forward = False
        self.has_output_hooks = False
        """Whether the user's code looks at gradients of outputs. It expects them once a
        step, so no second backward may run."""
        self._model = model
        self._parameters = parameters
        self._calls: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether the optimizer asks for the loss for the first time."""
        return self.num_evaluations == 0

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        """Note the output of every module, while the block runs."""
        with contextlib.ExitStack() as hooks:
            for name, module in self._modules():
                hooks.enter_context(module.register_forward_hook(self._hook(name)))
            yield

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Go through the modules that work in the same way with a hook as without."""
        hidden: set[int] = set()
        # The step puts a model in eval mode, and all of its modules, into train mode.
        trains = not self._model.training
        for name, module in self._model.named_modules():
            if id(module) in hidden:
                continue
            is_fast = isinstance(module, nn.TransformerEncoderLayer)
            if is_fast and not module.training and not trains:
                self._hide(name, module, hidden, "in eval mode takes another path")
            elif is_compiled_in_place(module):
                self._hide(name, module, hidden, "is compiled, and would be again")
            else:
                yield name, module
                if (inner := inner_of_compiled(module)) is not None:
                    inner_name = f"{name}._orig_mod".lstrip(".")
                    self._hide(inner_name, inner, hidden, "would be compiled again")

    def _hide(
        self, name: str, module: nn.Module, hidden: set[int], reason: str
    ) -> None:
        """Leave out a module and all inside it, and note why."""
        hidden.update(id(inner) for inner in module.modules())
        what = f"{name or 'the model'} ({type(module).__name__})"
        self.notes.append(f"no look inside {what}: with hooks it {reason}")

    def _hook(self, name: str) -> Any:
        """Make the forward hook of a module."""

        def note_output(module: nn.Module, _: Any, output: Any) -> None:
            if not (self.is_open and self.is_forward):
                return
            self._calls[name] = call = self._calls.get(name, 0) + 1
            for part, tensor in named_tensors(output, ""):
                if tensor.retains_grad or gradient_hooks(tensor):
                    self.has_output_hooks = True
                self.outputs.append(
                    ModuleOutput(
                        module=name,
                        kind=type(module).__name__,
                        call=call,
                        part=part,
                        training=module.training,
                        stats=stats_of(tensor),
                    )
                )

        return note_output

    def note_pair(
        self,
        loss_fn: LossFn,
        unreduced: LossFn | None,
        predictions: Any,
        targets: Any,
        inputs: list[tuple[str, Tensor]] | None,
    ) -> None:
        """Note what the loss is computed from, before backward frees the graph.

        ``unreduced`` is the loss with one value for each row, if there is one. The
        ``inputs`` are the tensors of the batch; None if the step sees only some of the
        rows, or computes in lower precision.
        """
        if unreduced is not None:
            losses = sample_losses(loss_fn, unreduced, predictions, targets)
            if losses is not None:
                self.sample_losses.append(losses)
        if isinstance(predictions, Tensor) and isinstance(targets, Tensor):
            self.pairs.append((predictions.detach(), targets.detach()))
        if inputs is not None and not self.has_output_hooks:
            self.slopes = slopes_of(self._model, loss_fn, predictions, targets, inputs)

    def note_gradients(self, loss: Tensor) -> None:
        """Note the gradients that backward has left."""
        if self.is_open:
            self.loss = loss.detach().clone()
            for name, parameter in self._parameters.items():
                if (grad := parameter.grad) is not None:
                    self.gradients[name] = stats_of(grad)
                    self.grad_norms[name] = norm_of(grad)
                    if self.slopes is not None and grad.layout is torch.strided:
                        self.small_gradients[name] = grad.detach().clone()
        self.num_evaluations += 1


class ObservedStep(TrainStep):
    """The step of the library, which also notes what it sees."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        optimizer: torch.optim.Optimizer,
        *,
        observations: Observations,
        is_quiet: bool,
        **options: Any,
    ) -> None:
        self.observations = observations
        self._is_quiet = is_quiet and options.get("on_nonfinite") == "skip"
        super().__init__(model, loss_fn, optimizer, **options)
        self._inputs: list[tuple[str, Tensor]] = []
        self._run_on_engine(self._observed(self.parts, loss_fn))
        run = self._forward_backward

        def forward_backward(batch: Any) -> Tensor:
            loss = run(batch)
            observations.note_gradients(loss)
            return loss

        self._forward_backward = forward_backward

    def _observed(self, parts: StepParts, loss_fn: LossFn) -> StepParts:
        """Put the observations around the forward and the loss of a step."""
        observations, unreduced = self.observations, per_sample(loss_fn)
        is_whole = parts.num_microbatches == 1 and parts.autocast_dtype is None

        def forward(model: nn.Module, batch: Any) -> tuple[Any, Any]:
            self._inputs = named_batch(tuple(batch), own_forward=self.own_forward)
            # Checkpointed modules are called once more in backward; that is not noted.
            observations.is_forward = True
            return parts.forward(model, batch)

        def compute_and_note(predictions: Any, targets: Any) -> Any:
            try:
                loss = parts.loss_fn(predictions, targets)
                if observations.is_open:
                    inputs = self._inputs if is_whole else None
                    observations.note_pair(
                        loss_fn, unreduced, predictions, targets, inputs
                    )
                return loss
            finally:
                observations.is_forward = False

        return replace(parts, forward=forward, loss_fn=compute_and_note)

    def _is_not_finite(self, loss: Tensor) -> bool:
        if not self._is_quiet:
            return super()._is_not_finite(loss)
        is_bad = not bool(loss.isfinite())
        self.num_skipped += is_bad
        return is_bad
