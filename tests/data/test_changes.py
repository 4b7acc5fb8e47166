"""How two versions of data differ."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.data import changes
from samebit.data.manifests import Item
from samebit.errors import SamebitError
from samebit.objects.store import Store
from tests.data.test_adding import add

pandas = pytest.importorskip("pandas")


def side(files: dict[str, str]) -> changes.Side:
    items = {
        name.encode(): Item(name.encode(), "f", len(content), content)
        for name, content in files.items()
    }
    return changes.Side(items, lambda item: None)  # type: ignore[arg-type, return-value]


contents = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "22", "333"]))


@given(contents, contents)
def test_what_is_said_makes_the_one_of_the_other(
    ours: dict[str, str], theirs: dict[str, str]
) -> None:
    found = changes.compare(side(ours), side(theirs))
    made = dict(ours)
    for item in (*found.removed, *(before for before, _ in found.moved)):
        del made[item.path.decode()]
    for item in (*found.added, *(after for _, after in (*found.moved, *found.changed))):
        made[item.path.decode()] = item.digest
    assert made == theirs
    assert found.any == (ours != theirs)
    assert found.same == sum(theirs.get(name) == content for name, content in ours.items())
    assert all(before.digest == after.digest for before, after in found.moved)


def test_a_version_and_the_folder_as_it_is_now(store: Store, folder: Path) -> None:
    record = add(store, folder).record
    version = changes.of_version(Store(store.path), record)
    assert not changes.compare(version, changes.of_path(folder)).any
    (folder / "run.sh").chmod(0o644)
    (folder / "link").unlink()
    (folder / "link").symlink_to("a.bin")
    (folder / "b/c.bin").rename(folder / "c.bin")
    found = changes.compare(version, changes.of_path(folder))
    assert [after.path for _, after in found.changed] == [b"link", b"run.sh"]
    assert [(a.path, b.path) for a, b in found.moved] == [(b"b/c.bin", b"c.bin")]
    assert found.folders == {"b": (2, 1)}
    large = version.items[b"b/large.bin"]
    with version.open(large) as path:
        assert path.read_bytes() == (folder / "b/large.bin").read_bytes()


rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", None])), max_size=8)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
@settings(max_examples=15)
@given(before=rows, after=rows)
def test_rows_and_labels_are_counted(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, before: list[tuple], after: list[tuple]
) -> None:
    top = tmp_path_factory.mktemp("tables")
    paths = [write(top / f"{at}{suffix}", some) for at, some in enumerate((before, after))]
    found = changes.compare_tables(*paths)
    ours, theirs = Counter(before), Counter(after)
    assert found.rows == (len(before), len(after))
    assert (found.added, found.removed) == ((theirs - ours).total(), (ours - theirs).total())
    assert found.label == "label"
    # A CSV has no types: a missing text is an empty one.
    none = "" if suffix == ".csv" else "None"
    labels = [Counter(none if b is None else b for _, b in some) for some in (before, after)]
    assert found.labels == {
        name: (labels[0][name], labels[1][name])
        for name in {*labels[0], *labels[1]}
        if labels[0][name] != labels[1][name]
    }


def write(path: Path, rows: list[tuple]) -> Path:
    frame = pandas.DataFrame(rows, columns=["id", "label"]).astype(
        {"id": "int64", "label": "string"}
    )
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_feather(path)
    return path


def test_columns_that_came_went_and_became_others(tmp_path: Path) -> None:
    a, b = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pandas.DataFrame({"id": [1, 2], "old": [0, 0], "y": [1, 1]}).to_parquet(a)
    pandas.DataFrame({"id": [1.0, 2.0], "new": [0, 0], "y": [1, 2]}).to_parquet(b)
    found = changes.compare_tables(a, b)
    assert (found.new_columns, found.lost_columns) == (("new",), ("old",))
    assert found.types == {"id": ("int64", "double")}
    assert (found.label, found.labels) == ("y", {"1": (2, 1), "2": (0, 1)})
    assert changes.compare_tables(a, b, "id").label == "id"
    with pytest.raises(SamebitError, match="no column 'old'"):
        changes.compare_tables(a, b, "old")
    b.write_bytes(b"no table")
    with pytest.raises(SamebitError, match="not readable"):
        changes.compare_tables(a, b)


def test_too_many_rows_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_MOST_ROWS", 3)
    paths = [write(tmp_path / f"{n}.parquet", [(n, "x")] * n) for n in (2, 4)]
    found = changes.compare_tables(*paths)
    assert (found.rows, found.added, found.removed) == ((2, 4), None, None)
