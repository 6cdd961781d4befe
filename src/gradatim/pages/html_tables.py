"""Small tables as HTML: they stand still, and can be read on a narrow page."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradatim.pages.page import escaped

__all__ = ["grid", "raised", "wrapped"]


def grid(rows: Sequence[Mapping[str, Any]], *, caption: str = "") -> str:
    """Draw rows as a table; the first one's keys are the columns.

    Args:
        rows: What stands in them; numbers at the right.
        caption: Above.

    >>> grid([{"model": "mean", "rmse": 2.5}]).count("<td")
    2
    """
    cell = "padding:.25em .8em .25em 0;vertical-align:top;"
    line = "border-bottom:1px solid #8886"
    head = "".join(
        f'<th scope="col" style="{cell}text-align:left;{line}">{escaped(name)}</th>'
        for name in (rows[0] if rows else ())
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell}{_side(value)}">{escaped(_text(value))}</td>'
            for value in row.values()
        )
        + "</tr>"
        for row in rows
    )
    told = f'<caption style="text-align:left">{escaped(caption)}</caption>'
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;'
        'font-size:.9em;font-variant-numeric:tabular-nums">'
        f"{told if caption else ''}<thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def wrapped(text: str) -> str:
    """Show text as it was printed; long lines go on below.

    >>> wrapped("a < b")[-14:]
    'a &lt; b</pre>'
    """
    style = (
        "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85em;"
        "padding:.6em .8em;border-left:3px solid #8886;margin:.4em 0"
    )
    return f'<pre style="{style}">{escaped(text)}</pre>'


def raised(text: str) -> str:
    """Show an exception's text, in a red that can be read on light and on dark.

    >>> 'role="alert"' in raised("ValueError: no")
    True
    """
    style = (
        "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85em;"
        "color:#e03131;color:light-dark(#c92a2a,#ff9c9c)"
    )
    return f'<pre style="{style}" role="alert">{escaped(text)}</pre>'


def _side(value: Any) -> str:
    return "" if isinstance(value, str) else "text-align:right"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
