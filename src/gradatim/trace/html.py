"""A trace as HTML: a page of its own, or a piece of a notebook."""

from collections.abc import Sequence
from pathlib import Path

from gradatim.pages.page import escaped, page
from gradatim.trace.sections import Section

__all__ = ["fragment", "whole_page"]

MARGINS = "body { padding: 1.5em 2em 3em; }\n"


def whole_page(sections: Sequence[Section]) -> str:
    """Give a page that needs nothing else, dark and light."""
    body = f'<main class="gradatim-trace">\n{_body(sections)}\n</main>'
    return page(sections[0].title, body, style=_style() + MARGINS)


def fragment(sections: Sequence[Section]) -> str:
    """Give a piece whose style touches nothing else; it takes the page's colours."""
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
    parts = [f"<{heading}>{escaped(section.title)}</{heading}>"]
    parts += [f"<p>{escaped(line)}</p>" for line in section.before]
    if section.rows:
        parts.append(_table(section))
    kind = ' class="sum"' if section.is_arithmetic else ""
    parts += [f"<p{kind}>{escaped(line) or '&nbsp;'}</p>" for line in section.after]
    return "\n".join(parts)


def _table(section: Section) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        text = ' class="text"'
        return "".join(
            f"<{tag}{text if place < section.text_columns else ''}>"
            f"{escaped(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )

    lines = [f"<tr>{row(section.headers, 'th')}</tr>"]
    for cells in section.rows:
        mean = ' class="mean"' if cells[0] == "mean" else ""
        lines.append(f"<tr{mean}>{row(cells, 'td')}</tr>")
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"
