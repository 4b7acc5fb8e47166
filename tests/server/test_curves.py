"""Curves tell of every point: envelopes, means of groups, and what is held of them in memory."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from samebit import places, stats
from samebit.errors import RunNotFound
from samebit.folders.read import read_run
from samebit.server import curves, points
from samebit.server.axes import Even, Listed
from samebit.server.curves import Asked
from samebit.server.envelopes import columns_of, envelope
from samebit.server.points import PointsCache, Series
from samebit.server.reading import Reader
from tests.server.recorded import begin, finish, record

numpy = pytest.importorskip("numpy")

BOUNDS = st.one_of(st.none(), st.floats(-5, 65))


def mean_of(values: list[float]) -> float:
    return math.fsum(value / len(values) for value in values)


STEPS = st.sets(st.floats(-5, 65), min_size=1, max_size=60).map(sorted)


def drawn_of(xs: Any, ys: Any, columns: int, begin: float | None, end: float | None) -> Any:
    """The x of each column, and its envelope."""
    parted = columns_of(Listed(xs), columns, begin, end, numpy)
    return parted, envelope(ys, parted, numpy)


def by_hand(xs: list[float], columns: int, begin: float | None, end: float | None) -> list[range]:
    """The points of each column, found one by one: those inside, and one beyond each edge."""
    inside = [
        at for at, x in enumerate(xs) if (begin is None or x >= begin) and (end is None or x <= end)
    ]
    first = inside[0] if inside else sum(begin is not None and x < begin for x in xs)
    behind = inside[-1] + 1 if inside else first
    low, high = (begin, end) if inside else (0.0, 0.0)
    low, high = xs[first] if low is None else low, xs[behind - 1] if high is None else high
    if len(inside) <= columns:
        parts = [range(at, at + 1) for at in range(first, behind)]
    else:
        edges = [low + (high - low) * (at / columns) for at in range(1, columns)]
        of = [sum(edge <= xs[at] for edge in edges) for at in inside]
        found = [
            [at for at, one in zip(inside, of, strict=True) if one == c] for c in sorted({*of})
        ]
        parts = [range(part[0], part[-1] + 1) for part in found]
    before = [range(first - 1, first)] if first > 0 else []
    return [*before, *parts, *([range(behind, behind + 1)] if behind < len(xs) else [])]


@given(
    data=st.data(), columns=st.integers(1, 30), one=BOUNDS, other=BOUNDS, is_narrow=st.booleans()
)
def test_an_envelope_is_that_of_all_points_as_found_one_by_one(
    data: Any, columns: int, one: float | None, other: float | None, is_narrow: bool
) -> None:
    begin, end = one, other
    if begin is not None and end is not None and begin > end:
        begin, end = end, begin
    xs = data.draw(STEPS)
    width = 32 if is_narrow else 64
    some = st.one_of(st.floats(width=width), st.sampled_from([math.nan, math.inf, -math.inf, -0.0]))
    ys = data.draw(st.lists(some, min_size=len(xs), max_size=len(xs)))
    held = numpy.array(ys, numpy.float32 if is_narrow else numpy.float64)
    parted, drawn = drawn_of(numpy.array(xs), held, columns, begin, end)
    wanted = by_hand(xs, columns, begin, end)
    assert parted.x.tolist() == [xs[(part.start + part.stop) // 2] for part in wanted]
    assert len(wanted) <= columns + 2
    for at, part in enumerate(wanted):
        values = [ys[place] for place in part]
        finite = [value for value in values if math.isfinite(value)]
        low, high, mean = (float(array[at]) for array in (drawn.low, drawn.high, drawn.mean))
        assert repr(float(drawn.last[at])) == repr(values[-1])
        if not finite:
            assert all(map(math.isnan, (low, high, mean)))
            continue
        assert (low, high) == (min(finite), max(finite))
        assert low <= mean <= high
        assert mean == pytest.approx(mean_of(finite), rel=1e-9, abs=1e-9 * max(map(abs, finite)))


@given(
    first=st.one_of(st.integers(-(10**6), 10**6).map(float), st.floats(-1e18, 1e18)),
    stride=st.floats(1e-3, 1e6),
    count=st.integers(2, 200),
    data=st.data(),
)
def test_points_are_found_among_even_steps_as_among_listed_ones(
    first: float, stride: float, count: int, data: Any
) -> None:
    axis = Even(first, stride, count)
    xs = axis.at(numpy.arange(count), numpy)
    assume((xs[1:] > xs[:-1]).all())
    around = st.sampled_from(xs.tolist()).flatmap(
        lambda x: st.sampled_from([x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf)])
    )
    wanted = numpy.array(data.draw(st.lists(st.one_of(st.floats(-1e308, 1e308), around))))
    for also_at in (False, True):
        found = axis.before(wanted, numpy, also_at=also_at)
        assert found.tolist() == Listed(xs).before(wanted, numpy, also_at=also_at).tolist()


def test_columns_have_the_mean_of_their_points() -> None:
    xs = numpy.arange(1000, dtype=float)
    ys = numpy.sin(xs)
    ys[500] = numpy.nan
    _, drawn = drawn_of(xs, ys, 10, None, None)
    parts = [[y for y in ys[at : at + 100] if y == y] for at in range(0, 1000, 100)]
    assert drawn.mean.tolist() == pytest.approx([mean_of(part) for part in parts])
    assert drawn.low.tolist() == [min(part) for part in parts]


def test_numbers_near_the_largest_and_the_smallest() -> None:
    for value in (1.7e308, 5e-324, 1e9 + 1e-6):
        ys = numpy.full(100, value)
        _, drawn = drawn_of(numpy.arange(100.0), ys, 3, None, None)
        assert drawn.mean.tolist() == [value] * 3
        assert drawn.low.tolist() == drawn.high.tolist() == [value] * 3


@pytest.fixture
def cache(store: Path) -> PointsCache:
    return PointsCache(Reader(store))


def test_the_mean_of_a_group_is_that_of_the_statistics(store: Path, cache: PointsCache) -> None:
    values = [[1.0, 2.0, 4.0], [2.0, 2.0, 8.0], [3.0, 2.0]]
    ids = [record(store, rows=[({"a": v}, at) for at, v in enumerate(one)]).id for one in values]
    found = curves.group_curve(cache, [0.1], ids, Asked("a"))
    assert found is not None
    assert (found.n, found.runs, found.x) == (3, ids, [0, 1, 2])
    assert found.count == [3, 3, 2]
    for at, column in enumerate(([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [4.0, 8.0])):
        wanted = stats.mean(column)
        told = found.mean[at], found.low[at], found.high[at]
        low = wanted.value if wanted.low is None else wanted.low
        high = wanted.value if wanted.high is None else wanted.high
        assert told == pytest.approx((wanted.value, low, high))


def test_a_place_of_one_run_has_no_interval_and_a_nan_is_no_value(
    store: Path, cache: PointsCache
) -> None:
    ids = [
        record(store, rows=[({"a": 1.0}, 0), ({"a": math.nan}, 1), ({"a": math.inf}, 2)]).id,
        record(store, rows=[({"a": 3.0}, 1)]).id,
        record(store, rows=[({"b": 3.0}, 1)]).id,
    ]
    found = curves.group_curve(cache, [], ids, Asked("a"))
    assert found is not None
    assert (found.n, found.x, found.mean) == (2, [0, 1], [1.0, 3.0])
    assert (found.low, found.high, found.count) == ([None, None], [None, None], [1, 1])
    assert curves.group_curve(cache, [], ids, Asked("none")) is None


def test_of_long_runs_each_counts_once_in_a_column(store: Path, cache: PointsCache) -> None:
    long = record(store, rows=[({"a": 1.0}, at) for at in range(1000)])
    short = record(store, rows=[({"a": 3.0}, at) for at in range(0, 1000, 100)])
    found = curves.group_curve(cache, [], [long.id, short.id], Asked("a", columns=10))
    assert found is not None
    assert (found.mean, found.count) == ([2.0] * 10, [2] * 10)


def test_axes_of_time_and_of_another_metric(store: Path, cache: PointsCache) -> None:
    run, writer = begin(store)
    for step in range(10):
        writer.row({"a": float(step), "epoch": step // 2}, step)
        writer.row({"b": 1.0}, step)
    finish(run, writer)
    series = cache.series(run.id, "a")
    assert series is not None
    for asked in (Asked("a", x="time"), Asked("a", x="relative"), Asked("a", x="epoch")):
        found = curves._found(cache, run.id, asked, numpy)
        assert found is not None
        _, axis, ys = found
        xs = axis.at(numpy.arange(len(axis)), numpy)
        assert ys.tolist() == [float(step) for step in range(10)]
        assert (xs[1:] >= xs[:-1]).all()
    assert curves._found(cache, run.id, Asked("a", x="epoch"), numpy)[1].xs.tolist() == [
        *(0, 0, 1, 1, 2, 2, 3, 3, 4, 4)
    ]
    relative = curves._found(cache, run.id, Asked("a", x="relative"), numpy)
    assert -1 < relative[1].xs[0] < 60
    assert curves._found(cache, run.id, Asked("a", x="none"), numpy) is None


def test_points_that_have_no_place_on_an_axis_are_counted(store: Path, cache: PointsCache) -> None:
    run, writer = begin(store)
    for step in range(10):
        writer.row({"a": float(step)} | ({"epoch": step // 5} if step % 5 == 4 else {}), step)
    finish(run, writer)
    (one,) = header_of(curves.curves(cache, [run.id], Asked("a", x="epoch")))["curves"]
    assert [one[key] for key in ("points", "placed", "drawn", "odd")] == [10, 2, 2, 0]


def header_of(answer: bytes) -> Any:
    return json.loads(answer[4 : 4 + int.from_bytes(answer[:4], "little")])


def test_what_is_held_comes_out_as_it_was(store: Path, cache: PointsCache) -> None:
    rows: list[tuple[dict[str, Any], Any]] = [
        ({"even": 0.5 * at, "odd": 0.1 * at}, 3 * at) for at in range(100)
    ]
    rows += [({"few": math.nan}, 1.5), ({"few": 1e300}, 2), ({"few": 5e-324}, 1e17)]
    run = record(store, rows=rows)
    for name, steps, values in (
        ("even", [3.0 * at for at in range(100)], [0.5 * at for at in range(100)]),
        ("odd", [3.0 * at for at in range(100)], [0.1 * at for at in range(100)]),
        ("few", [1.5, 2.0, 1e17], [math.nan, 1e300, 5e-324]),
    ):
        series = cache.series(run.id, name)
        assert series is not None
        assert series.steps(numpy).tolist() == steps
        assert list(map(repr, series.values(numpy).tolist())) == list(map(repr, values))
        assert (series.odd, series.points) == (int(name == "few"), len(steps))


def test_memory_is_bounded_and_what_was_asked_for_stays_longest(store: Path) -> None:
    rows = [({f"m{k}": at / 7 for k in range(5)}, at) for at in range(1000)]
    ids = [record(store, rows=rows).id for _ in range(8)]
    small = PointsCache(Reader(store), most_bytes=80_000)
    for run in ids:
        assert small.series(run, "m0") is not None
        assert small.size_bytes <= 80_000
    kept = [key for key in small._held if key[1] == "m0"]
    assert [run for run, _ in kept] == ids[-len(kept) :]
    assert len(kept) >= 5  # of those that nobody asked for none pushed one out
    tiny = PointsCache(Reader(store), most_bytes=1)
    series = tiny.series(ids[0], "m0")
    assert series is not None
    assert series.points == 1000
    assert tiny.size_bytes == 0


def test_a_run_that_has_grown_is_read_again_and_one_that_is_gone_is_not_found(
    store: Path, cache: PointsCache
) -> None:
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    first = cache.series(run.id, "a")
    assert first is not None
    assert cache.series(run.id, "a") is first
    writer.row({"a": 2.0, "b": 1.0}, 2)
    second = cache.series(run.id, "a")
    assert second is not None
    assert second.values(numpy).tolist() == [1.0, 2.0]
    assert cache.series(run.id, "b") is not None
    finish(run, writer)
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.path.rmdir()
    with pytest.raises(RunNotFound):
        cache.series(run.id, "a")
    assert curves._found(cache, run.id, Asked("a"), numpy) is None


def test_a_very_long_text_is_cut_among_points(store: Path) -> None:
    run = record(store, rows=[({"a": "x" * 1_000_000}, 1)])
    ((_, value, _),) = curves.points(read_run(run), Asked("a"), 0).points
    assert len(value) < 11_000


@pytest.mark.parametrize("values", [[0.5], [0.1], [math.nan], [0.5, 0.1, math.inf]])
def test_of_a_run_that_goes_on_only_what_is_new_is_read(
    store: Path, cache: PointsCache, monkeypatch: pytest.MonkeyPatch, values: list[float]
) -> None:
    run, writer = begin(store)
    for step in range(10):
        writer.row({"a": 1.0, "b": 0.1}, step)
    assert cache.series(run.id, "a") is not None
    monkeypatch.setattr(points, "read_run", None)  # it is not called
    step = 10
    for round in range(5):
        for value in values:
            writer.row({"a": value, "b": value, f"new {round}": value}, step)
            step += 2 if round > 2 else 1
        monkeypatch.setattr(points, "read_run", read_run)
        fresh = PointsCache(Reader(store))
        wanted = {name: fresh.series(run.id, name) for name in ("a", "b", f"new {round}")}
        monkeypatch.setattr(points, "read_run", None)
        for name, whole in wanted.items():
            series = cache.series(run.id, name)
            assert series is not None
            assert whole is not None
            assert (series.points, series.odd) == (whole.points, whole.odd)
            for of in (Series.values, Series.steps, Series.seconds):
                assert repr(of(series, numpy).tolist()) == repr(of(whole, numpy).tolist())
        assert cache.size_bytes == sum(held.size_bytes for held in cache._held.values())
    monkeypatch.setattr(points, "read_run", read_run)
    writer.row({"a": 7.0}, 3)  # again, and in the middle
    series = cache.series(run.id, "a")
    assert series is not None
    assert series.values(numpy).tolist()[3] == 7.0
    writer.close()


def test_what_the_machine_did_is_read_again_when_it_is_asked_for(
    store: Path, cache: PointsCache
) -> None:
    run, writer = begin(store)
    for step in range(3):
        writer.row({"a": 1.0}, step)
        writer.sample({"cpu_percent": float(step)})
        for name in ("a", "machine:cpu_percent", "a"):
            series = cache.series(run.id, name)
            assert series is not None
            assert series.points == step + 1
        assert cache.series(run.id, "machine:none") is None
        assert cache.size_bytes == sum(held.size_bytes for held in cache._held.values())
    writer.close()


def test_a_store_of_another_place_is_not_looked_into(tmp_path: Path) -> None:
    store = places.make_store(tmp_path / places.STORE_NAME)
    with pytest.raises(RunNotFound):
        PointsCache(Reader(store)).series("../../etc", "a")
