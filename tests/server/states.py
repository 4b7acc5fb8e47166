"""States of recorded runs, without a training for each."""

from pathlib import Path
from typing import Any

from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.states import storing
from tests.server.recorded import begin, finish


def with_states(
    store: Path, states: dict[str, Any], *, keep: bool = True, **identity: Any
) -> RunFolder:
    """A run that has ended and had these states, by name."""
    run, writer = begin(store, **identity)
    for step, (name, state) in enumerate(states.items()):
        manifest = storing.save(Store(store), state, keep=keep)
        fact = {"name": name, "manifest": manifest, "step": step, "size_bytes": 9, "kept": keep}
        writer.fact("state", fact)
    return finish(run, writer)
