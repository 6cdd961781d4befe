"""Notes learning-rate schedules: what they count in, and when they are stepped."""

import functools
import inspect
import weakref
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import torch
from torch.optim.lr_scheduler import ChainedScheduler, SequentialLR

from gradatim.torch_private import MILESTONES, inner_schedules
from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.objects_seen import ObjectObserver, ObjectSeen
from gradatim.watching.position import MOST_OBJECTS, Position
from gradatim.watching.source_lines import SourceLine, user_line
from gradatim.watching.updates import Updates

__all__ = ["MADE_OF_OTHERS", "SchedulerSeen", "Schedulers", "options_of"]

MADE_OF_OTHERS = (SequentialLR, ChainedScheduler)
"""The schedules that are made of others, and step them."""
MOST_NAMES = 40  # whole numbers of one function: chosen by hand, not measured


@dataclass
class SchedulerSeen(ObjectSeen):
    """A learning-rate schedule."""

    optimizer: int | None
    """The number of the optimizer among all optimizers."""
    order: int
    steps: FirstAndLast[tuple[int, int]] = field(default_factory=FirstAndLast)
    """The order, and the number of updates, at each step of the schedule."""
    options: dict[str, Any] = field(default_factory=dict)
    """The numbers of the schedule: see :func:`options_of`."""
    step_line: SourceLine | None = None
    """The user's line that stepped the schedule first."""
    is_inner: bool = False
    """Whether another schedule steps this one."""


class Schedulers(ObjectObserver[SchedulerSeen]):
    """Sees schedules made and stepped."""

    def __init__(self, position: Position, updates: Updates) -> None:
        super().__init__(position)
        self._updates = updates

    def scheduler_made(self, scheduler: Any) -> None:
        """A schedule was constructed."""
        # A schedule that is made of others has the optimizer of the first of them.
        is_outer = isinstance(scheduler, MADE_OF_OTHERS)
        owner = inner_schedules(scheduler)[0] if is_outer else scheduler
        optimizer = owner.optimizer
        for inner in inner_schedules(scheduler):
            if (record := self.record_of(inner)) is not None:
                record.is_inner = True
        if len(self.records) >= MOST_OBJECTS:
            return
        line = user_line(3)
        number = None
        if isinstance(optimizer, torch.optim.Optimizer):
            number = self._updates.noted(optimizer, line)
        record = SchedulerSeen(
            ref=weakref.ref(scheduler),
            kind=type(scheduler).__name__,
            line=line,
            optimizer=number,
            order=self.order(),
            options=self.quietly(options_of, scheduler) or {},
        )
        self.note(scheduler, record)

    def scheduler_stepped(self, scheduler: Any, *_: Any, **__: Any) -> None:
        """A schedule is about to be stepped."""
        if self.position.is_inside_scheduler:  # one schedule steps those inside it
            return
        record = self.record_of(scheduler)
        line = user_line(3)
        if record is not None and line is not None:
            record.step_line = record.step_line or line
            record.steps.add((self.order(), self.step))


def options_of(scheduler: Any) -> dict[str, Any]:
    """Give the numbers of a schedule, by the names of its attributes.

    Where the user's own function computes the learning rate, ``argument`` is the name
    of the function's argument, and ``counted`` has the whole numbers that it uses.
    """
    options: dict[str, Any] = {
        k: max(v) if k == "milestones" and v else v
        for k, v in vars(scheduler).items()
        if isinstance(v, (int, float, str)) or k == "milestones"
    }
    for function in getattr(scheduler, "lr_lambdas", ())[:1]:
        options["argument"], options["counted"] = _numbers_used_by(function)
    inner, places = inner_schedules(scheduler), getattr(scheduler, MILESTONES, ())
    if inner and places:  # schedules that follow each other
        last = vars(inner[-1])
        length = last.get("T_max") or last.get("total_iters")
        if isinstance(length, int):
            options["total_steps"] = length + max(places)
            if "T_max" in last:
                options["T_max"] = options["total_steps"]
    return options


def _numbers_used_by(function: Any) -> tuple[str, dict[str, int]]:
    """Name the argument of a function, and give the whole numbers that it reads."""
    numbers: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        numbers.update(function.keywords)
        if function.args:
            return "", _whole(numbers)
        function = function.func
    owner = getattr(function, "__self__", None)
    if not hasattr(function, "__code__"):
        owner = owner or function
        function = vars(type(function)).get("__call__")
    code = getattr(function, "__code__", None)
    function = getattr(function, "__func__", function)
    if not isinstance(code, CodeType):
        return "", _whole(numbers)
    names = code.co_varnames[: code.co_argcount]
    if owner is not None:
        names = names[1:]
        attributes = getattr(owner, "__dict__", {})
        numbers.update({k: v for k, v in attributes.items() if k in code.co_names})
    used = inspect.getclosurevars(function)
    for called in list(used.globals.values()):
        is_near = getattr(called, "__module__", None) == function.__module__
        if inspect.isfunction(called) and is_near:
            numbers.update(inspect.getclosurevars(called).globals)
    numbers.update(used.globals)
    given = function.__defaults__ or ()
    numbers.update(zip(names[len(names) - len(given) :], given, strict=False))
    numbers.update(used.nonlocals)
    return (names[0] if names else ""), _whole(numbers)


def _whole(numbers: dict[str, Any]) -> dict[str, int]:
    first = list(numbers.items())[:MOST_NAMES]
    return {k: v for k, v in first if type(v) is int and v > 0}
