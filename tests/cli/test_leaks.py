"""`samebit data leaks`: what it says and how it ends, and the line in `samebit show`."""

import json
from pathlib import Path

import numpy as np
import pytest

from samebit.cli import splitting
from tests.cli.stores import said
from tests.cli.test_splitting import record

LAST = (
    "not looked at: preprocessing on all, feature selection on all, illegitimate features, "
    "sampling bias"
)
DATA = np.array([[0.0], [1.0], [2.0], [1.0], [3.0]])


def test_findings_stand_under_headings_with_rows(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"a": {"train": [0, 1], "test": [1, 3, 4]}}, of=DATA)
    code, out = said(capsys, "data", "leaks", folder.id)
    assert code == 5
    assert out.splitlines() == [
        f"{folder.id}:a  train 2, test 3",
        "  duplicates",
        "    1 of 3 rows of test: rows of train, too",
        "      row 1",
        "    1 of 3 rows of test: equal to rows of train, in all that was handed over",
        "      row 3 (train 1)",
        LAST,
    ]
    code, out = said(capsys, "data", "leaks", f"{folder.id}:a", "--json")
    (split,) = json.loads(out)["splits"]
    assert code == 5
    assert [(one["kind"], one["rows"]) for one in split["found"]] == [
        ("same_rows", [[1, 1]]),
        ("equal_rows", [[1, 3]]),
    ]


def test_nothing_found_is_said_and_so_is_what_was_not_judged(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"a": {"train": [0, 1], "test": [4]}}, of=DATA)
    assert said(capsys, "data", "leaks", folder.id) == (
        0,
        f"{folder.id}:a  train 2, test 1\n  no leak found\n{LAST}\n",
    )
    folder = record(store, {"a": {"train": [0, 1], "test": [4]}})
    code, out = said(capsys, "data", "leaks", folder.id)
    assert code == 0
    assert "not judged: whether rows are equal: the split has no ids" in out


def test_a_run_with_nothing_to_test_on(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record(store, {"a": {"train": [0, 1]}}, of=DATA)
    code, out = said(capsys, "data", "leaks", folder.id)
    assert code == 5
    assert "no split\n  there is one part alone, train: nothing is kept apart" in out
    both = record(store, {"a": {"train": [0]}, "b": {"train": [0], "test": [4]}}, of=DATA)
    assert said(capsys, "data", "leaks", both.id)[0] == 0


def test_folds_are_named_together_and_others_are_an_error(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = {f"KFold/{at}": {"train": [at], "test": [at + 3]} for at in (0, 1)}
    folder = record(store, {**folds, "other": {"train": [1], "test": [3]}}, of=DATA)
    code, out = said(capsys, "data", "leaks", f"{folder.id}:KFold")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if ":KFold" in line] == [
        f"{folder.id}:KFold/0",
        f"{folder.id}:KFold/1",
    ]
    assert said(capsys, "data", "leaks", f"{folder.id}:none")[0] == 7
    assert said(capsys, "data", "leaks", record(store, {}).id)[0] == 7


def test_a_file_is_looked_into(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,who,y,day\n1,p,0,2026-01-01\n2,q,1,2026-01-03\n1,q,1,2026-01-02\n")
    folder = record(store, {"a": {"train": [0, 1], "test": [2]}}, of=np.arange(3.0)[:, None])
    columns = ("--label", "y", "--group", "who", "--time", "day")
    code, out = said(capsys, "data", "leaks", folder.id, "--data", str(path), *columns)
    assert code == 5
    why = "taken by their numbers: the file has other columns than what was split"
    assert out.splitlines()[1:-1] == [
        f"  rows of {path}, {why}",
        "  duplicates",
        "    1 of 1 row of test: features equal to rows of train",
        "      row 2 (train 0)",
        "    1 of 1 row of test: features equal to rows of train that have another label",
        "      row 2 (train 0)",
        "  temporal",
        "    1 of 1 row of test: earlier than the last row of train "
        "(train ends 2026-01-03 in row 1, test begins 2026-01-02)",
        "      row 2",
        "  dependence of train and test",
        "    1 of 1 row of test: of a who that is in train, too (values of who in both: 1)",
        "      row 2 (train 1)",
    ]
    clean = ("--data", str(path), "--ignore", "who", "--ignore", "day")
    assert said(capsys, "data", "leaks", folder.id, *clean)[0] == 0
    assert said(capsys, "data", "leaks", folder.id, "--label", "y")[0] == 2


def test_of_several_splits_some_may_be_of_other_data(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.npy"
    np.save(path, DATA)
    splits = {"a": {"train": [0, 1], "test": [3]}}
    folder = record(store, splits, of=DATA)
    other = record(store, splits, of=np.arange(20.0, 29.0)[:, None])
    assert said(capsys, "data", "leaks", folder.id, "--data", str(path))[0] == 5
    assert said(capsys, "data", "leaks", other.id, "--data", str(path))[0] == 7
    np.save(path, DATA[:4])
    both = record(store, {**splits, "b": {"train": [0, 4], "test": [1]}}, of=DATA)
    code, out = said(capsys, "data", "leaks", both.id, "--data", str(path))
    assert code == 5
    assert out.splitlines()[-3:-1] == [
        f"{both.id}:b  train 2, test 1",
        "  not judged: 1 of 2 rows of part 'train' are not in this data",
    ]


def test_show_has_a_line_where_rows_are_equal(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record(store, {"a": {"train": [0, 1], "test": [3, 4]}}, of=DATA)
    line = f"equal rows: 1 of test in train; samebit data leaks {folder.id}"
    assert line in said(capsys, "show", folder.id)[1]
    clean = record(store, {"a": {"train": [0, 1, 3], "test": [4]}}, of=DATA)
    assert "equal rows" not in said(capsys, "show", clean.id)[1]
    monkeypatch.setattr(splitting, "_LOOKED_AT", 4)  # more rows than that are not read
    assert "equal rows" not in said(capsys, "show", folder.id)[1]
