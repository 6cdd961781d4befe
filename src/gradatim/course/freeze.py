"""The course as files: an offline page a chapter, whose main controls still move.

A chapter is run once, as it opens. For every state that its controls can be put into
(the ``STATES`` of its ``shows.py``, each prediction and each button) the cells that
depend on them are run again. The page keeps what came out.
``marimo export html`` loads its parts from another host; these pages load nothing.
"""

import importlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import marimo as mo

from gradatim.course import CHAPTERS, Chapter, widgets
from gradatim.course.contents import contents_page
from gradatim.course.marimo_to_html import Control, plain_html
from gradatim.course.notebook import Cell, load_app, notebook_cells
from gradatim.pages.page import as_json, page
from gradatim.pages.player import player_parts
from gradatim.store.disk import disk_errors
from gradatim.store.output import write_output

__all__ = ["freeze", "frozen_page", "states_of"]

FOLDER = Path(__file__).parent


@dataclass
class _Group:
    """Controls that are moved together, and what the cells show for each state."""

    names: list[str]
    states: dict[str, dict[int, int]] = field(default_factory=dict)
    """For each state, the cells that change, each with the number of its piece."""


@dataclass
class _Frozen:
    """What a chapter shows, as numbered pieces of HTML."""

    pieces: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """For each cell, the number of the piece that it shows when the page opens."""
    groups: list[_Group] = field(default_factory=list)

    def piece(self, html: str) -> int:
        """Give the number of a piece of HTML; equal pieces are kept once."""
        if html not in self.pieces:
            self.pieces.append(html)
        return self.pieces.index(html)


def freeze(folder: Path, chapters: tuple[Chapter, ...] = CHAPTERS) -> list[Path]:
    """Write the course as files.

    Args:
        folder: The folder for the pages; it is made if it is not there.
        chapters: The chapters to write.

    Returns:
        The files; the table of contents comes first.

    Raises:
        DiskError: A file cannot be written. Those before it are whole, and what was in
            the place of the others stays.
    """
    with disk_errors(folder, why=""):
        folder.mkdir(parents=True, exist_ok=True)
    pages = [folder / f"{chapter.slug}.html" for chapter in chapters]
    for number, (chapter, path) in enumerate(zip(chapters, pages, strict=True)):
        so_far = f"{number} of the {len(pages)} chapters are written."
        write_output(path, frozen_page(chapter), so_far=so_far)
    index = folder / "index.html"  # the last one, so that every link leads somewhere
    write_output(index, contents_page(chapters, {}, link="{slug}.html"))
    return [index, *pages]


def frozen_page(chapter: Chapter) -> str:
    """Give a chapter as one page."""
    cells = notebook_cells(chapter)
    with widgets.all_shown():
        return _page(chapter, cells, _run(chapter, cells))


def states_of(chapter: Chapter) -> dict[str, list[Any]]:
    """Give the controls that move on the frozen page, and the values of each."""
    states: dict[str, list[Any]] = importlib.import_module(
        f"{chapter.package}.shows"
    ).STATES
    return states


def _run(chapter: Chapter, cells: Sequence[Cell]) -> _Frozen:
    """Run a chapter in all its states."""
    outputs, defs = load_app(chapter).run()
    states = states_of(chapter)
    controls = {
        control.key: control
        for name, value in sorted(defs.items())  # marimo's order is that of a set
        if (control := _control(name, value, states)) is not None
    }
    frozen = _Frozen()
    frozen.first = [
        frozen.piece(_with_links(plain_html(_html(output), controls)))
        for output in outputs
    ]
    for names, values in _groups(states, controls):
        group = _Group(names)
        for combination in itertools.product(*values):
            given = {
                name: SimpleNamespace(value=value, options=options)
                for name, value, options in zip(names, combination, values, strict=True)
            }
            changed = _changed(cells, given, defs, frozen)
            group.states["|".join(map(str, combination))] = changed
        frozen.groups.append(group)
    return frozen


def _html(output: Any) -> str:
    return "" if output is None else str(mo.as_html(output).text)


def _control(name: str, value: Any, states: Mapping[str, list[Any]]) -> Control | None:
    """Say how a control is shown without Python; None if the value is no control."""
    is_control = type(value).__module__.startswith("marimo._plugins.ui")
    html = _html(value) if is_control else ""
    key = html.partition("object-id='")[2].partition("'")[0]
    if not key:
        return None
    kind = type(value).__name__
    options = getattr(value, "options", None)
    if kind == "radio" and value.value is None:
        return Control(key=key, name=name, kind="radio", values=list(value.options))
    if kind == "run_button":
        return Control(key=key, name=name, kind="button", values=[True])
    if name not in states:
        return Control(key=key, name=name, kind="still", values=[])
    labels = (
        {str(chosen): str(label) for label, chosen in options.items()}
        if isinstance(options, dict)
        else {}
    )
    return Control(
        key=key,
        name=name,
        kind="choice",
        values=states[name],
        labels=[labels.get(str(value), str(value)) for value in states[name]],
    )


def _groups(
    states: Mapping[str, list[Any]], controls: Mapping[str, Control]
) -> Iterator[tuple[list[str], list[list[Any]]]]:
    """Give the groups of controls that are moved together, and the values of each."""
    if states:
        yield list(states), list(states.values())
    for control in controls.values():
        if control.kind in ("radio", "button"):
            yield [control.name], [control.values]


def _changed(
    cells: Sequence[Cell],
    given: Mapping[str, Any],
    defs: Mapping[str, Any],
    frozen: _Frozen,
) -> dict[int, int]:
    """Run a chapter in a state; give what its cells show that they did not at first."""
    changed = {}
    for place, output in _run_again(cells, given, defs):
        # A control that has another identity in each run is still the same control.
        html = _with_links(plain_html(_html(output), {}))
        base = frozen.pieces[frozen.first[place]]
        if "data-name" not in base and html != base:
            changed[place] = frozen.piece(html)
    return changed


def _run_again(
    cells: Sequence[Cell], given: Mapping[str, Any], defs: Mapping[str, Any]
) -> Iterator[tuple[int, Any]]:
    """Run the cells that depend on the given controls, as a browser has them run.

    Args:
        cells: The cells of the chapter.
        given: Controls as they are now, by name.
        defs: All that the cells made in the first run, by name.

    Yields:
        The place of each cell that ran, and its output.
    """
    names, moved = {**defs, **given}, set(given)
    for place, cell in enumerate(cells):
        if cell.uses & moved and not cell.defines & given.keys():
            output, made = cell.run(names)
            names |= made
            moved |= made.keys()
            yield place, output


def _with_links(html: str) -> str:
    """Let the links of a chapter lead to the files of the other ones."""
    html = html.replace('href="/open/', 'href="').replace(
        'href="/"', 'href="index.html"'
    )
    for chapter in CHAPTERS:
        html = html.replace(f'href="{chapter.slug}"', f'href="{chapter.slug}.html"')
    return html


def _page(chapter: Chapter, cells: Sequence[Cell], frozen: _Frozen) -> str:
    """Put the page together."""
    change = {
        place
        for group in frozen.groups
        for state in group.states.values()
        for place in state
    }
    sections = "".join(
        f'<section id="c{place}"{_waiting(cells[place])}>'
        f"{frozen.pieces[piece]}</section>"
        for place, piece in enumerate(frozen.first)
        if frozen.pieces[piece] or place in change
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


def _waiting(cell: Cell) -> str:
    """Give the attribute that names the question for which a cell waits."""
    return f' data-after="{cell.waits_for}"' if cell.waits_for else ""
