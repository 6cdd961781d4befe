"""The course as files: an offline page a chapter, whose main controls still move.

A chapter is run for every state that its controls can be put into (``states.py``, each
prediction, each button), and the page keeps what came out. ``marimo export html`` loads
its parts from another host; these pages ask nobody for anything.
"""

import ast
import importlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import marimo as mo

from gradatim.course import CHAPTERS, Chapter, widgets
from gradatim.course.contents import contents_page
from gradatim.course.marimo_to_html import Control, plain
from gradatim.course.states import STATES
from gradatim.pages.page import as_json, page
from gradatim.pages.player import player_parts

__all__ = ["freeze", "frozen_page"]

FOLDER = Path(__file__).parent


@dataclass
class _Group:
    """Controls that are moved together, and what cells show for each state."""

    names: list[str]
    states: dict[str, dict[int, int]] = field(default_factory=dict)


@dataclass
class _Frozen:
    """A chapter's outputs, as pieces of HTML that states refer to."""

    pieces: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)

    def piece(self, html: str) -> int:
        """Number a piece of HTML; the same one is kept once."""
        if html not in self.pieces:
            self.pieces.append(html)
        return self.pieces.index(html)


def freeze(folder: Path, chapters: tuple[Chapter, ...] = CHAPTERS) -> list[Path]:
    """Write the course as files.

    Args:
        folder: Where to; it is made.
        chapters: Those that are written.

    Returns:
        The files, the contents first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = tuple(chapter for chapter in chapters if chapter.path.is_file())
    index = folder / "index.html"
    index.write_text(contents_page(there, {}, link="{slug}.html"), encoding="utf-8")
    paths = [index]
    for chapter in there:
        path = folder / f"{chapter.slug}.html"
        path.write_text(frozen_page(chapter), encoding="utf-8")
        paths.append(path)
    return paths


def frozen_page(chapter: Chapter) -> str:
    """Give a chapter as one page."""
    with widgets.all_shown():
        return _page(chapter, _run(chapter))


def _run(chapter: Chapter) -> _Frozen:
    """Run a chapter in all its states."""
    cells = _cells(chapter)
    app = importlib.import_module(f"gradatim.course.{chapter.slug}.chapter").app
    outputs, defs = app.run()
    controls = {
        control.key: control
        for name, value in defs.items()
        if (control := _control(chapter, name, value)) is not None
    }
    frozen = _Frozen()
    frozen.first = [
        frozen.piece(_told(plain(_html(output), controls))) for output in outputs
    ]
    for names, values in _states(chapter, controls):
        group = _Group(names)
        for combination in itertools.product(*values):
            given = dict(zip(names, combination, strict=True))
            changed = _changed(app, cells, given, defs, controls, frozen)
            group.states["|".join(map(_key, combination))] = changed
        frozen.groups.append(group)
    return frozen


def _html(output: Any) -> str:
    return "" if output is None else str(mo.as_html(output).text)


def _control(chapter: Chapter, name: str, value: Any) -> Control | None:
    """Tell how a control is shown where there is no Python."""
    html = (
        _html(value) if type(value).__module__.startswith("marimo._plugins.ui") else ""
    )
    key = html.partition("object-id='")[2].partition("'")[0]
    if not key:
        return None
    kind = type(value).__name__
    if kind == "radio" and value.value is None:
        return Control(key=key, name=name, kind="radio", values=list(value.options))
    if kind == "run_button":
        return Control(key=key, name=name, kind="button", values=[True])
    values = STATES.get(chapter.slug, {}).get(name)
    if values is None:
        return Control(key=key, name=name, kind="still", values=[])
    options = getattr(value, "options", None)
    named = (
        {str(v): str(n) for n, v in options.items()}
        if isinstance(options, dict)
        else {}
    )
    labels = [named.get(str(each), str(each)) for each in values]
    return Control(key=key, name=name, kind="choice", values=values, labels=labels)


def _states(
    chapter: Chapter, controls: Mapping[str, Control]
) -> Iterator[tuple[list[str], list[list[Any]]]]:
    """Give groups of controls, and the values of each."""
    chosen = STATES.get(chapter.slug, {})
    if chosen:
        yield list(chosen), list(chosen.values())
    for control in controls.values():
        if control.kind in ("radio", "button"):
            yield [control.name], [control.values]


def _changed(
    app: Any,
    cells: list[set[str]],
    given: Mapping[str, Any],
    defs: Mapping[str, Any],
    controls: Mapping[str, Control],
    frozen: _Frozen,
) -> dict[int, int]:
    """Run a chapter in a state; give what its cells show that is not as at first."""
    by_name = {control.name: control for control in controls.values()}
    moved = {
        name: SimpleNamespace(value=value, options=by_name[name].values)
        for name, value in given.items()
    }
    # Whoever gives one name of a cell must give all of them.
    own = set().union(*(names for names in cells if names & given.keys()))
    outputs, _ = app.run(defs={name: defs[name] for name in own} | moved)
    left = [place for place, names in enumerate(cells) if not names & given.keys()]
    changed = {}
    for place, output in zip(left, outputs, strict=True):
        # A control that has another identity in each run is still the same control.
        html = _told(plain(_html(output), {}))
        base = frozen.pieces[frozen.first[place]]
        if "data-name" not in base and html != base:
            changed[place] = frozen.piece(html)
    return changed


def _cells(chapter: Chapter) -> list[set[str]]:
    """Give the names that each cell of a chapter defines, in order."""
    cells = []
    for node in _functions(chapter):
        last = node.body[-1]
        value = last.value if isinstance(last, ast.Return) else None
        cells.append(
            {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            if value is not None
            else set()
        )
    return cells


def _functions(chapter: Chapter) -> list[ast.FunctionDef]:
    """Give a chapter's cells, which are functions in its file."""
    tree = ast.parse(chapter.path.read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _waiting(chapter: Chapter) -> list[str]:
    """Give for each cell the attribute that names the question it waits for."""
    found = []
    for node in _functions(chapter):
        text = ast.unparse(node)
        name = text.partition("widgets.after(")[2].partition(",")[0]
        found.append(f' data-after="{name}"' if name else "")
    return found


def _key(value: Any) -> str:
    return str(value)


def _told(html: str) -> str:
    """Lead to the other files."""
    html = html.replace('href="/open/', 'href="').replace(
        'href="/"', 'href="index.html"'
    )
    for chapter in CHAPTERS:
        html = html.replace(f'href="{chapter.slug}"', f'href="{chapter.slug}.html"')
    return html


def _page(chapter: Chapter, frozen: _Frozen) -> str:
    waiting = _waiting(chapter)
    sections = "".join(
        f'<section id="c{place}"{waiting[place]}>{frozen.pieces[piece]}</section>'
        for place, piece in enumerate(frozen.first)
        if frozen.pieces[piece]
        or any(place in s for g in frozen.groups for s in g.states.values())
    )
    data = {
        "pieces": frozen.pieces,
        "first": frozen.first,
        "groups": [{"names": g.names, "states": g.states} for g in frozen.groups],
    }
    note = (
        '<p class="note">This is a frozen page: what moves was computed beforehand. '
        "<code>gradatim learn</code> opens the living one.</p>"
    )
    script = (FOLDER / "frozen.js").read_text(encoding="utf-8")
    player_style, player_script = player_parts()
    return page(
        f"{chapter.number} · {chapter.title}",
        f"<main>{note}{sections}</main>",
        style=(FOLDER / "frozen.css").read_text(encoding="utf-8") + player_style,
        script=f"const DATA = {as_json(data)};\n{script}{player_script}",
    )
