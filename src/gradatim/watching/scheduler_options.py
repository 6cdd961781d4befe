"""What a schedule counts: its numbers, and those that a function of the user's uses."""

import functools
import inspect
from types import CodeType
from typing import Any

__all__ = ["options_of"]

MOST = 40


def options_of(scheduler: Any) -> dict[str, Any]:
    """Give the numbers of a schedule.

    Of a function of the user's: ``argument``, what it calls its argument, and
    ``counted``, the whole numbers that it uses, by name.
    """
    found: dict[str, Any] = {
        k: max(v) if k == "milestones" and v else v
        for k, v in vars(scheduler).items()
        if isinstance(v, (int, float, str)) or k == "milestones"
    }
    for function in getattr(scheduler, "lr_lambdas", ())[:1]:
        found["argument"], found["counted"] = _about(function)
    inner, places = (
        getattr(scheduler, name, ()) for name in ("_schedulers", "_milestones")
    )
    if inner and places:  # one after the other
        last = vars(inner[-1])
        length = last.get("T_max") or last.get("total_iters")
        if isinstance(length, int):
            found["total_steps"] = length + max(places)
            if "T_max" in last:
                found["T_max"] = found["total_steps"]
    return found


def _about(function: Any) -> tuple[str, dict[str, int]]:
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
        numbers.update(
            {k: v for k, v in vars(owner).items() if k in code.co_names}
            if hasattr(owner, "__dict__")
            else {}
        )
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
    return {k: v for k, v in list(numbers.items())[:MOST] if type(v) is int and v > 0}
