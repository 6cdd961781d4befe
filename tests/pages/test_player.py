"""Pictures that move in the page: their frames, and what a page opens with."""

import re

import pytest

from gradatim.course.ch02_descent import shows as ch02
from gradatim.course.ch03_numpy import shows as ch03
from gradatim.course.ch06_autograd import shows as ch06
from gradatim.course.ch07_graph import shows as ch07
from gradatim.course.ch11_step import shows as ch11
from gradatim.course.ch14_evaluation import shows as ch14
from gradatim.pages import player
from gradatim.pages.player import MovingChart, frames, only, told_frames

PLAYERS = {
    "numpy": lambda: ch03.played(),
    "rolling": lambda: ch02.rolling(0.3, 16),
    "diverging": lambda: ch02.rolling(0.9),
    "pile": lambda: ch06.pile(zeroing=False),
    "backward": lambda: ch07.stepped(3),
    "calls": lambda: ch11.called(),
    "evaluation": lambda: ch14.played(),
}


@pytest.mark.parametrize("name", PLAYERS)
def test_each_frame_has_a_value_of_all_that_moves(name):
    page = PLAYERS[name]()
    count = int(re.search(r'data-player="(\d+)"', page)[1])
    assert count > 5
    for told in re.findall(r'data-frames="([^"]*)"', page):
        for part in told.split(";"):
            attribute, _, values = part.partition(":")
            assert attribute and len(values.split(" ")) == count
    assert f'max="{count - 1}"' in page
    at = int(re.search(r'data-at="(\d+)"', page)[1])
    assert f'value="{at}" data-place' in page


@pytest.mark.parametrize("name", PLAYERS)
def test_it_opens_with_the_values_of_its_first_frame(name):
    page = PLAYERS[name]()
    at = int(re.search(r'data-at="(\d+)"', page)[1])
    checked = 0
    for element in re.findall(r"<(?:line|circle|rect|g)[^>]*data-frames[^>]*>", page):
        told = re.search(r'data-frames="([^"]*)"', element)[1]
        for part in told.split(";"):
            attribute, _, values = part.partition(":")
            given = re.search(rf' {attribute}="([^"]*)"', element)[1]
            assert float(given) == pytest.approx(float(values.split(" ")[at]), rel=1e-4)
            checked += 1
    assert checked > 0 or "data-only" in page


def test_sentences_are_as_many_as_frames():
    with pytest.raises(ValueError, match="3 frames, but 2 sentences"):
        player.player("", 3, steps={}, told=["a", "b"], label="n")


def test_a_text_is_nothing_but_text():
    told = told_frames(['<b> "x"', "</span>"])
    assert "<b>" not in told and told.count("</span>") == 1


def test_what_is_only_in_some_frames_is_hidden_elsewhere():
    assert "display:none" not in only("<b>x</b>", 0, 2)
    assert "display:none" in only("<b>x</b>", 1, 2)
    assert "display:none" not in only("<b>x</b>", 1, 2, at=1)


def test_residuals_end_on_the_line():
    chart = MovingChart((0, 2), (0, 10))
    chart.residuals([1.0], [5.0], (2.0, 3.0)).moving_line([(2.0, 3.0), (0.0, 1.0)])
    svg = chart.svg()
    line = re.search(r'<line data-line[^>]*y1="([\d.]+)" y2="([\d.]+)"', svg)
    foot = re.search(r'data-foot="([\d.]+)"[^>]*y2="([\d.]+)"', svg)
    first, end = float(line[1]), float(line[2])
    on_it = first + float(foot[1]) * (end - first)
    assert on_it == pytest.approx(float(foot[2]), abs=0.1)


def test_frames_are_written_shortly():
    assert frames({"x": [1.0, 2.5]}) == 'data-frames="x:1 2.5"'
