import json
import math

import pytest

from gradatim.errors import ConfigError
from gradatim.tables.fit.config import TabularConfig


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs must be 1 or more, got 0"),
        ("batch_size", -3, "batch_size must be 1 or more, got -3"),
        ("hidden", 0, "hidden"),
        ("patience", 0, "patience"),
        ("threads", 0, "threads"),
        ("lr", 0.0, "lr must be positive and finite, got 0.0"),
        ("lr", math.nan, "lr"),
        ("lr", math.inf, "lr"),
        ("max_norm", -1.0, "max_norm"),
        ("weight_decay", -0.1, "weight_decay must not be negative, got -0.1"),
        ("num_blocks", -1, "num_blocks"),
        ("dropout", 1.0, "dropout must be at least 0 and less than 1, got 1.0"),
        ("warmup", 1.5, "warmup"),
        ("val", 0.0, "val must lie between 0 and 1, got 0"),
        ("test", 1.0, "test must lie between 0 and 1, got 1"),
        ("val", math.nan, "val"),
        ("val", 0.9, "no row is left to train on"),
        ("seed", -1, "seed must be at least 0"),
        ("seed", 1 << 63, "seed must be at least 0 and less than 2"),
    ],
)
def test_values_out_of_their_range_are_refused(name, value, message):
    with pytest.raises(ConfigError, match=message):
        TabularConfig(**{name: value})


def test_it_goes_through_json_and_back():
    config = TabularConfig(lr=0.02, epochs=3, dropout=0.0, seed=7).for_rows(100)
    assert TabularConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_choice_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'epoch' is no choice .* mean 'epochs'"):
        TabularConfig.from_dict({"epoch": 3})


@pytest.mark.parametrize("rows", [1, 31, 500, 5_000, 200_000, 10_000_000])
def test_nothing_is_left_open(rows):
    config = TabularConfig().for_rows(rows)
    assert None not in config.to_dict().values() or config.threads is None
    assert 32 <= config.batch_size <= 1024
    assert 10 <= config.epochs <= 200
    assert config.patience >= 1


def test_what_is_chosen_stays():
    chosen = TabularConfig(epochs=3, batch_size=7, hidden=5, dropout=0.0, patience=2)
    assert chosen.for_rows(100).to_dict() == chosen.to_dict() | {"threads": 1}


def test_more_rows_are_passed_over_less_often():
    few, many = TabularConfig().for_rows(300), TabularConfig().for_rows(10**6)
    assert few.epochs > many.epochs
    assert few.batch_size < many.batch_size
    assert few.dropout > many.dropout
    assert few.threads == 1 and many.threads is None
