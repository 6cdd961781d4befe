"""The page of a graph in a real browser, as its reader has it."""

import random
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import gradatim as gt
from gradatim.text import printable, printable_lines

# --- Graphs ---------------------------------------------------------------------------


def tutorial():
    x = torch.linspace(0, 1, 80).unsqueeze(1)
    y = 1 + 2 * x
    a = torch.tensor([0.3], requires_grad=True)
    b = torch.tensor([0.1], requires_grad=True)
    with gt.record() as recorded:
        yhat = a + b * x
        loss = ((yhat - y) ** 2).mean()
    return recorded.graph(loss, data=True), loss, {"a": a, "b": b}


def mlp():
    model = nn.Sequential(
        nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    with gt.record(model) as recorded:
        loss = nn.MSELoss()(model(torch.randn(8, 4)), torch.randn(8, 1))
    return recorded.graph(loss), loss, dict(model.named_parameters())


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6)
        self.head = nn.Linear(32, 50)

    def forward(self, words):
        return self.head(self.encoder(self.embed(words)))


def transformer():
    model = Encoder()
    words = torch.randint(0, 50, (2, 7))
    with gt.record(model) as recorded:
        logits = model(words).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, words.flatten())
    return recorded.graph(loss, data=True), loss, dict(model.named_parameters())


def rnn():
    cell = nn.RNNCell(3, 5)
    with gt.record(cell) as recorded:
        hidden = torch.zeros(2, 5)
        for x in torch.randn(50, 2, 3):
            hidden = cell(x, hidden)
        loss = hidden.sum()
    return recorded.graph(loss), loss, dict(cell.named_parameters())


class Branches(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.parts = nn.ModuleList(
            Branches(depth - 1) if depth else nn.Linear(2, 2) for _ in range(3)
        )

    def forward(self, x):
        return sum(part(x).tanh() for part in self.parts)


def branches():
    """Modules beside each other, which push each other aside when they are opened."""
    model = Branches(2)
    with gt.record(model) as recorded:
        loss = model(torch.ones(1, 2, requires_grad=True)).sum()
    return recorded.graph(loss), loss, dict(model.named_parameters())


GRAPHS = [tutorial, mlp, transformer, rnn, branches]

# --- What is to be seen ---------------------------------------------------------------

SEEN = """() => {
  const place = (element) => {
    const [x, y] = element.getAttribute("transform").match(/-?[\\d.]+/g).map(Number);
    const rect = element.querySelector("rect");
    const size = ["width", "height"].map((side) => Number(rect.getAttribute(side)));
    return [x, y, ...size];
  };
  const of = (id) => Object.fromEntries([...document.getElementById(id).children]
    .filter((element) => getComputedStyle(element).display !== "none")
    .map((element) => [element.id, place(element)]));
  return {
    boxes: of("boxes"), frames: of("frames"),
    paths: [...document.getElementById("lines").children].map((element) =>
      [element.getAttribute("d"), element.hasAttribute("marker-end")]),
  };
}"""


def open_graph(open_html, graph, **how):
    page = open_html(graph.html(title="A graph"), **how)
    page.wait_for_selector("html[data-ready]")
    return page


def coordinates(path):
    return [float(each) for each in re.findall(r"-?\d+\.?\d*", path)]


def corners(path):
    """Give where the parts of a path meet; a line is a curve that has no bend."""
    return [
        number
        for part in re.findall(r"[MLC][^MLC]+", path)
        for number in coordinates(part)[-2:]
    ]


def in_svg(text):
    """Give boxes, frames and paths of an SVG as SEEN gives those of a page."""
    name = "{http://www.w3.org/2000/svg}"
    found = {"boxes": {}, "frames": {}, "paths": []}
    for each in ElementTree.fromstring(text):
        if each.tag == name + "path":
            found["paths"].append([each.get("d"), each.get("marker-end") is not None])
        elif each.tag == name + "g":
            rect = each.find(name + "rect")
            sides = [float(rect.get("width")), float(rect.get("height"))]
            kind = "frames" if each.get("id")[0] == "f" else "boxes"
            place = coordinates(each.get("transform"))
            found[kind][each.get("id")] = [*place, *sides]
    return found


def assert_same_picture(page_has, svg_has):
    for kind in ("boxes", "frames"):
        assert page_has[kind].keys() == svg_has[kind].keys()
        for item, place in svg_has[kind].items():
            assert page_has[kind][item] == pytest.approx(place, abs=0.2)
    by_length = []
    for paths in (page_has["paths"], svg_has["paths"]):
        lengths = {}
        for path, is_end in paths:
            numbers = [*corners(path), 1000.0 * is_end]
            lengths.setdefault(len(numbers), []).append(numbers)
        by_length.append({n: np.array(each) for n, each in lengths.items()})
    ours, theirs = by_length
    assert {n: len(each) for n, each in ours.items()} == {
        n: len(each) for n, each in theirs.items()
    }
    for n in ours:
        apart = np.abs(ours[n][:, None] - theirs[n][None]).max(axis=2)
        assert apart.min(axis=0).max() < 0.2
        assert apart.min(axis=1).max() < 0.2


def overlaps(places):
    """Give the pairs of rectangles that share more than their borders."""
    names = list(places)
    x, y, width, height = np.array([places[name] for name in names]).T
    wide = np.minimum.outer(x + width, x + width) - np.maximum.outer(x, x)
    high = np.minimum.outer(y + height, y + height) - np.maximum.outer(y, y)
    found = np.argwhere(np.triu((wide > 0.5) & (high > 0.5), 1))
    return [(names[i], names[j]) for i, j in found]


def assert_tidy(seen, level_of):
    """No boxes overlap, each is in its module's frame, and each line ends on one."""
    assert overlaps(seen["boxes"]) == []
    places = seen["boxes"] | {"g" + key[1:]: p for key, p in seen["frames"].items()}
    levels = {}
    for item, (x, y, width, height) in places.items():
        levels.setdefault(level_of[item], {})[item] = places[item]
        if level_of[item] != "root":
            left, top, wide, high = places["g" + level_of[item]]
            assert left <= x and x + width <= left + wide + 0.2, item
            assert top <= y and y + height <= top + high + 0.2, item
    for level in levels.values():
        assert overlaps(level) == []
    rows = np.array(list(places.values()))
    boxes = np.array(list(seen["boxes"].values()))
    for path, is_end in seen["paths"]:
        first, last = coordinates(path)[:2], coordinates(path)[-2:]
        assert is_on(first, rows), path
        assert is_on(last, boxes if is_end else rows), path


def is_on(point, places):
    """Tell whether a point is on the upper or lower border of a rectangle."""
    x, y = point
    left, top, width, height = places.T
    is_beside = (left - 0.2 <= x) & (x <= left + width + 0.2)
    is_border = np.minimum(abs(y - top), abs(y - top - height)) < 0.3
    return bool((is_beside & is_border).any())


def test_the_helpers_see_faults():
    there = {"n0": [0, 0, 10, 10], "n1": [9, 9, 10, 10], "n2": [10, 0, 10, 9]}
    assert overlaps(there) == [("n0", "n1")]
    row = np.array([[0.0, 0.0, 10.0, 10.0]])
    assert is_on([5, 10], row)
    assert not is_on([5, 5], row)
    assert not is_on([11, 10], row)
    picture = {"boxes": {}, "frames": {}, "paths": [["M0 0L5 5", True]]}
    other = {"boxes": {}, "frames": {}, "paths": [["M0 0L5 6", True]]}
    assert_same_picture(picture, picture)
    with pytest.raises(AssertionError):
        assert_same_picture(picture, other)


# --- Opening --------------------------------------------------------------------------


@pytest.mark.parametrize("make", GRAPHS)
def test_the_page_opens_with_the_picture_of_the_svg(open_html, make):
    graph, _, _ = make()
    page = open_graph(open_html, graph)
    assert_same_picture(page.evaluate(SEEN), in_svg(graph.svg()))
    assert page.title() == "A graph"


def test_400_nodes_are_less_than_400_kB():
    graph, _, _ = transformer()
    assert len(graph.nodes) > 400
    assert len(graph.html().encode()) < 400_000


def test_1500_nodes_without_modules_open(open_html):
    x = torch.ones(1, requires_grad=True)
    hidden = x
    for _ in range(1500):
        hidden = hidden.sin()
    page = open_graph(open_html, gt.graph(hidden))
    assert page.locator("#boxes > g").count() == 1501
    assert not page.locator("#open").is_visible()
    assert_tidy(page.evaluate(SEEN), page.evaluate("levelOf"))
    page.keyboard.press("n")
    assert "Step 1 of 1501" in page.inner_text("#status")


def test_the_policy_refuses_requests(open_html):
    page = open_graph(open_html, tutorial()[0])
    refused = page.evaluate("""() => new Promise((done) => {
      document.addEventListener("securitypolicyviolation", (event) =>
        done(event.violatedDirective));
      new Image().src = "http://localhost/picture.png";
    })""")
    assert refused == "img-src"
    [(_, watched)] = open_html.watched
    assert all("Content Security Policy" in error for error in watched.errors)
    watched.errors.clear()
    watched.requests[:] = watched.requests[:1]


# --- Backward -------------------------------------------------------------------------


PRESS_N = """(times) => Array.from({ length: times }, () => {
  const press = new KeyboardEvent("keydown", { key: "n", bubbles: true });
  document.body.dispatchEvent(press);
  return document.getElementById("status").innerText;
})"""


@pytest.mark.parametrize("make", [tutorial, mlp, transformer])
def test_stepping_backward_shows_the_gradients_of_backward(open_html, make):
    graph, loss, parameters = make()
    page = open_graph(open_html, graph)
    num_steps = page.evaluate("GRAPH.steps.length")
    if graph.groups:
        page.click("#open")
    texts = []
    while len(texts) < num_steps:
        page.click("#step")
        texts.append(page.inner_text("#status"))
        # By hand one in ten; each call of the browser's takes a picture of the page.
        texts += page.evaluate(PRESS_N, min(9, num_steps - len(texts)))
    norms = {}
    for step, text in enumerate(texts, 1):
        assert f"Step {step} of {num_steps}" in text
        found = re.search(r"of \d+: (\S+)[^\n]*\n.* has norm (\S+)", text)
        norms[found[1]] = float(found[2])
    assert page.locator("#step").is_disabled()
    assert page.locator("#boxes > .parameter:not(.done)").count() == 0
    loss.backward()
    for name, parameter in parameters.items():
        assert norms[name] == pytest.approx(parameter.grad.norm().item(), rel=1e-5)


def test_values_of_a_small_gradient_are_told(open_html):
    graph, loss, parameters = tutorial()
    page = open_graph(open_html, graph)
    for _ in range(len(graph.gradients().steps)):
        page.keyboard.press("n")
        if " a\n" in page.inner_text("#status"):
            break
    loss.backward()
    assert f"value {parameters['a'].grad.item():.6g}" in page.inner_text("#status")


def test_steps_are_undone_played_and_reset(open_html):
    page = open_graph(open_html, tutorial()[0])
    assert page.locator("#back").is_disabled()
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert page.locator("#boxes > .done").count() == 2
    page.keyboard.press("p")
    page.click("#back")
    assert page.locator("#boxes > .done").count() == 0
    page.click("#play")
    assert page.inner_text("#play") == "Pause"
    page.wait_for_function("() => step >= 2")
    page.click("#play")
    assert page.inner_text("#play") == "Play"
    page.click("#reset")
    assert page.evaluate("step") == 0
    assert page.locator("#marks text").count() == 0


@pytest.mark.parametrize("make", GRAPHS)
def test_norms_lie_on_no_box(open_html, make):
    page = open_graph(open_html, make()[0])
    page.evaluate("""() => {
      document.getElementById("open").click();
      stepTo(GRAPH.steps.length);
    }""")
    texts = page.evaluate("""() => Object.fromEntries(
      [...document.querySelectorAll("#marks text")].map((element, i) => {
        const box = element.getBBox();
        return ["t" + i, [box.x, box.y + 2, box.width, box.height - 4]];
      }))""")
    assert texts
    boxes = page.evaluate(SEEN)["boxes"]
    assert overlaps(boxes | texts) == []


def freed():
    graph, loss, _ = tutorial()
    loss.backward()
    return graph


def checkpointed():
    layer = nn.Linear(2, 2)
    loss = checkpoint(layer, torch.ones(1, 2), use_reentrant=False).sum()
    return gt.graph(loss)


@pytest.mark.parametrize(
    ("make", "why"),
    [(freed, "a second time"), (checkpointed, "graph.html(gradients=True)")],
)
def test_without_gradients_it_says_why(open_html, make, why):
    page = open_graph(open_html, make())
    assert why in page.inner_text("#status")
    for button in ("#step", "#back", "#play", "#reset"):
        assert page.locator(button).is_disabled()
    page.keyboard.press("n")
    assert page.evaluate("step") == 0


# --- Modules --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [mlp, transformer, rnn, branches])
def test_every_state_is_tidy(open_html, make):
    graph, _, _ = make()
    page = open_graph(open_html, graph)
    level_of = page.evaluate("levelOf")
    groups = [int(item[1:]) for item in level_of if item[0] == "g"]
    draw = random.Random(0)
    states = [[], groups]
    states += [[g for g in groups if draw.random() < p] for p in [0.2, 0.5, 0.8] * 8]
    for state in states:
        page.evaluate(
            "(all) => { opened.clear(); all.forEach((g) => opened.add(g)); draw(); }",
            state,
        )
        assert_tidy(page.evaluate(SEEN), level_of)
    page.click("#open")
    assert page.evaluate(SEEN)["boxes"].keys() == {f"n{n.number}" for n in graph.nodes}
    page.click("#close")
    assert page.evaluate(SEEN)["frames"] == {}


def test_a_module_is_closed_and_opened_by_clicks(open_html):
    page = open_graph(open_html, mlp()[0])
    frame = page.locator("#frames > g", has_text="2: Linear")
    name = frame.get_attribute("id")[1:]
    frame.locator("text").click()
    assert not frame.is_visible()
    page.click(f"#g{name}")
    assert frame.is_visible()
    assert page.inner_text("#about h2") == "2: Linear"


def test_the_keyboard_reaches_boxes_and_modules(open_html):
    page = open_graph(open_html, mlp()[0])
    page.click("#close")
    page.locator("#graph").focus()

    def press(key):
        page.keyboard.press(key)
        return page.inner_text("#about h2")

    assert press("Enter") == "MseLoss"
    assert press("ArrowUp") == "4: Linear"
    assert press("Enter") == "Addmm"
    assert press("ArrowUp") == "Relu"
    assert press("ArrowRight") == "T"
    assert press("ArrowUp") == "4.weight"
    assert press("ArrowDown") == "T"
    assert press("ArrowLeft") == "Relu"
    assert press("ArrowLeft") == "4.bias"
    assert press("ArrowDown") == "Addmm"
    assert press("Backspace") == "4: Linear"
    assert page.evaluate("opened.size") == 0
    page.keyboard.press("Escape")
    assert page.inner_text("#about") == ""


# --- Search ---------------------------------------------------------------------------


def test_search_finds_names_modules_and_lines(open_html):
    page = open_graph(open_html, transformer()[0])
    page.click("#close")
    page.keyboard.press("/")
    for text, num_hits in [("norm1.weight", 6), ("layers.3.linear2: bias", 1)]:
        page.fill("#search", text)
        assert page.inner_text("#found") == f"{num_hits} found"
    page.fill("#search", "model(words).flatten")
    assert page.inner_text("#found") != "0 found"
    page.fill("#search", "layers.3.linear2 bias")
    assert page.locator("#boxes > .hit:visible").count() == 1  # the module it is in
    page.keyboard.press("Enter")
    assert page.inner_text("#found") == "1 of 1"
    assert page.inner_text("#about h2") == "encoder.layers.3.linear2.bias"
    assert "parameter" in page.locator("#boxes > .chosen").get_attribute("class")
    here = page.locator("#boxes > .chosen").bounding_box()
    picture = page.locator("#graph").bounding_box()
    assert picture["x"] <= here["x"] < picture["x"] + picture["width"] - here["width"]
    assert picture["y"] <= here["y"] < picture["y"] + picture["height"] - here["height"]
    page.keyboard.press("Escape")
    assert page.locator("#boxes > .hit").count() == 0
    assert page.input_value("#search") == ""


# --- Moving ---------------------------------------------------------------------------


def test_the_wheel_zooms_where_the_pointer_is(open_html):
    page = open_graph(open_html, mlp()[0])
    under = """() => {
      const box = document.getElementById("graph").getBoundingClientRect();
      const x = 300 - box.left - view.x, y = 400 - box.top - view.y;
      return [x / view.scale, y / view.scale, view.scale];
    }"""
    *before, scale = page.evaluate(under)
    page.mouse.move(300, 400)
    page.mouse.wheel(0, -300)
    page.wait_for_function("(scale) => view.scale > scale * 1.2", arg=scale)
    assert page.evaluate(under)[:2] == pytest.approx(before, abs=0.01)


def test_the_picture_is_dragged_and_moved_by_keys(open_html):
    page = open_graph(open_html, mlp()[0])
    x, y, scale = start = page.evaluate("[view.x, view.y, view.scale]")
    box = page.locator("#boxes > g:visible").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 45, box["y"] + 25, steps=4)
    page.mouse.up()
    assert page.evaluate("[view.x, view.y]") == pytest.approx([x + 40, y + 20])
    assert page.inner_text("#about") == ""  # a drag chooses nothing
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[view.x, view.y]") == pytest.approx([x - 20, y - 40])
    page.keyboard.press("+")
    assert page.evaluate("view.scale") > scale
    page.keyboard.press("-")
    assert page.evaluate("view.scale") == pytest.approx(scale)
    page.keyboard.press("0")
    assert page.evaluate("[view.x, view.y, view.scale]") == pytest.approx(start)


# --- Looks ----------------------------------------------------------------------------


def brightness(page, element="body", what="backgroundColor"):
    color = page.eval_on_selector(element, f"(e) => getComputedStyle(e).{what}")
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (float(each) / 255 for each in re.findall(r"\d+", color)[:3])
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_easy_to_read(open_html, scheme):
    # 4.5 is the least of WCAG 2.2, success criterion 1.4.3.
    page = open_graph(open_html, tutorial()[0], color_scheme=scheme)
    page.keyboard.press("n")
    pairs = [("#summary", "color", "body", "backgroundColor")]
    pairs += [("#marks text", "fill", "body", "backgroundColor")]
    for kind in ("parameter", "operation", "output", "data"):
        for text in ("text", "text.s"):
            pairs.append((f".{kind} {text}", "fill", f"#boxes .{kind} rect", "fill"))
    for text, of_text, behind, of_behind in pairs:
        text = text if text[0] == "#" else "#boxes " + text
        both = [brightness(page, text, of_text), brightness(page, behind, of_behind)]
        assert (max(both) + 0.05) / (min(both) + 0.05) >= 4.5, (text, behind)


def test_it_is_dark_where_the_reader_is_and_on_demand(open_html):
    graph, _, _ = tutorial()
    assert brightness(open_graph(open_html, graph, color_scheme="dark")) < 0.1
    page = open_graph(open_html, graph, color_scheme="light")
    assert brightness(page) > 0.9
    page.click("#theme")
    assert brightness(page) < 0.1
    page.click("#theme")
    assert brightness(page) > 0.9


def test_it_can_be_used_400_pixels_wide(open_html):
    page = open_graph(
        open_html, transformer()[0], width=400, height=800, has_touch=True
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 400
    assert page.evaluate("document.scrollingElement.scrollHeight") <= 800
    for button in page.locator("button").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 400
    picture = page.locator("#graph").bounding_box()
    assert picture["height"] > 300
    page.tap("#step")
    assert "Step 1 of" in page.inner_text("#status")
    page.tap("#boxes > .output")
    assert page.inner_text("#about h2") == "NllLoss"
    assert page.locator("#graph").bounding_box() == picture  # nothing jumps


def test_a_notebook_shows_it_in_a_frame(open_html):
    graph, _, _ = tutorial()
    page = open_html("<!doctype html><p>A cell</p>" + graph._repr_html_())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for(state="attached")
    frame.locator("#step").click()
    assert "Step 1 of 7" in frame.locator("#status").inner_text()
    frame.locator("#boxes > .output").click()
    assert frame.locator("#about h2").inner_text() == "Mean"


HOSTILE = [
    "</script><img src=x onerror=\"document.title='hacked'\">",
    "'\"><svg onload=\"document.title='hacked'\">",
    "{{boxes}} <!-- <script>",
    "two\nlines\u2028and \u202eright to left",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_text(open_html, name):
    x = torch.ones(1, requires_grad=True)
    model = type(name, (nn.Module,), {"forward": lambda self, x: (x * 2).sin()})()
    with gt.record() as recorded:
        loss = nn.Sequential(model)(x)
    graph = recorded.graph(loss, names={name: x})
    page = open_html(graph.html(title=name))
    page.wait_for_selector("html[data-ready]")
    assert page.text_content("h1") == printable_lines(name)
    shown = printable(name)
    assert shown in page.text_content("#boxes .parameter title")
    page.evaluate("choose('n0')")
    assert page.text_content("#about h2") == shown
    for _ in graph.gradients().steps:
        page.keyboard.press("n")
    assert page.text_content("#status b") == shown
    assert page.title() == re.sub("[ \n]+", " ", printable_lines(name))
    assert page.locator("img").count() == 0
    assert page.locator("svg").count() == 1
