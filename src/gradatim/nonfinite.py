"""Losses and gradients that are NaN or infinite: where they are, and what is said."""

from collections.abc import Iterable

from torch import Tensor, nn

__all__ = [
    "all_finite",
    "dense_gradients",
    "gradient_message",
    "loss_message",
    "nonfinite_gradients",
]

CURE = (
    "Look for NaN in the data, log or division by zero in the loss, or a learning rate "
    "that is too high"
)


def dense_gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Give the gradients that there are; of a sparse one its values."""
    gradients = (p.grad for p in parameters)
    return [
        g.coalesce().values() if g.is_sparse else g for g in gradients if g is not None
    ]


def nonfinite_gradients(modules: Iterable[nn.Module]) -> list[str]:
    """Name the parameters whose gradients are not finite. This waits for the device."""
    return [
        name
        for module in modules
        for name, parameter in module.named_parameters()
        if not all(bool(g.isfinite().all()) for g in dense_gradients([parameter]))
    ]


def all_finite(model: nn.Module) -> bool:
    """Tell whether all weights are finite. This waits for the device."""
    return all(bool(p.isfinite().all()) for p in model.parameters())


def loss_message(
    loss: float,
    step: int,
    model: nn.Module | None = None,
    *,
    noticed: int | None = None,
) -> str:
    """Say that the loss of a step is not finite.

    Args:
        loss: Its value.
        step: The update, counted from 1.
        model: The model, where the step has not moved its weights.
        noticed: The step after which it was noticed, where that is a later one.
    """
    late = noticed is not None and noticed != step
    what = f"the loss is {loss} at step {step}"
    if late:
        what += f" (noticed after step {noticed})"
    why = "An update from it would make every weight NaN."
    cure = f'{CURE}; on_nonfinite="skip" leaves such steps out.'
    if model is not None and all_finite(model):
        why += " The weights are those of before the step."
    elif model is not None:
        why = (
            "The weights were NaN or infinite before it already: the update before had "
            "a finite loss, and gradients that were not."
        )
        cure = (
            "These weights cannot be mended: begin again, or go on from a checkpoint. "
            "With check_gradients=True such an update is not made, and its parameter "
            "is named."
        )
    elif late:
        why = "Updates were made from it, so the weights are NaN by now."
        cure = (
            "These weights cannot be mended: begin again, or go on from a checkpoint. "
            'With on_nonfinite="skip" such steps are left out.'
        )
    return f"{what}.\n{why}\n{cure}"


def gradient_message(names: list[str], loss: float, step: int, *, skips: bool) -> str:
    """Say that gradients of a finite loss are not finite, and whose they are.

    ``skips`` says whether the update is left out, rather than an error raised.
    """
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    what = f"the gradient of {shown} is NaN or infinite at step {step}, where the loss "
    what += f"is {loss:.6g}"
    if skips:
        return (
            f"{what}; this update, and every later one like it, is left out.\n"
            "They are counted in num_skipped."
        )
    return (
        f"{what}.\n"
        "An update from it would make weights NaN. They are those of before the step.\n"
        "Look for a square root or a norm of zero, a log or a division by zero in "
        'model and loss; on_nonfinite="skip" leaves such steps out.'
    )
