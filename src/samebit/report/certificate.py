"""What a certificate states: a verdict and what it rests on, as in-toto has it (Statement v1).

The statement's subjects are digests: of the run's record, of its final states, of the files that it
wrote. Its predicate is ours, and holds the verdict in its own words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit import __version__, digest, records
from samebit.capture.secrets import mask_text
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.journal.reader import list_segments
from samebit.objects.store import Store
from samebit.query.tabular.cells import utc
from samebit.records import ExecutionStart, Verdict
from samebit.report.anonymous import Wording
from samebit.report.outputs import OURS, Output, digests_of_bytes

__all__ = [
    "FORMAT",
    "NOTE",
    "PAYLOAD_TYPE",
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "Files",
    "choose_verdict",
    "final_states",
    "make_statement",
    "read_replay",
    "record_digests",
    "record_of",
    "stated_verdict",
]

FORMAT = "samebit-certificate 1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:samebit:verify:1"
NOTE = "certificate"  # the kind of the note that has the salt of an anonymous one

_PERSONAL = frozenset({"by", "host"})  # of a verdict
_ALWAYS_NAMED = frozenset({"samebit"})  # however it was installed


Files = dict[str, tuple[int, str]]  # size and digest by name


def record_of(folder: RunFolder) -> Files:
    """A run's record as it lies there now: identity, executions, journal; no notes, no console."""
    names = [Path("run.json")]
    for number in folder.executions():
        names += [Path("executions", str(number), f"{what}.json") for what in ("start", "end")]
    names += [Path("journal", one.path.name) for one in list_segments(folder.journal)]
    found: Files = {}
    for name in names:
        if (folder.path / name).exists():
            content, size_bytes = digest.of_file(folder.path / name)
            found[name.as_posix()] = (size_bytes, content)
    return found


def record_digests(files: Files) -> dict[str, str]:
    """The digests of a run's record."""
    return digests_of_bytes(digest.canonical_json({"format": FORMAT, "files": files}))


def choose_verdict(view: View, word: str | None) -> Verdict:
    """A verdict on a run: the newest, `newest-1` the one before, or that of a replay by its id.

    Raises:
        NotFound: the run was not verified, or has no such verdict.
    """
    found = view.verdicts[::-1]
    if not found:
        raise NotFound(
            f"run {view.id} has no verdict yet", hint=f"`samebit verify {view.id}` gives it one"
        )
    names = ["newest", *(f"newest-{back}" for back in range(1, len(found)))]
    word = word or "newest"
    if word in names:
        return found[names.index(word)]
    fits = [verdict for verdict in found if (verdict.replay or "").startswith(word)]
    if len({verdict.replay for verdict in fits}) == 1:
        return fits[0]
    raise NotFound(
        f"run {view.id} has no one verdict {word!r}",
        verdicts="; ".join(
            f"{name} {verdict.grade} {verdict.replay or 'without a replay'}"
            for name, verdict in zip(names, found, strict=True)
        ),
        hint="a verdict is named by its replay's id, or as newest, newest-1, …",
    )


def read_replay(view: View, verdict: Verdict) -> View | None:
    """The replay that a verdict rests on; None where there is none, or it is not here."""
    if verdict.replay is None:
        return None
    try:
        return read_run(RunFolder(view.folder.store / "runs" / verdict.replay))
    except SamebitError:
        return None  # removed since, or damaged: what it wrote is then not known


def make_statement(
    view: View,
    replay: View | None,
    verdict: Verdict,
    outputs: Sequence[Output],
    *,
    wording: Wording,
    left_out: int = 0,
) -> dict[str, Any]:
    """The statement about one verdict, as plain values.

    Args:
        view: the run, ended.
        replay: its replay, or None where that is not here.
        verdict: one of the run's.
        outputs: the files that are stated, with their digests.
        wording: open or anonymous.
        left_out: how many files the run wrote beside these.

    Raises:
        UsageError: the run still goes on.
    """
    if view.status == "running":
        raise UsageError(
            f"run {view.id} still goes on", hint="a certificate is of a run that has ended"
        )
    files = record_of(view.folder)
    subjects = [{"name": f"{OURS}run/{wording.id(view.id)}", "digest": record_digests(files)}]
    subjects += final_states(view)
    subjects += [{"name": one.name, "digest": one.digests} for one in outputs if one.blake3]
    predicate = {
        "format": FORMAT,
        "samebit": __version__,
        "anonymous": wording.is_anonymous,
        "run": wording.id(view.id),
        "replay": wording.id(verdict.replay) if verdict.replay else None,
        "verdict": stated_verdict(verdict, wording),
        "code": _code(view, wording),
        "command": None if wording.is_anonymous else _command(view),
        "seeds": _seeds(view, wording),
        "environment": {**_surroundings(view), **_packages(view, wording)},
        "replayed_in": _surroundings(replay) if replay is not None else None,
        "outputs": [
            {"name": one.name, "replay": one.replayed} | ({} if one.blake3 else {"digest": None})
            for one in outputs
        ],
        "outputs_left_out": left_out,
        "record": files,
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def stated_verdict(verdict: Verdict, wording: Wording) -> dict[str, Any]:
    """A verdict as it is stated: all it has, also what later versions of it will have.

    Its time is a text, for a number of nanoseconds is more than most readers of JSON can hold.
    """
    found: dict[str, Any] = records.plain(verdict)
    at_ns = found.pop("at_ns")
    hidden = _PERSONAL if wording.is_anonymous else ()
    stated = {name: _worded(value, wording) for name, value in found.items() if name not in hidden}
    ids = {name: wording.id(found[name]) if found[name] else None for name in ("run", "replay")}
    return {**stated, **ids, "at": utc(at_ns) if at_ns else None}


def _worded(value: Any, wording: Wording) -> Any:
    """What looks like a secret stays masked, in whichever text of a stranger it stands."""
    if isinstance(value, str):
        return wording.text(mask_text(value))
    if isinstance(value, Mapping):
        return {wording.text(str(key)): _worded(item, wording) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_worded(item, wording) for item in value]
    return value


def final_states(view: View) -> list[dict[str, Any]]:
    """The manifests of the final states as subjects; of several ranks, each rank's."""
    store = Store(view.folder.store)
    found: list[dict[str, Any]] = []
    for rank in view.ranks:
        states = view.at_rank(rank).states
        for name in (name for name in states if name.startswith("final")):
            place = f"{OURS}state/{name}" if len(view.ranks) == 1 else f"{OURS}state/{rank}/{name}"
            found.append({"name": place, "digest": _of_object(store, states[name]["manifest"])})
    return found


def _of_object(store: Store, name: str) -> dict[str, str]:
    try:
        return digests_of_bytes(store.read(name))
    except SamebitError:
        return {"blake3": digest.hex_of(name)}


def _code(view: View, wording: Wording) -> dict[str, Any] | None:
    code = view.code
    if code is None:
        return None
    found: dict[str, Any] = {
        "tree": code.tree,
        "files": code.files,
        "changed": len(code.changed),
        "left_out": len(code.left_out),
    }
    if not wording.is_anonymous:  # a commit is found by its name in public repositories
        found |= {"commit": code.head, "snapshot": code.commit}
    return found


def _command(view: View) -> dict[str, Any] | None:
    if view.start is None:
        return None
    found: dict[str, Any] = _words(view.start)
    if len(view.starts) > 1:  # which of them count is in the verdict's own words
        found["executions"] = [
            {**_words(start), "tree": code.tree if code is not None else None}
            for start in view.starts
            for code in (view.at_execution(start.number).code,)
        ]
    return found


def _words(start: ExecutionStart) -> dict[str, Any]:
    return {"how": start.how, "argv": [mask_text(word) for word in start.argv]}


def _seeds(view: View, wording: Wording) -> dict[str, Any]:
    start = view.start
    return {
        "seed": view.seed,
        "hash_seed": start.hash_seed if start is not None else None,
        "deterministic": bool(
            (view.facts.get("asked") or {}).get("deterministic") or (start and start.deterministic)
        ),
        "roles": _worded(view.facts.get("seeds") or {}, wording),
        "calls": [
            {name: _worded(call[name], wording) for name in ("library", "value", "at")}
            for call in view.seed_calls
        ],
        "unseeded": len(view.all_facts("unseeded")),
    }


def _surroundings(view: View) -> dict[str, Any]:
    interpreter = view.facts.get("interpreter") or {}
    return {
        "python": " ".join(
            str(interpreter[part]) for part in ("implementation", "version") if part in interpreter
        ),
        "libc": interpreter.get("libc"),
        "machine": _machine(view.facts.get("machine") or {}),
    }


def _packages(view: View, wording: Wording) -> dict[str, Any]:
    """What came from a folder or a repository may be the author's own, and tell who that is."""
    packages = view.facts.get("packages") or {}
    versions: dict[str, str] = packages.get("versions") or {}
    origins = packages.get("origins")
    elsewhere = set(origins) if isinstance(origins, dict) else set[str]()
    kept = {
        name: version
        for name, version in versions.items()
        if not wording.is_anonymous or name not in elsewhere or name in _ALWAYS_NAMED
    }
    return {"packages": kept, "packages_left_out": len(versions) - len(kept)}


def _machine(machine: Mapping[str, Any]) -> dict[str, Any]:
    """The class of a machine: what makes bits come out otherwise, and nothing that names one."""
    cpu, system = machine.get("cpu") or {}, machine.get("system")
    return {
        "system": system.get("name") if isinstance(system, dict) else None,
        "architecture": cpu.get("architecture"),
        "cpu": cpu.get("model"),
        "cpu_flags": cpu.get("flags") or [],
        "gpus": [
            gpu.get("model") if isinstance(gpu, dict) else str(gpu)
            for gpu in machine.get("gpus") or []
        ],
        "gpu_driver": machine.get("gpu_driver"),
    }
