"""Predictions of a file: right, in order, whole or not there."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from gradatim.errors import ConfigError, DataError, FileReadError, SchemaError
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.saved import predict as predict_module
from gradatim.tables.saved.predict import predict_file
from gradatim.tables.table import read_table
from tests.houses import TARGETS, houses, with_target


def predicted(trained, source, output, **options):
    """Predict into a file; give what was written, the rows told and the notices."""
    run = trained.run
    told = predict_file(run.load_model(), run.schema, source, output, **options)
    if output.suffix == ".csv":
        return pyarrow.csv.read_csv(output), *told
    return pq.read_table(output), *told


def new_file(path, frame):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("target", TARGETS)
def test_answers_are_the_models(target, suffix, trained, tmp_path):
    one = trained(target)
    source = one.csv if suffix == "csv" else one.parquet
    table, num_rows, notices = predicted(one, source, tmp_path / "out.parquet")
    assert num_rows == table.num_rows == 160
    assert notices.lines() == []
    rows = read_table(one.csv, schema=one.run.schema)
    answers = predict_rows(one.fitted.model, rows.x)
    if target == "price":
        assert table.column_names == ["prediction"]
        assert table["prediction"].to_pylist() == answers.tolist()
        return
    labels = one.run.schema.labels
    best = [labels[place] for place in answers.argmax(dim=1)]
    assert table["prediction"].to_pylist() == best
    probabilities = np.column_stack([column.to_numpy() for column in table.columns[1:]])
    assert torch.equal(torch.tensor(probabilities), answers)


@pytest.mark.parametrize(
    ("target", "kind", "names"),
    [
        ("price", pa.float64(), []),
        ("dear", pa.string(), ["no", "yes"]),
        ("sold", pa.bool_(), ["false", "true"]),
        ("grade", pa.int64(), ["1", "2", "3"]),
        ("town", pa.string(), ["Aach", "Ulm", "Öhringen"]),
    ],
)
def test_labels_keep_their_type(target, kind, names, trained, tmp_path):
    one = trained(target)
    table, *_ = predicted(one, one.csv, tmp_path / "out.parquet")
    assert table.schema.field("prediction").type == kind
    assert table.column_names == ["prediction", *(f"probability_{n}" for n in names)]
    again, *_ = predicted(one, one.csv, tmp_path / "out.csv")
    assert again["prediction"].to_pylist() == table["prediction"].to_pylist()


def test_float_labels_stay_floats(tmp_path):
    from tests.trained_runs import fitted_on

    frame = with_target("grade").astype({"grade": float})
    fitted = fitted_on(new_file(tmp_path / "grade.parquet", frame), "grade")
    schema, output = fitted.plan.table.schema, tmp_path / "out.parquet"
    assert schema.labels == (1.0, 2.0, 3.0)
    predict_file(fitted.model, schema, tmp_path / "grade.parquet", output)
    assert pq.read_table(output).schema.field("prediction").type == pa.float64()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("target", ["price", "town"])
def test_batches_change_nothing(target, suffix, trained, tmp_path):
    """Predictions within 1e-5 of their spread: of other shapes matrix products round
    otherwise. Equal batches give equal bits.
    """
    one = trained(target)
    source = one.csv if suffix == "csv" else one.parquet
    whole, *_ = predicted(one, source, tmp_path / "a.parquet")
    for batch_rows in (7, 160, 1_000):
        output = tmp_path / f"{batch_rows}.parquet"
        parts, num_rows, _ = predicted(one, source, output, batch_rows=batch_rows)
        assert num_rows == 160
        assert parts.schema == whole.schema
        for name in whole.column_names:
            if whole[name].type == pa.string():
                assert parts[name].to_pylist() == whole[name].to_pylist()
                continue
            ours, theirs = parts[name].to_numpy(), whole[name].to_numpy()
            spread = max(theirs.std(), 1e-3)
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * spread, rtol=0)
            if batch_rows >= 160:
                assert np.array_equal(ours, theirs)


def test_rows_keep_their_order(trained, tmp_path):
    one, frame = trained("price"), houses()
    backwards = new_file(tmp_path / "new.csv", frame[::-1])
    table, *_ = predicted(one, one.csv, tmp_path / "a.parquet")
    other, *_ = predicted(one, backwards, tmp_path / "b.parquet")
    np.testing.assert_allclose(
        other["prediction"].to_numpy()[::-1], table["prediction"].to_numpy(), rtol=1e-5
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_come_in_any_order_and_more_of_them(suffix, trained, tmp_path):
    one = trained("price")
    frame = houses()[["town", "garden", "built", "kind", "rooms", "area"]]
    if suffix == "parquet":
        frame["built"] = pd.to_datetime(frame["built"])
    source = new_file(tmp_path / f"new.{suffix}", frame.assign(note="x"))
    table, _, notices = predicted(one, source, tmp_path / "a.parquet")
    assert table == predicted(one, one.csv, tmp_path / "b.parquet")[0]
    assert notices.extra == ("town", "note")
    assert notices.lines() == ["columns ignored, unknown to the model: 'town', 'note'"]


def test_the_target_is_neither_needed_nor_read(trained, tmp_path):
    one = trained("price")
    source = new_file(tmp_path / "new.csv", with_target("price").assign(price="?"))
    table, _, notices = predicted(one, source, tmp_path / "a.parquet")
    assert table == predicted(one, one.csv, tmp_path / "b.parquet")[0]
    assert notices.lines() == []
    predicted(one, source, tmp_path / "c.csv", with_input=True)


def test_a_missing_column_is_an_error(trained, tmp_path):
    one = trained("price")
    frame = houses().rename(columns={"rooms": "room"})
    source, output = new_file(tmp_path / "new.csv", frame), tmp_path / "out.csv"
    with pytest.raises(SchemaError, match=r"'rooms'.*Did you mean 'room'"):
        predicted(one, source, output)
    assert not output.exists()


def test_unseen_and_missing_values_are_predicted_and_counted(trained, tmp_path):
    one, frame = trained("town"), houses()
    frame.loc[3:7, "kind"] = "castle"
    frame.loc[9, ["area", "kind", "built"]] = None
    source = new_file(tmp_path / "new.csv", frame)
    table, _, notices = predicted(one, source, tmp_path / "out.csv", batch_rows=6)
    assert notices.unseen == {"kind": 5}
    assert notices.missing["built"] == 1
    assert "kind: 5 rows with a category unseen ('castle')" in notices.lines()
    shares = np.column_stack([column.to_numpy() for column in table.columns[1:]])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_threads_change_neither_bits_nor_order(trained, tmp_path):
    one = trained("price")
    options = {"batch_rows": 16, "num_threads": 1}
    alone, *told = predicted(one, one.parquet, tmp_path / "1.parquet", **options)
    options["num_threads"] = 3
    shared, *also = predicted(one, one.parquet, tmp_path / "3.parquet", **options)
    assert shared == alone
    assert also[0] == told[0]


def test_an_error_in_a_thread_is_told_and_leaves_nothing(trained, tmp_path):
    one = trained("price")
    frame = pd.read_csv(one.csv).astype({"area": object})
    frame.loc[100, "area"] = "large"
    source = new_file(tmp_path / "new.csv", frame)
    with pytest.raises(DataError, match="large"):
        predicted(one, source, tmp_path / "out.csv", batch_rows=16, num_threads=3)
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_one_row_is_predicted(trained, tmp_path):
    one = trained("town")
    source = new_file(tmp_path / "new.csv", houses()[:1])
    table, num_rows, _ = predicted(one, source, tmp_path / "out.csv")
    assert num_rows == table.num_rows == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_row_is_an_error(suffix, trained, tmp_path):
    one, output = trained("town"), tmp_path / "out.csv"
    source = new_file(tmp_path / f"new.{suffix}", houses()[:0])
    with pytest.raises(DataError, match="no row"):
        predicted(one, source, output)
    assert not output.exists()


def test_the_number_of_cores_changes_nothing(trained, tmp_path):
    one, frame = trained("price"), houses(5_000)
    source = new_file(tmp_path / "new.csv", frame)
    table, *_ = predicted(one, source, tmp_path / "a.parquet")
    torch.set_num_threads(2)
    assert table == predicted(one, source, tmp_path / "b.parquet")[0]
    assert torch.get_num_threads() == 2


class TestWithInput:
    @pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_the_files_columns_come_first(self, suffix, output, trained, tmp_path):
        one = trained("price")
        frame = houses().assign(id=[f"{i:03}" for i in range(160)])
        if suffix == "parquet":
            frame["built"] = pd.to_datetime(frame["built"])
        source = new_file(tmp_path / f"new.{suffix}", frame)
        options = {"with_input": True, "batch_rows": 50}
        run = one.run
        predict_file(run.load_model(), run.schema, source, tmp_path / output, **options)
        if output.endswith("csv"):
            found = pd.read_csv(tmp_path / output, dtype={"id": str})
        else:
            found = pq.read_table(tmp_path / output).to_pandas()
        assert list(found.columns) == [*frame.columns, "prediction"]
        assert found["id"].tolist() == frame["id"].tolist()  # 007 is no 7
        kinds = [None if pd.isna(kind) else kind for kind in found["kind"]]
        assert kinds == [None if pd.isna(kind) else kind for kind in frame["kind"]]
        np.testing.assert_array_equal(found["area"], frame["area"])
        np.testing.assert_array_equal(found["price"].astype(float), frame["price"])
        plain, *_ = predicted(one, source, tmp_path / "plain.parquet", batch_rows=50)
        np.testing.assert_allclose(found["prediction"], plain["prediction"].to_numpy())

    def test_a_column_of_an_answers_name_is_refused(self, trained, tmp_path):
        one = trained("price")
        source = new_file(tmp_path / "new.csv", houses().assign(prediction=1))
        with pytest.raises(
            ConfigError, match=r"column 'prediction' of its own.*\n.*\n"
        ):
            predicted(one, source, tmp_path / "out.csv", with_input=True)
        assert not (tmp_path / "out.csv").exists()


class TestOutput:
    @pytest.mark.parametrize("output", ["out.csv", "out.parquet", None])
    @pytest.mark.parametrize("batch_rows", [7, 1_000])
    def test_an_error_on_the_way_leaves_nothing(
        self, output, batch_rows, trained, tmp_path, capfd
    ):
        one, frame = trained("price"), houses().astype({"rooms": object})
        frame.loc[150, "rooms"] = "many"
        source = new_file(tmp_path / "new.csv", frame)
        before = tmp_path / "out.csv"
        before.write_text("of yesterday")
        path = None if output is None else tmp_path / output
        run = one.run
        with pytest.raises(FileReadError, match=r"line 152\b.*'many'"):
            predict_file(
                run.load_model(), run.schema, source, path, batch_rows=batch_rows
            )
        assert before.read_text() == "of yesterday"
        assert {p.name for p in tmp_path.iterdir()} == {"new.csv", "out.csv"}

    def test_a_full_disk_leaves_nothing(self, trained, tmp_path, monkeypatch):
        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        one = trained("price")
        monkeypatch.setattr(predict_module.os, "fsync", full)
        with pytest.raises(
            OSError, match=r"out\.csv cannot be written, the disk is full"
        ):
            predicted(one, one.csv, tmp_path / "out.csv")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_there_is_replaced(self, trained, tmp_path):
        one, output = trained("price"), tmp_path / "out.csv"
        output.write_text("of yesterday")
        assert predicted(one, one.csv, output)[0].num_rows == 160

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("out.xlsx", r"ends in '\.xlsx'(.|\n)*\.csv or \.parquet"),
            ("out", "ends in ''"),
            ("no/out.csv", "there is no folder"),
            ("folder.csv", "is a folder"),
        ],
    )
    def test_a_wrong_place_is_refused(self, name, message, trained, tmp_path):
        (tmp_path / "folder.csv").mkdir()
        one = trained("price")
        with pytest.raises(ConfigError, match=message):
            predicted(one, one.csv, tmp_path / name)

    @pytest.mark.parametrize("link", [False, True])
    def test_the_source_is_not_written_over(self, link, trained, tmp_path):
        one = trained("price")
        source = shutil.copy(one.csv, tmp_path / "new.csv")
        output = source
        if link:
            output = tmp_path / "link.csv"
            output.symlink_to(source)
        with pytest.raises(ConfigError, match="is the file that is read"):
            predicted(one, source, output)
        assert source.read_bytes() == one.csv.read_bytes()

    def test_standard_output_gets_csv(self, trained, tmp_path, capfdbinary):
        one = trained("town")
        predict_file(one.run.load_model(), one.run.schema, one.csv, None)
        told = capfdbinary.readouterr().out
        predicted(one, one.csv, tmp_path / "out.csv")
        assert told == (tmp_path / "out.csv").read_bytes()
        assert pyarrow.csv.read_csv(io.BytesIO(told)).num_rows == 160

    def test_modes_are_the_umasks(self, trained, tmp_path):
        one, before = trained("price"), os.umask(0o027)
        try:
            predicted(one, one.csv, tmp_path / "out.csv")
        finally:
            os.umask(before)
        assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640


IN_A_FRESH_PROCESS = """
import json, sys
from gradatim.cli.main import run
for arguments in json.loads(sys.argv[1]):
    assert run(arguments) == 0, arguments
"""


def test_a_fresh_process_on_a_copy_gives_the_same_bits(trained, tmp_path):
    calls, wanted = [], {}
    for target in TARGETS:
        one = trained(target)
        copy = shutil.copytree(one.run.path, tmp_path / f"copy of {target}")
        for source in (one.csv, one.parquet):
            name = f"{target}-{source.suffix[1:]}"
            output = tmp_path / f"{name}-fresh.parquet"
            calls.append(
                ["predict", str(source), "-o", str(output), "--run", str(copy)]
            )
            wanted[output], *_ = predicted(one, source, tmp_path / f"{name}.parquet")
    subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, json.dumps(calls)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert len(wanted) == 10
    for output, table in wanted.items():
        assert pq.read_table(output) == table
