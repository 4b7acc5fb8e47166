"""Which run made which content, and which used it: a graph, and the walks through it.

A content is what has a digest: the bytes of files under whatever names, or a state. Where a record
has no digest of a file, its path stands for it. A run used what another made if it was made before;
of several makers the nearest one counts most. Pure functions: what runs did comes from `trails`.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "Branch",
    "Graph",
    "Link",
    "Trail",
    "Use",
    "graph_of",
    "node_of",
    "reached",
    "walk",
]

Way = Literal["up", "down"]

_OF_PATH = "path:"


class Use(Struct, frozen=True, array_like=True):
    """What a run did with one content under one name."""

    does: Literal["made", "used"]
    kind: Literal["file", "source", "folder", "state"]  # a source is a file of Python
    name: str  # an absolute path, or a state's name
    digest: str | None
    at_ns: int  # UTC: since when it was there, or by when it had been read
    size_bytes: int | None = None
    mtime_ns: int | None = None


class Trail(Struct, frozen=True):
    """A run, and everything it made and used, of all its ranks and executions."""

    id: str
    started_ns: int
    kind: str = "run"
    name: str | None = None
    of: str | None = None
    parent: str | None = None
    group: str | None = None
    command: str = ""
    project: str = ""
    state: str = ""
    verdict: str | None = None
    uses: tuple[Use, ...] = ()


class Link(Struct, frozen=True):
    """One run used what another had made."""

    maker: str
    user: str
    made: Use
    used: Use
    nearest: bool  # of those that had made it, the one it came from
    by_path: bool = False  # what lay there was never read by us: only the path says so


class Graph(Struct, frozen=True):
    """What all runs did."""

    trails: dict[str, Trail]  # by run, oldest first; without uses of what a run had made itself
    made: dict[str, list[tuple[str, Use]]]  # by content (run, use), oldest first
    used: dict[str, list[tuple[str, Use]]]
    links: list[Link]


class Branch(Struct):
    """A place in a walk: a run or a content, and what lies behind it."""

    node: str
    run: str | None = None  # the run, where it is one
    uses: list[Use] = []  # what the run, or the run before this content, did with the content
    link: Link | None = None  # between this run and the run before it; of a root's makers, no user
    behind: list["Branch"] = []  # msgspec makes new lists for each
    again: bool = False  # what lies behind is at another place of the walk
    cut: int = 0  # runs behind it that lie beyond the depth


def node_of(use: Use) -> str:
    """The name of a content in the graph: its digest, or `path:` and where it lay."""
    return use.digest or _OF_PATH + use.name


def graph_of(trails: Iterable[Trail]) -> Graph:
    """Join what runs did to one graph."""
    made: dict[str, list[tuple[str, Use]]] = defaultdict(list)
    used: dict[str, list[tuple[str, Use]]] = defaultdict(list)
    written: dict[str, list[tuple[str, Use]]] = defaultdict(list)  # by path
    known: dict[str, Trail] = {}
    for trail in sorted(trails, key=lambda trail: (trail.started_ns, trail.id)):
        known[trail.id] = trail = replace(trail, uses=tuple(_without_its_own(trail.uses)))
        for use in trail.uses:
            (made if use.does == "made" else used)[node_of(use)].append((trail.id, use))
            if use.does == "made" and use.kind != "state":
                written[use.name].append((trail.id, use))
    for uses in (*made.values(), *used.values(), *written.values()):
        uses.sort(key=_when)
    links = [
        link
        for node, uses in used.items()
        for run, use in uses
        if node in made or use.name in written
        for link in _links(run, use, made.get(node, ()), written.get(use.name, ()))
    ]
    return Graph(known, dict(made), dict(used), links)


def _without_its_own(uses: Iterable[Use]) -> list[Use]:
    """All but what a run used of its own making; oldest first."""
    ordered = sorted(uses, key=lambda use: (use.at_ns, use.does, use.name))  # making comes first
    left: list[Use] = []
    own: set[str] = set()
    for use in ordered:
        if use.does == "made":
            own.add(node_of(use))
        elif node_of(use) in own:
            continue
        left.append(use)
    return left


def _when(found: tuple[str, Use]) -> tuple[int, str, str]:
    run, use = found
    return use.at_ns, run, use.name


def _links(
    run: str,
    use: Use,
    made: Sequence[tuple[str, Use]],
    written: Sequence[tuple[str, Use]],
) -> Iterator[Link]:
    """From each run that had made it; one that wrote it at the very path comes before others."""
    before: dict[str, Use] = {}
    for maker, one in sorted(made, key=lambda found: (found[1].name == use.name, *_when(found))):
        if maker != run and one.at_ns <= use.at_ns and use.digest is not None:
            before.pop(maker, None)
            before[maker] = one  # of several of a run the nearest
    for at, (maker, one) in enumerate(reversed(before.items())):
        yield Link(maker, run, one, use, nearest=at == 0)
    if before or use.kind == "state":
        return
    # Nobody is known to have made these bytes; whoever wrote there last may have.
    last = [(maker, one) for maker, one in written if maker != run and one.at_ns <= use.at_ns][-1:]
    for maker, one in last:
        if one.digest is None or use.digest is None:
            yield Link(maker, run, one, use, nearest=True, by_path=True)


def walk(graph: Graph, roots: Iterable[str], way: Way, depth: int | None = None) -> list[Branch]:
    """Everything that some contents and runs were made from (`up`), or all that came of them.

    Breadth first: what lies behind a run is at the place nearest to the roots, once. A run is
    never further from a root than `depth` runs; `cut` counts those that would be.
    """
    behind: dict[str, list[Link]] = defaultdict(list)
    for link in graph.links:
        behind[link.user if way == "up" else link.maker].append(link)
    found = [_root(graph, root) for root in roots]
    seen: set[str] = set()
    left = deque((branch, 0) for branch in found)
    while left:
        branch, level = left.popleft()
        if branch.run is None:
            _add(branch, _about(graph, branch.node, way), level, depth)
        elif branch.run in seen:
            branch.again = True
            continue
        else:
            seen.add(branch.run)
            _open_run(branch, graph.trails[branch.run], behind[branch.run], way, level, depth)
        runs = branch.behind if branch.run is None else [r for c in branch.behind for r in c.behind]
        left += [(one, level + 1) for one in runs]
    return found


def _root(graph: Graph, node: str) -> Branch:
    if node in graph.trails:
        return Branch(node, node)
    return Branch(
        node, uses=[use for uses in (graph.made, graph.used) for _, use in uses.get(node, ())]
    )


def _about(graph: Graph, node: str, way: Way) -> list[Branch]:
    """The runs that made a content, or that used it, as a walk begins with them: newest first."""
    branches: dict[str, Branch] = {}
    for link in graph.links:
        if link.by_path and way == "up" and node_of(link.used) == node:
            branches[link.maker] = Branch(link.maker, link.maker, [link.used], link)
        elif link.by_path and way == "down" and node_of(link.made) == node:
            branches[link.user] = Branch(link.user, link.user, [link.used], link)
    uses = (graph.made if way == "up" else graph.used).get(node, [])
    for run, use in uses:
        link = Link(run, "", use, use, nearest=use is uses[-1][1]) if way == "up" else None
        branches[run] = Branch(run, run, [use], link)
    return sorted(branches.values(), key=lambda one: (-one.uses[-1].at_ns, one.node))


def _open_run(
    branch: Branch, trail: Trail, links: list[Link], way: Way, level: int, depth: int | None
) -> None:
    """What a run used with the makers of each, or what it made with the users of each."""
    does = "used" if way == "up" else "made"
    by_use: dict[Use, list[Link]] = defaultdict(list)
    for link in links:
        by_use[link.used if way == "up" else link.made].append(link)
    contents: dict[str, Branch] = {}
    others: dict[str, dict[str, Branch]] = defaultdict(dict)
    for use in trail.uses:
        if use.does != does:
            continue
        node = node_of(use)
        contents.setdefault(node, Branch(node)).uses.append(use)
        for link in by_use[use]:
            other = link.maker if way == "up" else link.user
            others[node].setdefault(other, Branch(other, other, [use], link))
    for node, content in contents.items():
        _add(content, sorted(others[node].values(), key=_nearest_first), level, depth)
    branch.behind = sorted(contents.values(), key=_joined_first)


def _nearest_first(branch: Branch) -> tuple[bool, int, str]:
    link = branch.link
    return (not link.nearest, -link.made.at_ns, branch.node) if link else (True, 0, branch.node)


def _add(branch: Branch, runs: list[Branch], level: int, depth: int | None) -> None:
    if depth is None or level < depth:
        branch.behind = [*branch.behind, *runs]
    else:
        branch.cut += len(runs)


def _joined_first(branch: Branch) -> tuple[bool, int, str]:
    kinds = ("file", "folder", "state", "source")
    use = branch.uses[0]
    return not (branch.behind or branch.cut), kinds.index(use.kind), use.name


def reached(branches: Iterable[Branch]) -> Iterator[tuple[Branch | None, Branch]]:
    """Every place of a walk with the one before it, roots with None; however deep it goes."""
    left: list[tuple[Branch | None, Branch]] = [(None, branch) for branch in branches]
    while left:
        before, branch = left.pop()
        yield before, branch
        left += [(branch, one) for one in reversed(branch.behind)]
