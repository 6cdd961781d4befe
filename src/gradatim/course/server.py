"""The course in the browser: all chapters on one server of this machine."""

import contextlib
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

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

from gradatim.course import CHAPTERS, Chapter, progress
from gradatim.course.contents import contents_page
from gradatim.course.notebook import write_notebook
from gradatim.pages.player import player_parts

__all__ = ["HOST", "course_app", "free_port", "serving"]

HOST = "127.0.0.1"
COOKIE = "gradatim_course"
NO_WORKER = "navigator.serviceWorker.register = () => new Promise(() => {});"
"""Keeps marimo from registering a service worker, which the course has no use for.

A worker stands between the browser and a page that is opened again, and can hold it up.
"""
STYLE = Path(__file__).with_name("chapter.css")


def free_port() -> int:
    """Give a port on which no program listens."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


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
        response = HTMLResponse(contents_page(chapters, progress.done()))
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
            Mount("/", app=builder.build()),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
        ],
    )


def _is_known(request: Request, token: str) -> bool:
    """Say whether a request has the token, in its address or in its cookie."""
    given = request.query_params.get("access_token") or request.cookies.get(COOKIE, "")
    return secrets.compare_digest(given.encode(), token.encode())


@contextlib.contextmanager
def serving(
    port: int, token: str, chapters: tuple[Chapter, ...] = CHAPTERS
) -> Iterator[uvicorn.Server]:
    """Serve the course from a thread, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        config = uvicorn.Config(
            course_app(token, Path(folder), chapters),
            host=HOST,
            port=port,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=1,  # open chapters are not waited for
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.should_exit = True
            thread.join(timeout=5)
