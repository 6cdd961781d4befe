"""The course in the browser: all chapters on one server of this machine."""

import contextlib
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marimo
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gradatim.course import CHAPTERS, Chapter, progress
from gradatim.course.contents import contents_page
from gradatim.course.notebook import write_notebook
from gradatim.errors import ConfigError, GradatimError
from gradatim.pages.player import player_parts

__all__ = ["HOST", "CourseServer", "SameOrigin", "course_app", "serving"]

HOST = "127.0.0.1"
COOKIE = "gradatim_course"
NO_WORKER = "navigator.serviceWorker.register = () => new Promise(() => {});"
"""Keeps marimo from registering a service worker, which the course has no use for.

A worker stands between the browser and a page that is opened again, and can hold it up.
"""
STYLE = Path(__file__).with_name("chapter.css")


FRONT_END = Path(marimo.__file__).with_name("_static")
"""The scripts, styles and fonts of marimo's pages."""
FRONT_END_PATH = f"/marimo-{marimo.__version__}"
"""Where they are served. Another version has another address: a browser keeps them."""


class _FrontEnd(StaticFiles):
    """marimo's front end at one address, of which a browser keeps what it has loaded.

    Otherwise each chapter has an address of its own for the same three hundred files.
    """

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Give a file, with the word that it never changes: its name has its digest."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "private, max-age=604800, immutable"
        return response


class SameOrigin:
    """Refuse what a page of another address asks for, also through a websocket.

    A browser names the page that asks in ``Origin``; programs that are no browser leave
    it out, and need the token like everybody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        headers = dict(scope.get("headers") or ())
        origin = headers.get(b"origin")
        if origin is None or origin == b"http://" + headers.get(b"host", b""):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(code=1008)(scope, receive, send)
        else:
            refusal = PlainTextResponse("A page of another address.", status_code=403)
            await refusal(scope, receive, send)


def course_app(
    token: str, folder: Path, chapters: tuple[Chapter, ...] = CHAPTERS
) -> Starlette:
    """Make the application: the contents at ``/``, each chapter at its slug.

    A browser must show the token once, in the address; then a cookie keeps it. The
    notebooks are written into the folder, and must stay while they are served.
    """
    style, script = player_parts()
    style += STYLE.read_text(encoding="utf-8")
    builder = marimo.create_asgi_app(
        quiet=True,
        token=token,
        include_code=True,
        show_tracebacks=True,
        asset_url=FRONT_END_PATH,
        html_head=f"<style>{style}</style><script>{NO_WORKER}{script}</script>",
    )
    for chapter in chapters:
        path = write_notebook(chapter, folder)
        builder = builder.with_app(path=f"/{chapter.slug}", root=str(path))

    async def contents(request: Request) -> Response:
        if not _is_known(request, token):
            return PlainTextResponse(
                "Open the address that gradatim learn has printed.", status_code=401
            )
        response = HTMLResponse(
            contents_page(chapters, progress.done(), notices=progress.notices())
        )
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    async def open_chapter(request: Request) -> Response:
        """Lead on to a chapter, which sets a cookie of its own."""
        slug = request.path_params["slug"]
        if not _is_known(request, token) or slug not in {c.slug for c in chapters}:
            return PlainTextResponse("There is no such chapter.", status_code=404)
        return RedirectResponse(f"/{slug}/?access_token={token}", status_code=303)

    return Starlette(
        routes=[
            Route("/", contents),
            Route("/open/{slug}", open_chapter),
            Mount(FRONT_END_PATH, _FrontEnd(directory=FRONT_END)),
            Mount("/", app=builder.build()),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
            Middleware(SameOrigin),
        ],
    )


def _is_known(request: Request, token: str) -> bool:
    """Say whether a request has the token, in its address or in its cookie."""
    given = request.query_params.get("access_token") or request.cookies.get(COOKIE, "")
    return secrets.compare_digest(given.encode(), token.encode())


class CourseServer:
    """The course while it is served, from a thread.

    Attributes:
        port: The port that is listened on.
        error: What ended the server, where it ended by itself.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        self.port: int = listening.getsockname()[1]
        self.error: BaseException | None = None
        self._server = uvicorn.Server(config)
        self._listening = listening
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        except BaseException as error:  # SystemExit, too: uvicorn leaves by it
            self.error = error

    def wait_until_up(self) -> None:
        """Wait until pages are answered.

        Raises:
            GradatimError: The server has ended before.
        """
        while not self._server.started:
            if not self.is_running():
                why = f": {self.error!r}" if self.error else ""
                raise GradatimError(
                    f"the server of the course ended while it was starting{why}.\n"
                    "What it wrote above says why."
                )
            time.sleep(0.01)

    def is_running(self) -> bool:
        """Say whether the server has not ended, nor is ending."""
        return self._thread.is_alive() and not self._server.should_exit

    def end(self) -> None:
        """End the server; open chapters are not waited for."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._listening.close()


@contextlib.contextmanager
def serving(
    port: int | None, token: str, chapters: tuple[Chapter, ...] = CHAPTERS
) -> Iterator[CourseServer]:
    """Serve the course, on a free port if none is given, until the block ends.

    Raises:
        ConfigError: The port cannot be listened on.
    """
    listening = _listen(port)
    with tempfile.TemporaryDirectory() as folder:
        config = uvicorn.Config(
            course_app(token, Path(folder), chapters),
            log_level="warning",  # requests have the token in their addresses
            lifespan="on",
            timeout_graceful_shutdown=1,  # open chapters are not waited for
        )
        server = CourseServer(config, listening)
        try:
            yield server
        finally:
            server.end()


def _listen(port: int | None) -> socket.socket:
    """Listen on a port of this machine: nobody else can take it any more."""
    listening = socket.socket()
    if os.name == "posix":  # a server that has just ended does not keep its port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port or 0))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {port} cannot be listened on ({error.strerror or error}).\n"
            "Another program may have it.\n"
            "Leave --port out, and a free one is taken."
        ) from error
    return listening
