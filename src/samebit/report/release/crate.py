"""`ro-crate-metadata.json`: a bundle as RO-Crate 1.1 with Process Run Crate 0.5.

One CreateAction for each run, and one for its replay, whose object is what the run gave and which
holds the verdict. What no vocabulary has (seeds, digests) are PropertyValues.
"""

import mimetypes
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from samebit import digest
from samebit.report.codecheck import TO_FILL
from samebit.report.release.bundle import Release, ReleasedRun, pretty
from samebit.report.release.project import Project
from samebit.report.release.readme import shell_line

__all__ = ["METADATA", "crate"]

METADATA = "ro-crate-metadata.json"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
_MEDIA = {".md": "text/markdown", ".safetensors": "application/octet-stream", ".cff": "text/yaml"}
_STATES = {"finished": "Completed"}
Entity = dict[str, Any]


def crate(release: Release, project: Project, files: Sequence[str], sizes: dict[str, int]) -> bytes:
    """The metadata file.

    Args:
        release: what the bundle holds.
        project: whose it is; nobody's where the release is anonymous.
        files: names of those that are described one by one.
        sizes: bytes of each.
    """
    authors = _authors(release, project)
    known = frozenset(files)
    actions = [action for run in release.runs for action in _actions(release, run, known)]
    folders = _folders(release, files)
    scripts = [script for run in release.runs if (script := _script(run)) is not None]
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": release.title,
        "description": f"{len(release.runs)} recorded runs, with all that is needed to run them "
        "again; README.md tells how.",
        "datePublished": release.date,
        "license": _reference(_licence_id(release)),
        "conformsTo": _reference(_PROFILE),
        "author": [_reference(one["@id"]) for one in authors],
        "hasPart": [_reference(one["@id"]) for one in folders]
        + [_reference(_id(name)) for name in dict.fromkeys([*files, *scripts])],
        "mentions": [_reference(one["@id"]) for one in actions],
    }
    graph = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": _reference(_SPECIFICATION),
            "about": _reference("./"),
        },
        root,
        {
            "@id": _PROFILE,
            "@type": "CreativeWork",
            "name": "Process Run Crate",
            "version": "0.5",
        },
        _licence(release),
        *authors,
        *folders,
        *(_file(release, name, sizes) for name in files),
        *_instruments(release),
        *actions,
        *_values(release),
    ]
    return pretty({"@context": [f"{_SPECIFICATION}/context", _TERMS], "@graph": _merged(graph)})


def _merged(graph: Sequence[Entity]) -> list[Entity]:
    """Each entity once; what is said of a file in two places stands in one."""
    found: dict[str, Entity] = {}
    for entity in graph:
        known = found.setdefault(entity["@id"], {})
        kinds = dict.fromkeys([*_many(known.get("@type")), *_many(entity["@type"])])
        known |= entity
        known["@type"] = list(kinds) if len(kinds) > 1 else entity["@type"]
    return list(found.values())


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _reference(identity: str) -> Entity:
    return {"@id": identity}


def _id(name: str) -> str:
    return quote(name, errors="backslashreplace")


def _licence_id(release: Release) -> str:
    return f"https://spdx.org/licenses/{release.license}" if release.license else "#license"


def _licence(release: Release) -> Entity:
    name = release.license or f"{TO_FILL}: a licence"
    return {"@id": _licence_id(release), "@type": "CreativeWork", "name": name}


def _authors(release: Release, project: Project) -> list[Entity]:
    if release.anonymous:
        return [{"@id": "#author-1", "@type": "Person", "name": "Anonymous"}]
    return [
        {"@id": f"#author-{at}", "@type": "Person", "name": author.name}
        for at, author in enumerate(project.authors, start=1)
    ] or [{"@id": "#author-1", "@type": "Person", "name": f"{TO_FILL}: the authors"}]


def _folders(release: Release, files: Sequence[str]) -> list[Entity]:
    found: list[Entity] = [
        {
            "@id": f"{code.folder}/",
            "@type": ["Dataset", "SoftwareSourceCode"],
            "name": "code",
            "description": f"{code.files} files, as they ran",
            "identifier": code.swhid,
        }
        for code in release.codes
    ]
    texts = {
        "data/": "data that lies beside the code",
        "elsewhere/": "data from outside of the project",
        "outputs/": "what the runs wrote",
        f"{release.record or '?'}/": "the records of the runs, as Samebit keeps them",
    }
    places = {one.place.partition("/")[0] for one in release.data if one.place}
    places |= {"outputs"} if any(w.place for run in release.runs for w in run.written) else set()
    places |= {release.record} if release.record else set()
    found += [
        {"@id": f"{place}/", "@type": "Dataset", "name": place, "description": texts[f"{place}/"]}
        for place in sorted(places)
    ]
    return found


def _file(release: Release, name: str, sizes: dict[str, int]) -> Entity:
    suffix = PurePosixPath(name).suffix
    media = _MEDIA.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "@id": _id(name),
        "@type": "File",
        "name": PurePosixPath(name).name,
        "encodingFormat": media,
        "contentSize": str(sizes[name]),
    }


def _script(run: ReleasedRun) -> str | None:
    """The file that was started, in the bundle."""
    if run.command.how != "script" or not run.command.words:
        return None
    parts: list[str] = []
    for part in PurePosixPath(run.code, run.command.cwd, run.command.words[0]).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _instrument(run: ReleasedRun) -> str:
    script = _script(run)
    return _id(script) if script else f"{run.code}/"


def _instruments(release: Release) -> Iterator[Entity]:
    swhids = {code.folder: code.swhid for code in release.codes}
    for run in release.runs:
        if script := _script(run):
            yield {
                "@id": _id(script),
                "@type": ["File", "SoftwareSourceCode"],
                "name": PurePosixPath(script).name,
                "programmingLanguage": f"Python {release.python}",
                "version": swhids.get(run.code, ""),
            }
    yield {
        "@id": "#samebit",
        "@type": "SoftwareApplication",
        "name": "Samebit",
        "softwareVersion": release.samebit,
        "description": "recorded the runs, and ran them again",
    }


def _actions(release: Release, run: ReleasedRun, known: frozenset[str]) -> Iterator[Entity]:
    files = [name for state in run.states for name in state.files.values()]
    written = [_told(one.place, known) for one in run.written if one.place]
    results = [run.metrics, *files, *written]
    config = f"runs/{run.id}/config.json"
    read = [_told(one.place, known) for one in release.data if one.place and run.id in one.runs]
    states = [
        name for state in run.states if state.name == "step 0" for name in state.files.values()
    ]
    first = f"#{_uuid('run', run.id)}"
    action: Entity = {
        "@id": first,
        "@type": "CreateAction",
        "name": f"run {run.name or run.id}",
        "description": shell_line(run.command),
        "instrument": _reference(_instrument(run)),
        "startTime": run.started,
        "object": [_reference(_id(name)) for name in dict.fromkeys([config, *read])]
        + [_reference(f"#{run.id}-seed")] * (run.seed is not None),
        "result": [_reference(_id(n)) for n in dict.fromkeys(results) if n not in states],
        "actionStatus": _reference(
            f"http://schema.org/{_STATES.get(run.status, 'Failed')}ActionStatus"
        ),
        "agent": _reference("#author-1"),
    }
    if run.ended is not None:
        action["endTime"] = run.ended
    if run.status != "finished":
        action["error"] = run.status
    yield action
    verdict = run.verdict
    if verdict is None or not verdict.get("replay"):
        return
    again: Entity = {
        "@id": f"#{_uuid('replay', str(verdict['replay']))}",
        "@type": "CreateAction",
        "name": f"replay of run {run.name or run.id}: {verdict['grade']}",
        "description": f"The same command, run again by Samebit, and compared: {verdict['grade']}. "
        f"{verdict.get('cause') or ''}".strip(),
        "instrument": _reference(_instrument(run)),
        "object": [*action["object"], *action["result"]],
        "result": [_reference(_id(f"runs/{run.id}/verdict.json"))],
        "actionStatus": _reference("http://schema.org/CompletedActionStatus"),
        "agent": _reference("#samebit"),
    }
    if verdict.get("at"):
        again["endTime"] = verdict["at"]
    yield again


def _told(place: str, known: frozenset[str]) -> str:
    """A file, or where the crate does not tell of each its folder."""
    return place if place in known else place.partition("/")[0] + "/"


def _values(release: Release) -> Iterator[Entity]:
    for run in release.runs:
        if run.seed is not None:
            yield {
                "@id": f"#{run.id}-seed",
                "@type": "PropertyValue",
                "name": "seed",
                "value": str(run.seed),
            }


def _uuid(kind: str, name: str) -> str:
    """A UUID of version 4 out of an id that is random itself: equal runs have equal ones."""
    digits = list(digest.hex_of(digest.of_bytes(f"{kind}:{name}".encode()))[:32])
    digits[12], digits[16] = "4", "89ab"[int(digits[16], 16) & 3]
    text = "".join(digits)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
