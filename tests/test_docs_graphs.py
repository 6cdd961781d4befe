"""docs/graphs.md and its picture show what happens."""

import contextlib
import io
import re
from pathlib import Path

import torch

import gradatim as gt

DOCS = Path(__file__).parents[1] / "docs"


def test_programs_of_the_page_print_what_it_says():
    text = (DOCS / "graphs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", text, re.S)
    assert len(blocks) == 3
    variables = {}
    for code, printed in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, variables)
        assert out.getvalue().strip() == printed.strip()


def tutorial_loss():
    x, y = gt.data.line_split(*gt.data.line())[0]
    a, b = (torch.zeros(1, requires_grad=True) for _ in range(2))
    with gt.record() as recorded:
        loss = ((y - (a + b * x)) ** 2).mean()
    return recorded.graph(loss, data=True)


def test_picture_of_the_readme_is_todays():
    """Written again with ``python -m tests.test_docs_graphs``."""
    assert (DOCS / "loss.svg").read_text(encoding="utf-8") == tutorial_loss().svg()


if __name__ == "__main__":
    tutorial_loss().save(DOCS / "loss.svg")
