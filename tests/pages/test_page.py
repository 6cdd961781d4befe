"""A page is one file: it loads nothing, and texts of others stay texts."""

import json
import re

from gradatim.pages.page import POLICY, as_json, escaped, page


def test_the_policy_of_a_page_forbids_every_request():
    assert f'content="{POLICY}"' in page("t", "b")
    assert POLICY.startswith("default-src 'none'")
    assert "://" not in page("t", "b", style="i {}", script="run();")


def test_style_and_script_stand_where_they_work():
    text = page("t", "<p>b</p>", style="i {}", script="run();")
    assert text.index("i {}") < text.index("</head>") < text.index("<p>b</p>")
    assert text.index("<p>b</p>") < text.index("<script>\nrun();</script>")
    assert "<script>" not in page("t", "b")


def test_a_title_is_a_text():
    assert "<title>&lt;/title&gt;&lt;b&gt;</title>" in page("</title><b>", "")
    assert escaped(3) == "3"


def test_json_ends_no_script_and_has_no_nan():
    text = as_json({"name": "</script><!--"})
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><!--"}


def test_the_colours_of_dark_and_light_are_there():
    assert re.search(r"prefers-color-scheme: ?dark", page("t", ""))
