"""The model card of a bundle, with the front matter that Hugging Face's hub reads (`model-index`).

Purpose, limits and ethics are the author's to write, and marked.
"""

from collections.abc import Iterator
from typing import Any

from samebit.report.codecheck import TO_FILL
from samebit.report.release.bundle import Release, ReleasedRun
from samebit.report.release.readme import inline
from samebit.report.table import markup_free, rows_to_markdown, visible
from samebit.report.yaml import yaml_lines

__all__ = ["model_card"]

_LIBRARIES = {
    "transformers": "transformers",
    "keras": "keras",
    "flax": "flax",
    "torch": "pytorch",
    "scikit-learn": "sklearn",
    "jax": "jax",
}
# The hub's own words; it refuses others.
_HUB_LICENCES = frozenset(
    {
        *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc0-1.0", "isc"),
        *("mpl-2.0", "unlicense"),
    }
)
_MOST_RUNS = 50


def model_card(release: Release, packages: frozenset[str]) -> str:
    """The whole text."""
    content: dict[str, Any] = {"license": _licence(release)}
    if content["license"] == "other":
        content["license_name"] = release.license or TO_FILL
    libraries = {said for name, said in _LIBRARIES.items() if name in packages}
    if len(libraries) == 1:  # of several nobody says which one it was
        content["library_name"] = libraries.pop()
    content["tags"] = ["samebit", "reproducible"]
    if results := list(_results(release)):
        content["model-index"] = [{"name": release.title, "results": results}]
    front = [line for name, value in content.items() for line in yaml_lines(name, value)]
    return "\n".join(["---", *front, "---", "", *_body(release)]) + "\n"


def _licence(release: Release) -> str:
    name = (release.license or "").lower()
    return name if name in _HUB_LICENCES else "other"


def _results(release: Release) -> Iterator[dict[str, Any]]:
    """One entry a run: what it came to in its last points."""
    data = _data_name(release)
    for run in release.runs[:_MOST_RUNS]:
        metrics = [
            {"type": name, "name": f"{name}, {_called(run)}", "value": value}
            for name, value in run.results.items()
            if name not in run.volatile and type(value) in (int, float)
        ]
        if metrics:
            yield {
                "task": {"type": "other", "name": f"{TO_FILL}: the task"},
                "dataset": {"type": "other", "name": data},
                "metrics": metrics,
            }


def _called(run: ReleasedRun) -> str:
    return f"run {run.id}" if run.seed is None else f"run {run.id}, seed {run.seed}"


def _data_name(release: Release) -> str:
    versions = list(dict.fromkeys(one.of for one in release.data if one.of))
    return versions[0] if versions else f"{TO_FILL}: the data set"


def _body(release: Release) -> Iterator[str]:
    models = [(run, state) for run in release.runs for state in run.states if state.files]
    yield f"# {markup_free(visible(release.title))}"
    yield from ("", "## Model details", "")
    parameters = sorted({state.parameters for _, state in models})
    yield f"* Numbers in the arrays: {', '.join(f'{n:,}' for n in parameters) or 'not recorded'}"
    yield f"* Date: {release.date}"
    yield f"* Licence: {markup_free(release.license) if release.license else TO_FILL}"
    yield f"* Architecture: {TO_FILL}"
    yield from ("", "## Intended use", "", f"{TO_FILL}: what it is for, and what it is not for.")
    yield from ("", "## Training data", "")
    yield from _data(release)
    yield from ("", "## Training", "")
    yield f"On {markup_free(release.machine)}, with the commands of `README.md`."
    yield from ("", "## Evaluation", "")
    yield "See Results in `README.md`: the last value of each metric, and the verdict on each run."
    rows = [
        [run.id, "initial" if state.name == "step 0" else state.name, part, identity]
        for run, state in models
        for part, identity in state.identities.items()
    ]
    if rows:
        yield from (
            "",
            "## Files",
            "",
            "The identity is the same in whichever file the arrays lie.",
        )
        yield from ("", rows_to_markdown(["run", "state", "part", "identity"], rows).rstrip("\n"))
    yield from ("", "## Limits, risks and bias", "", f"{TO_FILL}.")


def _data(release: Release) -> Iterator[str]:
    if not release.data:
        yield "No file was read but the code."
        return
    total = sum(one.size_bytes for one in release.data)
    yield f"{len(release.data)} files, {total:,} bytes; `README.md` has their digests."
    for version in dict.fromkeys(one.of for one in release.data if one.of):
        yield f"* version {inline(version)}"
    if splits := list(dict.fromkeys(name for run in release.runs for name in run.splits)):
        yield f"* splits: {', '.join(map(inline, splits))}, in `splits/`"
