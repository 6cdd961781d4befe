"""The shell of an offline page: everything is in one file, which loads nothing."""

import hashlib
import html
import json
from pathlib import Path
from typing import Any

from gradatim.text import printable_lines

__all__ = ["as_json", "escaped", "name_of", "page"]

FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:"
)
"""With this policy, the browser refuses every request that the page might make,
whatever stands in a name that it shows."""


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Put a page together, with the colours of all pages, dark and light.

    Args:
        title: The title of the window; it may be any text.
        body: HTML, in which texts of others are :func:`escaped`.
        style: CSS that follows the CSS of all pages.
        script: JavaScript that runs after the body has been read.

    >>> text = page("a < b", "<p>yes</p>")
    >>> "<title>a &lt; b</title>" in text, "://" in text
    (True, False)
    """
    css = (FOLDER / "page.css").read_text(encoding="utf-8") + style
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{css}</style>\n</head>\n"
        f"<body>\n{body}\n"
        + (f"<script>\n{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def name_of(kind: str, *what: object) -> str:
    """Name a part of a page by what it is: the same name in every process.

    >>> name_of("clip", "loss", 3)
    'clip8c393881e0fd'
    """
    return kind + hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def escaped(text: object) -> str:
    r"""Write a text so that HTML takes it for text alone, also between quotes.

    What turns the direction of writing, or has no shape, is shown as an escape.

    >>> escaped("<b> & 'c'"), escaped("\u202e")
    ('&lt;b&gt; &amp; &#x27;c&#x27;', '\\u202e')
    """
    return html.escape(printable_lines(str(text)))


def as_json(value: Any) -> str:
    r"""Write a value for a script in the page, which ``</script>`` would end.

    >>> as_json({"name": "</script>"})
    '{"name":"\\u003c/script>"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
