"""The pages of all codes: what a pitfall sees, why it matters, example, cure, source.

``python -m gradatim.doctor.pages`` prints them as Markdown, for docs/pitfalls.md.
"""

import re
import textwrap
from dataclasses import dataclass

from gradatim.doctor.check import CHECKS
from gradatim.doctor.exceptions import RULES
from gradatim.doctor.finding import Severity
from gradatim.doctor.pitfall import Pitfall, all_pitfalls

__all__ = ["GROUPS", "Page", "all_pages", "as_markdown"]

GROUPS = {
    "GT0": "Before training",
    "GT1": "Gradients",
    "GT2": "Optimizer",
    "GT3": "Loss and metrics",
    "GT4": "Mode",
    "GT5": "Data",
    "GT6": "Wiring",
    "GT7": "Numbers",
    "GT8": "Schedule and reproducibility",
    "GT9": "Exceptions, explained",
}


@dataclass(frozen=True)
class Page:
    """The page of one code."""

    code: str
    title: str
    severity: Severity
    text: str

    @property
    def heading(self) -> str:
        """The heading of the page in Markdown."""
        return f"{self.code}: {self.title}"

    def __str__(self) -> str:
        return f"{self.code}  {self.title}  ({self.severity})\n\n{self.text}\n"


def all_pages() -> dict[str, Page]:
    """Give every page by its code, in the order of the codes.

    >>> all_pages()["GT302"].title
    'softmax before cross-entropy'
    """
    pitfalls: list[Pitfall] = [*CHECKS, *all_pitfalls()]
    pages = [Page(p.code, p.title, p.severity, p.page()) for p in pitfalls]
    pages += [Page(code, r.title, "error", r.page()) for code, r in RULES.items()]
    return {page.code: page for page in sorted(pages, key=lambda page: page.code)}


def as_markdown() -> str:
    """Write all pages as one Markdown file: a table of contents, then the pages."""
    contents = []
    body = []
    for group, title in GROUPS.items():
        pages = [page for page in all_pages().values() if page.code.startswith(group)]
        contents.append(f"- {_link(title)}")
        contents += [f"  - {_link(page.heading)}" for page in pages]
        body += ["", f"## {title}"]
        for page in pages:
            body += ["", f"### {page.heading}", ""]
            body.append(f"*{page.severity}*. {_markdown(page.text)}")
    head = [
        "# What the doctor knows",
        "",
        "Made from the docstrings by `make docs`. How to ask: [doctor.md](doctor.md).",
        "",
    ]
    return "\n".join([*head, *contents, *body]) + "\n"


def _link(heading: str) -> str:
    """Link to a heading of the same file, by the anchor that GitHub gives it.

    >>> _link("GT301: loss broadcasts")
    '[GT301: loss broadcasts](#gt301-loss-broadcasts)'
    """
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"[{heading}](#{anchor})"


def _markdown(text: str) -> str:
    """Turn a docstring with sections into Markdown."""
    parts = []
    for part in re.split(r"\n\n(?=\S)", text):
        head, colon, body = part.partition("\n")
        inner = textwrap.dedent(body).strip("\n")
        if head.endswith("::"):
            language = "" if head.startswith("An exception") else "python"
            parts.append(f"**{head[:-2]}**\n\n```{language}\n{inner}\n```")
        elif head.endswith(":") and colon:
            parts.append(f"**{head[:-1]}.** {inner}".replace("``", "`"))
        else:
            parts.append(part.replace("``", "`"))
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(as_markdown(), end="")
