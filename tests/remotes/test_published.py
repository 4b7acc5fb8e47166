"""Where a browser finds what lies in a bucket, and which words name a page."""

import http.server
import os
import threading

import pytest

from samebit.errors import UsageError
from samebit.remotes import named, published

NAME = "base-0123456789ab"


@pytest.mark.parametrize(
    ("url", "options", "address"),
    [
        ("s3://lab/a/b", {"region": "eu-west-1"}, "https://lab.s3.eu-west-1.amazonaws.com/a/b/"),
        ("s3://lab", {"region": "eu-west-1"}, "https://lab.s3.eu-west-1.amazonaws.com/"),
        ("s3://x.y/a", {"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/x.y/a/"),
        ("s3://lab/ä b", {"endpoint": "https://m.example/"}, "https://m.example/lab/%C3%A4%20b/"),
        ("gs://lab/a", {}, "https://storage.googleapis.com/lab/a/"),
        ("gs://lab/a", {"endpoint": "https://g.example"}, "https://g.example/lab/a/"),
        ("az://box/a", {"account": "lab"}, "https://lab.blob.core.windows.net/box/a/"),
        ("file:///srv/a%20b", {}, "file:///srv/a%20b/"),
    ],
)
def test_a_page_has_the_address_at_which_its_cloud_gives_it(
    url: str, options: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)  # half of a pair of keys is no way to open a bucket
    place = named.open_place(named.of_url("x", url, options))
    assert published.address(place, NAME) == f"{address}published/{NAME}/index.html"


@pytest.mark.parametrize(
    "link",
    [
        NAME,
        f"published/{NAME}",
        f"published/{NAME}/index.html",
        f"https://lab.s3.eu-west-1.amazonaws.com/a/published/{NAME}/index.html",
        f"https://m.example/lab/published/{NAME}/index.html?X-Amz-Signature=a/b&x=1",
        f"file:///srv/a%20b/published/{NAME}/index.html",
    ],
)
def test_a_page_is_named_by_any_of_its_links(link: str) -> None:
    assert published.name_in(link) == NAME


@pytest.mark.parametrize(
    "link", ["", "base", "0123456789ab", f"{NAME}/other.html", f"../{NAME}x", "objects/3f/9a1c"]
)
def test_what_is_no_link_to_a_page_names_nothing_that_could_be_deleted(link: str) -> None:
    with pytest.raises(UsageError):
        published.name_in(link)


def test_whether_everybody_may_read_is_unknown_where_nobody_answers() -> None:
    assert published.is_open("http://127.0.0.1:9/x", b"page") is None


def test_another_page_in_its_place_is_not_the_page() -> None:
    """As where a gateway shows everybody a form to log in."""
    with http.server.HTTPServer(("127.0.0.1", 0), _LogIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            link = f"http://127.0.0.1:{server.server_port}/x"
            assert published.is_open(link, b"log in!") is False
            assert published.is_open(link, b"log in") is True
        finally:
            server.shutdown()
            thread.join()


class _LogIn(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"log in")

    def log_message(self, *_: object) -> None:
        return
