"""What the graph promises: nothing comes from what was made later, and both ways agree."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from samebit.query.lineage import Branch, Graph, Link, Trail, Use, graph_of, reached, walk

RUNS = "abcdefgh"
contents = st.sampled_from(["blake3:1", "blake3:2", "blake3:3", "blake3:4", None])
uses = st.builds(
    Use,
    does=st.sampled_from(["made", "used"]),
    kind=st.sampled_from(["file", "file", "source", "state"]),
    name=st.sampled_from(["/a", "/b", "/c"]),
    digest=contents,
    at_ns=st.integers(0, 12),
)
stores = st.lists(st.lists(uses, max_size=6, unique=True), max_size=len(RUNS)).map(
    lambda lists: [
        Trail(RUNS[at], started_ns=at, uses=tuple(each)) for at, each in enumerate(lists)
    ]
)


def made(name: str, content: str | None, at_ns: int) -> Use:
    return Use("made", "file", name, content, at_ns)


def used(name: str, content: str | None, at_ns: int) -> Use:
    return Use("used", "file", name, content, at_ns)


def of(**runs: list[Use]) -> Graph:
    return graph_of(Trail(run, at, uses=tuple(uses)) for at, (run, uses) in enumerate(runs.items()))


def runs_in(branches: Iterable[Branch]) -> set[str]:
    return {branch.run for _, branch in reached(branches) if branch.run is not None}


def makers(graph: Graph, user: str) -> list[Link]:
    return [link for link in graph.links if link.user == user]


@given(stores)
def test_nothing_comes_from_itself_or_from_what_was_made_later(trails: list[Trail]) -> None:
    for link in graph_of(trails).links:
        assert link.maker != link.user
        assert link.made.at_ns <= link.used.at_ns
        assert (link.made.does, link.used.does) == ("made", "used")
        if not link.by_path:
            assert link.made.digest == link.used.digest is not None
        else:
            assert link.made.name == link.used.name
            assert None in (link.made.digest, link.used.digest)


@given(stores)
def test_of_all_makers_one_is_the_nearest_and_none_is_nearer(trails: list[Trail]) -> None:
    graph = graph_of(trails)
    for user, use in {(link.user, link.used) for link in graph.links}:
        links = [link for link in makers(graph, user) if link.used == use]
        (nearest,) = [link for link in links if link.nearest]
        assert len({link.maker for link in links}) == len(links)
        rank = {link.maker: (link.made.name == use.name, link.made.at_ns) for link in links}
        assert max(rank.values()) == rank[nearest.maker]


@given(stores)
def test_what_lies_upstream_of_a_run_has_it_downstream(trails: list[Trail]) -> None:
    graph = graph_of(trails)
    up = {run: runs_in(walk(graph, [run], "up")) for run in graph.trails}
    down = {run: runs_in(walk(graph, [run], "down")) for run in graph.trails}
    assert {(a, b) for a in up for b in up[a]} == {(a, b) for b in down for a in down[b]}


@given(stores, st.integers(1, 3))
def test_a_walk_ends_opens_each_run_once_and_goes_no_further_than_asked(
    trails: list[Trail], depth: int
) -> None:
    graph = graph_of(trails)
    for root in (*graph.trails, *graph.made, *graph.used):
        for way in ("up", "down"):
            places = list(reached(walk(graph, [root], way)))
            opened = [one.run for _, one in places if one.run is not None and not one.again]
            assert len(opened) == len(set(opened))
            near = walk(graph, [root], way, depth)
            assert runs_in(near) <= set(opened)
            assert _deepest(near) <= depth
            cut = any(one.cut for _, one in reached(near))
            assert cut or runs_in(near) == set(opened)


def _deepest(branches: list[Branch]) -> int:
    """How many runs lie behind each other, a root not counted."""
    behind = [one for branch in branches for one in branch.behind]
    return max((_deepest([one]) + (one.run is not None) for one in behind), default=0)


def test_two_runs_that_feed_each_other_are_told_once() -> None:
    graph = of(
        a=[made("/x", "blake3:1", 1), used("/y", "blake3:2", 4)],
        b=[used("/x", "blake3:1", 2), made("/y", "blake3:2", 3)],
    )
    (root,) = walk(graph, ["a"], "up")
    (y,) = root.behind
    (b,) = y.behind
    (x,) = b.behind
    (again,) = x.behind
    assert [y.node, b.run, x.node, again.run] == ["blake3:2", "b", "blake3:1", "a"]
    assert again.again
    assert not again.behind


def test_a_maker_at_the_very_path_comes_before_a_later_one_elsewhere() -> None:
    graph = of(
        here=[made("/x", "blake3:1", 1)],
        elsewhere=[made("/copy", "blake3:1", 2)],
        late=[made("/x", "blake3:1", 9)],
        user=[used("/x", "blake3:1", 5)],
    )
    assert [(link.maker, link.nearest) for link in makers(graph, "user")] == [
        ("here", True),
        ("elsewhere", False),
    ]


def test_what_a_run_made_itself_is_no_input_but_what_it_read_before_is() -> None:
    graph = of(
        first=[made("/x", "blake3:1", 1)],
        again=[used("/x", "blake3:1", 2), made("/x", "blake3:1", 3), used("/x", "blake3:1", 4)],
        alone=[made("/y", "blake3:2", 5), used("/y", "blake3:2", 6)],
    )
    assert [link.maker for link in makers(graph, "again")] == ["first"]
    assert [use.does for use in graph.trails["alone"].uses] == ["made"]


def test_a_killed_run_may_have_left_what_lies_at_its_path() -> None:
    graph = of(
        killed=[made("/best.pt", None, 2)],
        user=[used("/best.pt", "blake3:1", 3)],
        other=[made("/best.pt", "blake3:2", 4)],
        late=[used("/best.pt", "blake3:3", 5)],
    )
    (link,) = makers(graph, "user")
    assert (link.maker, link.by_path, link.nearest) == ("killed", True, True)
    assert makers(graph, "late") == []  # the one who wrote there last left other bytes
    (root,) = walk(graph, ["blake3:1"], "up")
    assert [branch.run for branch in root.behind] == ["killed"]
    (root,) = walk(graph, ["path:/best.pt"], "down")
    assert [branch.run for branch in root.behind] == ["user"]


def test_a_long_line_of_descent_is_followed_to_its_end() -> None:
    graph = graph_of(
        Trail(
            f"{at:05}",
            at,
            uses=(used("/r", f"blake3:{at}", at), made("/r", f"blake3:{at + 1}", at)),
        )
        for at in range(3000)
    )
    assert len(runs_in(walk(graph, ["02999"], "up"))) == 3000
