"""Which parameters an optimizer's groups hold, by name; groups that were added later.

A training may unfreeze layers and add a group for them. Then the optimizer that a new
process makes has fewer groups than the one that was saved, and would not take its
state: it gets the missing ones first.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from gradatim.errors import ConfigError, ResumeError
from gradatim.modules import bare
from gradatim.run.choices import describe_object, num_described
from gradatim.text import shown

__all__ = ["Groups"]

Names = list[list[str | None]]
"""Of each group the names of its parameters; None of one that is in no module."""


class Groups:
    """The names of the parameters in each group of some optimizers.

    Args:
        optimizers: The optimizers by their names.
        modules: The modules of the run by their names, a trained loss among them.
    """

    def __init__(
        self, optimizers: Mapping[str, Optimizer], modules: Mapping[str, nn.Module]
    ) -> None:
        self.optimizers = optimizers
        self.parameters: dict[str, Tensor] = {}
        for module_name, module in modules.items():
            for name, parameter in bare(module).named_parameters():
                self.parameters[f"{module_name}.{name}"] = parameter
        self._names = {id(p): name for name, p in self.parameters.items()}
        self._first = {name: self._first_in(o) for name, o in optimizers.items()}

    def state_dict(self) -> dict[str, Any]:
        """Give the names, by the optimizer's name.

        Raises:
            ConfigError: A group was added or changed, and in a new process could not be
                so again.
        """
        state = {}
        for name, optimizer in self.optimizers.items():
            names, first = self._names_in(optimizer), self._first[name]
            _check_additions(f"{name} ({type(optimizer).__name__})", first, names)
            state[name] = names
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Add to each optimizer the groups that it had when it was saved.

        Groups that were added in this process after that are taken out again.

        Raises:
            ResumeError: The groups that it has from the start hold other parameters.
        """
        for name, saved in state.items():
            if name in self.optimizers:
                self._adapt(name, self.optimizers[name], saved)

    def _names_in(self, optimizer: Optimizer) -> Names:
        return [
            [self._names.get(id(parameter)) for parameter in group["params"]]
            for group in optimizer.param_groups
        ]

    def _first_in(self, optimizer: Optimizer) -> Names:
        """Give the names of what an optimizer held when it was described first."""
        counts = num_described(describe_object(optimizer))
        pairs = zip(self._names_in(optimizer), counts, strict=False)
        return [names[:count] for names, count in pairs]

    def _adapt(self, name: str, optimizer: Optimizer, saved: Names) -> None:
        about = f"{name} ({type(optimizer).__name__})"
        groups, first = optimizer.param_groups, self._first[name]
        if difference := _difference(first, saved):
            index, now, was = difference
            raise ResumeError(
                f"{about} holds other parameters than the run's: its group {index} has "
                f"{now} in the place of {was}.\n"
                "What it remembers of one parameter would move another.\n"
                "Make the optimizer as it was made when the run began."
            )
        del groups[len(saved) :]
        for index, names in enumerate(saved):
            if index == len(groups):
                # Its own options come with the state; those of another are of one kind.
                options = {
                    k: v for k, v in groups[0].items() if k in optimizer.defaults
                }
                params: list[Any] = self._found(names)
                if "param_names" in groups[0]:
                    params = list(zip(names, params, strict=True))
                optimizer.add_param_group({**options, "params": params})
            else:
                num_own = len(first[index]) if index < len(first) else 0
                own = groups[index]["params"][:num_own]
                groups[index]["params"] = own + self._found(names[num_own:])
        every = [id(parameter) for group in groups for parameter in group["params"]]
        if len(set(every)) < len(every):
            raise ValueError(f"a parameter stands twice in the groups of {about}")

    def _found(self, names: list[str | None]) -> list[Tensor]:
        for name in names:
            if name not in self.parameters:
                raise ValueError(f"no module of the run has {shown(name)}")
        return [self.parameters[str(name)] for name in names]


def _difference(first: Names, later: Names) -> tuple[int, str, str] | None:
    """Find where groups are not those of the beginning, or these and more.

    Given are the number of the group, and what stands in it first and later.
    """
    for index, names in enumerate(first):
        if index == len(later):
            return index, f"{len(names)} parameters", "no more"
        own = later[index][: len(names)]
        for position, name in enumerate(names):
            other = own[position] if position < len(own) else "no more"
            if other != name:
                return index, name or "one of no module", other or "one of no module"
    return None


def _check_additions(about: str, first: Names, later: Names) -> None:
    """Refuse changes of groups that could not be made again in a new process."""
    if difference := _difference(first, later):
        index, was, now = difference
        raise ConfigError(
            f"{about} has other parameters than when the run began: in group {index} "
            f"{now} stands in the place of {was}.\n"
            "A new process makes the groups as they were at the beginning, and could "
            "not take their state.\n"
            "Leave these as they are, and add others by add_param_group()."
        )
    for index, names in enumerate(later):
        num_before = len(first[index]) if index < len(first) else 0
        if None in names[num_before:]:
            raise ConfigError(
                f"{about} has in its group {index} a tensor that was added and is a "
                "parameter of no module of the run.\n"
                "Its values would not be saved, and a new process could not find it.\n"
                "Make it a parameter of a module that the run saves: of the model, or "
                "of one given to run.track(name=module)."
            )
