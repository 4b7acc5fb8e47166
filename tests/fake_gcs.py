"""A fake of Google Cloud Storage, for tests: of its XML interface what obstore asks, in memory.

Nothing of Google's is in it, so it proves no more than that we and this page read the interface in
the same way. Who asks is not looked at.

    python -m tests.fake_gcs PORT
"""

import hashlib
import itertools
import re
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from msgspec import Struct

__all__ = ["main"]

_PAGE = 1000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PART = re.compile(r"<PartNumber>(\d+)</PartNumber>")


class Kept(Struct, frozen=True):
    """An object: each new one under a name has a generation of its own."""

    data: bytes
    generation: int
    at_s: float

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


class Buckets:
    """What all requests share."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Kept]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.numbers = itertools.count(time.time_ns())
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection; each method answers with status, body and headers."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together
    buckets = Buckets()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        length = headers.pop("content_length", str(len(body)))
        for name, value in {"content-length": length, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.buckets.lock:
            if self.command == "PUT" and not name:
                self.buckets.objects.setdefault(bucket, {})
                self.answer(200)
            elif bucket not in self.buckets.objects:
                self.refuse(404, "NoSuchBucket")
            elif not name:
                self.list_objects(self.buckets.objects[bucket], query)
            elif "uploads" in query or "uploadId" in query:
                self.upload(self.buckets.objects[bucket], name, query, data)
            else:
                self.one_object(self.buckets.objects[bucket], name, data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

    def one_object(self, objects: dict[str, Kept], name: str, data: bytes) -> None:
        found = objects.get(name)
        if self.command == "PUT":
            wanted = self.headers.get("x-goog-if-generation-match")
            if wanted is not None and int(wanted) != (found.generation if found else 0):
                self.refuse(412, "PreconditionFailed")
            else:
                self.keep(objects, name, data)
        elif found is None:
            self.refuse(404, "NoSuchKey")
        elif self.command == "DELETE":
            del objects[name]
            self.answer(204)
        else:
            self.give(found)

    def keep(self, objects: dict[str, Kept], name: str, data: bytes, body: bytes = b"") -> None:
        made = objects[name] = Kept(data, next(self.buckets.numbers), time.time())
        self.answer(200, body, etag=made.etag, x_goog_generation=str(made.generation))

    def give(self, found: Kept) -> None:
        size = len(found.data)
        said = {
            "etag": found.etag,
            "last_modified": formatdate(found.at_s, usegmt=True),
            "x_goog_generation": str(found.generation),
        }
        asked = _RANGE.fullmatch(self.headers.get("range", ""))
        if self.command == "HEAD":
            self.answer(200, **said, content_length=str(size))
        elif asked is None:
            self.answer(200, found.data, **said)
        elif int(asked[1]) >= size:
            self.refuse(416, "InvalidRange")
        else:
            begin, end = int(asked[1]), min(size, int(asked[2] or size) + 1)
            part = f"bytes {begin}-{end - 1}/{size}"
            self.answer(206, found.data[begin:end], **said, content_range=part)

    def list_objects(self, objects: dict[str, Kept], query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        lines: dict[str, str] = {}
        for name in sorted(name for name in objects if name.startswith(prefix)):
            folder = name[len(prefix) :].partition(delimiter)[0] if delimiter else name
            if delimiter and prefix + folder != name:
                shown = prefix + folder + delimiter
                line = f"<CommonPrefixes><Prefix>{escape(shown)}</Prefix></CommonPrefixes>"
            else:
                shown, one = name, objects[name]
                at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one.at_s))
                line = f"<Contents><Key>{escape(name)}</Key><Size>{len(one.data)}</Size>"
                line += f"<LastModified>{at}.{int(one.at_s % 1 * 1000):03}Z</LastModified>"
                line += f"<ETag>{escape(one.etag)}</ETag></Contents>"
            if shown > after:
                lines[shown] = line
        page = list(lines)[:_PAGE]
        body = "".join(lines[shown] for shown in page)
        if len(page) < len(lines):
            body += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        self.answer(200, f"<ListBucketResult>{body}</ListBucketResult>".encode())

    def upload(
        self, objects: dict[str, Kept], name: str, query: dict[str, str], data: bytes
    ) -> None:
        uploads, known = self.buckets.uploads, query.get("uploadId", "")
        if self.command == "POST" and not known:
            made = str(next(self.buckets.numbers))
            uploads[made] = {}
            said = f"<Bucket/><Key>{escape(name)}</Key><UploadId>{made}</UploadId>"
            root = "InitiateMultipartUploadResult"
            self.answer(200, f"<{root}>{said}</{root}>".encode())
        elif known not in uploads:
            self.refuse(404, "NoSuchUpload")
        elif self.command == "PUT":
            uploads[known][int(query["partNumber"])] = data
            self.answer(200, etag=f'"{hashlib.md5(data).hexdigest()}"')
        elif self.command == "DELETE":
            del uploads[known]
            self.answer(204)
        else:
            parts = uploads.pop(known)
            whole = b"".join(parts[int(number)] for number in _PART.findall(data.decode()))
            etag = escape(f'"{hashlib.md5(whole).hexdigest()}"')
            root = "CompleteMultipartUploadResult"
            self.keep(objects, name, whole, f"<{root}><ETag>{etag}</ETag></{root}>".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
