"""What is stated of a run: all of its verdict, every rank's final state, every file by one name."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from samebit import digest, places
from samebit.folders import folder as runs
from samebit.folders.read import View, read_run
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.records import ExecutionEnd, ExecutionStart, Verdict
from samebit.report.anonymous import OPEN, anonymous
from samebit.report.certificate import final_states, record_of, stated_verdict
from samebit.report.codecheck import codecheck_yaml
from samebit.report.outputs import digests_of, written_by
from samebit.states import storing

CONTENT = digest.of_bytes(b"x")


def recorded(folder: Path, ranks: dict[str, list[tuple[str, Any]]], cwd: str = "/project") -> View:
    """A run of which each rank wrote these facts."""
    store = places.make_store(folder / ".samebit")
    run = runs.begin(store)
    run.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), cwd))
    for rank, facts in ranks.items():
        writer = Writer(run.journal, run.id, rank)
        writer.fact("joined", {"rank": rank, "execution": 1})
        for name, value in facts:
            writer.fact(name, value)
        writer.close()
    run.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return read_run(run)


def written(path: str, how: str = "write", **more: Any) -> tuple[str, Any]:
    fact = {"path": path, "how": how, "given": "relative", "size_bytes": 1, "mtime_ns": 1}
    return "file", {**fact, "digest": CONTENT, **more}


class Later(Verdict, frozen=True):
    """A verdict of a version that is still to come."""

    luck: float = 0.5


def test_all_of_a_verdict_is_stated_and_what_later_versions_say_of_one_too() -> None:
    verdict = Later(
        "identical",
        "0aayyrw4s6",
        "z4ygh6svr1",
        until=40,
        kind="run-to-run",
        remedies=("set it", "seed it"),
    )
    stated = stated_verdict(verdict, OPEN)
    assert (stated["until"], stated["kind"], stated["luck"]) == (40, "run-to-run", 0.5)
    assert stated["remedies"] == ["set it", "seed it"]
    text = codecheck_yaml(verdict, [], wording=OPEN, repository=None, statement="s")
    summary = yaml.safe_load(text)["summary"]
    assert (
        "found: identical (steps 1 to 40). Kind: run-to-run. What to do: set it; seed it."
        in summary
    )


def test_each_rank_has_its_final_states(tmp_path: Path) -> None:
    objects = Store(places.make_store(tmp_path / ".samebit"))
    manifests = [storing.save(objects, {"model": {"bias": float(n)}}) for n in range(3)]

    def final(n: int, name: str = "final") -> tuple[str, Any]:
        return "state", {"name": name, "manifest": manifests[n], "step": 3}

    several = recorded(
        tmp_path, {"0": [final(0), final(2, "final of optimizer 1")], "1": [final(1)]}
    )
    found = {one["name"]: one["digest"]["blake3"] for one in final_states(several)}
    assert found == {
        "samebit:state/0/final": digest.hex_of(manifests[0]),
        "samebit:state/0/final of optimizer 1": digest.hex_of(manifests[2]),
        "samebit:state/1/final": digest.hex_of(manifests[1]),
    }
    (alone,) = final_states(recorded(tmp_path, {"0": [final(1)]}))
    assert alone["name"] == "samebit:state/final"


def test_a_final_state_whose_bytes_are_gone_has_the_digest_that_was_recorded(
    tmp_path: Path,
) -> None:
    fact = {"name": "final", "manifest": CONTENT, "step": 3}
    (only,) = final_states(recorded(tmp_path, {"0": [("state", fact)]}))
    assert only["digest"] == {"blake3": digest.hex_of(CONTENT)}


def test_every_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    paths = [
        "/project/out/a.csv",
        "/elsewhere/a.csv",
        "/other/a.csv",
        "/project/outside/a.csv",
        "/project/samebit:run/x",
        "/project/caf\udce9",
    ]
    view = recorded(
        tmp_path,
        {
            "0": [
                ("code", {"root": "/project", "tree": CONTENT, "files": 1, "size_bytes": 1}),
                *(written(path) for path in paths),
            ]
        },
    )
    found = {one.path: one.name for one in written_by(view, None, OPEN, None)}
    assert found["/project/out/a.csv"] == "out/a.csv"
    assert found["/project/samebit:run/x"] == "./samebit:run/x"
    assert found["/project/caf\udce9"] == "caf\\udce9"
    assert len(set(found.values())) == len(paths)
    assert found["/project/outside/a.csv"] == "outside/a.csv"
    assert found["/elsewhere/a.csv"] == "outside/a.csv (2)"


@pytest.mark.parametrize(
    ("fact", "content"),
    [
        (written("/project/a"), CONTENT),
        (written("/project/a", digest=None), None),
        (written("/project/a", "read", written=True, left=CONTENT, digest=None), CONTENT),
        (written("/project/a", "read", written=True), None),
    ],
)
def test_a_file_is_stated_as_it_was_at_the_end(
    tmp_path: Path, fact: tuple[str, Any], content: str | None
) -> None:
    (only,) = written_by(recorded(tmp_path, {"0": [fact]}), None, OPEN, None)
    assert only.blake3 == content


def test_what_was_only_read_is_no_output(tmp_path: Path) -> None:
    view = recorded(tmp_path, {"0": [written("/project/a", "read")]})
    assert written_by(view, None, OPEN, None) == []


def test_what_a_replay_that_ended_early_did_not_write_is_not_known(tmp_path: Path) -> None:
    facts = [written("/project/a"), written("/project/b")]
    run = recorded(tmp_path, {"0": facts})
    replay = recorded(tmp_path, {"0": [written("/r/fs/project/a")]}, "/r/fs/project")
    for until, told in ((None, "not written"), (3, "not known")):
        found = {one.path: one.replayed for one in written_by(run, replay, OPEN, until)}
        assert found == {"/project/a": "same bytes", "/project/b": told}


def test_a_project_that_was_moved_still_has_its_files(tmp_path: Path) -> None:
    view = recorded(
        tmp_path,
        {
            "0": [
                ("code", {"root": "/gone", "tree": CONTENT, "files": 1, "size_bytes": 1}),
                written("/gone/out/a"),
            ]
        },
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_bytes(b"x")
    (found,) = digests_of(view, written_by(view, None, OPEN, None))
    assert found.sha256 is not None
    (tmp_path / "out/a").write_bytes(b"y")
    (found,) = digests_of(view, written_by(view, None, OPEN, None))
    assert found.sha256 is None


def test_a_file_that_is_no_segment_is_no_part_of_the_record(tmp_path: Path) -> None:
    view = recorded(tmp_path, {"0": []})
    before = record_of(view.folder)
    (view.folder.journal / "a copy.sbj").write_bytes(b"x")
    (view.folder.path / "notes/1.json").write_bytes(b"{}")
    assert record_of(view.folder) == before
    assert sorted(name.partition("/")[0] for name in before) == [
        "executions",
        "executions",
        "journal",
        "run.json",
    ]


def test_names_of_files_lose_their_author(tmp_path: Path) -> None:
    start = "/home/author/p"
    view = recorded(
        tmp_path,
        {"0": [("variables", {"USER": "author"}), written(f"{start}/author-1.csv")]},
        start,
    )
    verdict = Verdict("identical", view.id)
    wording = anonymous(b"salt", view, None, verdict)
    (only,) = written_by(view, None, wording, None)
    assert "author" not in only.name
