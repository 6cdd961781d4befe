"""What is written: names of any kind, in every format, and into files."""

import re
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError
from tests.graphs.drawn import SVG, data_of, drawn

HOSTILE = [
    "</script><script>alert(1)</script>",
    'a"b\\',
    "it's <b>&amp;",
    "\nnewline",
    "two\nlines\n",
    "\r\t\x00\x1b[2J\x7f",
    "\u202eright to left",
    "\u2028\ufffe",
    "x" * 500,
    "",
    " ",
    "\\n\\l",
    "]]>",
    "日本語🙂",
    "\ud800",
]


def _graph_of(name):
    weight = torch.ones(2, requires_grad=True)
    other = torch.ones(2, requires_grad=True)
    return gt.graph((weight * other).sum(), names={name: weight, "other": other})


class Named(nn.Module):
    """A module and a parameter of any name, which may hold no dot."""

    def __init__(self, name):
        super().__init__()
        inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        self._modules[name] = inner
        self._parameters[name + "p"] = nn.Parameter(torch.ones(2))
        self.given = name

    def forward(self, x):
        return self._modules[self.given](x) * self._parameters[self.given + "p"]


def _recorded(name):
    model = Named(name)
    with gt.record(model) as recorded:
        loss = model(torch.ones(1, 2)).sum()
    return recorded.graph(loss, data=True)


@pytest.mark.parametrize("make", [_graph_of, _recorded])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_nothing_but_text(make, name):
    graph = make(name)
    texts = drawn(graph)  # parses the svg
    page = texts["html"]
    assert page.count("</script>") == page.count("<script>") == 1
    assert "alert(1)</script>" not in page
    assert len(data_of(page)["nodes"]) == len(graph.nodes)
    for opened in ("svg", "opened", "closed"):
        root = ElementTree.fromstring(texts[opened])
        assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
            "svg",
            "style",
            "defs",
            "marker",
            "path",
            "rect",
            "g",
            "title",
            "text",
        }


@pytest.mark.parametrize("make", [_graph_of, _recorded])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_leaves_the_dot_file_whole(make, name):
    graph = make(name)
    dot = graph.dot()
    quoted = re.compile(r'label="((?:[^"\\]|\\.)*)"')
    labels = quoted.findall(dot)
    num_groups = len(graph.groups)
    assert len(labels) == len(graph.nodes) + num_groups
    assert not any(label.startswith("\\n") or "\n" in label for label in labels)
    assert dot.count("{") - sum(label.count("{") for label in labels) == num_groups + 1
    pygraphviz = pytest.importorskip("pygraphviz")
    parsed = pygraphviz.AGraph(string=dot)
    assert len(parsed.nodes()) == len(graph.nodes)
    assert len(parsed.edges()) == len(graph.arrows)


@pytest.mark.parametrize("make", [_graph_of, _recorded])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_does_not_move_the_cursor(make, name):
    graph = make(name)
    lines = graph.text().splitlines()
    assert len(lines) == len(graph.nodes)
    assert all(line.isprintable() for line in lines)


def test_the_end_of_a_long_name_is_shown_and_the_tooltip_has_all():
    name = "layers." * 40 + "weight"
    svg = _graph_of(name).svg()
    assert f"<title>{name}</title>" in svg
    (shown,) = re.findall(r">(…[^<]*weight)<", svg)
    assert len(shown) <= 40


def test_the_page_asks_for_nothing():
    page = _recorded("inner").html()
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in page


# --- Files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix, begin",
    [
        (".svg", "<svg"),
        (".html", "<!doctype html>"),
        (".dot", "digraph {"),
        (".txt", "Sum ()"),
        (".SVG", "<svg"),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_save_writes_what_the_suffix_says(tmp_path, suffix, begin, as_text):
    path = tmp_path / f"loss é{suffix}"
    graph = _graph_of("é")
    assert graph.save(str(path) if as_text else path) == path
    text = path.read_text(encoding="utf-8")
    assert text.startswith(begin)
    assert "é" in text
    if suffix == ".html":
        assert "<title>loss é</title>" in text


@pytest.mark.parametrize("name", ["loss.png", "loss", "svg", ".svg"])
def test_another_suffix_is_refused_before_anything_is_written(tmp_path, name):
    message = r"ends in '(\.png)?'(.|\n)*Name it \.svg, \.html, \.dot or \.txt"
    with pytest.raises(ConfigError, match=message):
        _graph_of("a").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_the_picture_or_the_page():
    graph = _graph_of('"</iframe>')
    ElementTree.fromstring(graph._repr_svg_())
    framed = graph._repr_html_()
    assert framed.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert framed.count("</iframe>") == 1
    assert framed.count("<") == 2


def test_repr_counts():
    assert repr(_graph_of("a")) == "Graph(2 operations, 2 tensors, 3 arrows)"
