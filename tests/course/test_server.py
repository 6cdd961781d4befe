"""One server on this machine, for those who have its address."""

import http.client
import time

import pytest

from gradatim.course import CHAPTERS
from gradatim.course.server import HOST, free_port, serving

TOKEN = "a-token"


@pytest.fixture(scope="module")
def port():
    port = free_port()
    with serving(port, TOKEN) as server:
        end = time.monotonic() + 300
        while not server.started and time.monotonic() < end:
            time.sleep(0.02)
        yield port


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
