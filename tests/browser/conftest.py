"""A real browser: Debian's Chromium, driven by Playwright, which installs none."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 300
"""How long a page may take on a machine that is busy: a test never asks for speed."""

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


@pytest.fixture(scope="session")
def context(browser: Any) -> Iterator[Any]:
    """One browser's memory for all tests: it loads marimo's scripts once."""
    context = browser.new_context()
    context.set_default_timeout(1000 * PATIENCE_S)
    yield context
    context.close()


@pytest.fixture(scope="session")
def only_tab(context: Any) -> Any:
    return context.new_page()


@pytest.fixture
def tab(only_tab: Any) -> Iterator[Any]:
    """A tab that all tests share, one after the other.

    To open a page takes half as long where its scripts have run before.
    """
    only_tab.mouse.move(0, 0)
    yield only_tab
    only_tab.goto("about:blank")


class Watched:
    """A page, and what it has complained of or asked for, until it is left alone."""

    def __init__(self, page: Any, kinds: Sequence[str] = ("error", "warning")) -> None:
        self.page, self.kinds = page, kinds
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._listeners = {
            "console": self._console,
            "pageerror": lambda error: self.errors.append(str(error)),
            "request": lambda request: self.requests.append(request.url),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def _console(self, message: Any) -> None:
        if message.type in self.kinds:
            self.errors.append(message.text)

    def leave_alone(self) -> None:
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)


@pytest.fixture
def open_html(browser: Any, tab: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end none has complained or asked for anything but itself."""
    contexts, watched = [], []

    def open_html(
        text: str, *, width: int = 1400, height: int = 900, **of_context: Any
    ):
        path = tmp_path / f"page{len(watched)}.html"
        path.write_text(text, encoding="utf-8")
        page = tab
        if of_context or watched:
            contexts.append(browser.new_context(**of_context))
            contexts[-1].set_default_timeout(1000 * PATIENCE_S)
            page = contexts[-1].new_page()
        page.set_viewport_size({"width": width, "height": height})
        found = Watched(page)
        watched.append((path.as_uri(), found))
        page.goto(path.as_uri())
        return page

    open_html.watched = watched
    yield open_html
    for _, each in watched:
        each.leave_alone()
    for context in contexts:
        context.close()
    for address, each in watched:
        assert each.errors == []
        asked = [
            url for url in each.requests if not url.startswith(("data:", "about:"))
        ]
        assert asked == [address]
