"""Signatures that name every option, of functions that pass their options on."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from gradatim.text import nearest_name

__all__ = ["refuse_unknown", "shows_options"]

Function = TypeVar("Function", bound=Callable[..., Any])


def shows_options(
    keywords: type,
    *,
    defaults: Callable[..., Any] | None = None,
    before: str | None = None,
) -> Callable[[Function], Function]:
    """Let ``help()`` name the options that a function takes as ``**options``.

    Args:
        keywords: The ``TypedDict`` of the options.
        defaults: What has the same options with their defaults, such as a class; where
            it is left out, each option is None by default.
        before: The function's own argument before which the options are shown; by
            default they come last.

    >>> from typing import TypedDict, Unpack
    >>> class Keywords(TypedDict, total=False):
    ...     size: int | None
    >>> @shows_options(Keywords)
    ... def cut(data, **options: Unpack[Keywords]): ...
    >>> inspect.signature(cut)
    <Signature (data, *, size: int | None = None)>
    """

    def show(function: Function) -> Function:
        signature = inspect.signature(function)
        *others, _ = signature.parameters.values()
        place = list(signature.parameters).index(before) if before else len(others)
        known = inspect.signature(defaults).parameters if defaults is not None else {}
        options = [
            known[name].replace(kind=inspect.Parameter.KEYWORD_ONLY)
            if name in known
            else inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
            )
            for name, kind in keywords.__annotations__.items()
        ]
        others[place:place] = options
        spelled = signature.replace(parameters=others)
        function.__signature__ = spelled  # type: ignore[attr-defined]
        return function

    return show


def refuse_unknown(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options that a function does not have, as Python itself would.

    The names are that of the function, of the options given, and of those it has.

    Raises:
        TypeError: There is no such option.

    >>> refuse_unknown("fit", ["sed"], ["batch_size", "seed"])
    Traceback (most recent call last):
    TypeError: fit() got an unexpected keyword argument 'sed'. Did you mean 'seed'?
    """
    names = list(known)
    for option in options:
        if option not in names:
            near = nearest_name(option, names)
            near = f".{near}" if near else ""
            raise TypeError(
                f"{function}() got an unexpected keyword argument {option!r}{near}"
            )
