"""What is known of a run that another tool has recorded: where it came from, and what it lacks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samebit.folders.read import View

__all__ = ["TOOLS", "imported_lines", "project_of", "tool_of", "unread", "unrecorded"]

# As their makers write them.
TOOLS = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "mlflow": "MLflow"}
_MOST_SAID = 12  # lines of what else the tool said
# What is needed to run a run again, and the facts that would be there if it had been recorded.
_NEEDED = {
    "code": ("code",),
    "randomness": ("seeds", "generator"),
    "data": ("file", "data"),
    "states": ("state",),
    "environment": ("packages", "interpreter"),
}


def tool_of(view: "View") -> str | None:
    """The tool that a run was imported from, by its name; None for one of ours."""
    origin = view.record.imported
    return None if origin is None else TOOLS.get(origin.tool, origin.tool)


def unrecorded(view: "View") -> list[str]:
    """What an imported run would need to be run again, and its tool did not record."""
    return [what for what, facts in _NEEDED.items() if not any(map(view.all_facts, facts))]


def unread(view: "View") -> list[str]:
    """A line for each of its files of which the end could not be read (yet)."""
    said = _said(view).get("unread_bytes")
    return [
        f"{name}: the last {count:,} bytes are no whole record"
        for name, count in (said.items() if isinstance(said, dict) else ())
        if isinstance(count, int)
    ]


def project_of(view: "View") -> str | None:
    """What its tool had it in: a project of wandb, an experiment of MLflow."""
    said = _said(view)
    found = said.get("project") or said.get("experiment")
    return found if isinstance(found, str) else None


def imported_lines(view: "View") -> Iterator[tuple[str, object]]:
    """Where an imported run came from, and what its tool said of it."""
    tool = tool_of(view)
    if tool is None:
        return
    fact = view.facts.get("imported") or {}
    yield "imported from", f"{tool}, {fact.get('where', '')}"
    if fact.get("by"):
        yield "imported by", fact["by"]
    if fact.get("status") and fact["status"] != view.status:
        yield "it said", fact["status"]
    if fact.get("version"):
        yield "written by", fact["version"]
    flat = {k: v for k, v in _said(view).items() if not isinstance(v, (dict, list))}
    for name, value in list(flat.items())[:_MOST_SAID]:
        yield name.replace("_", " "), value


def _said(view: "View") -> dict[str, Any]:
    return (view.facts.get("imported") or {}).get("said") or {}
