"""Pictures of boxes are well-formed, and wide enough for what stands in them."""

from xml.etree import ElementTree

from gradatim.pages.boxes import cells, outline


def _texts(picture):
    return [text.text for text in ElementTree.fromstring(picture).iter("text")]


def _height(picture):
    return float(ElementTree.fromstring(picture).get("viewBox").split()[3])


def test_each_row_has_its_name_and_its_boxes():
    rows = [("out", [("0", "gray"), ("1", "")]), ("in <", [("2", "blue")])]
    picture = cells(rows, title="a & b")
    assert _texts(picture) == ["a & b", "out", "0", "1", "in <", "2"]
    assert picture.count("<rect") == 3


def test_a_legend_that_is_too_wide_goes_on_below():
    entries = [("a long meaning of a colour", "red")] * 6
    heights = [
        float(
            ElementTree.fromstring(cells([], title="t", legend=part))
            .get("viewBox")
            .split()[3]
        )
        for part in ([], entries[:1], entries)
    ]
    assert heights == sorted(set(heights))


def test_an_outline_is_indented_and_tells_only_colours_that_it_has():
    lines = [(0, "model", ""), (1, "weight", "blue")]
    legend = [("trained", "blue"), ("frozen", "gray")]
    picture = outline(lines, title="m", legend=legend)
    assert _texts(picture) == ["m", "model", "weight", "trained"]
    xs = [float(box.get("x")) for box in ElementTree.fromstring(picture).iter("rect")]
    assert xs[1] > xs[0]


def test_a_picture_without_boxes_is_a_picture():
    ElementTree.fromstring(cells([], title=""))
    ElementTree.fromstring(outline([], title=""))
