"""Tables and printed text as HTML: well-formed, and texts of others stay texts."""

from xml.etree import ElementTree

import pytest

from gradatim.pages.html_tables import classed_table, grid, raised, wrapped

HOSTILE = "<b> & \"c\" 'd'"


def test_a_grid_has_a_head_and_a_row_for_each_row():
    root = ElementTree.fromstring(grid([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]))
    assert [cell.text for cell in root.iter("th")] == ["a", "b"]
    assert [cell.text for cell in root.iter("td")] == ["1", "x", "2", "y"]


def test_numbers_of_a_grid_stand_at_the_right_and_are_short():
    root = ElementTree.fromstring(grid([{"text": "x", "number": 1 / 3}]))
    text, number = root.iter("td")
    assert "right" not in text.get("style") and "right" in number.get("style")
    assert number.text == "0.3333"


def test_a_grid_without_rows_is_empty():
    root = ElementTree.fromstring(grid([]))
    assert not list(root.iter("td")) and not list(root.iter("caption"))


def test_a_classed_table_marks_texts_and_the_mean():
    table = classed_table(["row", "loss"], [["0", "2"], ["mean", "3"]], text_columns=1)
    root = ElementTree.fromstring(table)
    assert [row.get("class") for row in root.iter("tr")] == [None, None, "mean"]
    assert [cell.get("class") for cell in root.iter("td")] == ["text", None] * 2


@pytest.mark.parametrize(
    "draw",
    [
        lambda text: grid([{text: text}], caption=text),
        lambda text: classed_table([text], [[text]], text_columns=0),
        wrapped,
        raised,
    ],
)
def test_a_text_of_others_stays_a_text(draw):
    html = draw(HOSTILE)
    assert "<b>" not in html
    assert HOSTILE in "".join(ElementTree.fromstring(html).itertext())
