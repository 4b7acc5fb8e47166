"""The page's own files: modules, styles and pictures that lie beside this one."""

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from samebit import digest
from samebit.errors import NotFound

__all__ = ["page", "static_file"]

_FOLDER = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
# No name begins with a dot, so none leads upwards.
_PATH = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)


async def page(request: Request) -> Response:
    """Every view is an address, and all of them are this one page."""
    return _file(request, "index.html")


async def static_file(request: Request) -> Response:
    """A file by its path below `static/`."""
    return _file(request, str(request.path_params["path"]))


def _file(request: Request, path: str) -> Response:
    kind = _KINDS.get(Path(path).suffix)
    if kind is None or not _PATH.fullmatch(path):
        raise NotFound("the page has no such file")
    try:
        data = (_FOLDER / path).read_bytes()
    except OSError as error:
        raise NotFound("the page has no such file") from error
    tag = f'"{digest.hex_of(digest.of_bytes(data))[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}  # asked for again, answered in a word
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)
