"""Plain HTML for a frozen page, made of the HTML that marimo's front end completes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from latex2mathml.converter import convert

from gradatim.pages.page import escaped

__all__ = ["Control", "plain_html"]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control of a chapter, as a frozen page has it."""

    key: str
    """The name by which marimo's HTML refers to it."""
    name: str
    """The variable that holds it in the chapter."""
    kind: str
    """``radio``, ``button`` or ``choice``; ``still`` if it does not move."""
    values: list[Any]
    """The values that can be chosen."""
    labels: list[str] = field(default_factory=list)
    """The names of the values, if they have names."""


def plain_html(html: str, controls: Mapping[str, Control]) -> str:
    """Replace marimo's own elements in the output of a cell by those of HTML.

    ``controls`` has the controls by their keys; of others only the label is shown.

    >>> plain_html('<marimo-tex class="arithmatex">||(x||)</marimo-tex>', {})[:5]
    '<math'
    """
    reader = _Reader(controls)
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


class _Reader(HTMLParser):
    """Reads marimo's HTML and writes plain HTML."""

    def __init__(self, controls: Mapping[str, Control]) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._controls = controls
        self._inside: list[str] = []
        """The open elements that are replaced; what they contain is not shown."""
        self._key = ""
        self._formula = ""
        self._accordions: list[tuple[list[str], int]] = []
        """For each open accordion the labels to come, and the depth of the reader."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._inside:
            if self._inside[-1] == "marimo-ui-element" and tag != "marimo-ui-element":
                self._control(tag, given)
            self._inside.append(tag)
            return
        if tag == "marimo-tex":
            self._formula = ""
            self._inside.append(tag)
        elif tag == "marimo-ui-element":
            self._key = given.get("object-id", "")
            self._inside.append(tag)
        elif tag == "marimo-callout-output":
            kind, inner = _json(given, "data-kind"), _json(given, "data-html")
            self.parts.append(f'<aside class="callout {escaped(kind)}">')
            self.parts.append(plain_html(str(inner), self._controls) + "</aside>")
            self._inside.append(tag)
        elif tag == "marimo-accordion":
            self._accordions.append((list(_json(given, "data-labels") or []), 0))
        elif tag.startswith("marimo-"):
            self._inside.append(tag)
        else:
            self._open(tag)

    def _open(self, tag: str) -> None:
        if self._accordions:
            labels, depth = self._accordions[-1]
            if depth == 0 and labels:
                label = plain_html(str(labels.pop(0)), self._controls)
                self.parts.append(f"<details><summary>{label}</summary>")
            self._accordions[-1] = labels, depth + (tag not in VOID)
        self.parts.append(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._inside:
            self.parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            last = self._inside.pop()
            if last == "marimo-tex":
                self.parts.append(_formula(self._formula))
            return
        if tag == "marimo-accordion" and self._accordions:
            self._accordions.pop()
            return
        self.parts.append(f"</{tag}>")
        if self._accordions:
            labels, depth = self._accordions[-1]
            self._accordions[-1] = labels, depth - 1
            if depth == 1:
                self.parts.append("</details>")

    def handle_data(self, data: str) -> None:
        """Keep text, but not inside of what is replaced; collect that of a formula."""
        if not self._inside:
            self.parts.append(data)
        elif self._inside[-1] == "marimo-tex":
            self._formula += data

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def _control(self, tag: str, given: Mapping[str, str]) -> None:
        """Write a control as HTML has it."""
        if not self._key:
            return
        control, self._key = self._controls.get(self._key), ""
        label = plain_html(str(_json(given, "data-label") or ""), {})
        if control is not None and control.kind != "still":
            self.parts.append(_written(control, label, tag))
        elif tag not in ("marimo-form", "marimo-code-editor"):
            self.parts.append(f'<span class="still">{label or "a control"}</span>')


VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}
"""The elements of HTML that have no end."""


def _written(control: Control, label: str, tag: str) -> str:
    name = f'data-name="{escaped(control.name)}"'
    if control.kind == "button":
        return f'<button type="button" {name}>{label}</button>'
    if control.kind == "radio":
        rows = "".join(
            f'<label><input type="radio" name="{escaped(control.name)}" {name} '
            f'value="{escaped(value)}"> {escaped(value)}</label>'
            for value in control.values
        )
        return f"<fieldset><legend>{label}</legend>{rows}</fieldset>"
    values = control.values
    if tag == "marimo-slider" and len(values) > 2:
        ordered = sorted(values)
        return (
            f'<label class="control">{label} <input type="range" min="0" '
            f'max="{len(ordered) - 1}" value="{ordered.index(values[0])}" {name} '
            f'data-values="{escaped(json.dumps([str(v) for v in ordered]))}"> '
            f"<output>{escaped(values[0])}</output></label>"
        )
    labels = control.labels or [str(value) for value in values]
    rows = "".join(
        f'<option value="{escaped(value)}">{escaped(shown)}</option>'
        for value, shown in zip(values, labels, strict=True)
    )
    return f'<label class="control">{label} <select {name}>{rows}</select></label>'


def _json(given: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(given.get(name, ""))
    except ValueError:
        return ""


def _formula(text: str) -> str:
    """Write a formula as MathML, or as text if the converter cannot read it."""
    is_block = text.startswith("||[")
    bare = text.strip().removeprefix("||(").removeprefix("||[")
    bare = bare.removesuffix("||)").removesuffix("||]")
    bare = bare.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    try:
        return convert(bare, display="block" if is_block else "inline")
    except Exception:  # a command that the converter does not know
        return f"<code>{escaped(bare)}</code>"
