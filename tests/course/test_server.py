"""One server on this machine, for those who have its address."""

import http.client
import re
import socket

import pytest

from gradatim.course import CHAPTERS
from gradatim.course.server import HOST, SameOrigin, serving
from gradatim.errors import ConfigError, GradatimError

TOKEN = "a-token"


@pytest.fixture(scope="module")
def port():
    with serving(None, TOKEN) as server:
        server.wait_until_up()
        yield server.port


def get(port, path, **headers):
    connection = http.client.HTTPConnection(HOST, port, timeout=300)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode(errors="replace")
    connection.close()
    return response, text


def test_without_the_token_nothing_is_shown(port):
    response, text = get(port, "/")
    assert response.status == 401 and "Gradient" not in text
    assert get(port, "/?access_token=another")[0].status == 401
    assert get(port, f"/open/{CHAPTERS[1].slug}")[0].status == 404
    response, text = get(port, f"/{CHAPTERS[1].slug}/")
    assert response.status in (303, 401) and "Gradient" not in text


def test_with_it_the_contents_are(port):
    response, text = get(port, f"/?access_token={TOKEN}")
    assert response.status == 200
    for chapter in CHAPTERS:
        assert chapter.title in text
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert TOKEN not in text


def test_the_cookie_opens_a_chapter(port):
    cookie = get(port, f"/?access_token={TOKEN}")[0].headers["set-cookie"].split(";")[0]
    response, _ = get(port, f"/open/{CHAPTERS[1].slug}", Cookie=cookie)
    assert response.status == 303
    place = response.headers["location"]
    response, _ = get(port, place)
    own = response.headers["set-cookie"].split(";")[0]
    response, text = get(port, f"/{CHAPTERS[1].slug}/", Cookie=own)
    assert response.status == 200 and "marimo" in text


def test_another_name_for_this_machine_is_refused(port):
    assert get(port, f"/?access_token={TOKEN}", Host="evil.example")[0].status == 400


def test_an_unknown_chapter_is_not_led_to(port):
    cookie = get(port, f"/?access_token={TOKEN}")[0].headers["set-cookie"].split(";")[0]
    assert get(port, "/open/ch99_none", Cookie=cookie)[0].status == 404


def test_no_service_worker_stands_before_a_chapter(port):
    """One that stood there held up a chapter that a browser opened again."""
    cookie = get(port, f"/{CHAPTERS[1].slug}/?access_token={TOKEN}")[0].headers
    headers = {"Cookie": cookie["set-cookie"].split(";")[0]}
    _, text = get(port, f"/{CHAPTERS[1].slug}/", **headers)
    ours = text.index("serviceWorker.register = () => new Promise(() => {});")
    assert ours < text.index("serviceWorker.register('./public-files-sw.js")


def test_chapters_share_a_front_end_that_a_browser_keeps(port):
    scripts = []
    for chapter in CHAPTERS[:2]:
        cookie = get(port, f"/{chapter.slug}/?access_token={TOKEN}")[0].headers
        headers = {"Cookie": cookie["set-cookie"].split(";")[0]}
        _, text = get(port, f"/{chapter.slug}/", **headers)
        scripts.append(re.findall(r'<script type="module"[^>]*src="([^"]+)"', text))
    assert scripts[0] and scripts[0] == scripts[1]
    for address in scripts[0]:
        response, _ = get(port, address)
        assert response.status == 200
        assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize("path", ["/", f"/{CHAPTERS[1].slug}/"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://{host}"])
def test_a_page_of_another_address_is_refused(port, path, origin):
    origin = origin.format(host=f"{HOST}:{port}")
    response, text = get(port, f"{path}?access_token={TOKEN}", Origin=origin)
    assert response.status == 403 and "Gradient" not in text


def test_a_page_of_this_address_is_not(port):
    own = f"http://{HOST}:{port}"
    assert get(port, f"/?access_token={TOKEN}", Origin=own)[0].status == 200


def passed_on(kind, **headers):
    """Say whether a request of this kind reaches the application."""
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    async def send(message):
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    answering = SameOrigin(app)({"type": kind, "headers": pairs}, None, send)
    with pytest.raises(StopIteration):  # it is done at once: nothing waits
        answering.send(None)
    assert bool(reached) != bool(sent)
    return bool(reached)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_request_is_passed_on_by_its_origin(kind):
    host = "127.0.0.1:8000"
    assert passed_on(kind, host=host)
    assert passed_on(kind, host=host, origin=f"http://{host}")
    for origin in (
        "http://evil.example",
        "null",
        f"https://{host}",
        "http://127.0.0.1",
    ):
        assert not passed_on(kind, host=host, origin=origin)


def test_a_websocket_of_another_address_is_refused(port):
    path = f"/{CHAPTERS[1].slug}/ws?session_id=s_123456&access_token={TOKEN}"
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    response, _ = get(port, path, **headers, Origin="http://evil.example")
    assert response.status == 403


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} cannot be listened on"),
            serving(port, TOKEN),
        ):
            raise AssertionError("it must not be served")


def test_only_this_machine_is_listened_to(port):
    """No other address of the machine answers, where it has one."""
    with (
        socket.socket() as other,
        pytest.raises(OSError, match=r"refused|reach|assign"),
    ):
        other.settimeout(60)
        other.connect(("127.0.0.2", port))


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("no memory")])
def test_a_server_that_dies_while_it_starts_dies_visibly(monkeypatch, error):
    def die(self, sockets=None):
        raise error

    monkeypatch.setattr("uvicorn.Server.run", die)
    with serving(None, TOKEN, CHAPTERS[:1]) as server:
        with pytest.raises(GradatimError, match="ended while it was starting"):
            server.wait_until_up()
        assert server.error is error and not server.is_running()
