"""Curves tell of every point: envelopes, means of groups, and what is held of them in memory."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import places, stats
from samebit.errors import RunNotFound
from samebit.folders.read import read_run
from samebit.server import curves, points
from samebit.server.curves import Asked
from samebit.server.envelopes import envelope
from samebit.server.points import PointsCache, Series
from samebit.server.reading import Reader
from tests.server.recorded import begin, finish, record

numpy = pytest.importorskip("numpy")

VALUES = st.lists(st.floats(), min_size=1, max_size=60)
BOUNDS = st.one_of(st.none(), st.floats(-5, 65))


def mean_of(values: list[float]) -> float:
    return math.fsum(value / len(values) for value in values)


@given(values=VALUES, columns=st.integers(1, 30), one=BOUNDS, other=BOUNDS)
def test_an_envelope_has_every_point_in_one_of_its_columns(
    values: list[float], columns: int, one: float | None, other: float | None
) -> None:
    begin, end = one, other
    if begin is not None and end is not None and begin > end:
        begin, end = end, begin
    xs, ys = numpy.arange(len(values), dtype=float), numpy.array(values)
    drawn = envelope(xs, ys, columns, begin, end, numpy)
    inside = [
        at
        for at in range(len(values))
        if (begin is None or at >= begin) and (end is None or at <= end)
    ]
    # And the nearest on each side, so that a line goes on beyond the edge.
    first = max(0, min(inside, default=int(numpy.searchsorted(xs, begin or 0.0))) - 1)
    last = min(len(values) - 1, max(inside, default=first) + 1)
    sizes = {len(part) for part in (drawn.x, drawn.low, drawn.high, drawn.last, drawn.mean)}
    assert len(sizes) == 1
    assert sizes.pop() <= columns + 2
    assert (drawn.x[1:] > drawn.x[:-1]).all()
    shown = values[first : last + 1]
    finite = [value for value in shown if math.isfinite(value)]
    if finite and inside:
        assert numpy.nanmin(drawn.low) == min(finite)
        assert numpy.nanmax(drawn.high) == max(finite)
        assert repr(float(drawn.last[-1])) == repr(shown[-1])
    there = ~numpy.isnan(drawn.low)
    assert (drawn.low[there] <= drawn.mean[there]).all()
    assert (drawn.mean[there] <= drawn.high[there]).all()


def test_columns_have_the_mean_of_their_points() -> None:
    xs = numpy.arange(1000, dtype=float)
    ys = numpy.sin(xs)
    ys[500] = numpy.nan
    drawn = envelope(xs, ys, 10, None, None, numpy)
    parts = [[y for y in ys[at : at + 100] if y == y] for at in range(0, 1000, 100)]
    assert drawn.mean.tolist() == pytest.approx([mean_of(part) for part in parts])
    assert drawn.low.tolist() == [min(part) for part in parts]


def test_numbers_near_the_largest_and_the_smallest() -> None:
    for value in (1.7e308, 5e-324, 1e9 + 1e-6):
        ys = numpy.full(100, value)
        drawn = envelope(numpy.arange(100.0), ys, 3, None, None, numpy)
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
        _, xs, ys = found
        assert ys.tolist() == [float(step) for step in range(10)]
        assert (xs[1:] >= xs[:-1]).all()
    assert curves._found(cache, run.id, Asked("a", x="epoch"), numpy)[1].tolist() == [
        *(0, 0, 1, 1, 2, 2, 3, 3, 4, 4)
    ]
    relative = curves._found(cache, run.id, Asked("a", x="relative"), numpy)
    assert -1 < relative[1][0] < 60
    assert curves._found(cache, run.id, Asked("a", x="none"), numpy) is None


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
