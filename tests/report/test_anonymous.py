"""Texts keep what they say and lose whose they are."""

import re

import pytest

from samebit.report.anonymous import OPEN, Wording

WORDING = Wording(
    b"salt",
    ("0aayyrw4s6",),
    (("/home/author/my thesis/project", "<project>"), ("/home/author", "<home>")),
    re.compile(r"(?i)(?<![A-Za-z0-9])(?:author|engine)(?![A-Za-z0-9])"),
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps 1 to 12: batch, loss bit-identical", None),
        ("train/val and loss/acc at 3/4", None),
        ("a/b, ./c and ../d", None),
        ("/home/author/my thesis/project/out/x.csv differs", "<project>/out/x.csv differs"),
        ("/home/author/secret/lab/x.py:3", "<home>/x.py:3"),
        ("read /srv/group/data.bin, twice", "read <path>/data.bin, twice"),
        ("(/srv/group/data/)", "(<path>/data)"),
        ("C:\\Users\\ada\\x.txt", "<path>/x.txt"),
        ("~author/x", "<path>/x"),
        ("~author/", "~"),
        ("https://u:p@h.example/a?b=c done", "<address> done"),
        ("git@h.example:author/x.git", "<address>"),
        ("Author, on ENGINE; authors on engineering", "<name>, on <name>; authors on engineering"),
        ("author-laptop_engine", "<name>-laptop_<name>"),
        ("samebit diff 0aayyrw4s6 --op", f"samebit diff {WORDING.id('0aayyrw4s6')} --op"),
        ("1 / 2 is 0.5 and ~5", None),
    ],
)
def test_a_text_loses_names_paths_and_addresses(text: str, told: str | None) -> None:
    assert WORDING.text(text) == (text if told is None else told)
    assert OPEN.text(text) == text


def test_a_salted_id_says_nothing_without_its_salt() -> None:
    told = Wording(b"a").id("0aayyrw4s6")
    assert told == Wording(b"a").id("0aayyrw4s6") != Wording(b"b").id("0aayyrw4s6")
    assert re.fullmatch("salted-[0-9a-f]{20}", told)
    assert OPEN.id("0aayyrw4s6") == "0aayyrw4s6"
