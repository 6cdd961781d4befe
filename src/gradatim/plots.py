"""Where pictures are drawn: matplotlib, asked for when a picture is."""

from typing import Any

__all__ = ["axes_or_new"]


def axes_or_new(ax: Any, *, drawn_by: str) -> Any:
    """Give ``ax``, or axes of a new figure if it is None.

    Raises:
        ImportError: matplotlib is not installed; the message names ``drawn_by``.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"{drawn_by} draws with matplotlib, which is not installed.\n"
            "Install it with: pip install 'gradatim[plots]'"
        ) from error
    if ax is not None:
        return ax
    # A figure of its own: no global state, no window, no backend to choose.
    return Figure(layout="constrained").subplots()
