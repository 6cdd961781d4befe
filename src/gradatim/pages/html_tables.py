"""Small tables as HTML and Markdown, and text as it was printed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradatim.pages.page import escaped

__all__ = ["classed_table", "grid", "markdown_table", "raised", "wrapped"]


def grid(rows: Sequence[Mapping[str, Any]], *, caption: str = "") -> str:
    """Draw a table that brings its own style, for any page.

    Each row has its values by column, and the first row names the columns. Numbers
    stand at the right, the caption above.

    >>> grid([{"model": "mean", "rmse": 2.5}]).count("<td")
    2
    """
    style = "padding:.25em .8em .25em 0;vertical-align:top;"
    head_style = f"{style}text-align:left;border-bottom:1px solid #8886"
    head = _cells(
        ("th", f' scope="col" style="{head_style}"', name)
        for name in (rows[0] if rows else ())
    )
    body = "".join(
        f"<tr>{_cells(('td', _aligned(style, v), _text(v)) for v in row.values())}</tr>"
        for row in rows
    )
    above = f'<caption style="text-align:left">{escaped(caption)}</caption>'
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;'
        'font-size:.9em;font-variant-numeric:tabular-nums">'
        f"{above if caption else ''}<thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def classed_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int
) -> str:
    """Draw a table that the page's own style sheet dresses, by classes.

    So many ``text_columns`` from the left have the class ``text``. A row that begins
    with ``mean`` has that class.

    >>> classed_table(["row", "loss"], [["mean", "2.5"]], text_columns=1).count("class")
    3
    """

    def cells(tag: str, texts: Sequence[str]) -> str:
        return _cells(
            (tag, ' class="text"' if place < text_columns else "", text)
            for place, text in enumerate(texts)
        )

    lines = [f"<tr>{cells('th', headers)}</tr>"]
    for row in rows:
        mean = ' class="mean"' if row[0] == "mean" else ""
        lines.append(f"<tr{mean}>{cells('td', row)}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _cells(cells: Iterable[tuple[str, str, str]]) -> str:
    """Write cells, each from its tag, its attributes and its text."""
    return "".join(f"<{tag}{more}>{escaped(text)}</{tag}>" for tag, more, text in cells)


def _aligned(style: str, value: Any) -> str:
    side = "" if isinstance(value, str) else "text-align:right"
    return f' style="{style}{side}"'


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown; its texts are Markdown, too.

    >>> markdown_table(["a", "b"], [["1", "2"]]).splitlines()
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    head, *body = (f"| {' | '.join(texts)} |" for texts in (headers, *rows))
    return "\n".join([head, "|---" * len(headers) + "|", *body])


def wrapped(text: str) -> str:
    """Show text as it was printed; long lines go on below.

    >>> wrapped("a < b")[-14:]
    'a &lt; b</pre>'
    """
    return _preformatted(
        text, "padding:.6em .8em;border-left:3px solid #8886;margin:.4em 0"
    )


def raised(text: str) -> str:
    """Show the text of an exception, in a red that can be read on light and on dark.

    >>> 'role="alert"' in raised("ValueError: no")
    True
    """
    red = "color:#e03131;color:light-dark(#c92a2a,#ff9c9c)"
    return _preformatted(text, red, ' role="alert"')


def _preformatted(text: str, style: str, attributes: str = "") -> str:
    """Show text with its own line ends, in small letters."""
    shared = "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85em;"
    return f'<pre style="{shared}{style}"{attributes}>{escaped(text)}</pre>'
