import json

import pandas as pd
import pytest

from gradatim.cli.main import run
from tests.houses import houses


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = houses()
    frame.insert(0, "id", range(1, 161))
    frame.assign(same="x", name=[f"house {i}" for i in range(160)]).to_csv(
        "houses.csv", index=False
    )
    return "houses.csv"


def test_each_column_has_its_kind_and_reason(file, capfd):
    assert run(["inspect", file]) == 0
    out = capfd.readouterr().out
    assert "houses.csv: 160 rows, 13 columns" in out
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    for name, kind in {
        "area": "number",
        "rooms": "number",
        "kind": "category",
        "built": "datetime",
        "garden": "boolean",
    }.items():
        assert f" {kind} " in lines[name] and "used" in lines[name]
    assert "identifier" in lines["id"] and "not used: it counts the rows" in lines["id"]
    assert "constant" in lines["same"] and "not used" in lines["same"]
    assert "identifier" in lines["name"]
    assert "missing" in lines["area"]


def test_a_target_is_told_with_its_task(file, capfd):
    arguments = ["--target", "grade", "--drop", "price", "--keep", "id"]
    assert run(["inspect", file, *arguments]) == 0
    lines = {
        line.split()[0]: line for line in capfd.readouterr().out.splitlines() if line
    }
    assert "classification" in lines["grade"]
    assert "not used: dropped by name" in lines["price"]
    assert "used: kept, though" in lines["id"]


def test_json_is_the_schema(file, capfd):
    assert run(["inspect", file, "--target", "town", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["num_rows"] == 160
    assert told["target"]["labels"] == ["Aach", "Ulm", "Öhringen"]
    kinds = {column["name"]: column["kind"] for column in told["columns"]}
    assert kinds["built"] == "datetime" and kinds["id"] == "identifier"
    assert all("reason" in column for column in told["columns"])


def test_parquet_is_seen_alike(file, capfd):
    frame = pd.read_csv(file)
    frame["built"] = pd.to_datetime(frame["built"])
    frame.to_parquet("houses.parquet", index=False)
    kinds = []
    for name in (file, "houses.parquet"):
        assert run(["inspect", name, "--json"]) == 0
        told = json.loads(capfd.readouterr().out)
        kinds.append([(column["name"], column["kind"]) for column in told["columns"]])
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "There is no file none.csv"),
        (["houses.csv", "--target", "prize"], "Did you mean 'price'?"),
        (["houses.csv", "--drop", "aera"], "Did you mean 'area'?"),
    ],
)
def test_what_is_not_there_is_named(arguments, message, file, capfd):
    assert run(["inspect", *arguments]) == 1
    out, err = capfd.readouterr()
    assert message in err
    assert out == ""
