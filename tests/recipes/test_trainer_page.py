"""docs/trainer.md says in which order things happen: its programs print it."""

import re

import gradatim as gt
from gradatim.hooks import HOOKS
from tests.recipes.page import DOCS, programs, run, shape_of

PROGRAMS = programs("trainer.md")

NAMED_ALONE = {"on_stop"}
"""Hooks that no program of the page calls: a signal has to end a wait for workers."""


def test_the_programs_print_what_happens_in_its_order(capsys):
    names = {"__name__": "trainer_page"}
    for program in PROGRAMS:
        run(program, names)
        printed = capsys.readouterr().out
        assert shape_of(printed) == shape_of(program.printed), program.title


def test_every_hook_is_in_the_order_that_is_shown():
    shown = set(re.findall(r"on_\w+", "".join(p.printed for p in PROGRAMS)))
    assert shown == set(HOOKS) - NAMED_ALONE
    text = (DOCS / "trainer.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in NAMED_ALONE)


def test_what_the_page_names_exists():
    text = (DOCS / "trainer.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`gt\.(\w+)", text)):
        assert name in gt.__all__, name
    for page in re.findall(r"\]\((\w+\.md)\)", text):
        assert (DOCS / page).exists()
