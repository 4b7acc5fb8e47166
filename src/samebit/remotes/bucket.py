"""A remote that is a bucket of S3, Google Cloud Storage or Azure, through obstore."""

import html
import importlib
import re
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any
from urllib.parse import quote

from samebit.errors import NotFound, UsageError
from samebit.remotes import clouds
from samebit.remotes.place import Found, Guarantees, RemoteError

__all__ = ["SCHEMES", "BucketPlace", "open_bucket"]

SCHEMES = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
_AT_ONCE_BYTES = 8 << 20  # of a longer one parts are sent, and read where ranges can be: of each
# request no more has to come through in time, and no more is sent again
_PIECE_BYTES = 1 << 20
_PART_TIMEOUT = timedelta(minutes=3)
_WHOLE_TIMEOUT = timedelta(hours=1)  # where there are no ranges
_RETRIES = {
    "max_retries": 8,
    "retry_timeout": timedelta(minutes=4),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=20),
        "base": 2,
    },
}
_PAUSES_S = (0.2, 1.0, 4.0)
_TRIED_S = 5.0  # a request that took longer was tried again already
# Of what is refused obstore has an error for some requests only, and S3 a 400 for a token that has
# run out.
_NOT_ALLOWED = re.compile(
    "status code: 40[13]|lacked the necessary privileges|ExpiredToken|TokenRefreshRequired"
)
_CLOCK = re.compile(
    "RequestTimeTooSkewed|Request date header too old|difference between the request time"
)
_REFUSED = re.compile(r"status code: 4\d\d")
_NO_ROLE = re.compile("/latest/api/token|/metadata/identity/|/computeMetadata/")  # asked last
_ASKED = re.compile(r".*Error performing (\w+ \w+://[^/ ]+)\S* (?:in|after) .*?s - (.*)")
_STATUS = re.compile(r".*status code: (\d{3}[^:]*):?(.*)")
_SAID = re.compile(r"<(?:Code|Message)>([^<]*)<")
_NO_SERVER = "kind: Connect,"  # in its innards: the words are those of a line that is cut, too
_NO_RANGES = "non-partial response"  # to what was asked for in part
_MOST_WORDS = 200


def open_bucket(url: str, options: Mapping[str, str], guarantees: Guarantees) -> "BucketPlace":
    """The place that a URL names.

    Args:
        url: `s3://bucket/beginning`, `gs://…`, `az://container/…`.
        options: `endpoint`, `region`, `profile`, `account`: what is no secret.
        guarantees: as they were found.

    Raises:
        UsageError: obstore is not installed, or what was given does not fit together.
    """
    obstore = _obstore()
    scheme, _, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    config = clouds.CONFIGS[scheme](options)
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": _PART_TIMEOUT,  # of silence
        "timeout": _PART_TIMEOUT if guarantees.ranges else _WHOLE_TIMEOUT,
        "user_agent": "samebit",
    }
    if _endpoint(config).startswith("http://"):
        client["allow_http"] = True
    kinds = {"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"}
    made = getattr(importlib.import_module("obstore.store"), kinds[scheme])
    try:
        store = made(
            name,
            prefix=prefix.strip("/") or None,
            client_options=client,
            retry_config=_RETRIES,
            **config,
        )
    except Exception as error:
        raise UsageError(f"the remote cannot be opened: {_words(error)}", remote=url) from error
    web = clouds.ADDRESSES[scheme](name, config) + "".join(f"/{one}" for one in _parts(prefix))
    return BucketPlace(url.rstrip("/"), store, guarantees, obstore, quote(web, safe="/:"))


def _parts(prefix: str) -> list[str]:
    return [part for part in prefix.split("/") if part]


def _endpoint(config: Mapping[str, Any]) -> str:
    """Where the server is, if it is not the cloud's own."""
    return config.get("endpoint") or config.get("base_url") or ""


def _obstore() -> ModuleType:
    try:
        return importlib.import_module("obstore")
    except ImportError as error:
        raise UsageError(
            "remotes in a bucket need obstore", hint="pip install 'samebit[cloud]'"
        ) from error


class BucketPlace:
    """See `open_bucket`."""

    def __init__(
        self, url: str, store: Any, guarantees: Guarantees, obstore: ModuleType, web: str
    ) -> None:
        self.url = url
        self.guarantees = guarantees
        self._store = store
        self._obstore = obstore
        self._web = web

    def address(self, path: str) -> str:
        """Where a browser finds a name, if it may."""
        return f"{self._web}/{quote(path)}"

    def signed(self, path: str, seconds: int) -> str:
        """An address by which anybody may read a name for so long.

        Raises RemoteError where the credentials cannot sign one.
        """
        try:
            lasts = timedelta(seconds=seconds)
            return str(self._obstore.sign(self._store, "GET", path, lasts))
        except Exception as error:
            raise RemoteError(
                "no link can be signed with these credentials",
                remote=self.url,
                answer=_words(error),
                hint="without --for the page is put there all the same",
            ) from error

    def put(self, path: str, data: bytes, *, new: bool = False, media: str | None = None) -> bool:
        """See `Place`; `media` is what a browser is told that it is."""
        if new and not self.guarantees.creates and self.find(path) is not None:
            return False
        mode = "create" if new and self.guarantees.creates else None
        for pause in (*_PAUSES_S, None):
            began = time.monotonic()
            try:
                self._obstore.put(
                    self._store,
                    path,
                    data,
                    mode=mode,
                    attributes={"Content-Type": media} if media is not None else None,
                    use_multipart=None if mode is None else False,
                    chunk_size=_AT_ONCE_BYTES,
                    max_concurrency=2,
                )
            except Exception as error:
                if type(error).__name__ == "AlreadyExistsError":
                    return False
                # Of what may have been done obstore does not try again; of ours everything may.
                tried = time.monotonic() - began > _TRIED_S
                again = type(error).__name__ == "GenericError"
                if pause is None or tried or not again:
                    raise self._refused(error, path, writes=True) from error
                time.sleep(pause)
            else:
                break
        return True

    def read(self, path: str, begin: int = 0, end: int | None = None) -> Iterator[memoryview]:
        """See `Place`."""
        if not self.guarantees.ranges or end is None:
            yield from self._read_from_start(path, begin, end)
            return
        while begin < end:
            until = min(end, begin + _AT_ONCE_BYTES)
            came = 0
            try:
                # Piece by piece: who holds them sees when there are more than were asked for.
                asked = self._obstore.get(self._store, path, options={"range": (begin, until)})
                for chunk in asked.stream(_PIECE_BYTES):
                    came += len(chunk)
                    yield memoryview(chunk)
            except Exception as error:
                raise self._refused(error, path) from error
            if came < until - begin:
                return
            begin = until

    def _read_from_start(self, path: str, begin: int, end: int | None) -> Iterator[memoryview]:
        at = 0
        try:
            for chunk in self._obstore.get(self._store, path).stream(_PIECE_BYTES):
                piece = memoryview(chunk)
                here, at = at, at + len(piece)
                wanted = piece[max(0, begin - here) : None if end is None else max(0, end - here)]
                if wanted.nbytes:
                    yield wanted
                if end is not None and at >= end:
                    return
        except NotFound:
            raise
        except Exception as error:
            raise self._refused(error, path) from error

    def find(self, path: str) -> Found | None:
        """See `Place`."""
        try:
            return _found(self._obstore.head(self._store, path))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._refused(self._in_words(error, path), path) from error

    def list(self, folder: str) -> Iterator[Found]:
        """See `Place`."""
        try:
            for page in self._obstore.list(self._store, folder, chunk_size=1000):
                yield from [_found(one) for one in page]
        except FileNotFoundError as error:
            raise self._refused(error, folder, writes=True) from error
        except Exception as error:
            raise self._refused(error, folder) from error

    def folders(self, folder: str) -> Iterator[str]:
        """See `Place`."""
        try:
            found = self._obstore.list_with_delimiter(self._store, folder)
        except Exception as error:
            raise self._refused(error, folder) from error
        for path in found["common_prefixes"]:
            yield path.rstrip("/").rpartition("/")[2]

    def remove(self, path: str) -> None:
        """See `Place`."""
        try:
            self._obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._refused(error, path, writes=True) from error

    def _in_words(self, error: Exception, path: str) -> Exception:
        """An answer to HEAD has no words: why it is refused is told to who asks for the bytes."""
        if _REFUSED.search(str(error)):
            try:
                self._obstore.get(self._store, path, options={"range": (0, 1)})
            except Exception as said:
                if not isinstance(said, FileNotFoundError):
                    return said
        return error

    def _refused(self, error: Exception, path: str, *, writes: bool = False) -> Exception:
        """What to raise for an error of obstore."""
        whole = _whole(error)
        facts = {"remote": self.url, "answer": _words(error)}
        if isinstance(error, FileNotFoundError):
            if writes:
                return RemoteError("there is no such bucket", **facts, hint="make it first")
            return NotFound("it is not at the remote", path=path, remote=self.url)
        if _CLOCK.search(whole):
            return RemoteError(
                "the remote refuses the time of this machine's clock",
                **facts,
                hint="the same command goes on once the clock is right",
            )
        if _NO_ROLE.search(whole):  # whatever answers there, or does not
            return RemoteError(
                "there are no credentials for the remote",
                **facts,
                hint="log in with the cloud's own tool, or set its variables: they are found there",
            )
        if _NOT_ALLOWED.search(whole):
            return RemoteError(
                "the remote does not let us in",
                **facts,
                hint="the same command goes on once the credentials are right; they are those that "
                "the cloud's own tools use",
            )
        hint = "the same command goes on where this one stopped"
        if _NO_SERVER in str(error):
            return RemoteError("the remote cannot be reached", path=path, **facts, hint=hint)
        if _NO_RANGES in whole:
            hint = "`samebit remote test NAME` notes what it can do"
        return RemoteError("the remote does not answer as it should", path=path, **facts, hint=hint)


def _found(one: Any) -> Found:
    modified = one["last_modified"]
    seconds = int(modified.timestamp())
    return Found(one["path"], one["size"], seconds * 10**9 + modified.microsecond * 1000)


def _whole(error: Exception) -> str:
    """What a library says, without its own innards, in a line."""
    return " ".join(str(error).strip().partition("\n\nDebug source")[0].split())


def _words(error: Exception) -> str:
    """Of that what the server said, or why it could not be asked."""
    line = " ".join(html.unescape(_whole(error)).split())
    if found := _STATUS.fullmatch(line):
        line = ": ".join([found[1], *(_SAID.findall(found[2]) or [found[2].strip()])]).strip(": ")
    elif found := _ASKED.fullmatch(line):
        line = f"{found[1]}: {found[2]}"
    return line if len(line) <= _MOST_WORDS else line[: _MOST_WORDS - 2] + " …"
