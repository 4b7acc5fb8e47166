"""Folders of event files: what is a run, what belongs to it, and what it had."""

import os
import random
from pathlib import Path

import numpy
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from samebit.compat.files.framed import pack_records
from samebit.compat.files.logdirs import Logdir
from samebit.compat.foreign import ForeignRun
from samebit.errors import NotFound
from samebit.media.given import Histogram, Image, Text
from tests.compat import events
from tests.compat.events import points, read, scalar, start, version, write

GOLDEN = Path(__file__).parent / "golden"


def series(run: ForeignRun) -> dict[str, list[tuple[int, float]]]:
    names = dict.fromkeys(one.name for e in run.executions for one in e.series)
    return {name: points(run, name) for name in names}


@pytest.mark.parametrize("writer", ["torch", "x"])
def test_what_the_real_writers_wrote(writer: str) -> None:
    (run,) = read(GOLDEN / writer)
    assert run.name == writer
    assert run.config == {"lr": 0.1, "opt": "sgd", "layers": 3.0}
    assert run.status == "finished"
    assert run.said["host"] == "host"
    assert run.problems == [("pr_curves", "is in the event files, and has no place here")]
    found = series(run)
    floats = [float(numpy.float32(1 / (at + 1))) for at in range(20)]
    assert found["loss"] == list(enumerate(floats))
    assert [step for step, _ in found["val/acc"]] == list(range(0, 200, 10))
    assert repr(found["odd"]) == "[(300, nan), (70000, -inf)]"
    assert found["below"] == [(-3, 2.5)]
    assert (found["pair/a"], found["pair/b"]) == ([(3, 1.5)], [(3, -2.5)])
    assert found["hparam/acc"] == [(0, 0.75)]
    (execution,) = run.executions
    times = next(one.times_ns for one in execution.series if one.name == "loss")
    assert times.tolist() == [1700000000_250_000_000 + at * 10**9 for at in range(20)]
    things = {one.name: one.media() for one in execution.things if callable(one.media)}
    assert list(things) == ["weights", "picture", "note"]
    (picture,), (note,), (weights,) = things["picture"], things["note"], things["weights"]
    assert isinstance(picture, Image)
    assert picture.data.startswith(b"\x89PNG")
    assert isinstance(note, Text)
    assert note.text == "a *text*"
    assert isinstance(weights, Histogram)
    assert sum(weights.counts) == 5
    assert (weights.edges[-1], len(weights.edges)) == (2.0, len(weights.counts) + 1)


@pytest.mark.parametrize("writer", ["torch", "x"])
def test_the_numbers_are_those_that_tensorboard_reads(writer: str) -> None:
    theirs = EventAccumulator(str(GOLDEN / writer), size_guidance={"scalars": 0, "tensors": 0})
    theirs.Reload()
    found = series(read(GOLDEN / writer)[0])
    for tag in theirs.Tags()["scalars"]:
        expected = [(one.step, one.value) for one in theirs.Scalars(tag)]
        assert repr(found[tag]) == repr(expected)
    tensors = [one for one in theirs.Tags()["tensors"] if one == "val/acc"]
    for tag in tensors:
        made = [
            (t.step, tensor_util.make_ndarray(t.tensor_proto).item()) for t in theirs.Tensors(tag)
        ]
        assert found[tag] == made


def test_each_folder_with_event_files_is_a_run(tmp_path: Path) -> None:
    for name in ("a", "b/train", "b/val"):
        write(tmp_path / name, [scalar("loss", 1, 2.0)])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("none")
    assert [run.name for run in read(tmp_path)] == ["a", "b/train", "b/val"]
    assert [run.name for run in read(tmp_path / "b" / "val")] == ["val"]
    assert [run.name for run in read(tmp_path / "a" / events.NAME)] == ["a"]


def test_a_run_has_one_id_wherever_it_lies(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "a", [scalar("loss", 1, 2.0)])
    (tmp_path / "elsewhere").mkdir()
    os.rename(tmp_path / "logs" / "a", tmp_path / "elsewhere" / "z")
    write(tmp_path / "logs" / "a", [scalar("loss", 1, 2.0)], "events.out.tfevents.1700000001.host")
    ids = [run.id for run in read(tmp_path)]
    assert len(set(ids)) == 2
    assert ids[0] == read(tmp_path / "elsewhere" / "z")[0].id


def test_nothing_that_this_reader_knows(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Logdir(tmp_path).find()
    with pytest.raises(NotFound):
        Logdir(tmp_path / "not there").find()
    write(tmp_path, [])
    assert read(tmp_path) == []


def test_a_search_with_add_hparams_is_a_run_for_each(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "search")) as writer:
        for at in range(3):
            writer.add_hparams({"lr": 0.1 * at}, {"acc": at / 10}, run_name=f"trial{at}")
    found = read(tmp_path)
    assert [run.name for run in found] == [f"search/trial{at}" for at in range(3)]
    assert [(run.config or {})["lr"] for run in found] == [0.0, 0.1, 0.2]


def test_metrics_of_add_hparams_do_not_mix_with_the_run(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("acc", 0.5, 7)
        writer.add_hparams({"lr": 1.0}, {"acc": 0.75}, run_name="final")
    (run,) = read(tmp_path)
    assert series(run) == {"acc": [(7, 0.5)], "final/acc": [(0, 0.75)]}


def test_a_purge_step_begins_the_run_again(tmp_path: Path) -> None:
    write(tmp_path, [scalar("loss", at, float(at)) for at in range(10)])
    later = [start(6), *[scalar("loss", at, 100.0 + at) for at in range(6, 9)]]
    write(tmp_path, later, "events.out.tfevents.1700000500.host")
    (run,) = read(tmp_path)
    assert [[s.steps.tolist() for s in e.series] for e in run.executions] == [
        [list(range(10))],
        [[6, 7, 8]],
    ]
    assert run.executions[1].started_ns == (1700000000 + 1000) * 10**9


def test_a_purge_step_behind_everything_is_no_other_beginning(tmp_path: Path) -> None:
    write(tmp_path, [scalar("loss", at, float(at)) for at in range(10)])
    write(tmp_path, [start(10), scalar("loss", 10, 1.0)], "events.out.tfevents.1700000500.host")
    (run,) = read(tmp_path)
    assert len(run.executions) == 1
    assert len(points(run, "loss")) == 11


def test_a_later_file_that_goes_back_begins_the_run_again(tmp_path: Path) -> None:
    write(tmp_path, [scalar("loss", at, 1.0) for at in range(30)])
    other = [scalar("acc", 3, 2.0), *[scalar("loss", at, 5.0) for at in range(20, 25)]]
    write(tmp_path, other, "events.out.tfevents.1700000500.host")
    (run,) = read(tmp_path)
    first, second = run.executions
    assert {one.name: len(one.steps) for one in first.series} == {"loss": 30, "acc": 1}
    assert {one.name: one.steps.tolist() for one in second.series} == {"loss": list(range(20, 25))}


def test_steps_that_go_back_in_one_file_stay(tmp_path: Path) -> None:
    steps = [0, 10, 5, 10, 3] * 20
    write(tmp_path, [scalar("eval", step, float(at)) for at, step in enumerate(steps)])
    (run,) = read(tmp_path)
    assert points(run, "eval") == [(step, float(at)) for at, step in enumerate(steps)]


def test_a_file_that_grows_is_read_on(tmp_path: Path) -> None:
    payloads = [scalar("loss", at, float(at)) for at in range(1, 101)]
    data = pack_records([version(), *payloads], numpy)
    path = tmp_path / events.NAME
    source = Logdir(tmp_path)
    sizes = sorted({*random.Random(1).sample(range(24, len(data)), 12), len(data)})
    before = 0
    for size in sizes:
        path.write_bytes(data[:size])
        (found,) = source.find()
        run = found.read(lambda _: None)
        read_now = points(run, "loss") if run is not None else []
        assert read_now == [(at, float(at)) for at in range(1, len(read_now) + 1)]
        assert before <= len(read_now)
        before = len(read_now)
        if run is not None:
            assert run.said.get("unread_bytes", {}).get(events.NAME, 0) < 60
    assert before == 100
    assert source.find() == []


def test_what_is_damaged_is_told_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, [scalar("loss", at, float(at)) for at in range(1, 51)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    (run,) = read(tmp_path)
    found = points(run, "loss")
    assert len(found) == 49
    assert all(step == value for step, value in found)
    ((where, what),) = run.problems
    assert where == events.NAME
    assert what.startswith("at byte 1,")


def test_a_hurt_length_ends_a_file_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [scalar("loss", at, float(at)) for at in range(1, 51)])
    data = bytearray(path.read_bytes())
    at = data.index(b"\x0a\x04loss", 1000)
    data[at - 40 : at - 20] = bytes(20)
    path.write_bytes(data)
    (run,) = read(tmp_path)
    found = points(run, "loss")
    assert found == [(step, float(step)) for step in range(1, len(found) + 1)]
    assert run.said["unread_bytes"][events.NAME] > 1000


def test_no_flipped_bit_ever_makes_a_number(tmp_path: Path) -> None:
    whole = (GOLDEN / "torch" / "events.out.tfevents.1700000000.host.19648.0").read_bytes()
    path = tmp_path / events.NAME
    path.write_bytes(whole)
    expected = {name: set(map(repr, mine)) for name, mine in series(read(tmp_path)[0]).items()}
    chance = random.Random(2)
    for _ in range(150):
        data = bytearray(whole)
        bit = chance.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        for run in read(tmp_path):
            for name, mine in series(run).items():
                assert set(map(repr, mine)) <= expected[name]


def test_records_that_are_no_events_are_told(tmp_path: Path) -> None:
    write(tmp_path, [b"\xff\xff\xff", scalar("loss", 1, 1.0), b"\x2a\x7f"])
    (run,) = read(tmp_path)
    assert points(run, "loss") == [(1, 1.0)]
    assert len(run.problems) == 2


def test_a_time_that_is_none_is_not_believed(tmp_path: Path) -> None:
    walls = [float("nan"), -1.0, 1e300, float("inf"), 1.5]
    write(tmp_path, [scalar("loss", at, 1.0, wall) for at, wall in enumerate(walls)])
    (run,) = read(tmp_path)
    assert run.executions[0].series[0].times_ns.tolist() == [0, 0, 0, 0, 1_500_000_000]


def test_tensors_that_no_plugin_shows_are_named(tmp_path: Path) -> None:
    proto = tensor_util.make_tensor_proto([1.0, 2.0])
    write(tmp_path, [events.tensor("t", 1, proto, ""), events.tensor("c", 1, proto, "mesh")])
    (run,) = read(tmp_path)
    assert run.executions[0].series == []
    assert [what for what, _ in run.problems] == ["a tensor", "mesh"]
