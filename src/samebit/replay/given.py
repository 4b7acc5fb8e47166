"""What a replay is given back of a run that was not, or not wholly, seeded; pure, over facts."""

from collections import defaultdict
from typing import Any

from samebit.folders.read import View

__all__ = ["given_back"]


def given_back(view: View) -> dict[str, Any]:
    """The states and seeds of a run that its replay begins from, by rank, as JSON can hold them.

    `when` says from where on: `start`, or `init` for a run whose record began there.
    """
    states: dict[str, dict[str, Any]] = defaultdict(dict)
    unseeded: dict[str, list[Any]] = defaultdict(list)
    loaders: dict[str, dict[str, Any]] = defaultdict(dict)
    for fact in view.all_facts("generator"):
        states[fact["rank"]].setdefault(fact["library"], fact["state"])
    for fact in view.all_facts("unseeded"):
        if fact["seed"] is not None:
            kept = {"kind": fact["kind"], "place": fact.get("place", ""), "seed": fact["seed"]}
            unseeded[fact["rank"]].append(kept)
    for fact in view.all_facts("epoch"):
        own = {role: at for role, at in fact.get("states", {}).items() if role in fact["seeds"]}
        if own:
            loaders[fact["rank"]].setdefault(fact["place"], own)
    late = view.start is not None and view.start.how == "init"
    return {
        "when": "init" if late else "start",
        "generators": dict(states),
        "unseeded": dict(unseeded),
        "loaders": dict(loaders),
    }
