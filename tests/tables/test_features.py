"""What the encoder makes of a table's tensors."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gradatim.tables.features import TableEncoder, embedding_size
from gradatim.tables.schema.calendar import days_and_seconds, weekday, year_and_day
from gradatim.tables.schema.values_to_codes import NO_TIME
from gradatim.tables.table import read_table


def table_of(**columns):
    num_rows = len(next(iter(columns.values())))
    target = np.random.default_rng(9).normal(size=num_rows)
    return read_table(pa.table({**columns, "y": target}), target="y")


def with_gaps(num_rows=301):
    random = np.random.default_rng(0)
    values = random.normal(size=(num_rows, 3)) * [1, 50, 0.01] + [0, -7, 0.02]
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, 2] = np.nan_to_num(values[:, 2], nan=0.5)
    return values.astype(np.float32)


def test_numbers_are_those_of_scikit_learn():
    values = with_gaps()
    table = table_of(a=values[:, 0], b=values[:, 1], c=values[:, 2])
    train = torch.arange(0, 301, 2)
    encoder = TableEncoder(table.schema).fit(table.select(train).x)
    oracle = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=False), StandardScaler()
    ).fit(values[::2])
    features = encoder(table.x)
    assert encoder.feature_names == ["a", "b", "c", "a missing", "b missing"]
    np.testing.assert_allclose(features[:, :3], oracle.transform(values), atol=2e-6)
    np.testing.assert_array_equal(features[:, 3:], np.isnan(values[:, :2]))
    imputer = oracle.named_steps["simpleimputer"]
    np.testing.assert_array_equal(
        encoder.state_dict()["parts.numbers.median"], imputer.statistics_
    )


def test_statistics_are_those_of_the_rows_given_alone():
    table = table_of(a=[1.0, 2.0, 3.0, 1e6, None])
    encoder = TableEncoder(table.schema).fit(table.select(torch.arange(3)).x)
    assert encoder.state_dict()["parts.numbers.mean"].tolist() == [2.0]
    assert encoder.state_dict()["parts.numbers.median"].tolist() == [2.0]


@pytest.mark.parametrize(
    "values",
    [
        [5.0, 5.0, 5.0, None],
        [None, None, None, 1.0],
        [0.1, 0.1, 0.1, 7.0],
        [1e30, 1e30, 1e30, -1e30],
    ],
)
def test_numbers_constant_in_the_training_part_stay_finite(values):
    table = table_of(a=values)
    encoder = TableEncoder(table.schema).fit(table.select(torch.arange(3)).x)
    features = encoder(table.x)
    assert features.isfinite().all()
    assert (features[:3, 0] == 0).all()


def test_large_numbers_close_together_keep_their_differences():
    stamps = 1_700_000_000 + np.arange(0, 1_000) * 3
    table = table_of(stamp=stamps[np.random.default_rng(0).permutation(1_000)])
    features = TableEncoder(table.schema).fit(table.x)(table.x)
    assert len(features.unique()) == 1_000
    assert abs(features.std(correction=0).item() - 1) < 1e-5


def test_before_fitting_scaled_features_are_nan():
    table = table_of(a=[1.0, 2.0, 4.0], t=pa.array([1, 2, 9], pa.timestamp("s")))
    features = TableEncoder(table.schema)(table.x)
    assert features[:, :2].isnan().all()


WORDS = ["a", "b", "c", None, "a", "b"] * 5


def test_embeddings_take_codes_apart_and_leave_unseen_ones_at_zero():
    table = table_of(word=WORDS, flag=[True, False, None] * 10)
    torch.manual_seed(3)
    encoder = TableEncoder(table.schema).fit(table.x)
    width = embedding_size(5)
    assert encoder.num_features == width + embedding_size(4)
    assert encoder.feature_names[0] == "word 0"
    features = encoder(table.x)
    assert features.shape == (30, encoder.num_features)
    weight = dict(encoder.named_parameters())["parts.categories.tables.0.weight"]
    assert torch.equal(features[:, :width], weight[table.x["categories"][:, 0]])
    assert (weight[:2] == 0).all() and (weight[2:] != 0).all()
    features.sum().backward()
    assert weight.grad[1].abs().sum() == 0 and weight.grad[0].abs().sum() > 0
    assert TableEncoder(table.schema, embedding_dim=7).num_features == 14


@pytest.mark.parametrize("num_values", [[3] * 9, [3, 9, 3, 2] * 3])
def test_many_columns_are_looked_up_as_one_with_the_same_bits(num_values):
    random = np.random.default_rng(1)
    words = np.array([f"word {number}" for number in range(max(num_values))])
    drawn = (words[random.integers(n, size=60)] for n in num_values)
    table = table_of(**{f"c{i}": values for i, values in enumerate(drawn)})
    encoder = TableEncoder(table.schema).fit(table.x)
    part = encoder.parts["categories"]
    outputs, gradients = [], []
    for is_joined in (True, False):
        part._is_joined = is_joined
        encoder.zero_grad()
        outputs.append(encoder(table.x))
        outputs[-1].square().sum().backward()
        gradients.append([weight.grad for weight in encoder.parameters()])
    assert torch.equal(*outputs)
    assert all(map(torch.equal, *gradients))
    assert outputs[0].shape[1] == len(encoder.feature_names)


def test_wide_tables_are_looked_up_as_one_and_leave_no_trace_in_files():
    turned = {f"c{i}": WORDS[i:] + WORDS[:i] for i in range(6)}
    table = table_of(**turned)
    few = table_of(c0=WORDS, c1=WORDS[::-1])
    assert TableEncoder(table.schema).parts["categories"]._is_joined
    assert not TableEncoder(few.schema).parts["categories"]._is_joined
    state = TableEncoder(table.schema).state_dict()
    assert list(state) == [f"parts.categories.tables.{i}.weight" for i in range(6)]
    with torch.device("meta"):
        assert TableEncoder(table.schema).num_features == 6 * embedding_size(5)


def test_the_linear_view_is_scikit_learns_one_hot():
    table = table_of(word=WORDS, size=np.arange(30) ** 2.0)
    encoder = TableEncoder(table.schema, linear=True).fit(table.x)
    features = encoder(table.x)
    assert list(encoder.parameters()) == []
    codes = table.x["categories"].numpy()
    oracle = OneHotEncoder(categories=[range(5)], sparse_output=False)
    np.testing.assert_array_equal(features[:, 1:], oracle.fit_transform(codes))
    assert encoder.feature_names == [
        "size",
        "word missing",
        "word unseen",
        "word a",
        "word b",
        "word c",
    ]


def test_the_linear_view_has_the_fifty_most_frequent_codes():
    words = [f"{n:03}" for n in range(200) for _ in range(2 + (n % 4 == 0))]
    table = table_of(word=words)
    encoder = TableEncoder(table.schema, linear=True).fit(table.x)
    assert encoder.num_features == 50
    assert encoder.feature_names == [f"word {n:03}" for n in range(0, 200, 4)]
    features = encoder(table.x)
    assert features.sum() == 150


MOMENTS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))
EPOCH = datetime.datetime(1970, 1, 1)


@given(moment=MOMENTS)
def test_the_calendar_is_pythons(moment):
    seconds = (moment - EPOCH) // datetime.timedelta(seconds=1)
    days, second = days_and_seconds(torch.tensor([seconds]))
    assert second.item() == moment.hour * 3600 + moment.minute * 60 + moment.second
    assert weekday(days).item() == moment.weekday()
    year, day_of_year, day_of_month = year_and_day(days)
    assert year.item() == moment.year
    assert day_of_year.item() == moment.timetuple().tm_yday - 1
    assert day_of_month.item() == moment.day - 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_become_elapsed_time_and_places_on_circles(unit):
    random = np.random.default_rng(0)
    seconds = random.integers(-(10**8), 10**9, 200)
    values = pa.array(seconds, pa.timestamp("s")).cast(pa.timestamp(unit))
    table = table_of(t=values)
    encoder = TableEncoder(table.schema).fit(table.x)
    names = [
        f"t {part} {wave}"
        for part in ("time_of_day", "weekday", "day_of_month", "day_of_year")
        for wave in ("sin", "cos")
    ]
    assert encoder.feature_names == ["t elapsed", *names]
    features = encoder(table.x).double().numpy()
    scaled = (seconds - seconds.mean()) / seconds.std()
    np.testing.assert_allclose(features[:, 0], scaled, atol=1e-6)
    moments = [EPOCH + datetime.timedelta(seconds=int(s)) for s in seconds]
    parts = [
        [
            (m.hour * 3600 + m.minute * 60 + m.second) / 86_400,
            m.weekday() / 7,
            (m.day - 1) / 31,
            (m.timetuple().tm_yday - 1) / 366,
        ]
        for m in moments
    ]
    angles = 2 * np.pi * np.array(parts)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(200, -1)
    np.testing.assert_allclose(features[:, 1:], waves, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (pa.array(range(0, 86_400, 3_600), pa.timestamp("s")), ["time_of_day"]),
        (pa.array(range(40), pa.date32()), ["weekday"]),
        (pa.array(range(60), pa.date32()), ["weekday", "day_of_month"]),
        (pa.array(range(0, 700, 7), pa.date32()), ["day_of_month", "day_of_year"]),
        (pa.array(range(24), pa.time32("s")), ["time_of_day"]),
        (pa.array([0, 1, 3], pa.time64("ns")), ["time_of_day"]),
    ],
)
def test_only_parts_that_vary_become_features(values, parts):
    table = table_of(t=values)
    encoder = TableEncoder(table.schema).fit(table.x)
    waves = [f"t {part} {wave}" for part in parts for wave in ("sin", "cos")]
    assert encoder.feature_names == ["t elapsed", *waves]
    assert encoder(table.x).isfinite().all()


def test_missing_times_are_in_the_middle_and_flagged():
    days = [0, 100, None, 260, 400, None]
    table = table_of(t=pa.array(days, pa.date32()))
    encoder = TableEncoder(table.schema).fit(table.x)
    features = encoder(table.x)
    assert encoder.feature_names[-1] == "t missing"
    assert features[:, -1].tolist() == [0, 0, 1, 0, 0, 1]
    assert (features[2, :-1] == 0).all()
    gone = {"times": torch.full((3, 1), NO_TIME)}
    assert TableEncoder(table.schema).fit(gone)(gone).isfinite().all()


def everything(num_rows=64):
    random = np.random.default_rng(0)
    return table_of(
        a=random.normal(size=num_rows),
        w=[f"{n}" for n in random.integers(0, 5, num_rows)],
        t=pa.array(random.integers(0, 10**9, num_rows), pa.timestamp("s")),
    )


@pytest.mark.parametrize("linear", [False, True])
def test_what_was_fitted_travels_in_the_state_dict(linear):
    table = everything()
    encoder = TableEncoder(table.schema, linear=linear).fit(table.x)
    other = TableEncoder(table.schema, linear=linear)
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(table.x), encoder(table.x))
    assert other.feature_names == encoder.feature_names
    assert encoder(table.x).dtype == torch.float32
    assert other.num_features == other(table.x).shape[1]


def test_rows_are_encoded_one_by_one_as_together():
    table = everything()
    encoder = TableEncoder(table.schema).fit(table.x)
    whole = encoder(table.x)
    for row in range(0, 64, 9):
        alone = encoder(table.select(torch.tensor([row])).x)
        assert torch.equal(alone[0], whole[row])
    assert encoder(table.select(torch.arange(0)).x).shape == (0, whole.shape[1])


def test_the_encoder_runs_on_another_device():
    table = everything()
    encoder = TableEncoder(table.schema).to("meta")
    x = {name: values.to("meta") for name, values in table.x.items()}
    assert encoder(x).device.type == "meta"


def test_the_encoder_compiles_to_one_graph():
    table = everything()
    encoder = TableEncoder(table.schema).fit(table.x)
    explained = torch.export.export(encoder, (table.x,), strict=False)
    torch.testing.assert_close(explained.module()(table.x), encoder(table.x))
