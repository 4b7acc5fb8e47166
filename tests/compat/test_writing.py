"""Runs of the store as event files: read back by TensorBoard itself, and by our own importer."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
)

from samebit import places
from samebit.compat.files.writing import Written, groups_of_seeds, write_events
from samebit.compat.foreign import Execution, ForeignRun, Series, Thing
from samebit.compat.importing import Importer
from samebit.folders.folder import RunFolder
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from samebit.media.given import Audio, Histogram, Image, Table, Text
from samebit.query import index
from tests.compat.events import read

T0 = 1_700_000_000_123_456_789


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def run_of(foreign: str, *series: Series, **more: Any) -> ForeignRun:
    things = more.pop("things", ())
    ended_ns = more.pop("ended_ns", None)
    executions = [Execution(T0, ended_ns, series=series, things=things)]
    return ForeignRun("tensorboard", foreign, "/logs", executions, **more)


def line(name: str, values: list[Any]) -> Series:
    steps = list(range(len(values)))
    return Series(name, steps, [T0 + 1000 * step for step in steps], values)


def add(store: Path, *runs: ForeignRun) -> list[View]:
    with Importer(store) as importer:
        added = [importer.add(run) for run in runs]
    return [read_run(RunFolder(store / "runs" / one.run)) for one in added]


def write(store: Path, views: list[View], to: Path) -> list[Written]:
    return list(write_events(views, to, groups_of_seeds(index.rows(store))))


FLOATS = st.floats(width=32)
SETTINGS = st.one_of(st.booleans(), st.floats(allow_nan=False), st.text(max_size=8))


@pytest.mark.slow
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12), st.lists(FLOATS, min_size=1, max_size=40), max_size=4
    ),
    st.dictionaries(st.text("abc", min_size=1), SETTINGS, max_size=4),
    st.sampled_from(["finished", "failed", ""]),
)
def test_what_is_written_and_imported_again_is_what_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    metrics: dict[str, list[float]],
    config: dict[str, Any],
    status: str,
) -> None:
    folder = tmp_path_factory.mktemp("p")
    store = places.make_store(folder / ".samebit")
    series = [line(name, values) for name, values in metrics.items()]
    run = run_of("a", *series, config=config, status=status, name="a/b", group="g")
    (view,) = add(store, run)
    write(store, [view], folder / "out")
    (again,) = read(folder / "out")
    assert again.config == (view.facts.get("config") or {})
    assert (again.status, again.group) == (status, "g")
    found = {one.name: one for one in again.executions[0].series}
    assert set(found) == set(view.metrics)
    for name, column in view.metrics.items():
        assert found[name].steps.tolist() == column.steps
        assert repr(found[name].values.tolist()) == repr(column.values)
        near = numpy.abs(numpy.array(found[name].times_ns) - numpy.array(column.times_ns))
        assert near.max() < 200  # a double of seconds holds no more


def test_media_come_back(store: Path, tmp_path: Path) -> None:
    pixels = numpy.arange(24, dtype=numpy.uint8).reshape(2, 4, 3)
    things = [
        Thing("one", 4, T0, [Image(pixels)]),
        Thing("two", 5, T0, [Image(pixels), Image(pixels + 1)]),
        Thing("h", 6, T0, [Histogram(counts=[0, 2, 0, 3], edges=[-1.0, 0.0, 1.0, 2.0, 4.0])]),
        Thing("t", 7, T0, [Text("a *text*")]),
        Thing("s", 8, T0, [Audio(numpy.arange(50, dtype=numpy.int16), rate=8000)]),
        Thing("tab", 9, T0, [Table(["a"], [[1]])]),
    ]
    (view,) = add(store, run_of("a", things=things))
    (written,) = write(store, [view], tmp_path / "out")
    assert written.left_out == ("tables, which have no place there: 1",)
    (again,) = read(tmp_path / "out")
    (back,) = add(store, ForeignRun("mlflow", "b", "", again.executions))
    objects = [
        {name: [fact["object"] for fact in facts] for name, facts in media_of(one).items()}
        for one in (view, back)
    ]
    objects[0].pop("tab")
    assert objects[0] == objects[1]


def test_tensorboard_reads_it(store: Path, tmp_path: Path) -> None:
    sound = numpy.arange(50, dtype=numpy.int16)
    things = [
        Thing("p", 4, T0, [Image(numpy.zeros((2, 4, 3), numpy.uint8))]),
        Thing("s", 4, T0, [Audio(sound, rate=8000)]),
    ]
    values = [1 / (at + 1) for at in range(500)]
    (view,) = add(store, run_of("a", line("loss", values), things=things, name="../up"))
    (written,) = write(store, [view], tmp_path / "out")
    assert written.folder.parent == tmp_path / "out"
    accumulator = EventAccumulator(str(written.folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    scalars = accumulator.Scalars("loss")
    assert [one.step for one in scalars] == list(range(500))
    assert [one.value for one in scalars] == [float(numpy.float32(v)) for v in values]
    (heard,) = accumulator.Audio("s")
    with wave.open(io.BytesIO(heard.encoded_audio_string)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 50)
    assert heard.sample_rate == 8000
    (seen,) = accumulator.Tensors("p")
    assert seen.tensor_proto.string_val[2].startswith(b"\x89PNG")


def sessions(logdir: Path) -> tuple[list[Any], list[Any]]:
    """What TensorBoard's own HParams know: the settings, and the groups of runs."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    context = backend_context.Context(TBContext(data_provider=provider, logdir=str(logdir)))
    request = RequestContext()
    experiment = get_experiment.Handler(
        request,
        context,
        "",
        api_pb2.GetExperimentRequest(include_metrics=True),
    ).run()
    asked = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[0, 1, 2, 3],
        aggregation_type=api_pb2.AGGREGATION_AVG,
        include_metrics=True,
    )
    found = list_session_groups.Handler(request, context, "", asked).run()
    return list(experiment.hparam_infos), list(found.session_groups)


def test_the_hparams_page_has_every_key_of_every_run(store: Path, tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [
        {"lr": 0.1, "opt": {"name": "sgd"}, "seed": 1},
        {"lr": 0.1, "opt": {"name": "sgd"}, "seed": 2},
        {"lr": 0.01, "opt": {"name": "adam", "beta": 0.9}, "layers": [1, 2]},
        {"width": 64, "fast": True, "none": None},
    ]
    runs = [
        run_of(
            str(at),
            line("loss", [1.0, at / 10]),
            config=config,
            name=f"run{at}",
            status="failed" if at == 3 else "finished",
            ended_ns=T0 + 7 * 10**9,
        )
        for at, config in enumerate(configs)
    ]
    views = add(store, *runs)
    write(store, views, tmp_path / "out")
    infos, groups = sessions(tmp_path / "out")
    names = {"lr", "opt.name", "opt.beta", "layers", "width", "fast", "seed"}
    assert {info.name for info in infos} == names
    by_size = sorted(groups, key=lambda group: -len(group.sessions))
    assert [len(group.sessions) for group in by_size] == [2, 1, 1]
    assert by_size[0].name.startswith("seeds ")
    assert {value.value for value in by_size[0].metric_values} == {numpy.float32(0.05)}
    of_run = {group.sessions[0].name.partition(".")[0]: group for group in groups}
    assert of_run["run3"].hparams["width"].number_value == 64
    assert of_run["run3"].hparams["fast"].bool_value is True
    assert of_run["run2"].hparams["layers"].string_value == "[1, 2]"
    (session,) = of_run["run3"].sessions
    assert (session.status, session.end_time_secs) == (
        api_pb2.STATUS_FAILURE,
        pytest.approx(1700000007.1234567),
    )


def test_what_no_float32_holds_is_left_out_and_counted(store: Path, tmp_path: Path) -> None:
    (view,) = add(store, run_of("a", line("loss", [1.0, 1e300, float("inf"), 2**70, 10**400])))
    (written,) = write(store, [view], tmp_path / "out")
    assert written.points == 3
    assert written.left_out == (
        "numbers that no float32 holds: 1",
        "integers that no float holds: 1",
    )


def test_written_again_it_takes_the_place_of_what_was_there(store: Path, tmp_path: Path) -> None:
    views = add(store, run_of("a", line("loss", [1.0])))
    write(store, views, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    write(store, views, tmp_path / "out")
    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert before == after
    assert len(after) == 1


def test_runs_of_one_group_with_other_settings_are_no_repeats() -> None:
    rows = [
        {"id": "a", "group": "g", "config.lr": 1, "config.seed": 1},
        {"id": "b", "group": "g", "config.lr": 2, "config.seed": 1},
        {"id": "c", "group": "h", "config.lr": 3, "seed": 1},
        {"id": "d", "group": "h", "config.lr": 3, "seed": 2},
        {"id": "e", "group": "alone", "config.lr": 4},
        {"id": "f", "group": None, "config.lr": 5},
    ]
    assert groups_of_seeds(rows) == {"c": "h", "d": "h", "e": "alone"}
