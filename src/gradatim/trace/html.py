"""A trace as HTML: as a page, or as a part of a notebook's page."""

from collections.abc import Sequence
from pathlib import Path

from gradatim.pages.html_tables import classed_table
from gradatim.pages.page import escaped, page
from gradatim.trace.sections import Section

__all__ = ["fragment", "whole_page"]

MARGINS = "body { padding: 1.5em 2em 3em; }\n"


def whole_page(sections: Sequence[Section]) -> str:
    """Give a page of its own, dark and light, which needs no network."""
    body = f'<main class="gradatim-trace">\n{_body(sections)}\n</main>'
    return page(sections[0].title, body, style=_style() + MARGINS)


def fragment(sections: Sequence[Section]) -> str:
    """Give HTML for a part of a page; its style applies only to itself.

    It has the colours of the page around it.
    """
    return (
        f"<style>\n{_style()}</style>\n"
        f'<div class="gradatim-trace">\n{_body(sections)}\n</div>'
    )


def _style() -> str:
    return Path(__file__).with_name("trace.css").read_text(encoding="utf-8")


def _body(sections: Sequence[Section]) -> str:
    first, *others = sections
    return "\n".join([_section(first, "h2"), *(_section(s, "h3") for s in others)])


def _section(section: Section, heading: str) -> str:
    """Write a section: heading, lines, table, lines."""
    parts = [f"<{heading}>{escaped(section.title)}</{heading}>"]
    parts += [f"<p>{escaped(line)}</p>" for line in section.before]
    if section.rows:
        table = classed_table(
            section.headers, section.rows, text_columns=section.text_columns
        )
        parts.append(f'<div class="wide">{table}</div>')
    kind = ' class="sum"' if section.is_arithmetic else ""
    parts += [f"<p{kind}>{escaped(line) or '&nbsp;'}</p>" for line in section.after]
    return "\n".join(parts)
