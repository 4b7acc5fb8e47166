"""What a replay is given back of a run that was not, or not wholly, seeded; pure, over facts."""

from collections import defaultdict
from typing import Any

from samebit.folders.read import View

__all__ = ["given_back"]


def given_back(view: View) -> dict[str, Any]:
    """The states and seeds of a run that its replay begins from, as JSON can hold them.

    By rank, and there by the name of the process that drew them; the name is empty where the rank
    was one process. `when` says from where on: `start`, `init` for a run whose record began
    there, or `job` for one that began with a job of a sweep.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {
        name: defaultdict(dict) for name in ("generators", "unseeded", "loaders")
    }
    for rank in view.ranks:
        for process in view.processes(rank) or [""]:
            part = view.at_process(rank, process) if process else view.at_rank(rank)
            found["generators"][rank][process] = _generators(part)
            found["unseeded"][rank][process] = _unseeded(part)
            found["loaders"][rank][process] = _loaders(part)
    late = view.start is not None and view.start.how == "init"
    of_job = (view.facts.get("job") or {}).get("whole")
    return {"when": "job" if of_job else "init" if late else "start", **found}


def _generators(view: View) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for fact in view.all_facts("generator"):
        states.setdefault(fact["library"], fact["state"])
    return states


def _unseeded(view: View) -> list[Any]:
    return [
        {"kind": fact["kind"], "place": fact.get("place", ""), "seed": fact["seed"]}
        for fact in view.all_facts("unseeded")
        if fact["seed"] is not None
    ]


def _loaders(view: View) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for fact in view.all_facts("epoch"):
        own = {role: at for role, at in fact.get("states", {}).items() if role in fact["seeds"]}
        if own:
            states.setdefault(fact["place"], own)
    return states
