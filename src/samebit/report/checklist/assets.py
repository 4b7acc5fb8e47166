"""Evidence of what others can get, and of what was used that others made."""

from collections.abc import Sequence

from samebit.report.amounts import size
from samebit.report.checklist.project import (
    NOTHING,
    Evidence,
    Project,
    each,
    names_under,
    numbers_under,
    of,
    with_package,
)
from samebit.report.table import few

__all__ = [
    "assets",
    "evaluation",
    "licences",
    "models",
    "own_licence",
    "readme",
    "requirements",
]

_LICENCES = ("license", "licence", "copying")
_LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "conda-lock.yml")
_REQUIREMENTS = (*_LOCKS, "requirements.txt", "pyproject.toml", "environment.yml", "setup.py")


def models(project: Project) -> Evidence:
    """Which trained models could be given to others."""
    kept = [row for row in project.runs if row.get("state.final") == "kept"]
    if not kept:
        hint = "`samebit run` keeps what a PyTorch optimizer trains; `run.checkpoint` keeps others"
        return Evidence("trained models", (), hint)
    total = sum(numbers_under(kept, "state.final_bytes"))
    line = f"the final state of {of(len(kept), len(project.runs))} is kept, {size(int(total))}"
    return Evidence(
        "trained models", (line,), "`samebit state export RUN` writes a file of weights"
    )


def evaluation(project: Project) -> Evidence:
    """What computes the test scores."""
    tested = [
        row
        for row in project.runs
        if any(row.get(f"metric.{name}") is not None for name in project.tests)
    ]
    if not tested:
        hint = "log test scores in a recorded run: then its code and command are recorded"
        return Evidence("evaluation code", (), hint)
    trained = sum(1 for row in tested if row.get("optimizer.name") or row.get("training.batch"))
    line = f"{of(len(tested), len(project.runs))} logged test scores"
    if trained:
        line += f", {trained:,} of them in the command that also trained"
    return Evidence("evaluation code", (line,))


def readme(project: Project) -> Evidence:
    """Whether the code says how to use it."""
    found = [_named(names, "readme") for names in project.files]
    named = list(dict.fromkeys(name for names in found for name in names))
    hint = "`samebit release` writes one with the results and the exact command of each"
    if not named:
        return Evidence("README", (), hint)
    whole = sum(1 for names in found if names)
    line = f"{few(named)} in {of(whole, len(project.files), 'version')} of the code"
    return Evidence(
        "README", (line,), f"does it have a table of results and their commands? {hint}"
    )


def requirements(project: Project) -> Evidence:
    """Which file of the code names the packages that it needs."""
    named = list(
        dict.fromkeys(name for names in project.files for name in names if name in _REQUIREMENTS)
    )
    hint = "" if named else "`pip freeze > requirements.txt` is one; `samebit release` writes one"
    lines = (f"in the code: {few(named)}",) if named else ()
    return Evidence("list of dependencies", lines, hint)


def assets(project: Project) -> Evidence:
    """What of others was used: packages and data."""
    lines: list[str] = []
    rows = project.runs
    if packages := [name for name in names_under(rows, "software.") if name != "python"]:
        said = [f"{name} {each(with_package(rows, name), f'software.{name}')}" for name in packages]
        lines.append(f"packages: {few(said, 12)}")
    if names := names_under(rows, "data."):
        lines.append(f"data: {few(names, 8)}")
    lines += [f"declared: {name} from {where}" for name, where in project.declared.sources.items()]
    return Evidence("assets used", tuple(lines), "cite each with its version and address")


def licences(project: Project) -> Evidence:
    """Under which licence others gave what was used: no record knows."""
    declared = project.declared.licences
    lines = [f"declared: {name}: {licence}" for name, licence in declared.items()]
    used = names_under(project.runs, "software.") + names_under(project.runs, "data.")
    without = [name for name in used if name not in declared and name != "python"]
    if lines and without:
        lines.append(f"{NOTHING} of {few(without, 12)}")
    hint = 'below [checklist.licences] in samebit.toml: NAME = "licence"'
    return Evidence("licences of what was used", tuple(lines), hint if without else "")


def own_licence(project: Project) -> Evidence:
    """Under which licence the code itself is given."""
    named = {
        name for names in project.files for start in _LICENCES for name in _named(names, start)
    }
    lines = (f"in the code: {few(sorted(named))}",) if named else ()
    hint = "" if named else "a file LICENSE in the project says what others may do with it"
    return Evidence("licence of the code", lines, hint)


def _named(names: Sequence[str], start: str) -> list[str]:
    return [name for name in names if "/" not in name and name.lower().startswith(start)]
