"""Pages of all codes: what each sees, why it matters, example, cure, source.

``python -m gradatim.doctor.pages`` writes them as Markdown: docs/pitfalls.md.
"""

import re
import textwrap
from dataclasses import dataclass

from gradatim.doctor.check_pages import CHECKS
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
    """What is written of one code."""

    code: str
    title: str
    severity: Severity
    text: str

    def __str__(self) -> str:
        return f"{self.code}  {self.title}  ({self.severity})\n\n{self.text}\n"


def all_pages() -> dict[str, Page]:
    """Give every page by its code, in order.

    >>> all_pages()["GT302"].title
    'softmax before cross-entropy'
    """
    pitfalls: list[Pitfall] = [*CHECKS, *all_pitfalls()]
    pages = [Page(p.code, p.title, p.severity, p.page()) for p in pitfalls]
    pages += [Page(r.code, r.title, "error", r.page()) for r in RULES]
    return {page.code: page for page in sorted(pages, key=lambda page: page.code)}


def as_markdown() -> str:
    """Write all pages as one file of Markdown."""
    lines = [
        "# What the doctor knows",
        "",
        "Made from the docstrings by `make docs`. How to ask: [doctor.md](doctor.md).",
    ]
    pages = all_pages()
    for group, title in GROUPS.items():
        lines += ["", f"## {title}"]
        for code, page in pages.items():
            if code.startswith(group):
                lines += ["", f"### {code}: {page.title}", ""]
                lines += [f"*{page.severity}*. {_markdown(page.text)}"]
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    """Turn a docstring with sections into Markdown."""
    found = []
    for part in re.split(r"\n\n(?=\S)", text):
        head, colon, body = part.partition("\n")
        inner = textwrap.dedent(body).strip("\n")
        if head.endswith("::"):
            kind = "" if head.startswith("An exception") else "python"
            found.append(f"**{head[:-2]}**\n\n```{kind}\n{inner}\n```")
        elif head.endswith(":") and colon:
            found.append(f"**{head[:-1]}.** {inner}".replace("``", "`"))
        else:
            found.append(part.replace("``", "`"))
    return "\n\n".join(found)


if __name__ == "__main__":
    print(as_markdown(), end="")
