"""Before training: what one batch and a copy of the model show, each with its page."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.errors import NonFiniteLossError
from gradatim.forward import Forward, make_forward
from gradatim.losses import LossFn
from gradatim.modules import evaluating
from gradatim.nested import tensors_of
from gradatim.rng import keeping_rng
from gradatim.step import make_train_step
from gradatim.text import listed
from gradatim.trace.copies import copied

__all__ = ["CHECKS", "Checkup", "check"]

MAX_STEPS = 200  # chosen by hand, not measured
MAX_SHARE_LEARNED = 0.1  # of the first loss; chosen by hand, not measured
MAX_SHARE_HALF_LEARNED = 0.5  # of the first loss; chosen by hand, not measured
MAX_RATIO_TO_CHANCE = 2  # and 0.5 is added; chosen by hand, not measured


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What :func:`check` found, and the numbers."""

    findings: list[Finding] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """The losses of the one batch, before each update of the copy."""
    chance: float | None = None
    """The loss of a model that knows nothing: ``ln C`` for C classes."""

    def __str__(self) -> str:
        lines = []
        if self.losses:
            lines.append(
                f"one batch alone: loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g} "
                f"in {len(self.losses) - 1} updates of a copy"
            )
        if self.losses and self.chance is not None:
            lines.append(f"by chance it would be {self.chance:.4g}")
        lines += map(str, self.findings) if self.findings else ["nothing found"]
        return "\n".join(lines)


def check(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    *batch: Any,
    forward: Forward | None = None,
    num_steps: int = MAX_STEPS,
) -> Checkup:
    """Look at model, loss and optimizer with one batch, before any training.

    It looks whether the rows of a batch stay apart (the gradient of one row's output
    with respect to another row's input is zero), whether the first loss is what chance
    gives, whether each parameter gets a gradient, and whether the batch can be learned
    by heart. Copies are used for all of it: the arguments stay as they are, and the
    random generators end in the state that they had.

    Args:
        model: As for ``make_train_step``.
        loss_fn: As for ``make_train_step``.
        optimizer: As for ``make_train_step``, with the learning rate to be checked.
        batch: ``x, y``; a few dozen rows are enough.
        forward: As for ``make_train_step``.
        num_steps: At most this many updates are made to learn the batch by heart.

    Raises:
        ConfigError: Model or optimizer cannot be copied.

    >>> model = nn.Linear(3, 2)
    >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    >>> x = torch.randn(8, 3)
    >>> y = (x[:, 0] > 0).long()
    >>> checkup = check(model, nn.CrossEntropyLoss(), optimizer, x, y)
    >>> checkup.findings, checkup.losses[0] > checkup.losses[-1]
    ([], True)
    """
    with keeping_rng():
        twin, twin_loss, twin_optimizer, twin_batch = copied(
            model, loss_fn, optimizer, batch
        )
        findings = list(RowsLeak().find_in_rows(twin, twin_batch, forward))
        chance = _loss_of_chance(loss_fn, batch, twin, forward)
        losses, without_gradient = _learned_by_heart(
            twin, twin_loss, twin_optimizer, twin_batch, forward, num_steps
        )
    findings += WithoutGradient().find_in_names(without_gradient)
    findings += FarFromChance().find_in_losses(losses, chance)
    findings += NotLearned().find_in_losses(losses, optimizer)
    return Checkup(findings=findings, losses=losses, chance=chance)


class RowsLeak(Pitfall):
    """The output of one row depends on the input of another.

    What it sees:
        In eval mode, the gradient of the output of one row with respect to the input of
        another row is not zero.

    Why it matters:
        Predictions then depend on what else is in the batch. A model that is asked for
        one row alone, with a batch of 1, gives another answer than it was scored with.

    Example::

        x = x.view(time, batch, features)   # from (batch, time, features)

    Instead::

        x = x.transpose(0, 1)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": use backprop to
    chart dependencies.
    """

    code = "GT001"
    title = "rows of a batch are mixed"
    severity = "error"

    def find_in_rows(
        self, model: nn.Module, batch: tuple[Any, ...], forward: Forward | None
    ) -> Findings:
        """Find a row whose output depends on the input of another row."""
        given = tensors_of(batch if forward is not None else batch[0])
        floats = [tensor for tensor in given if tensor.is_floating_point()]
        inputs = [tensor for tensor in floats if tensor.dim() and tensor.size(0) > 1]
        if not inputs:
            return
        # In training, batch norm mixes rows.
        with evaluating(model), torch.enable_grad():
            for tensor in inputs:
                tensor.requires_grad_(True)
            try:
                predictions, _ = make_forward(forward)(model, batch)
                mixed = _first_mixed_rows(predictions, inputs)
            except RuntimeError:  # an operation has no gradient of its input
                return
            finally:
                for tensor in inputs:
                    tensor.requires_grad_(False)
        if mixed is not None:
            row, other, size = mixed
            yield self.finding(
                verdict=f"The output of row {row} depends on the input of row {other}.",
                evidence=f"a gradient of {size:.3g} between the two, in eval mode",
                cure="look for view or reshape where a transpose is meant, for "
                "batch_first=, and for a mean or softmax over dim 0",
            )


def _first_mixed_rows(
    predictions: Any, inputs: list[Tensor]
) -> tuple[int, int, float] | None:
    """Give a row, the row whose input its output depends on, and the gradient's size.

    The first row and the one in the middle are differentiated; None where both depend
    on their own input alone.
    """
    rows = inputs[0].size(0)
    outputs = [tensor for tensor in tensors_of(predictions) if tensor.requires_grad]
    for output in outputs:
        if not output.dim() or output.size(0) != rows:
            continue
        for row in (0, rows // 2):
            gradients = torch.autograd.grad(
                output[row].abs().sum(), inputs, retain_graph=True, allow_unused=True
            )
            for gradient in gradients:
                if gradient is None or gradient.size(0) != rows:
                    continue
                sizes = gradient.detach().abs().flatten(1).sum(dim=1)
                sizes[row] = 0.0
                if float(sizes.max()) > 0:
                    return row, int(sizes.argmax()), float(sizes.max())
    return None


class FarFromChance(Pitfall):
    """The first loss of a classifier is far above that of one that knows nothing.

    What it sees:
        A cross-entropy of C classes whose first value is above ``2 ln C + 0.5``.

    Why it matters:
        Equal probabilities cost ``ln C``: 1.10 for 3 classes, 2.30 for 10. A model that
        begins at 20 is sure and wrong, and the first updates only take that back.

    Example::

        model(pixels)           # numbers from 0 to 255

    Instead::

        model(pixels / 255)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": verify loss at init.
    """

    code = "GT002"
    title = "the first loss is far from chance"

    def find_in_losses(self, losses: list[float], chance: float | None) -> Findings:
        """Compare the first loss with that of equal probabilities."""
        if chance is None or not losses or not math.isfinite(losses[0]):
            return
        if losses[0] > MAX_RATIO_TO_CHANCE * chance + 0.5:
            yield self.finding(
                verdict="Before it knows anything the model is sure, and wrong.",
                evidence=f"the first loss is {losses[0]:.4g}; by chance it would be "
                f"{chance:.4g}",
                cure="scale the inputs to mean 0 and standard deviation 1; smaller "
                "weights in the last layer",
            )


def _loss_of_chance(
    loss_fn: LossFn, batch: tuple[Any, ...], model: nn.Module, forward: Forward | None
) -> float | None:
    """Give ``ln C`` where the loss is a cross-entropy of C classes."""
    is_function = loss_fn is nn.functional.cross_entropy
    if not is_function and type(loss_fn) is not nn.CrossEntropyLoss:
        return None
    with evaluating(model):
        predictions, _ = make_forward(forward)(model, batch)
    if not isinstance(predictions, Tensor) or predictions.dim() < 2:
        return None
    return math.log(predictions.size(1))


class WithoutGradient(Pitfall):
    """Parameters that ask for a gradient get none.

    What it sees:
        After one backward, ``.grad`` is ``None`` for a parameter with
        ``requires_grad``.

    Why it matters:
        Such a parameter is never trained: it keeps its first random numbers.

    Example::

        def forward(self, x):
            return self.head(self.body(x).detach())

    Instead::

        def forward(self, x):
            return self.head(self.body(x))

    Source: the documentation of ``torch.autograd``.
    """

    code = "GT003"
    title = "parameters without a gradient"

    def find_in_names(self, names: list[str]) -> Findings:
        """Report parameters that got no gradient, by their names."""
        if names:
            yield self.finding(
                verdict=f"{len(names)} parameters get no gradient: "
                f"{listed(names, quoted=False)}.",
                evidence=f"after one backward, .grad is None for {len(names)}",
                cure="use them in forward, or requires_grad_(False) where that is "
                "meant",
            )


class NotLearned(Pitfall):
    """One batch, again and again, is not learned by heart.

    What it sees:
        In 200 updates of a copy on the same rows, with the given optimizer, the loss
        has not halved.

    Why it matters:
        A network has far more weights than a batch has rows, and can fit any labels. If
        it does not, no amount of data will help: the graph is cut, the loss broadcasts,
        labels do not belong to their rows, or the learning rate is far off.

    Example::

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)

    Instead::

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": overfit one batch.
    """

    code = "GT004"
    title = "one batch cannot be learned by heart"

    def find_in_losses(
        self, losses: list[float], optimizer: torch.optim.Optimizer
    ) -> Findings:
        """Report losses that have not halved."""
        if not losses:
            return
        lrs = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
        has_diverged = not all(map(math.isfinite, losses)) or losses[-1] > losses[0]
        has_halved = min(losses) <= MAX_SHARE_HALF_LEARNED * losses[0]
        if losses[0] != 0.0 and not has_halved:
            yield self.finding(
                verdict="After many updates on the same rows the loss has hardly "
                "fallen.",
                evidence=f"loss {losses[0]:.4g} -> {losses[-1]:.4g} in "
                f"{len(losses) - 1} updates, lr {lrs}",
                cure=f"a {'smaller' if has_diverged else 'larger'} learning rate; then "
                "look for a cut graph, a loss that broadcasts, labels that do not "
                "belong to their rows",
            )


def _learned_by_heart(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Any, ...],
    forward: Forward | None,
    num_steps: int,
) -> tuple[list[float], list[str]]:
    """Train the copy on the one batch.

    Returns:
        The losses, and the names of the parameters that got no gradient.
    """
    step = make_train_step(model, loss_fn, optimizer, forward=forward)
    losses: list[float] = []
    without_gradient: list[str] = []
    for number in range(num_steps + 1):
        try:
            losses.append(float(step(*batch)))
        except NonFiniteLossError:
            losses.append(math.nan)
            break
        if number == 0:
            asking = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
            without_gradient = [name for name, p in asking if p.grad is None]
        if losses[-1] <= MAX_SHARE_LEARNED * losses[0]:
            break
    return losses, without_gradient


CHECKS = (RowsLeak(), FarFromChance(), WithoutGradient(), NotLearned())
