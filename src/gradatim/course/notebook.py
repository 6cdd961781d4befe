"""A chapter's Markdown file, and the marimo notebook that is made of it.

``chapter.md`` is text. What the chapter does stands between its paragraphs, as blocks
that any viewer of Markdown shows readably, and that become cells of the notebook::

    ## 1 · A heading begins a section

    **Predict.** A question and its choices, of which the right one is ticked.

    - [ ] **A choice** Why it is not right.
    - [x] **Another one** Why it is.

    ```python {.marimo}
    lr = mo.ui.slider(0.1, 1.0, label="learning rate")
    lr

    widgets.picture(shows.path(lr.value))
    ```

    After {{shows.updates(lr.value)}} updates it is there: a text with a value.

    - **Break it:** the label of a button {{shows.what_raises()}}
      `the_line(that, is, wrong)`
      **Cure:** what to do instead.

    **Make.** [ex02_gradients](ex02_gradients.py)

An expression before a blank line is shown, and ends a cell. What follows a question is
shown once a prediction is made, up to the next heading or to a line ``***``. A text
with values that stands directly below a block of code is put into the last cell of that
block, so it may use the ``_names`` there. Several wrong lines stand in a fence.
"""

import ast
import itertools
import re
import runpy
import symtable
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

from gradatim.course import Chapter

__all__ = [
    "Cell",
    "load_app",
    "notebook_cells",
    "notebook_source",
    "read_blocks",
    "write_notebook",
]

LIVE = "```python {.marimo}"
PREDICT = "**Predict.** "
CHOICE = re.compile(r"- \[([ x])\] \*\*(.+?)\*\* (.+)")
BREAK = "- **Break it:** "
CURE = "**Cure:** "
MAKE = re.compile(r"\*\*Make\.\*\* \[(\w+)\]")
VALUE = re.compile(r"\{\{(.+?)\}\}")
"""An expression in a text; its value is put in its place."""
CONTROLS = re.compile(r"mo\.ui\.|widgets\.(slider|dropdown|button|breaks|verdict)\(")
"""What code contains that makes controls of its own."""
IMPORTS = """\
import marimo as mo
import torch

from gradatim.course import loss_bowl, shown_source, training_paths, widgets
from gradatim.pages import charts, html_tables
from {package} import shows
"""
"""What each chapter can use; a block of code above its first text may import more."""


@dataclass
class Text:
    """Paragraphs of Markdown; a heading begins a text of its own."""

    text: str


@dataclass
class Code:
    """The code of a cell: statements, and an expression whose value is shown."""

    statements: str
    shown: str = ""

    @property
    def all(self) -> str:
        return f"{self.statements}\n{self.shown}".strip("\n")


@dataclass
class Question:
    """A prediction that is asked for, and the choice that is right."""

    text: str
    reasons: dict[str, str] = field(default_factory=dict)
    """For each choice, why it is right or wrong."""
    right: str = ""


@dataclass
class Breakage:
    """A button that does something wrong on purpose."""

    label: str
    run: str
    """The expression that is computed when the button is pressed."""
    code: str
    """The wrong lines as they are shown; empty where the label tells all."""
    cure: str


@dataclass
class Exercise:
    """The place where an exercise is shown, answered and checked."""

    name: str


@dataclass
class ShownAtOnce:
    """What follows waits for no prediction."""


Block = Text | Code | Question | Breakage | Exercise | ShownAtOnce


@dataclass(frozen=True)
class Cell:
    """A cell of the notebook."""

    code: str
    waits_for: str = ""
    """The variable of the question whose prediction comes first; empty for none."""

    @cached_property
    def defines(self) -> set[str]:
        """The names that the cell makes for other cells."""
        return {
            symbol.get_name()
            for symbol in self._table.get_symbols()
            if symbol.is_assigned() or symbol.is_imported()
            if not symbol.get_name().startswith("_")
        }

    @cached_property
    def uses(self) -> set[str]:
        """The names that the cell reads, its own and Python's included."""
        return set(_global_names(self._table))

    def run(self, names: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        r"""Run the cell; give what it shows, and what it defines by name.

        Args:
            names: What other cells have defined.

        >>> Cell("_half = x / 2\ny = _half + 1\ny").run({"x": 6})
        (4.0, {'y': 4.0})
        """
        own_names = dict(names)
        statements, shown = self._compiled
        exec(statements, own_names)
        output = None if shown is None else eval(shown, own_names)
        return output, {name: own_names[name] for name in self.defines}

    @cached_property
    def _compiled(self) -> tuple[CodeType, CodeType | None]:
        """The statements of the cell, and the expression that it shows."""
        tree = ast.parse(self.code)
        shown = None
        if tree.body and isinstance(last := tree.body[-1], ast.Expr):
            shown = compile(ast.Expression(last.value), "<cell>", "eval")
            tree.body.pop()
        return compile(tree, "<cell>", "exec"), shown

    @cached_property
    def _table(self) -> symtable.SymbolTable:
        return symtable.symtable(self.code, "cell", "exec")


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        at_top = table.get_type() == "module" and symbol.is_referenced()
        if at_top or symbol.is_global():
            yield symbol.get_name()
    for function in table.get_children():
        yield from _global_names(function)


def read_blocks(text: str) -> list[Block]:
    r"""Read the text of a ``chapter.md`` that follows its title.

    >>> read_blocks("Some text.\n\n**Make.** [ex02_gradients](ex02_gradients.py)")
    [Text(text='Some text.'), Exercise(name='ex02_gradients')]
    """
    return list(_Reader(text.splitlines()).blocks())


class _Reader:
    """Reads a chapter line by line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = [*lines, ""]
        self._next = 0
        """The number of the line that is read next."""

    def blocks(self) -> Iterator[Block]:
        paragraphs: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            block = self._block(line)
            if block or line == LIVE or line.startswith("## "):
                yield from _text(paragraphs)
                paragraphs = []
            if block:
                yield block
            elif line == LIVE:
                yield from _codes(self._fenced())
            elif line.startswith("```"):
                paragraphs += [line, *self._fenced(), "```"]
            else:
                paragraphs.append(line)
                self._next += 1
        yield from _text(paragraphs)

    def _block(self, line: str) -> Block | None:
        """Read the block that begins in this line, if one does."""
        if line.startswith(PREDICT):
            return self._question()
        if line.startswith(BREAK):
            return self._breakage()
        make = MAKE.match(line)
        if make or line == "***":
            self._next += 1
            return Exercise(make[1]) if make else ShownAtOnce()
        return None

    def _fenced(self) -> list[str]:
        """Give the lines inside a fence, and go past its end."""
        begin = self._next + 1
        self._next = self._lines.index("```", begin) + 1
        return self._lines[begin : self._next - 1]

    def _indented(self) -> list[str]:
        """Give the indented lines that follow, without their indentation."""
        begin = self._next
        # A breakage's code may have a blank line in it.
        while "".join(self._lines[self._next : self._next + 2]).startswith("  "):
            self._next += 1
        return [line[2:] for line in self._lines[begin : self._next]]

    def _question(self) -> Question:
        end = self._lines.index("", self._next)
        text = " ".join(self._lines[self._next : end])
        question = Question(text.removeprefix(PREDICT))
        self._next = end + 1
        while choice := CHOICE.match(self._lines[self._next]):
            is_right, name, reason = choice.groups()
            self._next += 1
            question.reasons[name] = " ".join([reason, *self._indented()])
            if is_right == "x":
                question.right = name
        if not question.right:
            raise ValueError(f"No choice is ticked as right: {question.text}")
        return question

    def _breakage(self) -> Breakage:
        first = self._lines[self._next].removeprefix(BREAK).removesuffix("}}")
        label, _, run = first.partition(" {{")
        self._next += 1
        lines, code = self._indented(), ""
        if lines[0] == "```python":
            end = lines.index("```")
            code, lines = "\n".join(lines[1:end]), lines[end + 1 :]
        elif lines[0].startswith("`"):
            code, lines = lines[0].strip("`"), lines[1:]
        return Breakage(label, run, code, " ".join(lines).removeprefix(CURE))


def _codes(lines: list[str]) -> Iterator[Code]:
    """Part the code of a block into cells."""
    begin = 0
    for statement in ast.parse("\n".join(lines)).body:
        end = statement.end_lineno or len(lines)
        if isinstance(statement, ast.Expr) and "".join(lines[end : end + 1]) == "":
            first = statement.lineno - 1
            statements = "\n".join(lines[begin:first]).strip("\n")
            yield Code(statements, "\n".join(lines[first:end]))
            begin = end
    if begin < len(lines):
        yield Code("\n".join(lines[begin:]).strip("\n"))


def _text(paragraphs: Sequence[str]) -> Iterator[Text]:
    text = "\n".join(paragraphs).strip("\n")
    if text:
        yield Text(text)


def notebook_cells(chapter: Chapter) -> list[Cell]:
    """Read a chapter and give the cells of its notebook."""
    _, _, text = chapter.path.read_text(encoding="utf-8").split("---\n", 2)
    return list(_Writer(chapter).cells(read_blocks(text)))


class _Writer:
    """Writes blocks as cells."""

    def __init__(self, chapter: Chapter) -> None:
        self._chapter = chapter
        self._section = 0
        self._num_questions = 0
        """The number of questions in this section."""
        self._numbers = itertools.count(1)
        """The numbers of the breakages that are still to come."""
        self._num_exercises = 0
        self._question = ""
        """The question that the next cells wait for; empty if they need not wait."""

    def cells(self, blocks: list[Block]) -> Iterator[Cell]:
        first, *others = blocks
        imports = first.all if isinstance(first, Code) else ""
        yield Cell(
            f"{IMPORTS.format(package=self._chapter.package)}{imports}\n\n"
            f"widgets.beginning({self._chapter.number})"
        )
        left = others if imports else blocks
        while left:
            block, *left = left
            if isinstance(block, Code):
                text = _text_of_same_cell(block, left)
                left = left[text is not None :]
                yield from self._code(block, text)
            elif isinstance(block, Breakage):
                # Breakages in a row have their buttons in a row.
                row = [block]
                while left and isinstance(other := left[0], Breakage):
                    row.append(other)
                    left = left[1:]
                yield from self._breakages(row)
            else:
                yield from self._other(block)
        yield Cell(f"widgets.end({self._chapter.number})")

    def _other(self, block: Block) -> Iterator[Cell]:
        if isinstance(block, Text):
            if block.text.startswith("## "):
                self._section += 1
                self._num_questions, self._question = 0, ""
            yield self._shown(_markdown(block.text))
        elif isinstance(block, ShownAtOnce):
            self._question = ""
        elif isinstance(block, Question):
            self._num_questions += 1
            number = f"_{self._num_questions}" if self._num_questions > 1 else ""
            self._question = f"question_{self._section}{number}"
            yield from _question_cells(self._question, block)
        elif isinstance(block, Exercise):
            self._num_exercises += 1
            answer = f"answer_{self._num_exercises}"
            yield Cell(f'widgets.exercise("{block.name}")')
            yield Cell(f'{answer} = widgets.editor("{block.name}")\n{answer}')
            yield Cell(f'widgets.checked("{block.name}", {answer})')

    def _shown(self, expression: str, statements: str = "") -> Cell:
        """Make a cell that shows an expression, when its time has come."""
        if self._question:
            expression = f"widgets.after({self._question}, {expression})"
        return Cell(f"{statements}\n{expression}".lstrip("\n"), self._question)

    def _code(self, block: Code, text: Text | None) -> Iterator[Cell]:
        """Write a cell of code, with the text below it that uses its names."""
        asks = re.search(r"^(\w+) = widgets\.predict\(", block.all, re.MULTILINE)
        if asks:
            self._question = asks[1]
        statements, shown = block.statements, block.shown
        is_plain = not self._question and text is None
        if asks or is_plain or "widgets.verdict(" in shown:
            yield Cell(block.all)
        elif text is not None:
            below = _markdown(text.text)
            shown = f"mo.vstack([{shown}, {below}])" if shown else below
            yield self._shown(shown, statements)
        elif not shown or re.search(r"widgets\.(button|breaks)\(", block.all):
            yield Cell(block.all)
        elif CONTROLS.search(statements):
            # A cell that reads the prediction runs again when another one is made. So
            # the controls, which would be made anew and forget their place, get a cell.
            yield Cell(statements)
            yield self._shown(shown)
        else:
            yield self._shown(shown, statements)

    def _breakages(self, breakages: Sequence[Breakage]) -> Iterator[Cell]:
        named = {f"break_{next(self._numbers)}": breakage for breakage in breakages}
        buttons = "".join(
            f"{name} = widgets.button({_literal(breakage.label)}, breaks=True)\n"
            for name, breakage in named.items()
        )
        names = ", ".join(named)
        is_one = len(named) == 1
        in_a_row = f"mo.hstack([{names}], justify='start', wrap=True)"
        yield Cell(buttons + (names if is_one else in_a_row))
        for name, breakage in named.items():
            code = f"    code={_literal(breakage.code)},\n" if breakage.code else ""
            yield Cell(
                f"widgets.breaks(\n    {name},\n    lambda: {breakage.run},\n"
                f"{code}    cure={_literal(breakage.cure)},\n)"
            )


def _question_cells(name: str, question: Question) -> Iterator[Cell]:
    reasons = {_literal(c): _literal(why) for c, why in question.reasons.items()}
    yield Cell(
        f"{name} = widgets.predict(\n    {_literal(question.text)},\n"
        f"    [{', '.join(reasons)}],\n)\n{name}"
    )
    lines = "".join(f"        {choice}: {why},\n" for choice, why in reasons.items())
    yield Cell(
        f"widgets.verdict(\n    {name},\n    right={_literal(question.right)},\n"
        f"    why={{\n{lines}    }},\n)"
    )


def _text_of_same_cell(block: Code, following: Sequence[Block]) -> Text | None:
    """Give the text below a block of code if the two belong into one cell."""
    below = following[0] if following else None
    if not isinstance(below, Text) or below.text.startswith("## "):
        return None
    # Controls need a cell of their own.
    is_one = VALUE.search(below.text) and not CONTROLS.search(block.all)
    return below if is_one else None


def _markdown(text: str) -> str:
    prefix = "r"
    if VALUE.search(text):
        prefix, text = "rf", _inside_of_fstring(text)
    return f'mo.md({prefix}"""\n{text}\n""")'


def _literal(text: str) -> str:
    """Write a text as a string of Python, with its values put in."""
    if not VALUE.search(text):
        return repr(text)
    inside = _inside_of_fstring(text).replace("\n", "\\n")
    quotes = "'''" if '"' in inside else '"'
    return f"f{quotes}{inside}{quotes}"


def _inside_of_fstring(text: str) -> str:
    parts = VALUE.split(text)  # text, expression, text, ..., expression, text
    parts[::2] = [part.replace("{", "{{").replace("}", "}}") for part in parts[::2]]
    parts[1::2] = [f"{{{expression}}}" for expression in parts[1::2]]
    return "".join(parts)


def notebook_source(chapter: Chapter) -> str:
    """Write a chapter as the file of a marimo notebook, as marimo's editor would."""
    cells = notebook_cells(chapter)
    shared = set().union(*(cell.defines for cell in cells))
    parts = [
        'import marimo\n\n__generated_with = "0.25.2"\n'
        f'app = marimo.App(width="medium", app_title={chapter.title!r})\n'
    ]
    for cell in cells:
        given = ", ".join(sorted((cell.uses & shared) - cell.defines))
        made = ", ".join(sorted(cell.defines))
        result = f" ({made},)" if made and len(cell.defines) == 1 else f" {made}"
        parts.append(
            f"@app.cell(hide_code=True)\ndef _({given}):\n{_body(cell.code)}\n"
            f"    return{result.rstrip()}\n"
        )
    parts.append('if __name__ == "__main__":\n    app.run()\n')
    return "\n\n".join(parts)


def _body(code: str) -> str:
    """Indent code, but not a text with values: a value may have lines of its own."""
    lines, is_text = [], False
    for line in code.splitlines():
        lines.append(f"    {line}" if line and not is_text else line)
        is_text = not line.startswith('"""') if is_text else 'rf"""' in line
    return "\n".join(lines)


def write_notebook(chapter: Chapter, folder: Path) -> Path:
    """Write the notebook of a chapter into a folder; give the file."""
    path = folder / f"{chapter.slug}.py"
    path.write_text(notebook_source(chapter), encoding="utf-8")
    return path


def load_app(chapter: Chapter) -> Any:
    """Make the notebook of a chapter, and give its ``marimo.App``."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_notebook(chapter, Path(folder))
        return runpy.run_path(str(path))["app"]
