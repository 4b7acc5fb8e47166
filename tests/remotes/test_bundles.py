"""Bundles: whatever order and pieces a run's files come in, they come out as they were."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest
from samebit.errors import Damaged, StoreTooNew
from samebit.remotes import bundles
from samebit.remotes.bundles import Part

SEGMENT = "journal/0-rlku4fe23ohj-0.sbj"
files = st.dictionaries(
    st.sampled_from(
        [
            "run.json",
            "executions/1/start.json",
            "executions/1/console/0.log",
            SEGMENT,
            "journal/launch-rlku4fe23ohj-12.sbj",
            "notes/1700000000116000000-e3e6b605.json",
            "trace/0-rlku4fe23ohj-63.leaves",
        ]
    ),
    st.binary(max_size=60),
)


@given(files)
def test_files_come_back(given_files: dict[str, bytes]) -> None:
    bundle = bundles.make((path, 0, data) for path, data in given_files.items())
    digits, file = bundles.encode_object(bundle)
    assert bundles.decode_object(file, digits) == bundle
    assert bundles.assemble([bundle], {}) == given_files


@given(st.binary(min_size=1, max_size=80), st.data())
def test_what_grew_comes_in_parts(whole: bytes, data: st.DataObject) -> None:
    """Each who pushes sends from where the remote ended, as far as the file was then."""
    ends = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=5)))
    sent = [bundles.make([(SEGMENT, 0, whole[: ends[0]])])]
    for begin, end in zip(ends, [*ends[1:], len(whole)], strict=True):
        sent.append(bundles.make([(SEGMENT, begin, whole[begin:end])]))
    order = data.draw(st.permutations(sent))
    here = whole[: data.draw(st.integers(0, len(whole)))]
    assert bundles.assemble(order, {SEGMENT: here}) == {SEGMENT: whole}
    parts = [part for bundle in sent for part, _ in bundles.parts_of(bundle)]
    assert bundles.covered(parts) == len(whole)
    # Without one of them nothing is made up.
    left = order[1:]
    found = bundles.assemble(left, {}).get(SEGMENT, b"")
    assert whole.startswith(found)


def test_parts_that_contradict_each_other() -> None:
    for one, other in (
        ([("run.json", 0, b"a")], [("run.json", 0, b"b")]),
        ([("run.json", 0, b"a")], [("run.json", 0, b"ab")]),
        ([(SEGMENT, 0, b"abc")], [(SEGMENT, 0, b"abd")]),
        ([(SEGMENT, 0, b"abc")], [(SEGMENT, 2, b"d")]),
    ):
        with pytest.raises(Damaged, match="not copies of one run"):
            bundles.assemble([bundles.make(one), bundles.make(other)], {})
        with pytest.raises(Damaged, match="not copies of one run"):
            bundles.assemble([bundles.make(other)], {one[0][0]: one[0][2]})


def test_of_a_trace_the_last_counts() -> None:
    path = "trace/0-rlku4fe23ohj-63.leaves"
    made = [bundles.make([(path, 0, data)]) for data in (b"one", b"two")]
    assert bundles.assemble(made, {path: b"zero"}) == {path: b"two"}


def test_a_hole_ends_a_file() -> None:
    assert bundles.covered([Part(SEGMENT, 0, 3, ""), Part(SEGMENT, 4, 3, "")]) == 3
    made = bundles.make([(SEGMENT, 0, b"abc"), (SEGMENT, 4, b"efg")])
    assert bundles.assemble([made], {}) == {SEGMENT: b"abc"}
    assert bundles.assemble([bundles.make([(SEGMENT, 4, b"efg")])], {}) == {}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        {"format": "samebit-bundle 1", "files": [["run.json", 0, -1, "blake3:"]]},
        {"format": "samebit-bundle 1", "files": [["run.json", -5, 1, "blake3:"]]},
        {"format": "samebit-bundle 1", "files": [["run.json", 0, 10**15, "blake3:"]]},
        {"format": "samebit-bundle 1", "files": [["run.json", 0, 3, "blake3:" + "0" * 64]]},
        {"format": "samebit-bundle 1", "files": []},
        {"format": "else", "files": []},
    ],
)
def test_what_is_no_bundle(head: Any) -> None:
    line = head if isinstance(head, bytes) else json.dumps(head).encode()
    with pytest.raises(Damaged):
        list(bundles.parts_of(line + b"\nabc"))


def test_a_bundle_of_a_newer_version() -> None:
    with pytest.raises(StoreTooNew):
        list(bundles.parts_of(b'{"files":[],"format":"samebit-bundle 2"}\n'))


@given(st.binary(max_size=300), st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_of_an_object_is_found(data: bytes, at: int, bit: int) -> None:
    digits, file = bundles.encode_object(data)
    hurt = bytearray(file)
    hurt[at % len(hurt)] ^= 1 << bit
    with pytest.raises(Damaged):
        bundles.decode_object(bytes(hurt), digits)


def test_a_bomb_is_not_unpacked() -> None:
    from samebit.objects import encoding

    data = bytes(10_000_000)
    file = encoding.object_header(encoding.encode(data)[0], len(data)) + encoding.encode(data)[1]
    digits = digest.hex_of(digest.of_bytes(data))
    with pytest.raises(Damaged, match="are the most"):
        bundles.decode_object(file, digits, most_bytes=1_000_000)
