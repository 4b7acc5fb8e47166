"""A lineage as data: nodes and edges in an order that stays, for programs and for pages."""

from collections.abc import Iterable, Iterator
from typing import Any

from samebit.query.lineage import Branch, Graph, Trail, Use, node_of, reached
from samebit.query.things import Thing, now_at

__all__ = ["lineage_data"]


def lineage_data(
    thing: Thing, graph: Graph, up: list[Branch], down: list[Branch]
) -> dict[str, Any]:
    """A thing with everything that two walks from it reached, as plain values."""
    ways = {"upstream": up, "downstream": down}
    nodes = {way: {one.node for _, one in reached(branches)} for way, branches in ways.items()}
    uses, does = _uses(graph)
    edges: dict[tuple[str, str], dict[str, Any]] = {}
    for way, branches in ways.items():
        for edge in _edges(graph, does, branches, is_up=way == "upstream"):
            edges.setdefault((edge["from"], edge["to"]), edge)
    asked = {"asked": thing.asked, "kind": thing.kind, "nodes": list(thing.roots)}
    return {
        "thing": {**asked, "notes": list(thing.notes)},
        "nodes": [
            _node(graph, node, uses.get(node, {})) | {way: node in nodes[way] for way in ways}
            for node in sorted(nodes["upstream"] | nodes["downstream"])
        ],
        "edges": sorted(edges.values(), key=lambda one: (one["time"], one["from"], one["to"])),
    }


def _uses(graph: Graph) -> tuple[dict[str, dict[str, Use]], dict[tuple[str, str, str], list[Use]]]:
    """By content its names, each as it was last made or used; and what each run did with it."""
    names: dict[str, dict[str, Use]] = {}
    does: dict[tuple[str, str, str], list[Use]] = {}
    for trail in graph.trails.values():
        for use in trail.uses:
            names.setdefault(node_of(use), {})[use.name] = use
            does.setdefault((trail.id, use.does, node_of(use)), []).append(use)
    return names, does


def _node(graph: Graph, node: str, names: dict[str, Use]) -> dict[str, Any]:
    if node in graph.trails:
        return _run(graph.trails[node])
    kinds = {use.kind for use in names.values()}
    sizes = [use.size_bytes for use in names.values() if use.size_bytes is not None]
    return {
        "node": node,
        "kind": "state" if "state" in kinds else "folder" if "folder" in kinds else "file",
        "digest": None if node.startswith("path:") else node,
        "size_bytes": min(sizes) if sizes else None,
        "names": [
            {"name": name, "now": now_at(use) if use.kind in ("file", "source") else None}
            for name, use in sorted(names.items())
        ],
    }


def _run(trail: Trail) -> dict[str, Any]:
    return {
        "node": trail.id,
        "kind": trail.kind,
        "name": trail.name,
        "of": trail.of,
        "parent": trail.parent,
        "group": trail.group,
        "command": trail.command,
        "started": trail.started_ns,
        "state": trail.state,
        "verdict": trail.verdict,
    }


def _edges(
    graph: Graph,
    does: dict[tuple[str, str, str], list[Use]],
    branches: Iterable[Branch],
    *,
    is_up: bool,
) -> Iterator[dict[str, Any]]:
    makers = {(link.user, link.used): link.maker for link in graph.links if link.nearest}
    for before, branch in reached(branches):
        if before is None or (before.run is None and not before.node):
            continue
        run, content = (branch, before) if branch.run is not None else (before, branch)
        made = is_up == (run is branch)
        ends = (run.node, content.node) if made else (content.node, run.node)
        edge: dict[str, Any] = {"from": ends[0], "to": ends[1], "how": "made" if made else "used"}
        link = branch.link
        if link is not None and link.by_path:
            uses = [link.made if made else link.used]
        else:
            uses = does[run.node, edge["how"], content.node]
        edge["known_by"] = "path" if link is not None and link.by_path else "content"
        edge["names"] = sorted({use.name for use in uses})
        edge["time"] = min(use.at_ns for use in uses)
        if not made:
            edge["maker"] = next(
                (makers[run.node, u] for u in uses if (run.node, u) in makers), None
            )
        yield edge
