"""What each address below `/api` answers, as plain functions of what was asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from samebit import places
from samebit.errors import UsageError
from samebit.folders.read import View
from samebit.folders.said import check
from samebit.query.seeds import Group
from samebit.query.where import Sort, resolve
from samebit.remotes import named
from samebit.server import answers, beside, code, curves, media, one
from samebit.server.answers import (
    GroupCurves,
    Metric,
    Metrics,
    SaidAnswer,
    SaysSo,
    StoreAnswer,
    encode,
)
from samebit.server.asked import (
    Answer,
    Asked,
    condition,
    flag,
    metric_of,
    names,
    real,
    whole,
    words,
)
from samebit.server.comparing import Comparer
from samebit.server.described import (
    BINARY,
    BY,
    COLUMNS,
    CONSOLE,
    CSV,
    DRAWN,
    IDS,
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
    a_text,
    a_whole,
)
from samebit.server.given import Given
from samebit.server.grouped import CONFIDENCE, METHOD, TOLD_BY, Grouped
from samebit.server.leaves import Leaves
from samebit.server.looking import Looking
from samebit.server.points import PointsCache
from samebit.server.reading import Reader

__all__ = ["Api"]

Row = dict[str, Any]

Counted = tuple[Group, Sequence[Mapping[str, object]]]  # and the rows that it was told from

_MOST_RUNS = 1000  # whose curves are drawn at once
_MOST_NUMBERS = 2_000_000  # columns of all curves together: 80 MB
_TABLE = (COLUMNS, BY, a_text("sort", "`KEY:desc`, of groups"), *SOME_RUNS)
_ID = a_text("id", "the id of a run", is_needed=True)
_TEXT = (
    a_text("section", "of `compare`, by its title", is_needed=True),
    a_text("key", "of a row in it", is_needed=True),
)
_OFFSET = a_whole("offset", "so many points before")
_FROM, _COUNT = a_whole("from", "the first row"), a_whole("count", "of rows")
_PLACE = a_text("place", "of a leaf in its state", is_needed=True)
_PATH = a_text("path", "a file's place in the tree", is_needed=True)


class Api:
    """The answers; each is called in a thread of the pool, when something of the runs is known."""

    def __init__(self, given: Given, looking: Looking, reader: Reader) -> None:
        self.reader = reader
        self._given = given
        self._looking = looking
        self._points = PointsCache(self.reader)
        self._grouped = Grouped(given, looking, self._points)
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
            **self._grouped.addresses(),
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
            "compare/text": (self._text, Address(beside.ComparedText, (_ID, *_TEXT))),
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

    def _store(self, _: Asked) -> bytes:
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

    def _runs(self, asked: Asked) -> bytes:
        return self._looking.runs(
            names(asked.query, "columns"),
            replays=flag(asked.query, "replays"),
            ids=words(asked.query, "ids"),
            since=whole(asked.query, "since"),
        )

    def _filter(self, asked: Asked) -> bytes:
        fitting = condition(asked.query) or ""
        return encode(self._looking.filter(fitting, replays=flag(asked.query, "replays")))

    def _metrics(self, asked: Asked) -> bytes:
        """From the rows alone: nothing is read."""
        found: dict[str, list[tuple[int, float | None]]] = {}
        for row in self._looking.meant(asked.query, (), ("points.", "step.", "first.")):
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

    def _curves(self, asked: Asked) -> bytes:
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

    def _group_curves(self, asked: Asked) -> bytes:
        by, drawn = names(asked.query, "by") or [], _drawn(asked)
        groups = self._given.groups(self._looking.meant(asked.query, by), by)
        found = [
            curves.group_curve(self._points, values, [str(row["id"]) for row in rows], drawn)
            for values, rows in groups
        ]
        told = [one for one in found if one is not None]
        answer = GroupCurves(by, drawn.metric, drawn.x, CONFIDENCE, "t interval", told)
        return encode(answer)

    def _curve_points(self, asked: Asked) -> bytes:
        run = asked.query.get("id", "")
        offset = max(0, whole(asked.query, "offset") or 0)
        return encode(curves.points(self.reader.view(run), _drawn(asked), offset))

    def _compare(self, asked: Asked) -> bytes:
        return encode(self._comparer.compare(words(asked.query, "ids") or []))

    def _text(self, asked: Asked) -> bytes:
        run, section, key = (asked.query.get(name, "") for name in ("id", "section", "key"))
        return encode(self._comparer.text(run, section, key))

    def _trace(self, asked: Asked) -> bytes:
        ids = words(asked.query, "ids") or []
        begin, count = whole(asked.query, "from") or 0, whole(asked.query, "count") or 200
        return encode(self._comparer.trace(ids, begin, count))

    def _trace_leaves(self, asked: Asked) -> bytes:
        ids, optimizer = words(asked.query, "ids") or [], whole(asked.query, "optimizer") or 0
        return encode(self._comparer.leaves(ids, optimizer, whole(asked.query, "step") or 0))

    def _states(self, asked: Asked) -> bytes:
        return encode(self._leaves.compare(*_two_states(asked)))

    def _leaf(self, asked: Asked) -> bytes:
        place = asked.query.get("place", "")
        return encode(self._leaves.leaf(*_two_states(asked), place))

    def _run(self, asked: Asked) -> bytes:
        return encode(one.summary(self.reader.view(asked.run), self._given))

    def _value(self, asked: Asked) -> bytes:
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

        def answer(asked: Asked) -> bytes:
            columns, by = names(asked.query, "columns"), names(asked.query, "by")
            if by:
                needed = [*by, *TOLD_BY, *(columns or ())]
                rows = self._with_all(self._looking.meant(asked.query, needed, METHOD), by)
                order = _order(asked)
                return self._given.groups_table(form, rows, by, columns or (), order).encode()
            beginnings = ("config.", "metric.") if columns is None else ()
            chosen = self._looking.meant(asked.query, columns or ("name", "seed"), beginnings)
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

    def _file(self, asked: Asked) -> bytes:
        return encode(code.one_file(self.reader.view(asked.run), asked.query.get("path", "")))

    def _console(self, asked: Asked) -> bytes:
        execution, after = whole(asked.query, "execution"), whole(asked.query, "after") or 0
        folder = self.reader.folder(asked.run)
        return encode(one.console(folder, execution, asked.query.get("rank"), after))


def _order(asked: Asked) -> Sort | None:
    """`acc:desc`; a name may hold anything, and more colons."""
    name, _, way = asked.query.get("sort", "").rpartition(":")
    return Sort(name, descending=way == "desc") if name else None


def _two_states(asked: Asked) -> tuple[list[str], str | None]:
    """The states, `RUN:STATE` each, and the rank of which they are where one is named."""
    return words(asked.query, "of") or [], asked.query.get("rank") or None


def _drawn(asked: Asked) -> curves.Asked:
    query, columns = asked.query, whole(asked.query, "columns")
    found = curves.Asked(
        metric_of(asked.query),
        query.get("x", "step").removeprefix("metric."),
        real(query, "from"),
        real(query, "to"),
    )
    return (found if columns is None else replace(found, columns=columns)).checked()
