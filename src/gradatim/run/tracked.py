"""What a run saves, by names: a train step by its parts, and objects that must stay.

``run.track(train_step)`` is enough for a loop whose step knows its model, optimizer and
schedule. Each of them is saved as if it had been given by itself, once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from gradatim.errors import ConfigError
from gradatim.modules import bare
from gradatim.run.choices import describe_step
from gradatim.run.stateful import Stateful
from gradatim.step import TrainStep
from gradatim.text import shown

__all__ = [
    "FUNCTIONS",
    "STEP_PARTS",
    "Parts",
    "StepRest",
    "Tracked",
    "options_now",
    "put_options_back",
]

STEP_PARTS = ("model", "optimizer", "lr_scheduler")
"""What a train step moves beside its counters and its loss."""

FUNCTIONS = ("loss_fn", "forward")
"""Functions of a step. Code that changes them may do so again in a new process."""

OPTIONS = ("max_norm", "num_microbatches")
"""Options of a step that may be changed between two updates."""


class Tracked:
    """The objects that a loop of one's own saves, by their names.

    The model of a train step is ``model``, its optimizer ``optimizer`` and so on; with
    several steps, or where the name is taken, the step's name stands before them.

    Attributes:
        modules: Those whose weights are in the model's file.
        losses: The modules that are losses of steps.
        others: All else, in the order in which states are put back.
        parts: What the steps use, and must go on using.
        functions: What else decides what they compute.
    """

    def __init__(self, objects: Mapping[str, Any]) -> None:
        steps = {k: v for k, v in objects.items() if isinstance(v, TrainStep)}
        parts = {name: value for name, value in objects.items() if name not in steps}
        for name, step in steps.items():
            for part in STEP_PARTS:
                value = getattr(step, part)
                if value is None or any(_is_same(value, v) for v in parts.values()):
                    continue
                is_free = len(steps) == 1 and part not in objects
                parts[part if is_free else f"{name}_{part}"] = value
        self.modules = {k: v for k, v in parts.items() if isinstance(v, nn.Module)}
        self.losses = {
            f"{name}.loss_fn": step.given_loss_fn
            for name, step in steps.items()
            if isinstance(step.given_loss_fn, nn.Module)
        }
        others = {k: v for k, v in parts.items() if k not in self.modules}
        self.others: dict[str, Any] = others | steps
        self.parts = Parts(
            (name, step, part) for name, step in steps.items() for part in STEP_PARTS
        )
        self.functions = Parts(
            (name, step, part) for name, step in steps.items() for part in FUNCTIONS
        )

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """The optimizers by their names."""
        return {k: v for k, v in self.others.items() if isinstance(v, Optimizer)}

    @property
    def trained(self) -> dict[str, nn.Module]:
        """All modules whose parameters may train, by their names."""
        return self.modules | self.losses

    def states(self, began: Mapping[str, Any]) -> dict[str, Stateful]:
        """Give what has the states of all else than the modules.

        ``began`` is the configuration with which the run began, or empty.
        """
        return {
            name: StepRest(value, began.get(name))
            if isinstance(value, TrainStep)
            else value
            for name, value in self.others.items()
        }


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, nn.Module) and isinstance(other, nn.Module):
        return bare(one) is bare(other)
    return one is other


class StepRest:
    """What a train step has beside its parts: its counters, and a loss that trains.

    Args:
        step: The step.
        began: What :func:`describe_step` gave when the run began, where it goes on.
    """

    def __init__(self, step: TrainStep, began: Mapping[str, Any] | None = None) -> None:
        self.step = step
        self.began = began or {}

    def state_dict(self) -> dict[str, Any]:
        """Give the step's own state without its parts, and what it was changed to."""
        self.step.flush()
        state = self.step.state_dict(model=False)
        rest = {name: part for name, part in state.items() if name not in STEP_PARTS}
        return rest | {"options": options_now(self.step)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it over. The parts have their states already, and keep them."""
        step, whole = self.step, dict(state)
        put_options_back(step, whole.pop("options"), self.began)
        for part in STEP_PARTS[1:]:
            if (value := getattr(step, part)) is not None:
                whole[part] = value.state_dict()
        # Where another loss was accepted, its own numbers train.
        same_loss = self.began.get("loss") == describe_step(step)["loss"]
        step.load_state_dict(whole, model=False, loss=same_loss)


def options_now(step: TrainStep) -> dict[str, Any]:
    """Give the options of a step that training may have changed."""
    return {name: getattr(step, name) for name in OPTIONS}


def put_options_back(
    step: TrainStep, options: Mapping[str, Any], began: Mapping[str, Any]
) -> None:
    """Give a step the options that it had, but for those whose change was accepted."""
    chosen = describe_step(step)
    for name in OPTIONS:
        if began.get(name) == chosen[name] != options[name]:
            _check_option(name, options[name])
            setattr(step, name, options[name])


def _check_option(name: str, value: Any) -> None:
    is_count = type(value) is int and value >= 1
    is_norm = value is None or (type(value) in (int, float) and value > 0)
    if not (is_norm if name == "max_norm" else is_count):
        raise ValueError(f"{name} is {shown(value)}")


class Parts:
    """Objects that the steps use. A run saves these; others in their places it refuses.

    Args:
        places: The name of an owner, the owner, and the name of its attribute.
    """

    def __init__(self, places: Iterable[tuple[str, Any, str]]) -> None:
        self._parts = [
            (f"{name}.{part}", owner, part, getattr(owner, part))
            for name, owner, part in places
        ]

    def why_inexact(self) -> list[str]:
        """Say in which places another object stands."""
        return [
            f"{place} was changed on the way"
            for place, owner, part, before in self._parts
            if not _is_same(getattr(owner, part), before)
        ]

    def check(self) -> None:
        """Refuse another object in the place of one.

        Raises:
            ConfigError: There is one; the message names its place.
        """
        for place, owner, part, before in self._parts:
            now = getattr(owner, part)
            if not _is_same(now, before):
                raise ConfigError(
                    f"{place} is another object ({type(now).__name__}) than the one "
                    f"that the run saves ({type(before).__name__}).\n"
                    "A new process makes the first one again, and could not go on with "
                    "the state of the other.\n"
                    "Keep the object and change it in place, as by add_param_group(), "
                    "or begin a new run for what comes after the change."
                )
