"""A run that has ended goes on with more updates, and says what differs from one go."""

import pytest

from tests.run.forms import VAL, fit

TIMES = ("epoch_time_s", "samples_per_s")


def rows_of(path, **options):
    """Train with three batches an epoch; give the rows of the history."""
    trainer = fit(path, options={"batch_size": 4, **options}, epochs=None, val=VAL)
    rows = trainer.history.to_dicts()
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


SAME = [
    ({"max_steps": 3}, {"max_steps": 9}),
    ({"epochs": 1}, {"epochs": 3}),
    ({"epochs": 1}, {"max_steps": 8}),
    ({"max_steps": 4, "epoch_steps": 2}, {"max_steps": 8, "epoch_steps": 2}),
    ({"max_steps": 6, "val_every": 2}, {"max_steps": 9, "val_every": 2}),
]


@pytest.mark.parametrize("first, more", SAME)
def test_where_the_rows_are_those_of_one_go_it_is_exact(first, more, tmp_path, capsys):
    rows_of(tmp_path / "x", **first)
    rows = rows_of(tmp_path / "x", **more)
    assert "resume is exact" in capsys.readouterr().err
    assert rows == rows_of(tmp_path / "whole", **more)


CUT = r"epoch 2 was cut short by max_steps after 1 updates"
LAST = r"step {} was validated because it was the last one"
OTHER = [
    ({"max_steps": 4}, {"max_steps": 9}, [CUT]),
    ({"max_steps": 4}, {"epochs": 3}, [CUT]),
    ({"max_steps": 3, "epoch_steps": 2}, {"max_steps": 8, "epoch_steps": 2}, [CUT]),
    ({"epochs": 1, "val_every": 2}, {"epochs": 2, "val_every": 2}, [LAST.format(3)]),
    (
        {"max_steps": 4, "val_every": 3},
        {"max_steps": 9, "val_every": 3},
        [CUT, LAST.format(4)],
    ),
]


@pytest.mark.parametrize("first, more, reasons", OTHER)
def test_where_the_rows_are_others_it_says_why(first, more, reasons, tmp_path, capsys):
    rows_of(tmp_path / "x", **first)
    assert capsys.readouterr().err == ""
    rows = rows_of(tmp_path / "x", **more)
    told = capsys.readouterr().err
    assert f"resume is not exact: {'; '.join(reasons)}\n" in told
    assert rows != rows_of(tmp_path / "whole", **more)


def test_what_has_ended_and_is_not_extended_says_nothing_of_it(tmp_path, capsys):
    for _ in range(2):
        rows_of(tmp_path, max_steps=4)
    told = capsys.readouterr().err
    assert "4 of 4 steps. Nothing is left to do" in told and "exact" not in told
