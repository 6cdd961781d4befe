"""Graphs: what finding and placing one costs, beside Graphviz; and its page.

Graphviz (dot, bundled with pygraphviz) is given the same boxes, of the same sizes, and
only has to place them; our time has the walk through autograd's nodes in it. Lines
cross where the drawn curves of two do. Medians of repeats, by the clock.
"""

import gc
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

import gradatim as gt
from gradatim.graphs import Graph
from gradatim.graphs.picture import Picture
from gradatim.graphs.svg import corners
from measure import median, print_table, verdict

REPEATS = 9
DOTS_PER_INCH = 72
CROSSINGS_BAR = 1.5


def tutorial() -> Tensor:
    a, b = torch.randn(1, requires_grad=True), torch.randn(1, requires_grad=True)
    x, y = torch.randn(80, 1), torch.randn(80, 1)
    return ((y - (a + b * x)) ** 2).mean()


def transformer(num_layers: int) -> Tensor:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, num_layers)(torch.randn(2, 5, 32)).sum()


def rnn() -> Tensor:
    cell, state = nn.RNNCell(4, 8), torch.zeros(1, 8)
    for _ in range(50):
        state = cell(torch.randn(1, 4), state)
    return state.sum()


GRAPHS = {
    "tutorial": (tutorial, 0.002),
    "transformer, 6 layers": (lambda: transformer(6), 0.1),
    "transformer, 20 layers": (lambda: transformer(20), 0.4),
    "RNN, 50 steps": (rnn, 0.5),
}
"""How each is made, and the bar in seconds."""

Points = list[tuple[float, float]]


def dot(graph: Graph) -> "object":
    """Let Graphviz place the same boxes."""
    import pygraphviz

    picture = Picture(graph, opened=True)
    found = pygraphviz.AGraph(directed=True, strict=False)
    for item in picture.levels[None].items:
        width, height = picture.size(item)
        found.add_node(
            item.number,
            shape="box",
            fixedsize=True,
            width=width / DOTS_PER_INCH,
            height=height / DOTS_PER_INCH,
        )
    for arrow in graph.arrows:
        found.add_edge(arrow.above, arrow.below)
    return found


def seconds(function, repeats: int = REPEATS) -> float:
    times = []
    for repeat in range(repeats + 1):
        gc.collect()
        begin = time.perf_counter()
        function()
        if repeat:  # the first is the warm-up
            times.append(time.perf_counter() - begin)
    return median(times)


def our_lines(graph: Graph) -> list[Points]:
    picture = Picture(graph, opened=True)
    rects, _ = picture.rects()
    level, lines = picture.levels[None], []
    for index in range(len(level.pieces)):
        points: Points = []
        for (x, y), (to_x, to_y) in pairwise(
            corners(picture, level, index, (0.0, 0.0), rects)
        ):
            middle = (y + to_y) / 2
            points += curve([(x, y), (x, middle), (to_x, middle), (to_x, to_y)])
        lines.append(points)
    return lines


def their_lines(graph) -> list[Points]:
    lines = []
    for edge in graph.edges():
        texts = edge.attr["pos"].replace("\\\n", "").split()
        points = [
            tuple(map(float, t.split(","))) for t in texts if not t.startswith("e,")
        ]
        line: Points = []
        for start in range(0, len(points) - 3, 3):
            line += curve(points[start : start + 4])
        lines.append(line)
    return lines


def curve(corners: Points, parts: int = 8) -> Points:
    """Points along a cubic Bezier curve."""
    found = []
    for part in range(parts + 1):
        t = part / parts
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        x = sum(w * p[0] for w, p in zip(weights, corners, strict=True))
        y = sum(w * p[1] for w, p in zip(weights, corners, strict=True))
        found.append((x, y))
    return found


def num_crossings(lines: list[Points]) -> int:
    """Count the pairs of lines that cross somewhere between their ends."""
    pieces = sorted(
        (min(a[1], b[1]), max(a[1], b[1]), a, b, number)
        for number, line in enumerate(lines)
        for a, b in pairwise(line)
        if a != b
    )
    crossing, active = set(), []
    for piece in pieces:
        active = [other for other in active if other[1] > piece[0]]
        for other in active:
            if other[4] != piece[4] and crosses(piece[2:4], other[2:4]):
                crossing.add(frozenset((piece[4], other[4])))
        active.append(piece)
    return len(crossing)


def crosses(one, other) -> bool:
    (a, b), (c, d) = one, other
    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


def turn(a, b, c) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def placing() -> None:
    rows = []
    for name, (make, bar) in GRAPHS.items():
        torch.manual_seed(0)
        tensor = make()
        graph = gt.graph(tensor, names={})
        ours = seconds(lambda t=tensor: Picture(gt.graph(t, names={})))
        drawn = seconds(lambda t=tensor: gt.graph(t, names={}).svg())
        theirs = seconds(lambda g=graph: dot(g).layout("dot"))
        placed = dot(graph)
        placed.layout("dot")
        crossings = num_crossings(our_lines(graph)), num_crossings(their_lines(placed))
        rows.append(
            [
                name,
                f"{len(graph.nodes):,}",
                f"{1e3 * ours:.1f}",
                f"{1e3 * bar:.0f}",
                verdict(ours, bar),
                f"{1e3 * drawn:.1f}",
                f"{1e3 * theirs:.1f}",
                f"{ours / theirs:.2f}",
                "{} / {}".format(*crossings),
            ]
        )
    headers = ["graph", "boxes", "walk and place, ms", "bar", "", "with SVG, ms"]
    print_table([*headers, "Graphviz, ms", "ratio", "crossings, theirs"], rows)


def page() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = nn.TransformerEncoder(layer, 6)
    with gt.record(model) as recorded:
        loss = model(torch.randn(2, 5, 32)).sum()
    graph = recorded.graph(loss)
    made = seconds(lambda: recorded.graph(loss).html(), 3)
    text = graph.html()
    print(
        f"\nThe page of {len(graph.nodes)} boxes, gradients in it: "
        f"{len(text.encode()) / 1e3:.0f} KB (bar 400: "
        f"{verdict(len(text.encode()), 400e3)}), made in {1e3 * made:.0f} ms."
    )
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("Chromium was not found: how soon it is there was not measured.")
        return
    ready = median([opened_s(text, program) for _ in range(5)])
    print(
        f"In Chromium it can be used {1e3 * ready:.0f} ms after it is asked for "
        f"(bar 1,000: {verdict(ready, 1.0)})."
    )


def opened_s(text: str, program: str) -> float:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "graph.html"
        path.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        view = browser.new_page()
        view.goto("about:blank")
        begin = time.perf_counter()
        view.goto(path.as_uri(), wait_until="commit")
        view.wait_for_selector("html[data-ready]", state="attached")
        found = time.perf_counter() - begin
        browser.close()
        return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    placing()
    page()
