"""Pages for people that lie at a remote: `published/<name>/index.html`, and the links to them.

They are no part of what a remote keeps: a pull, a check and a sweep pass them over.
"""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote, unquote

from samebit.errors import NotFound, UsageError
from samebit.remotes.bucket import BucketPlace
from samebit.remotes.place import Found, Place

__all__ = ["address", "is_open", "list_pages", "name_in", "put_page", "remove_page", "signed"]

_MEDIA = "text/html; charset=utf-8"
_NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{12}"
_IN_LINK = re.compile(rf"(?:^|/)({_NAME})(?:/index\.html)?$")
_PATIENCE_S = 20.0
_THEIR_FAULT = 500  # and above, of HTTP


def put_page(place: Place, name: str, page: bytes) -> str:
    """Put a page there; its path."""
    path = _path(name)
    if isinstance(place, BucketPlace):
        place.put(path, page, media=_MEDIA)
    else:
        place.put(path, page)
    return path


def list_pages(place: Place) -> Iterator[tuple[str, Found]]:
    """The pages that lie there, by name, in no order."""
    for found in place.list("published"):
        match = re.fullmatch(rf"published/({_NAME})/index\.html", found.path)
        if match:
            yield match[1], found


def name_in(link: str) -> str:
    """The name of a page in any of its links, or as it is; UsageError where none is in it."""
    match = _IN_LINK.search(unquote(link.partition("?")[0]).rstrip("/"))
    if match is None:
        raise UsageError(
            f"{link!r} is no link to a page", hint="`samebit publish --to NAME --ls` lists them"
        )
    return match[1]


def remove_page(place: Place, name: str) -> None:
    """Take a page away; NotFound where there is none of that name."""
    if place.find(_path(name)) is None:
        raise NotFound(
            f"there is no page {name!r} at the remote",
            remote=place.url,
            hint="`samebit publish --to NAME --ls` lists them",
        )
    place.remove(_path(name))


def address(place: Place, name: str) -> str:
    """Where a page is, for those who may read there."""
    if isinstance(place, BucketPlace):
        return place.address(_path(name))
    return f"{place.url}/{quote(_path(name))}"


def signed(place: Place, name: str, seconds: int) -> str:
    """A link by which everybody may read a page for so long; UsageError where there is no such."""
    if not isinstance(place, BucketPlace):
        raise UsageError(
            "only a bucket has links that end", remote=place.url, hint="leave out --for"
        )
    return place.signed(_path(name), seconds)


def is_open(link: str, page: bytes) -> bool | None:
    """Whether everybody gets a page there, found by trying; None where nobody answers.

    Its bytes are compared, for a page on which to log in is an answer, too.
    """
    request = urllib.request.Request(link, headers={"User-Agent": "samebit"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return bool(answer.read(len(page) + 1) == page)
    except urllib.error.HTTPError as error:
        error.close()
        return None if error.code >= _THEIR_FAULT else False
    except (OSError, http.client.HTTPException):
        return None


def _path(name: str) -> str:
    return f"published/{name}/index.html"
