import json
from pathlib import Path

import pytest

from samebit.cli.main import main
from samebit.objects.store import Store
from samebit.objects.verifying import stored_files
from tests.cli import stores


def found(capsys: pytest.CaptureFixture[str], *runs: str) -> dict[str, dict]:
    assert main(["du", "--json", *runs]) == 0
    said = json.loads(capsys.readouterr().out)
    return {row["id"]: row for row in said["runs"]} | {"total": said["total"]}


def test_what_a_run_alone_names_is_its_own_and_the_rest_is_shared(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, _ = stores.record(store, {"step 0": 1, "final": 2})
    other, manifests = stores.record(store, {"step 0": 1, "final": 3})
    said = found(capsys)
    for run in (one, other):
        row = said[run.id]
        assert row["states"] == 2
        assert row["own_bytes"] - row["folder_bytes"] < 170_000 < row["state_bytes"] < 340_000
        assert 120_000 < row["shared_bytes"] < 170_000
        assert row["own_bytes"] + row["shared_bytes"] == sum(
            row[f"{kind}_bytes"] for kind in ("state", "code", "file", "folder")
        )
    total = said["total"]
    assert total["objects_bytes"] <= sum(p.stat().st_size for p in stored_files(Store(store)))
    assert total["unnamed_bytes"] == 0
    # Four states of 160 kB, three of them different.
    assert 160_000 < total["logical_bytes"] - total["unique_bytes"] < 163_000
    assert total["stored_bytes"] < total["unique_bytes"]
    assert found(capsys, one.id).keys() == {one.id, "total"}
    assert manifests


def test_what_no_run_names_is_said(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores.record(store, {"final": 1}, name="brave-otter")
    Store(store).put(bytes(range(256)) * 1000)
    assert main(["du"]) == 0
    said = capsys.readouterr().out
    assert "nothing names; see `samebit gc`" in said
    assert "brave-otter" in said
    assert "by keeping equal bytes once" in said


def test_it_fits_a_terminal_of_80_columns(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebit.cli import words

    stores.record(store, {"step 0": 1, "final": 2}, name="a-rather-long-name-for-a-run")
    monkeypatch.setattr(words, "_columns", lambda _: 80)
    assert main(["du"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[-1] == "shared"


def test_a_damaged_or_empty_store_is_no_trouble(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(capsys)["total"]["objects_bytes"] == 0
    stores.record(store, {"final": 1})
    for path in stored_files(Store(store)):
        path.write_bytes(path.read_bytes()[:50])
    (run,) = found(capsys).keys() - {"total"}
    assert run
