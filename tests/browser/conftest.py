"""A real browser: Debian's Chromium, driven by Playwright, which installs none."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LEFT_OUT = "tests/browser left out: "
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Give the program; the variable CHROMIUM names another one."""
    names = [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else NAMES
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    program = chromium()
    if program is None:
        pytest.skip(LEFT_OUT + "no Chromium found (apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(LEFT_OUT + "no Playwright found (pip install playwright)")
    with sync_playwright() as playwright:
        # Playwright gives it a new folder for its data, and removes that.
        found = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield found
        found.close()


class Watched:
    """A page, and what it has complained of or asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)


@pytest.fixture
def open_html(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end none has complained or asked for anything but itself."""
    contexts, watched = [], []

    def open_html(
        text: str, *, width: int = 1400, height: int = 900, **of_context: Any
    ):
        path = tmp_path / f"page{len(watched)}.html"
        path.write_text(text, encoding="utf-8")
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, **of_context)
        context.set_default_timeout(300_000)  # a test never asks for speed
        contexts.append(context)
        found = Watched(context.new_page())
        watched.append((path.as_uri(), found))
        found.page.goto(path.as_uri())
        return found.page

    open_html.watched = watched
    yield open_html
    for context in contexts:
        context.close()
    for address, each in watched:
        assert each.errors == []
        asked = [
            url for url in each.requests if not url.startswith(("data:", "about:"))
        ]
        assert asked == [address]
