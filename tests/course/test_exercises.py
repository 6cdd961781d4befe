"""Each solution is accepted, each wrong answer is not, and a stub is no answer."""

import time

import pytest

from gradatim.course.exercise import EXERCISES, Wrong, load_exercise, try_answer
from gradatim.errors import ConfigError

ALL = [load_exercise(name) for name in EXERCISES]
MUTANTS = [(e, name) for e in ALL for name in e.mutants]


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """An answer is judged by what it does, however slow the machine is."""
    monkeypatch.setattr("gradatim.course.exercise.MOST_SECONDS", 600.0)


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_the_solution_is_accepted(exercise):
    assert try_answer(exercise, exercise.solution) is None


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_the_stub_is_refused(exercise):
    assert try_answer(exercise, exercise.stub)


@pytest.mark.parametrize(
    ("exercise", "mutant"), MUTANTS, ids=[f"{e.name}: {name}" for e, name in MUTANTS]
)
def test_a_wrong_answer_is_refused(exercise, mutant, unchecked):
    code = exercise.mutants[mutant]
    assert code != exercise.solution, "the mutant changes nothing"
    wrong = try_answer(exercise, code)
    assert wrong is not None and len(wrong) > 10


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_it_has_three_mutants_and_words(exercise):
    assert len(exercise.mutants) >= 3
    assert exercise.text and exercise.hint and exercise.praise


@pytest.fixture
def gradients():
    return load_exercise("ex02_gradients")


def test_what_python_cannot_read_is_said(gradients):
    assert "line 1" in try_answer(gradients, "def gradients(:")


def test_an_exception_is_told_with_its_line(gradients):
    wrong = try_answer(gradients, "def gradients(a, b, x, y):\n    return 1 / 0")
    assert "ZeroDivisionError" in wrong and "line 2" in wrong


def test_a_loop_without_end_is_ended(gradients, monkeypatch):
    monkeypatch.setattr("gradatim.course.exercise.MOST_SECONDS", 0.2)
    begin = time.process_time()
    wrong = try_answer(gradients, "while True:\n    pass")
    assert "does its loop end" in wrong
    assert time.process_time() - begin < 5


def test_what_an_answer_prints_is_not_printed(gradients, capsys):
    try_answer(gradients, "print('hello')\n" + gradients.solution)
    assert capsys.readouterr().out == ""


def test_an_answer_may_end_the_program_and_does_not(gradients):
    assert "SystemExit" in try_answer(gradients, "raise SystemExit")


def test_an_unknown_exercise_is_named():
    with pytest.raises(ConfigError, match="ex02_gradients"):
        load_exercise("ex02_gradient")


def test_wrong_is_an_exception():
    assert issubclass(Wrong, Exception)
