"""Where a browser finds what lies in a bucket, and which words name a page."""

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
    for name in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
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
    assert published.is_open("http://127.0.0.1:9/x") is None
    assert published.is_open("nonsense") is None
