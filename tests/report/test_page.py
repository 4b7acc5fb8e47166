"""A page shows what it is given as text, loads nothing, and is the same each time."""

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from samebit.report.curves import Curve, thinned
from samebit.report.page import Fact, Page, Part, Told, each_text, html

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m\u202e"


def curve(values: list[float]) -> Curve:
    found = thinned(range(len(values)), values, 50)
    assert found is not None
    return found


def told(label: str, *facts: Fact, curves: tuple[tuple[str, Curve], ...] = ()) -> Told:
    return Told(label, ("finished",), "yesterday", (Part("Run", facts),), curves)


def two(*, label: str = "a") -> Page:
    runs = (
        told(label, Fact("lr", ("0.1",)), Fact("seed", ("7",)), curves=(("loss", curve([3, 1])),)),
        told("b", Fact("lr", ("0.2",)), Fact("seed", ("7",)), curves=(("loss", curve([2, 1])),)),
    )
    rows = ((label, "0.1"), ("b", "0.2"))
    return Page("Two", runs, ("run", "lr"), rows, (False, True), ("Try:", ("samebit verify a",)))


class Reader(HTMLParser):
    """The tags of a page, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_stands_in_a_run_is_shown_and_never_obeyed() -> None:
    page = each_text(two(label=EVIL), lambda text: EVIL if text in ("0.1", "lr", "loss") else text)
    read = Reader(html(page))
    assert read.open == []
    assert "script" not in {tag for tag, _ in read.tags}
    assert "img" not in {tag for tag, _ in read.tags}
    assert not [name for _, attrs in read.tags for name in attrs if name.startswith("on")]
    assert read.text.count("<script>alert(1)</script><img src=x onerror=alert(2)>\"'&") >= 5
    assert "\x1b" not in read.text
    assert "\u202e" not in read.text


def test_a_page_loads_nothing_and_may_run_nothing() -> None:
    read = Reader(html(two()))
    policies = [a["content"] for t, a in read.tags if a.get("http-equiv")]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]
    for tag, attributes in read.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "base", "form")
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
        assert "src" not in attributes
    assert "url(" not in html(two())


def test_every_link_within_a_page_leads_somewhere_and_names_are_unique() -> None:
    read = Reader(html(two()))
    names = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    links = [attributes["href"] for _, attributes in read.tags if "href" in attributes]
    assert links == ["#run-1", "#run-2"]
    assert {str(link)[1:] for link in links} <= set(names)


def test_what_is_the_same_for_all_is_said_once() -> None:
    text = html(two())
    assert text.count("<dt>seed</dt>") == 1
    assert text.count("<dt>lr</dt>") == 2
    assert text.index("The same for all") < text.index("<dt>seed</dt>")
    alone = html(Page("One", (two().runs[0],)))
    assert "The same for all" not in alone


def test_charts_are_drawings_with_words_for_those_who_do_not_see_them() -> None:
    page = two()
    spiky = curve([1.0] * 500 + [math.nan] * 5 + [9.0] + [math.inf] * 3)
    runs = (page.runs[0], told("b", curves=(("loss", spiky),)))
    page = Page("x", runs, page.headers, page.rows, page.numeric)
    drawings = re.findall(r'<svg viewBox="0 0 2000.*?</svg>', html(page), re.DOTALL)
    assert len(drawings) == 1
    drawing = ElementTree.fromstring(drawings[0])
    assert drawing.find("title").text == "loss"  # type: ignore[union-attr]
    said = drawing.find("desc").text  # type: ignore[union-attr]
    assert said == (
        "a: 1 at step 1, lowest 1 at step 1, highest 3 at step 0; "
        "b: inf at step 508, lowest 1 at step 0, highest 9 at step 505, 8 not finite"
    )
    assert "8 of 509 not finite, from 500 on" in html(page)
    kinds = [path.get("class") for path in drawing.iter("path")]
    assert kinds[-4:] == ["c0 d0", "band c1", "c1 d0", "odd c1"]
    for path in drawing.iter("path"):
        for x, y in corners(str(path.get("d"))):
            assert 0 <= x <= 2000
            assert 0 <= y <= 1000


def corners(path: str) -> list[tuple[int, int]]:
    """The corners of a path of M, l and H."""
    found: list[tuple[int, int]] = []
    for command, rest in re.findall(r"([MlH])([^MlH]*)", path):
        numbers = list(map(int, re.findall(r"-?\d+", rest)))
        if command == "H":
            found.append((numbers[0], found[-1][1]))
        for x, y in zip(numbers[::2], numbers[1::2], strict=False) if command != "H" else ():
            before = found[-1] if command == "l" else (0, 0)
            found.append((before[0] + x, before[1] + y))
    return found


def test_a_ninth_curve_has_the_first_colour_with_dashes() -> None:
    runs = tuple(told(f"r{at}", curves=(("loss", curve([1, at])),)) for at in range(9))
    rows = tuple((f"r{at}",) for at in range(9))
    text = html(Page("nine", runs, ("run",), rows, (False,)))
    assert text.count('class="c0 d1"') == 4  # table, chart, its legend, and above the run
    assert "<details" in text  # of many runs each is folded


def test_each_text_forgets_none() -> None:
    page = each_text(two(), lambda text: "§")
    rest = Reader(html(page)).text
    for word in ("Two", "loss", "seed", "verify", "yesterday", "finished", "Try"):
        assert word not in rest
    assert [curve for run in page.runs for _, curve in run.curves] == [
        curve for run in two().runs for _, curve in run.curves
    ]


def test_equal_values_make_equal_bytes() -> None:
    assert html(two()) == html(two())
