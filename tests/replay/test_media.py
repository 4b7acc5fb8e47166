"""What a run logged beside numbers, compared as bits where its bytes follow from values."""

from typing import Any

import numpy as np

from samebit.folders.media import media_of
from samebit.folders.read import View
from samebit.query.media import differences
from samebit.replay.grades import regrade
from samebit.replay.results import compare_media
from samebit.replay.verify import judge
from tests.folders.test_media import promise, thing
from tests.replay.conftest import SAMEBIT, Project, Recorder

TRAIN = """
import os, time
import numpy, samebit
run = samebit.init(volatile=["timing/*"])
noise = numpy.random.default_rng(4)
for step in range(1, 4):
    run.trace(step, loss=float(step), params=numpy.full(3, step))
    image = noise.integers(0, 256, (8, 8, 3), numpy.uint8)
    run.log({
        "samples": [samebit.Image(image), samebit.Image(image[:, ::-1])],
        "timing/plot": samebit.Text(str(time.time_ns())),
        "file": samebit.Image(b"GIF89a" + str(os.getpid()).encode()),
        "weights": samebit.Histogram(image),
        "large": samebit.Text("x" * 70_000 + str(step)),
    }, step)
"""


def run(recorder: Recorder, *facts: Any, w: float = 1.0, **more: Any) -> View:
    said = [("media", fact) for fact in facts]
    return recorder.run(said, trace=[{"loss": bytes(8)}], final={"w": np.array([w])}, **more)


def test_another_picture_is_a_difference_also_where_all_else_agrees(recorder: Recorder) -> None:
    def one(second: int, **more: Any) -> View:
        pair = (thing("a", 2, 1, of=2), thing("a", 2, second, at=1, of=2))
        return run(
            recorder, promise("a", 2, of=2), *pair, promise("b", 1), thing("b", 1, 3), **more
        )

    first = one(2)
    same = judge(first, one(2))
    assert same.grade == "identical"
    assert "media identical: 3 of 3" in same.scope
    verdict = judge(first, one(9))
    assert (verdict.grade, verdict.step) == ("different", 2)
    assert verdict.cause == "what was logged differs: image 'a' at step 2 (2 of 2)"
    assert "media identical: 2 of 3" in verdict.scope
    # Nothing else differs, so that it is no rounding of the training; and where it is, it is close.
    assert regrade(first, one(9), verdict, [], 1e-3).grade == "different"
    rounded = one(9, w=1.0 + 1e-7)
    assert regrade(first, rounded, judge(first, rounded), [], 1e-3).grade == "close"
    assert list(differences(first, one(9))) == ["a: 1 of 2 differ, first at step 2 (2 of 2)"]


def test_what_only_one_of_them_has_is_a_difference_where_both_ended(recorder: Recorder) -> None:
    first = run(recorder, promise("a", 1), thing("a", 1, 1), promise("a", 2), thing("a", 2, 2))
    less = run(recorder, promise("a", 1), thing("a", 1, 1))
    assert judge(first, less).cause == "what was logged differs: image 'a' at step 2"
    assert judge(less, first).cause == "what was logged differs: image 'a' at step 2"
    assert list(differences(first, less)) == [
        "a: 1 of 2 differ, first at step 2, which the second lacks"
    ]
    assert compare_media(first, less, cut=True).differing == []
    assert compare_media(less, first, more=True).differing == []


def test_what_was_not_written_is_no_difference(recorder: Recorder) -> None:
    killed = run(recorder, promise("a", 1), thing("a", 1, 1), promise("a", 2))
    whole = run(recorder, promise("a", 1), thing("a", 1, 1), promise("a", 2), thing("a", 2, 2))
    for pair in ((killed, whole), (whole, killed)):
        found = compare_media(*pair)
        assert (found.count, found.differing) == (1, [])


def test_what_a_library_made_is_listed_and_a_volatile_name_is_neither(recorder: Recorder) -> None:
    def one(number: int) -> View:
        return run(
            recorder,
            promise("fig", 1),
            thing("fig", 1, number, exact=False, kind="figure"),
            promise("wall_time", 1),
            thing("wall_time", 1, number),
        )

    found = compare_media(one(1), one(2))
    assert (found.count, found.differing, found.listed) == (0, [], ["fig", "wall_time"])
    verdict = judge(one(1), one(2))
    assert verdict.grade == "identical"
    assert "media that are not judged: fig, wall_time" in verdict.scope


def test_a_run_is_verified_with_its_media_and_a_replay_keeps_none(project: Project) -> None:
    project.write(train=TRAIN)
    project.run("train.py")
    found = project.verify()
    assert found.verdict["grade"] == "identical", found.text
    assert "media identical: 12 of 12" in found.verdict["scope"]
    assert "media that are not judged: timing/plot, file" in found.verdict["scope"]
    replay = project.view(found.verdict["replay"])
    kept = [fact for facts in media_of(replay).values() for fact in facts if fact.get("kept")]
    assert (kept, len(media_of(replay))) == ([], 5)
    done = project.call(*SAMEBIT, "diff", replay.record.of or "", replay.id, expect=None)
    assert "media  the same" in done.stdout


def test_a_picture_that_comes_out_otherwise_is_found_by_a_replay(project: Project) -> None:
    project.write(
        train="""
import os, numpy, samebit
run = samebit.init()
for step in range(1, 4):
    run.trace(step, loss=float(step), params=numpy.full(3, step))
    picture = numpy.frombuffer(os.urandom(16), numpy.uint8).reshape(4, 4)
    run.log({"sample": samebit.Image(picture), "plain": samebit.Text("a")}, step)
"""
    )
    project.run("train.py")
    found = project.verify()
    assert found.verdict["grade"] == "different", found.text
    assert found.verdict["cause"].startswith("what was logged differs: image 'sample' at step 1")
