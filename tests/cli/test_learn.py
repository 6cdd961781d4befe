"""``gradatim learn`` besides the browser: lists, copies, checks."""

import http.client
import json
import signal
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from gradatim.cli.main import run
from gradatim.course import CHAPTERS
from gradatim.course.exercise import load_exercise
from gradatim.course.notebook import notebook_source
from tests.cli.process import ended, start


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRADATIM_COURSE", str(tmp_path / "mine"))


def test_it_lists_chapters_and_exercises(capsys):
    assert run(["learn", "list"]) == 0
    out = capsys.readouterr().out
    for chapter in CHAPTERS:
        assert chapter.name in out
    assert "ex02_gradients" in out


def test_a_copy_stays_as_the_learner_made_it(tmp_path, capsys):
    assert run(["learn", "mine", "descent", "--no-open"]) == 0
    place = tmp_path / "mine" / "ch02_descent.py"
    assert capsys.readouterr().out.strip() == str(place)
    assert place.read_text() == notebook_source(CHAPTERS[1])
    place.write_text("# changed\n")
    assert run(["learn", "mine", "2", "--no-open"]) == 0
    assert place.read_text() == "# changed\n"
    assert "auto_instantiate = true" in (place.parent / "pyproject.toml").read_text()


def test_another_folder(tmp_path, capsys):
    folder = tmp_path / "other place"
    assert run(["learn", "--folder", str(folder), "mine", "2", "--no-open"]) == 0
    assert (folder / "ch02_descent.py").is_file()


def test_an_answer_in_a_file_is_checked(tmp_path, capsys):
    answer = tmp_path / "answer.py"
    answer.write_text(load_exercise("ex02_gradients").stub)
    assert run(["learn", "check", "ex02_gradients", str(answer)]) == 1
    assert "not yet" in capsys.readouterr().out
    answer.write_text(load_exercise("ex02_gradients").solution)
    assert run(["learn", "check", "ex02_gradients", str(answer)]) == 0
    assert "solved" in capsys.readouterr().out
    kept = json.loads((tmp_path / "mine" / "progress.json").read_text())
    assert kept["ex02_gradients"]["solved"] is True
    assert run(["learn", "check", "ex02_gradients"]) == 0
    assert run(["learn", "list"]) == 0
    assert "ex02_gradients (solved)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mine", "99"], "no chapter 99"),
        (["check", "ex02_gradients"], "no answer to ex02_gradients"),
        (["check", "ex99"], "no exercise ex99"),
        (["check", "ex02_gradients", "nowhere.py"], "nowhere.py"),
    ],
)
def test_what_is_not_there_is_said(arguments, told, capsys):
    assert run(["learn", *arguments]) != 0
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("port", ["80000", "-1", "0", "taken"])
def test_a_port_that_cannot_be_had_is_one_line(port, tmp_path):
    """In a process of its own: the server would leave the whole process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1] if port == "taken" else port
        code, out, err = ended("learn", "--no-open", "--port", number, cwd=tmp_path)
    assert code == 2 and out == "" and str(number) in err


def requests_of(address):
    """Ask what is right, and what is refused; give the statuses of the answers."""
    parts = urlsplit(address)
    own, query, slug = f"http://{parts.netloc}", parts.query, CHAPTERS[1].slug
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    socket_of = f"/{slug}/ws?session_id=s_123456&{query}"
    for path, headers in (
        (f"/?{query}", {}),
        ("/?access_token=another", {}),
        (f"/?{query}", {"Host": "evil.example"}),
        (f"/?{query}", {"Origin": "http://evil.example"}),
        (f"/open/{slug}?{query}", {}),
        (f"/{slug}/?{query}", {}),
        (f"/none?{query}", {}),
        (f"/?{query}", {"Cookie": "\xff;;=", "Content-Length": "-1"}),
        (socket_of, upgrade | {"Origin": "http://evil.example"}),
        (socket_of, upgrade | {"Origin": own}),
    ):
        connection = http.client.HTTPConnection(parts.netloc, timeout=300)
        connection.request("GET", path, headers=headers)
        yield connection.getresponse().status
        connection.close()
    with socket.create_connection((parts.hostname, parts.port)) as damaged:
        damaged.sendall(f"GET /?{query} HTTP/9.9\r\n\x00\r\n\r\n".encode())
        yield int(damaged.recv(100).split()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_its_folder(number, tmp_path):
    """And what was asked by then is in no log: the addresses have the token."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    before = f"import tempfile; tempfile.tempdir = {str(folder)!r}"
    process = start("learn", "--no-open", cwd=tmp_path, before=before)
    line = process.stdout.readline()
    assert line.startswith("the course: http://127.0.0.1:")
    assert any(folder.iterdir())
    address = line.split()[-1]
    statuses = list(requests_of(address))
    assert statuses[:5] == [200, 401, 400, 403, 303]
    assert statuses[7:] == [400, 403, 101, 400]
    process.send_signal(number)
    out, err = process.communicate()
    token = parse_qs(urlsplit(address).query)["access_token"][0]
    assert len(token) == 16 and token not in out + err
    expected = 0 if number == signal.SIGINT else 128 + number
    assert process.returncode == expected
    assert not any(folder.iterdir())
