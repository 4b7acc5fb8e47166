"""Two runs whose splits differ: said in a sentence, a difference for `verify`, no guess."""

from typing import Any

import numpy as np
import pytest

from samebit.data.parts import draft_of
from samebit.data.row_ids import ASKED
from samebit.data.splitting import build
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.query.splits import differences
from samebit.replay.grades import regrade
from samebit.replay.verify import judge
from tests.replay.conftest import Recorder

DATA = np.arange(20.0).reshape(10, 2)
PARTS = {"train": [0, 1, 2, 3], "test": [4, 5]}
BASE: dict[str, Any] = {"trace": [{"loss": b"l" * 8}], "final": {"model": {"weight": np.ones(2)}}}


def run(recorder: Recorder, *splits: Any, **more: Any) -> View:
    """A run with these splits: parts, `of`, and what else is to be kept of it."""
    facts: list[tuple[str, Any]] = []
    for at, (parts, of, kept) in enumerate(splits):
        built = build(draft_of(parts, of=of, most=ASKED))
        if kept:
            Store(recorder.store).put_all(list(built.objects))
        said = [[part.name, part.rows, part.order] for part in built.manifest.parts]
        fact = {"name": f"split {at}", "manifest": built.name, "method": "given", "rows": 10}
        facts.append(("split", {**fact, "parts": said}))
    return recorder.run(facts, **{**BASE, **more})


TURNED = DATA[::-1]
OTHER_DATA = DATA + 100

CASES: dict[str, tuple[Any, Any, str]] = {
    "other rows": (
        {**PARTS, "train": [0, 1, 2, 9]},
        DATA,
        "split 0: train has other rows, 1 of 4 are not in the other",
    ),
    "fewer rows": (
        {**PARTS, "test": [4]},
        DATA,
        "split 0: test has 2 → 1 rows, 1 of 2 are not in the other",
    ),
    "another order": (
        {**PARTS, "train": [3, 2, 1, 0]},
        DATA,
        "split 0: train has its rows in another order",
    ),
    "other parts": (
        {**PARTS, "val": [6]},
        DATA,
        "split 0: parts train, test → train, test, val",
    ),
    "other data, the same numbers": (
        PARTS,
        OTHER_DATA,
        "split 0: train has other rows, 4 of 4 are not in the other; "
        "test has other rows, 2 of 2 are not in the other",
    ),
    "the same numbers of data in another order": (
        PARTS,
        TURNED,
        "split 0: train has other rows, 4 of 4 are not in the other; "
        "test has its rows in another order",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_differs_is_said_and_is_a_difference(recorder: Recorder, name: str) -> None:
    parts, data, said = CASES[name]
    ours, theirs = run(recorder, (PARTS, DATA, True)), run(recorder, (parts, data, True))
    assert differences(ours, theirs) == [said]
    verdict = judge(ours, theirs)
    assert (verdict.grade, verdict.cause) == ("different", f"a split differs: {said}")
    assert regrade(ours, theirs, verdict, [], 1e-5).grade == "different"


def test_the_same_rows_in_other_places_are_the_same(recorder: Recorder) -> None:
    moved = {name: [9 - at for at in rows] for name, rows in PARTS.items()}
    ours, theirs = run(recorder, (PARTS, DATA, True)), run(recorder, (moved, TURNED, True))
    assert differences(ours, theirs) == []
    verdict = judge(ours, theirs)
    assert verdict.grade == "identical"
    assert "splits identical: 1 of 1" in verdict.scope


def test_a_split_that_only_one_has_is_said(recorder: Recorder) -> None:
    both, one = [(PARTS, DATA, True)] * 2, [(PARTS, DATA, True)]
    ours, theirs = run(recorder, *both), run(recorder, *one)
    assert differences(ours, theirs) == ["split 1: train 4, test 2 → not there"]
    assert judge(ours, theirs).grade == "different"
    # What the replay has beyond is none of the run: an older version recorded no splits.
    assert judge(theirs, ours).grade == "identical"


def test_a_replay_that_was_ended_before_may_lack_a_split(recorder: Recorder) -> None:
    ours = run(recorder, *[(PARTS, DATA, True)] * 2)
    stopped = ("stopped", {"why": "asked", "count": 1})
    theirs = recorder.run([stopped, *(("split", f) for f in ours.all_facts("split")[:1])], **BASE)
    verdict = judge(ours, theirs)
    assert (verdict.grade, verdict.until) == ("identical", 1)
    assert "splits identical: 1 of 1" in verdict.scope


def test_a_split_whose_lists_are_gone_is_still_told_apart(recorder: Recorder) -> None:
    ours = run(recorder, (PARTS, DATA, True))
    theirs = run(recorder, ({**PARTS, "train": [7]}, DATA, False))
    (said,) = differences(ours, theirs)
    assert said.startswith("split 0: row numbers differ; more is not known: object ")


def test_where_a_trace_parts_the_split_is_named_with_it(recorder: Recorder) -> None:
    ours = run(recorder, (PARTS, DATA, True))
    parts = {**PARTS, "train": [9, 1, 2, 3]}
    theirs = run(recorder, (parts, DATA, True), trace=[{"loss": b"x" * 8}])
    verdict = judge(ours, theirs)
    assert verdict.step == 1
    assert verdict.cause.endswith(
        "; a split differs: split 0: train has other rows, 1 of 4 are not in the other"
    )
