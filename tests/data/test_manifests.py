"""What a version is made of, as it lies in the store."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest
from samebit.data import manifests
from samebit.data.manifests import Item, Piece
from samebit.errors import Damaged, NotFound


class Shelf(dict[str, bytes]):
    """Objects by name, as a store gives them."""

    def put(self, data: bytes) -> str:
        name = digest.of_bytes(data)
        self[name] = data
        return name

    def read(self, name: str) -> bytes:
        if name not in self:
            raise NotFound("not here")
        return self[name]


NAME = digest.of_bytes(b"")
part = st.binary(min_size=1, max_size=9).filter(
    lambda name: (
        not {b"/"[0], 0} & set(name) and name not in (b".", b"..") and name.lower() != b".git"
    )
)
path = st.lists(part, min_size=1, max_size=3).map(b"/".join)
target = st.binary(max_size=20)


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    found = []
    for one in sorted(draw(st.sets(path, max_size=40))):
        kind = draw(st.sampled_from("fxld"))
        if kind == "l":
            found.append(Item(one, kind, target=draw(target)))
        elif kind == "d":
            found.append(Item(one, kind))
        else:
            pieces = NAME if draw(st.booleans()) else ""
            found.append(
                Item(one, kind, draw(st.integers(0, 2**50)), digest.of_bytes(one), pieces=pieces)
            )
    return found


@given(items())
def test_what_is_written_is_read(found: list[Item]) -> None:
    shelf = Shelf()
    name, manifest = manifests.put_manifest(shelf.put, "fp1:folder:00", found, kept=True)
    assert manifests.read_manifest(shelf, name) == manifest
    assert list(manifests.read_items(shelf, manifest)) == found
    assert (manifest.items, manifest.files) == (
        len(found),
        sum(item.kind in "fx" for item in found),
    )
    # One form only: the same items are the same object, in every version of the libraries.
    for data in shelf.values():
        assert digest.canonical_json(digest.from_json(data)) == data


def test_versions_share_the_shards_in_which_nothing_changed() -> None:
    found = [Item(b"%05d" % n, "f", n, digest.of_bytes(b"%d" % n)) for n in range(10_000)]
    shelf = Shelf()
    manifests.put_manifest(shelf.put, "fp1:folder:00", found, kept=True)
    before = set(shelf)
    chance = random.Random(1)
    del found[chance.randrange(len(found))]
    found.insert(5000, Item(b"05000x", "f", 1, NAME))
    found.sort(key=lambda item: item.path)
    manifests.put_manifest(shelf.put, "fp1:folder:01", found, kept=True)
    assert len(set(shelf) - before) <= 4  # two shards, the manifest, and what a cut may shift


@pytest.mark.parametrize(
    "row",
    [
        ["../x", "d"],
        ["/x", "d"],
        ["a//b", "d"],
        ["a/./b", "d"],
        ["a/.GIT/config", "f", 1, NAME],
        ["a\0b", "d"],
        ["a", "s"],
        ["a", "f", 1, "blake3:00"],
        ["a", "f", "much", NAME],
        ["a", "f", -1, NAME],
        ["a", "f"],
        ["a"],
        [],
        [None, "d"],
        [{"$other": "a"}, "d"],
    ],
)
def test_a_path_that_leaves_the_folder_and_a_row_that_is_none_are_damage(row: list[object]) -> None:
    shelf = Shelf()
    name = shelf.put(msgspec.json.encode({"items": [row], "format": "samebit-files 1"}))
    with pytest.raises(Damaged):
        manifests.read_shard(shelf, name)


@pytest.mark.parametrize("paths", [(b"b", b"a"), (b"a", b"a"), (b"", b"a")])
def test_items_out_of_order_are_damage(paths: tuple[bytes, bytes]) -> None:
    shelf = Shelf()
    found = [Item(one, "d") for one in paths]
    _, manifest = manifests.put_manifest(shelf.put, "fp1:folder:00", found, kept=True)
    with pytest.raises(Damaged):
        list(manifests.read_items(shelf, manifest))


def test_a_list_that_does_not_fit_its_file_is_damage() -> None:
    shelf = Shelf()
    listed = manifests.put_list(shelf.put, [Piece(NAME, 5), Piece(NAME, 6)])
    assert manifests.read_list(shelf, Item(b"a", "f", 11, NAME, pieces=listed)) == [
        Piece(NAME, 5),
        Piece(NAME, 6),
    ]
    with pytest.raises(Damaged, match="does not fit"):
        manifests.read_list(shelf, Item(b"a", "f", 12, NAME, pieces=listed))
