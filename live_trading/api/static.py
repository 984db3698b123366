"""The web pages' files, where they were built (``frontend/dist``). Any address that is no file's is the page itself.

Files with a fingerprint in their name never change and are kept for a year; the page is asked for anew each time.
"""

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from live_trading.api.problems import Problem, not_found

_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK: Final = "no-cache"
_NOT_PAGES: Final = ("api", "ws", "docs", "openapi.json", "metrics", "health")

_NO_PAGES: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>live-trading</title>
<h1>live-trading</h1><p>The interface answers. The web pages are not built here: <code>make web</code> builds them.</p>
<p><a href="/docs">The interface's documentation</a></p></html>"""

_DOCS: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>live-trading API</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/page.css">
<main id="docs"><p>Loading…</p></main><script src="/docs/page.js" defer></script></html>"""


def install(app: FastAPI, pages: Path | None) -> None:
    """Serve the documentation page, and what is in ``pages``."""
    documents = Path(__file__).parent / "docs"

    async def docs(_: Request) -> Response:
        return HTMLResponse(_DOCS, headers={"Cache-Control": _ASK})

    async def part(request: Request) -> Response:
        found = _inside(documents, request.path_params["name"])
        if found is None:
            return HTMLResponse(_DOCS, headers={"Cache-Control": _ASK})
        return FileResponse(found, headers={"Cache-Control": _ASK}, media_type=_kind(found))

    async def page(request: Request) -> Response:
        path: str = request.path_params["path"]
        if path.partition("/")[0] in _NOT_PAGES:
            raise not_found("such address", "path")
        if pages is None or not (pages / "index.html").is_file():
            if path:
                raise not_found("such page: the web pages are not built", "path")
            return HTMLResponse(_NO_PAGES, headers={"Cache-Control": _ASK})
        found = _inside(pages, path) if path else None
        if found is None:
            if Path(path).suffix and path.startswith("assets/"):
                raise not_found("such file", "path")
            return FileResponse(pages / "index.html", headers={"Cache-Control": _ASK}, media_type="text/html")
        kept = _FOREVER if path.startswith("assets/") else _ASK
        return FileResponse(found, headers={"Cache-Control": kept}, media_type=_kind(found))

    app.router.routes.append(Route("/docs", docs, methods=["GET"], include_in_schema=False))
    app.router.routes.append(Route("/docs/{name:path}", part, methods=["GET"], include_in_schema=False))
    app.router.routes.append(Route("/{path:path}", page, methods=["GET"], include_in_schema=False))


def _kind(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _inside(folder: Path, name: str) -> Path | None:
    """The file of that name, if it is in the folder and nowhere else."""
    if "\x00" in name:
        raise Problem(404, "NOT_FOUND", "there is no such file")
    found = (folder / name).resolve()
    return found if found.is_file() and found.is_relative_to(folder.resolve()) else None
