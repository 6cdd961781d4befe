"""Findings of one cause become one; lines, codes and severities choose and sort."""

import pytest

from gradatim.doctor import all_pitfalls, diagnose
from gradatim.doctor import diagnosis as module
from gradatim.doctor.exceptions import RULES
from gradatim.doctor.pitfall import SECTIONS, Pitfall
from gradatim.watching import TrainingSeen


def made(code, *, hides=(), severity="warning"):
    class Made(Pitfall):
        def find(self, seen):
            yield self.finding(verdict=f"{code}.", evidence="1", cure="none")

    Made.code, Made.title = code, code
    Made.hides, Made.severity = hides, severity
    return Made()


@pytest.fixture
def codes(monkeypatch):
    def of(*pitfalls, **options):
        monkeypatch.setattr(module, "all_pitfalls", lambda: pitfalls)
        return [finding.code for finding in diagnose(TrainingSeen(), **options)]

    return of


def test_what_follows_from_another_is_not_told(codes):
    assert codes(made("GT1", hides=("GT2",)), made("GT2"), made("GT3")) == [
        "GT1",
        "GT3",
    ]


def test_of_two_that_hide_each_other_one_is_told(codes):
    one, other = made("GT1", hides=("GT2",)), made("GT2", hides=("GT1", "GT3"))
    assert codes(one, other, made("GT3")) == ["GT1", "GT3"]


def test_what_is_ignored_still_hides(codes):
    assert codes(made("GT1", hides=("GT2",)), made("GT2"), ignore=["GT1"]) == []


def test_of_many_findings_of_a_pitfall_the_first_are_shown(codes):
    class Many(Pitfall):
        code = title = "GT1"

        def find(self, seen):
            for number in range(5):
                yield self.finding(verdict=f"{number}.", evidence="1", cure="none")

    class Two(Many):
        max_findings = 2

    assert codes(Many()) == ["GT1"]
    assert codes(Two()) == ["GT1", "GT1"]


def test_the_worst_stand_first(codes):
    pitfalls = made("GT1", severity="info"), made("GT2"), made("GT3", severity="error")
    assert codes(*pitfalls) == ["GT3", "GT2", "GT1"]
    assert codes(*pitfalls, select=["GT2", "GT1"]) == ["GT2", "GT1"]


def test_nothing_is_found_where_nothing_was_seen():
    assert diagnose(TrainingSeen()) == []


@pytest.mark.parametrize("pitfall", all_pitfalls(), ids=lambda pitfall: pitfall.code)
def test_each_pitfall_has_a_whole_page(pitfall):
    page = pitfall.page()
    places = [page.find(section) for section in SECTIONS]
    assert -1 not in places and places == sorted(places), page
    known = {other.code for other in all_pitfalls()}
    assert not set(pitfall.hides) & {pitfall.code}
    assert set(pitfall.hides) <= known, set(pitfall.hides) - known


def test_codes_are_one_each():
    codes = [pitfall.code for pitfall in all_pitfalls()] + list(RULES)
    assert len(codes) == len(set(codes)) and len(codes) > 60
