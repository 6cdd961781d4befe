"""docs/pitfalls.md is made of the docstrings; docs/doctor.md shows what is printed."""

import re
from pathlib import Path

import pytest

from gradatim.doctor import run_script
from gradatim.doctor.pages import GROUPS, all_pages, as_markdown

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "doctor.md").read_text()
SHOWN = re.findall(r"^(GT\d+) (?:error|warning): .*\n(?:  .*\n)+", TEXT, re.M)
SICK = """\
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 3)
y = x.sum(dim=1, keepdim=True)

net = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3.0)
for epoch in range(50):
    optimizer.zero_grad()
    F.mse_loss(net(x), y).backward()
    optimizer.step()
"""


def test_the_pages_are_those_of_the_docstrings():
    told = (DOCS / "pitfalls.md").read_text()
    assert told == as_markdown(), "docs/pitfalls.md is old: make docs"


def test_every_code_has_a_page_in_a_group():
    pages = all_pages()
    assert len(pages) > 80
    assert {code[:3] for code in pages} == set(GROUPS)
    text = (DOCS / "pitfalls.md").read_text()
    assert re.findall(r"^### (GT\d+):", text, re.M) == list(pages)
    assert text.count("```") % 2 == 0 and "``" not in text.replace("```", "")


def test_the_table_of_contents_leads_to_every_heading():
    text = (DOCS / "pitfalls.md").read_text()
    headings = re.findall(r"^###? (.*)$", text, re.M)
    links = re.findall(r"^ *- \[(.*)\]\(#(.*)\)$", text, re.M)
    assert [heading for heading, _ in links] == headings
    assert len({anchor for _, anchor in links}) == len(headings)
    assert all(re.fullmatch(r"[a-z0-9_-]+", anchor) for _, anchor in links)


def test_a_finding_looks_as_it_is_shown(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SICK)
    (finding,) = run_script(script).findings
    shown = next(m for m in re.findall(r"GT204 warning.*?\n```", TEXT, re.S))
    keys = re.findall(r"^  (\w+)", str(finding), re.M)
    assert re.findall(r"^  (\w+)", shown, re.M) == keys
    assert str(finding).splitlines()[1].split(":", 1)[1] in shown


@pytest.mark.parametrize("code", sorted(set(SHOWN)))
def test_codes_that_are_shown_exist(code):
    assert code in all_pages()
