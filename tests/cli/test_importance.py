import json
import re
import shutil

from gradatim.cli.main import run


def test_columns_are_a_table_that_show_repeats(trained, tmp_path, capfd):
    shutil.copytree(trained("dear"), tmp_path / "dear")
    path = str(tmp_path / "dear" / "run")
    capfd.readouterr()
    assert run(["importance", "--run", path, "--repeats", "2"]) == 0
    out, err = capfd.readouterr()
    about, header, *rows = out.splitlines()
    assert re.match(r"importance on 24 test rows: .*log_loss \(\d.*of 2:$", about)
    assert header.split() == ["column", "importance", "±"]
    names = {row.split()[0] for row in rows}
    assert names == {"area", "rooms", "kind", "built", "garden"}
    means = [float(row.split()[1]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert err == ""
    assert run(["show", "--run", path]) == 0
    assert capfd.readouterr().out.endswith(out)
    assert run(["importance", "--run", path, "--repeats", "2", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["metric"] == "log_loss" and len(found["columns"]) == 5
    assert run(["show", "--run", path, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["importance"] == found


def test_what_is_asked_wrongly_is_refused(trained, capfd):
    path = str(trained("dear") / "run")
    capfd.readouterr()
    assert run(["importance", "--run", path, "--metric", "roc"]) == 2
    assert "Did you mean 'roc_auc'" in capfd.readouterr().err
    assert run(["importance", "--run", path, "--repeats", "0"]) == 2
    assert "repeats is 0" in capfd.readouterr().err
