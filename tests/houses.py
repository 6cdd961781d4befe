"""A table with a column of every kind, for the tests of what trains on tables."""

import numpy as np
import pandas as pd

TARGETS = {
    "price": "regression",
    "dear": "binary",
    "sold": "binary",
    "grade": "classification",
    "town": "classification",
}
"""Columns to predict: numbers, words of two, booleans, integers, words of three."""


def houses(rows=160, *, seed=0):
    """Numbers with gaps, categories with gaps, booleans and dates, all telling."""
    random = np.random.RandomState(seed)
    area = random.uniform(30, 200, rows).round(1)
    rooms = random.randint(1, 8, rows)
    kind = random.choice(["flat", "house", "hut, old"], rows)
    days = random.randint(0, 900, rows)
    garden = random.rand(rows) < 0.4
    price = 3 * area + 20 * rooms + 90 * (kind == "house") + 0.1 * days + 30 * garden
    price += random.normal(0, 10, rows)
    level = pd.Series(price).rank(pct=True).to_numpy()
    frame = pd.DataFrame(
        {
            "area": np.where(random.rand(rows) < 0.1, np.nan, area),
            "rooms": rooms,
            "kind": np.where(random.rand(rows) < 0.1, None, kind),
            "built": pd.Timestamp("2019-03-01") + pd.to_timedelta(days, unit="D"),
            "garden": garden,
            "price": price.round(2),
            "dear": np.where(level > 0.6, "yes", "no"),
            "sold": level < 0.5,
            "grade": np.digitize(level, [0.3, 0.7]) + 1,
            "town": np.array(["Aach", "Öhringen", "Ulm"])[
                np.digitize(level, [0.4, 0.8])
            ],
        }
    )
    frame["built"] = frame["built"].dt.strftime("%Y-%m-%d")
    return frame


def with_target(target, *, rows=160, seed=0):
    """The table with one of its ``TARGETS`` only."""
    return houses(rows, seed=seed).drop(columns=[t for t in TARGETS if t != target])
