"""The part of YAML that DVC writes: as a whole library reads it, and nothing beyond."""

import contextlib
import itertools
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.data.dvc import text
from samebit.data.dvc.text import SKIPPED, Unreadable

# Breaks of a line that YAML 1.1 has, and YAML 1.2, which DVC writes, has not.
LETTERS = st.characters(exclude_characters="\x85\u2028\u2029", exclude_categories=["Cs"])
WORDS = st.one_of(
    st.text(LETTERS, max_size=12),
    st.text("ab :#-'\"\n\\{}[]&*!?|>%@,", max_size=60),
    st.text("abc d", min_size=60, max_size=300),
)
KEYS = WORDS.filter(lambda key: len(key) < 60)
VALUES = st.recursive(
    st.one_of(WORDS, st.none(), st.integers(), st.booleans(), st.just([]), st.just({})),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def as_texts(value: Any) -> Any:
    """Every scalar as it is written; `~` is one more way to write nothing."""
    if isinstance(value, dict):
        return {key: as_texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_texts(one) for one in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def agrees(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(agrees(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(agrees, ours, theirs))
    return ours is SKIPPED or ours == theirs


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_in_blocks_is_read_as_a_whole_library_reads_it(value: Any) -> None:
    data = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True)
    try:
        found = text.read(data.encode())
    except Unreadable:
        assert "? " in data  # a key that is no simple one
        return
    assert agrees(found, as_texts(value)), data


@given(st.binary(max_size=200) | st.text("-: \n#'\"ab[{|>&*\t", max_size=80).map(str.encode))
def test_anything_else_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        text.read(data)


def test_what_people_write_beside_it_is_passed_over() -> None:
    found = text.read(
        b"# why\nouts:  # here\n  - md5: '123'   # theirs\n    path: a b#c\n    desc: |\n"
        b"      several\n\n      lines: of it\n    labels: [x, {y: z}]\nmeta: {a: [1,\n  2]}\n"
    )
    assert found["outs"] == [{"md5": "123", "path": "a b#c", "desc": SKIPPED, "labels": SKIPPED}]
    assert found["meta"] is SKIPPED


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}]\n"
    for old, new in itertools.pairwise("abcdefghi")
)


def test_a_text_over_many_lines_takes_no_time_of_its_own() -> None:
    lines = "  b\n" * 200_000  # put together one by one it would be minutes
    assert text.read(f"a:\n{lines}".encode()) == {"a": " ".join("b" * 200_000)}
    quoted = '"' + "  b\n" * 200_000 + '"'
    assert text.read(f"a: {quoted}".encode())["a"].count("b") == 200_000


def test_a_bomb_does_not_go_off() -> None:
    assert set(text.read(BOMB.encode()).values()) == {SKIPPED}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: !!python/object/apply:os.system [x]", "line 1 is not as DVC writes it"),
        (b"outs:\n\t- path: a", "a tab"),
        (b"a: 1\na: 2", "twice"),
        (b"a: 1\nb", "a key was expected"),
        (b"a: 'x", "never closed"),
        (b"a: [x", "never closed"),
        (b"a: 'x' y", "behind a quote"),
        (b"a: x\n   b: c", "a colon"),
        (b"- " * 200, "too deep"),
        ("\n".join(" " * n + "a:" for n in range(200)).encode(), "too deep"),
        (b"a: \xff", "no UTF-8"),
        (b'a: "\\q"', "an escape"),
        (b'a: "\\ud800"', "an escape"),
        (b" a: 1\nb: 2", "does not belong"),
        (b"x" * (text.MOST_BYTES + 1), "larger than 64 MiB"),
    ],
)
def test_what_dvc_does_not_write_is_refused_with_its_line(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        text.read(data)
    assert says in caught.value.what
