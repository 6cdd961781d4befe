"""A chapter's Markdown file becomes the cells of a marimo notebook."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradatim.course import CHAPTERS, Chapter
from gradatim.course.notebook import (
    Breakage,
    Code,
    Exercise,
    Question,
    ShownAtOnce,
    Text,
    load_app,
    notebook_cells,
    notebook_source,
    read_blocks,
)

QUESTION = """\
**Predict.** What comes
out?

- [ ] **One thing** It does
  not.
- [x] **Another** It does.
"""


@dataclass(frozen=True, kw_only=True)
class Written(Chapter):
    """A chapter in another folder."""

    folder: Path

    @property
    def path(self):
        return self.folder / "chapter.md"

    @property
    def package(self):
        return CHAPTERS[1].package


@pytest.fixture
def written(tmp_path):
    def write(text):
        head = "---\ntitle: Any\nabout: anything\n---\n\n"
        (tmp_path / "chapter.md").write_text(head + text, encoding="utf-8")
        return Written(number=1, name="any", title="Any", about="", folder=tmp_path)

    return write


def codes_of(chapter):
    """Give the cells between the first, which imports, and the last, with links."""
    return [cell.code for cell in notebook_cells(chapter)][1:-1]


def test_a_question_has_its_choices_reasons_and_the_right_one():
    reasons = {"One thing": "It does not.", "Another": "It does."}
    assert read_blocks(QUESTION) == [
        Question("What comes out?", reasons=reasons, right="Another")
    ]


def test_a_question_without_a_right_choice_is_refused():
    with pytest.raises(ValueError, match=r"No choice is ticked.*What comes out\?"):
        read_blocks(QUESTION.replace("[x]", "[ ]"))


def test_a_breakage_has_a_label_an_expression_lines_and_a_cure():
    text = (
        "- **Break it:** one {{shows.one()}}\n  ```python\n  a\n\n  b\n  ```\n"
        "  **Cure:** not\n  that.\n"
        "- **Break it:** two {{shows.two()}}\n  `c = 1`\n  **Cure:** this.\n"
        "- **Break it:** three {{shows.three()}}\n  **Cure:** it.\n"
    )
    assert read_blocks(text) == [
        Breakage("one", "shows.one()", "a\n\nb", "not that."),
        Breakage("two", "shows.two()", "c = 1", "this."),
        Breakage("three", "shows.three()", "", "it."),
    ]


def test_what_looks_like_a_block_inside_a_fence_is_text():
    text = "```python\n***\n**Make.** [ex](ex.py)\n## 1 · no\n```"
    assert read_blocks(text) == [Text(text)]


def test_headings_exercises_and_the_line_of_stars():
    text = "One.\n\n## 1 · Two\n\nThree.\n\n***\n\n**Make.** [ex01_split](ex.py)"
    assert read_blocks(text) == [
        Text("One."),
        Text("## 1 · Two\n\nThree."),
        ShownAtOnce(),
        Exercise("ex01_split"),
    ]


def test_an_expression_before_a_blank_line_ends_a_cell():
    text = "```python {.marimo}\na = []\na.append(1)\na\n\nb = 2\nb\n\nc = 3\n```"
    assert read_blocks(text) == [
        Code("a = []\na.append(1)", "a"),
        Code("b = 2", "b"),
        Code("c = 3"),
    ]


def test_what_follows_a_question_waits_up_to_the_heading_or_the_stars(written):
    text = (
        f"Before.\n\n## 1 · A\n\n{QUESTION}\nAfter.\n\n***\n\nOnce.\n\n"
        f"## 2 · B\n\nNew.\n\n{QUESTION}\nMore.\n\n{QUESTION}\nMost.\n"
    )
    waits = {
        text: cell.waits_for
        for cell in notebook_cells(written(text))
        for text in re.findall(r"^\s*(\w+\.)$", cell.code, re.MULTILINE)
    }
    assert waits == {
        "Before.": "",
        "After.": "question_1",
        "Once.": "",
        "New.": "",
        "More.": "question_2",
        "Most.": "question_2_2",
    }


def test_controls_after_a_question_get_a_cell_of_their_own(written):
    text = f"{QUESTION}\n```python {{.marimo}}\na = mo.ui.slider(0, 1)\na\n```\n"
    codes = codes_of(written(text))
    assert codes[-2:] == ["a = mo.ui.slider(0, 1)", "widgets.after(question_0, a)"]


def test_a_text_with_values_shares_the_cell_of_the_code_above_it(written):
    text = "```python {.marimo}\n_a = 2\n_a\n```\n\nIt is {{_a:.1f}}, {not} more.\n"
    (code,) = codes_of(written(f"Text.\n\n{text}"))[1:]
    assert code.startswith("_a = 2\nmo.vstack([_a, mo.md(rf")
    assert "It is {_a:.1f}, {{not}} more." in code
    apart = text.replace("{{_a:.1f}}", "two")
    assert len(codes_of(written(f"Text.\n\n{apart}"))) == 3


def test_a_value_may_have_lines_of_its_own(written):
    text = (
        "```python {.marimo}\ntable = '| a |\\n|---|\\n| 1 |'\n```\n\n"
        "{{table}}\n\nA text with $x_{1}$ and \\alpha.\n"
    )
    outputs, defs = load_app(written(f"Text.\n\n{text}")).run()
    assert "table" in defs
    shown = "".join(str(output.text) for output in outputs if output is not None)
    assert "<td>1</td>" in shown and "\\alpha" in shown


def test_breakages_in_a_row_have_their_buttons_in_a_row(written):
    one = "- **Break it:** one {{1 / 0}}\n  **Cure:** no.\n"
    codes = codes_of(written(f"{one}{one}\nText.\n\n{one}"))
    assert [code.count("widgets.button(") for code in codes] == [2, 0, 0, 0, 1, 0]
    assert "mo.hstack([break_1, break_2]" in codes[0]
    assert codes[-1].startswith("widgets.breaks(\n    break_3,\n    lambda: 1 / 0,")


def test_cells_are_given_what_other_cells_make(written):
    text = (
        "```python {.marimo}\na = [b for b in range(3)]\n```\n\n{{len(a)}} are there."
    )
    source = notebook_source(written(f"Text.\n\n***\n\n{text}\n\nMore: {{{{a}}}}."))
    assert "def _(mo):" in source
    assert "return (a,)" in source and "return (a, b)" not in source
