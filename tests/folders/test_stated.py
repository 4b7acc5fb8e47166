"""Which ranks have a part in a state."""

from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.folders.stated import manifests_by_rank
from samebit.journal.writer import Writer


def record(run: RunFolder, rank: str, execution: int, *states: str) -> None:
    writer = Writer(run.journal, run.id, rank)
    writer.fact("joined", {"rank": rank, "execution": execution, "part": 1, "process": "p"})
    for name in states:
        manifest = f"blake3:{rank}{execution}"
        writer.fact("state", {"name": name, "manifest": manifest, "execution": execution})
    writer.close()


def test_each_rank_has_its_part_and_who_has_none_is_told(run: RunFolder) -> None:
    record(run, "0", 1, "step 0", "final")
    record(run, "1", 1, "step 0")
    view = read_run(run)
    assert manifests_by_rank(view, "step 0") == ({"0": "blake3:01", "1": "blake3:11"}, {})
    found, absent = manifests_by_rank(view, "final")
    assert found == {"0": "blake3:01"}
    assert absent == {"1": "it has recorded no state 'final'"}
    assert manifests_by_rank(view.at_rank("1"), "step 0") == ({"1": "blake3:11"}, {})


def test_ranks_that_a_later_execution_went_on_without_have_no_part_in_what_it_saved(
    run: RunFolder,
) -> None:
    for rank in ("0", "1", "2"):
        record(run, rank, 1, "checkpoint 3", "final")
    record(run, "0", 2, "final")
    record(run, "1", 2)  # it was killed: what it had before is no part of this one
    view = read_run(run)
    found, absent = manifests_by_rank(view, "final")
    assert (found, list(absent)) == ({"0": "blake3:02"}, ["1"])
    assert list(manifests_by_rank(view, "checkpoint 3")[0]) == ["0", "1", "2"]
