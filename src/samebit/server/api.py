"""What each address below `/api` answers, as plain functions of what was asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from samebit import places
from samebit.errors import UsageError
from samebit.folders.read import View
from samebit.folders.said import check
from samebit.query import seeds
from samebit.query.crossing import Crossing, crossing
from samebit.query.endings import Curve
from samebit.query.seeds import Group
from samebit.query.where import Sort, resolve
from samebit.remotes import named
from samebit.server import answers, beside, code, curves, media, one
from samebit.server.answers import (
    GroupCurves,
    Groups,
    Metric,
    Metrics,
    SaidAnswer,
    SaysSo,
    StoreAnswer,
    encode,
)
from samebit.server.asked import condition, flag, names, real, whole, words
from samebit.server.comparing import Comparer
from samebit.server.described import (
    BINARY,
    BY,
    COLUMNS,
    CONSOLE,
    CSV,
    DRAWN,
    IDS,
    METRIC,
    REPLAYS,
    SINCE,
    SOME_RUNS,
    STATES,
    STEP,
    TEX,
    TEXT,
    VALUE,
    WHERE,
    Address,
    Takes,
    a_text,
    a_whole,
    a_word,
)
from samebit.server.given import Given, Judged
from samebit.server.leaves import Leaves
from samebit.server.looking import Looking
from samebit.server.points import PointsCache, load_numpy
from samebit.server.reading import Reader

__all__ = ["Api", "Request"]

Row = dict[str, Any]

Counted = tuple[Group, Sequence[Mapping[str, object]]]  # and the rows that it was told from

_CONFIDENCE = 0.95
_MOST_RUNS = 1000  # whose curves are drawn at once
_MOST_NUMBERS = 2_000_000  # columns of all curves together: 80 MB
_METHOD = ("config.", "seeds.")  # by which a group's result says what varied in it
# What is a repeat of another run, which seeds make pairs, how many versions of the code there were.
_TOLD_BY = ("seed", "study", "trial", "trial.seeds", "started", "command", "code.ran")
_SPENT = ("steps", "device_hours")
_OF_TRIALS = ("seconds", "started", "cause", "device_hours", "machine.devices")
_TAKES = ("last", "first", "min", "max")
_TAKE = a_word("take", "of each run's metric", _TAKES)
_JUDGED = (METRIC, _TAKE, a_word("better", "which is", seeds.BETTER))
_TWO = (
    IDS,
    a_text("against", "ids of the runs of the other group", is_needed=True),
    *_JUDGED,
    a_text("first", "what the one group is called; else the first"),
    a_text("second", "what the other is called; else the second"),
)
_WHICH = "which runs are the group?"
_WITHIN = Takes("within", "how narrow an interval is to be", {"type": "number"})
_KINDS = (
    *(a_text(name, "a key that is a seed", is_needed=True) for name in ("down", "across")),
    a_text("others", "keys of further kinds of seeds, separated by commas"),
)
_TABLE = (COLUMNS, BY, a_text("sort", "`KEY:desc`, of groups"), *SOME_RUNS)
_NAME = a_text("name", "the group of a sweep's runs", is_needed=True)
_ID = a_text("id", "the id of a run", is_needed=True)
_OFFSET = a_whole("offset", "so many points before")
_FROM, _COUNT = a_whole("from", "the first row"), a_whole("count", "of rows")
_PLACE = a_text("place", "of a leaf in its state", is_needed=True)
_PATH = a_text("path", "a file's place in the tree", is_needed=True)


class Request:
    """A request, as far as an answer depends on it."""

    def __init__(self, query: QueryParams, path: Mapping[str, str]) -> None:
        self.query = query
        self.run = path.get("run", "")


Answer = Callable[[Request], bytes]


class Api:
    """The answers; each is called in a thread of the pool, when something of the runs is known."""

    def __init__(self, given: Given, looking: Looking, reader: Reader) -> None:
        self.reader = reader
        self._given = given
        self._looking = looking
        self._points = PointsCache(self.reader)
        self._comparer = Comparer(self.reader, given)
        self._leaves = Leaves(self.reader, given)

    def addresses(self) -> dict[str, tuple[Answer, Address]]:
        """By path, what answers it, and how it is described."""
        of_runs: dict[str, tuple[Callable[[View], object], Any]] = {
            "files": (code.files, answers.Files),
            "patch": (code.patch, answers.Patch),
            "media": (media.of_run, answers.RunMedia),
            "machine": (one.machine, answers.Sampled),
            **self._given.details,
        }
        return {
            "store": (self._store, Address(answers.StoreAnswer)),
            "runs": (self._runs, Address(answers.RunsAnswer, (COLUMNS, IDS, SINCE, REPLAYS))),
            "runs/filter": (self._filter, Address(answers.Fitting, (WHERE, REPLAYS))),
            "runs.csv": (self._table("csv"), Address(CSV, _TABLE, "what is shown")),
            "runs.tex": (self._table("tex"), Address(TEX, _TABLE, "what is shown, for LaTeX")),
            "runs/groups": (self._groups, Address(answers.Groups, (BY, METRIC, _TAKE, *SOME_RUNS))),
            "seeds/best": (self._best, Address(seeds.Bests, (BY, *_JUDGED, *SOME_RUNS))),
            "seeds/group": (self._group, Address(self._given.group[1], (IDS, *_JUDGED, _WITHIN))),
            "seeds/versus": (self._versus, Address(self._given.versus[1], _TWO)),
            "seeds/crossing": (self._crossing, Address(Crossing, (IDS, METRIC, _TAKE, *_KINDS))),
            "studies": (self._studies, Address(answers.Studies, SOME_RUNS)),
            "sweep": (self._sweep, Address(self._given.sweep[1], (_NAME,))),
            "metrics": (self._metrics, Address(answers.Metrics, SOME_RUNS)),
            "curves": (self._curves, Address(BINARY, (IDS, *DRAWN), "envelopes as numbers")),
            "curves/groups": (
                self._group_curves,
                Address(answers.GroupCurves, (BY, *DRAWN, *SOME_RUNS)),
            ),
            "curves/points": (
                self._curve_points,
                Address(answers.CurvePoints, (_ID, *DRAWN, _OFFSET)),
            ),
            "compare": (self._compare, Address(beside.Comparison, (IDS,))),
            "trace": (self._trace, Address(beside.Trace, (IDS, _FROM, _COUNT))),
            "trace/leaves": (self._trace_leaves, Address(beside.TracedLeaves, STEP)),
            "states": (self._states, Address(beside.StatesApart, STATES)),
            "states/leaf": (self._leaf, Address(beside.LeafApart, (*STATES, _PLACE))),
            "runs/{run}": (self._run, Address(answers.RunAnswer)),
            "runs/{run}/console": (self._console, Address(answers.ConsoleText, CONSOLE)),
            "runs/{run}/value": (self._value, Address(TEXT, VALUE, "all of one value, as text")),
            "runs/{run}/file": (self._file, Address(answers.OneFile, (_PATH,))),
            **{
                f"runs/{{run}}/{name}": (self._of_run(tell), Address(shape))
                for name, (tell, shape) in of_runs.items()
            },
        }

    def _store(self, _: Request) -> bytes:
        store = self._given.store
        answer = StoreAnswer(
            id=places.store_id(store),
            name=store.parent.name,
            folder=str(store),
            runs=self._looking.count,
            waiting=self._looking.waiting,
            version=self._looking.version,
            edit=self._given.may_edit,
            remotes=sorted(named.read_all(store)),
            shown=self._given.remote or "here",
        )
        return encode(answer)

    def _runs(self, asked: Request) -> bytes:
        return self._looking.runs(
            names(asked.query, "columns"),
            replays=flag(asked.query, "replays"),
            ids=words(asked.query, "ids"),
            since=whole(asked.query, "since"),
        )

    def _filter(self, asked: Request) -> bytes:
        fitting = condition(asked.query) or ""
        return encode(self._looking.filter(fitting, replays=flag(asked.query, "replays")))

    def _groups(self, asked: Request) -> bytes:
        by = names(asked.query, "by") or []
        found = [group for group, _ in self._came_to(asked, by)]
        return encode(Groups(by, _metric(asked), _take(asked), _CONFIDENCE, found))

    def _came_to(self, asked: Request, by: list[str], more: Sequence[str] = ()) -> list[Counted]:
        """What groups of the runs that are meant came to, each with the rows that it is of."""
        metric, take = _metric(asked), _take(asked)
        needed = [*by, *more, *_TOLD_BY]
        needed += (f"{one}.{metric}" for one in ("metric", *_TAKES[1:]))
        return [
            (self._given.counted(rows, metric, take, values), rows)
            for values, rows in self._given.groups(self._chosen(asked, needed, _METHOD), by)
        ]

    def _studies(self, asked: Request) -> bytes:
        of_runs = ("state", "seconds", "started", "study")
        rows = self._looking.rows(None, replays=False, names=of_runs, beginnings=())
        found = self._given.studies(rows)
        if asked.query.get("where") or asked.query.get("ids"):
            meant = {row.get("study") for row in self._chosen(asked, ("study",))}
            found = [one for one in found if one.id in meant]
        return encode(answers.Studies(found))

    def _sweep(self, asked: Request) -> bytes:
        tell, _ = self._given.sweep
        rows = self._looking.rows(None, replays=False, names=_OF_TRIALS, beginnings=("metric.",))
        return encode(tell(asked.query.get("name", ""), rows))

    def _best(self, asked: Request) -> bytes:
        by, better = names(asked.query, "by") or [], _better(asked)
        groups = [group for group, _ in self._came_to(asked, by)]
        found, method = seeds.best(groups, better == "lower")
        return encode(seeds.Bests(by, _metric(asked), _take(asked), better, method, found))

    def _group(self, asked: Request) -> bytes:
        """Of the runs that are named, those without a result among them."""
        numpy, metric = load_numpy(), _metric(asked)

        def curve_of(run: str) -> Curve | None:
            series = self._points.series(run, metric)
            return None if series is None else (series.steps(numpy), series.values(numpy))

        tell, _ = self._given.group
        judged = Judged(metric, _take(asked), _better(asked))
        within = real(asked.query, "within")
        return encode(tell(self._whole_rows(asked, "ids"), judged, within, curve_of))

    def _versus(self, asked: Request) -> bytes:
        """Of the runs that are named first and those named second."""
        tell, _ = self._given.versus
        both = [
            (asked.query.get(name) or said, self._whole_rows(asked, ids))
            for ids, name, said in (
                ("ids", "first", "the first"),
                ("against", "second", "the second"),
            )
        ]
        judged = Judged(_metric(asked), _take(asked), _better(asked))
        return encode(tell(both[0], both[1], judged))

    def _whole_rows(self, asked: Request, name: str) -> list[Row]:
        """What groups are told from, of the runs that are named."""
        query = QueryParams({"ids": asked.query.get(name, "")})
        metric = _metric(asked)
        needed = [*_TOLD_BY, *_SPENT, f"points.{metric}"]
        needed += (f"{one}.{metric}" for one in _TAKES[1:])
        rows = self._chosen(Request(query, {}), needed, (*_METHOD, "metric."))
        if not rows:
            raise UsageError(f"no run is named in {name}", hint=_WHICH)
        return rows

    def _crossing(self, asked: Request) -> bytes:
        down, across = (asked.query.get(name, "") for name in ("down", "across"))
        others = names(asked.query, "others") or []
        group, rows = self._one(asked, "ids", (down, across, *others))
        floor = self._given.floor(rows, _metric(asked), _take(asked))
        return encode(replace(crossing(group, rows, down, across, others), floor=floor))

    def _one(self, asked: Request, name: str, more: Sequence[str] = ()) -> Counted:
        """The runs that are named, as one group."""
        query = QueryParams({**dict(asked.query), "ids": asked.query.get(name, "")})
        found = self._came_to(Request(query, {}), [], more)
        if not found:
            raise UsageError(f"no run is named in {name}", hint=_WHICH)
        return found[0]

    def _chosen(
        self, asked: Request, names: Sequence[str], beginnings: tuple[str, ...] = ()
    ) -> list[Row]:
        """Of the runs that are meant (named, or fitting a condition) what is under some names."""
        rows = self._looking.rows(
            condition(asked.query),
            replays=flag(asked.query, "replays"),
            names=names,
            beginnings=beginnings,
        )
        ids = words(asked.query, "ids")
        if ids is None:
            return rows
        by_id = {row["id"]: row for row in rows}
        return [by_id[run] for run in ids if run in by_id]

    def _metrics(self, asked: Request) -> bytes:
        """From the rows alone: nothing is read."""
        found: dict[str, list[tuple[int, float | None]]] = {}
        for row in self._chosen(asked, (), ("points.", "step.", "first.")):
            for key in row:
                name = key.removeprefix("points.")
                is_drawn = name != key and f"first.{name}" in row
                if is_drawn:
                    step = row.get(f"step.{name}")
                    last = float(step) if isinstance(step, (int, float)) else None
                    found.setdefault(name, []).append((row[key], last))
        metrics = [
            Metric(
                name,
                len(of_runs),
                sum(points for points, _ in of_runs),
                max((last for _, last in of_runs if last is not None), default=None),
                self._given.is_volatile(name),
            )
            for name, of_runs in found.items()
        ]
        return encode(Metrics(sorted(metrics, key=lambda one: (one.volatile, one.name))))

    def _curves(self, asked: Request) -> bytes:
        ids = words(asked.query, "ids") or []
        if len(ids) > _MOST_RUNS:
            hint = "curves/groups draws the mean of any number"
            raise UsageError(f"at most {_MOST_RUNS} curves at once, not {len(ids)}", hint=hint)
        drawn = _drawn(asked)
        if len(ids) * drawn.columns > _MOST_NUMBERS:
            hint = "fewer columns: a screen has no more"
            raise UsageError(
                f"{len(ids)} curves of {drawn.columns} columns are too much", hint=hint
            )
        return curves.curves(self._points, ids, drawn)

    def _group_curves(self, asked: Request) -> bytes:
        by, drawn = names(asked.query, "by") or [], _drawn(asked)
        groups = self._given.groups(self._chosen(asked, by), by)
        found = [
            curves.group_curve(self._points, values, [str(row["id"]) for row in rows], drawn)
            for values, rows in groups
        ]
        told = [one for one in found if one is not None]
        answer = GroupCurves(by, drawn.metric, drawn.x, _CONFIDENCE, "t interval", told)
        return encode(answer)

    def _curve_points(self, asked: Request) -> bytes:
        run = asked.query.get("id", "")
        offset = max(0, whole(asked.query, "offset") or 0)
        return encode(curves.points(self.reader.view(run), _drawn(asked), offset))

    def _compare(self, asked: Request) -> bytes:
        return encode(self._comparer.compare(words(asked.query, "ids") or []))

    def _trace(self, asked: Request) -> bytes:
        ids = words(asked.query, "ids") or []
        begin, count = whole(asked.query, "from") or 0, whole(asked.query, "count") or 200
        return encode(self._comparer.trace(ids, begin, count))

    def _trace_leaves(self, asked: Request) -> bytes:
        ids, optimizer = words(asked.query, "ids") or [], whole(asked.query, "optimizer") or 0
        return encode(self._comparer.leaves(ids, optimizer, whole(asked.query, "step") or 0))

    def _states(self, asked: Request) -> bytes:
        return encode(self._leaves.compare(*_two_states(asked)))

    def _leaf(self, asked: Request) -> bytes:
        place = asked.query.get("place", "")
        return encode(self._leaves.leaf(*_two_states(asked), place))

    def _run(self, asked: Request) -> bytes:
        return encode(one.summary(self.reader.view(asked.run), self._given))

    def _value(self, asked: Request) -> bytes:
        query, view = asked.query, self.reader.view(asked.run)
        part, name, at = query.get("part", ""), query.get("name", ""), whole(query, "at") or 0
        return one.value(view, self._given, part, name, at).encode("utf-8", "backslashreplace")

    def media(self, run: str, digest: str) -> media.Given:
        """The bytes of something that a run logged."""
        return media.read(self.reader.view(run), digest)

    def say(self, run: str, body: bytes) -> bytes:
        """Keep what somebody says of a run, as a note in the store."""
        if not self._given.may_edit or self._given.remote:
            raise UsageError("this page only shows", hint="`samebit ui --edit` lets it write notes")
        try:
            asked = msgspec.json.decode(body, type=SaysSo)
        except msgspec.DecodeError as error:
            raise UsageError(f"not a note: {error}") from error
        check(asked.kind, asked.value)
        self.reader.folder(run).add_note(asked.kind, asked.value)
        self._looking.source.again(run)
        view = self.reader.view(run)
        told = view.said
        return encode(SaidAnswer(run, view.name, list(told.tags), told.text, told.archived))

    def _table(self, form: str) -> Answer:
        """Exactly what is shown: these runs and columns, or groups of runs, in this order."""

        def answer(asked: Request) -> bytes:
            columns, by = names(asked.query, "columns"), names(asked.query, "by")
            if by:
                needed = [*by, *_TOLD_BY, *(columns or ())]
                rows = self._with_all(self._chosen(asked, needed, _METHOD), by)
                order = _order(asked)
                return self._given.groups_table(form, rows, by, columns or (), order).encode()
            beginnings = ("config.", "metric.") if columns is None else ()
            chosen = self._chosen(asked, columns or ("name", "seed"), beginnings)
            whole = [row for row in chosen if "damage" not in row]
            rows = self._with_all(whole, columns or ())
            return self._given.table(form, rows, columns).encode()

        return answer

    def _with_all(self, rows: list[Row], names: Sequence[str]) -> list[Row]:
        """What only runs have that are not among these is None in them, rather than unknown."""
        there = {key for row in rows for key in row}
        absent = [name for name in names if resolve(name, there) is None]
        if not absent:
            return rows
        every = self._looking.rows(None, replays=True, names=absent)
        elsewhere = {key for row in every for key in row}
        found = {key for name in absent if (key := resolve(name, elsewhere)) is not None}
        return [dict.fromkeys(found) | row for row in rows]

    def _of_run(self, tell: Callable[[View], object]) -> Answer:
        return lambda asked: encode(tell(self.reader.view(asked.run)))

    def _file(self, asked: Request) -> bytes:
        return encode(code.one_file(self.reader.view(asked.run), asked.query.get("path", "")))

    def _console(self, asked: Request) -> bytes:
        execution, after = whole(asked.query, "execution"), whole(asked.query, "after") or 0
        folder = self.reader.folder(asked.run)
        return encode(one.console(folder, execution, asked.query.get("rank"), after))


def _order(asked: Request) -> Sort | None:
    """`acc:desc`; a name may hold anything, and more colons."""
    name, _, way = asked.query.get("sort", "").rpartition(":")
    return Sort(name, descending=way == "desc") if name else None


def _metric(asked: Request) -> str:
    return asked.query.get("metric", "").removeprefix("metric.")


def _take(asked: Request) -> str:
    take = asked.query.get("take", "last")
    if take not in _TAKES:
        raise UsageError(f"no way to take a metric: {take!r}", known=", ".join(_TAKES))
    return take


def _better(asked: Request) -> str:
    better = asked.query.get("better", "higher")
    if better not in seeds.BETTER:
        raise UsageError(f"better is higher or lower, not {better!r}")
    return better


def _two_states(asked: Request) -> tuple[list[str], str | None]:
    """The states, `RUN:STATE` each, and the rank of which they are where one is named."""
    return words(asked.query, "of") or [], asked.query.get("rank") or None


def _drawn(asked: Request) -> curves.Asked:
    query, columns = asked.query, whole(asked.query, "columns")
    found = curves.Asked(
        _metric(asked),
        query.get("x", "step").removeprefix("metric."),
        real(query, "from"),
        real(query, "to"),
    )
    return (found if columns is None else replace(found, columns=columns)).checked()
