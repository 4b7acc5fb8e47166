"""The documented commands of a bundle, run as a stranger runs them, in a folder of their own.

The code, data and packages are those of the bundle; nothing else of this machine is written.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from samebit import disk, places
from samebit.capture.environment import normalised, packages
from samebit.capture.variables import for_replay
from samebit.cli.verifying import execute
from samebit.cli.words import ProgressLine, Screen
from samebit.data.adding import add
from samebit.data.files import survey
from samebit.errors import CannotStart, SamebitError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.launch import landlock
from samebit.objects.store import Store
from samebit.records import Verdict
from samebit.replay import environments
from samebit.replay.environments import CannotRebuild
from samebit.replay.installers import find_uv
from samebit.replay.plan import environment_differences, make_plan
from samebit.replay.recipe import Pin, Rebuilt, make_recipe
from samebit.replay.running import refuse, replay_and_judge
from samebit.replay.verify import judge
from samebit.report.release.bundle import Release, ReleasedRun
from samebit.report.release.comparing import Compared, compare
from samebit.report.release.packages import read_pins
from samebit.session.launching import launch
from samebit.session.request import Replay, Request

__all__ = [
    "CannotRebuild",
    "Environment",
    "Tried",
    "here",
    "place_for",
    "rebuilt",
    "replay_run",
    "try_run",
]

_STORE = ".samebit"
_CONSOLE_TAIL = 4000
_NOTHING_GIVEN = {"when": "start", "generators": {}, "unseeded": {}, "loaders": {}}


class Environment(Struct, frozen=True):
    """In what the commands run."""

    python: str
    path: tuple[str, ...]  # what comes first on PATH
    said: str
    rebuilt: Rebuilt | None = None  # None: this process's own


class Tried(Struct, frozen=True):
    """How one documented command came out."""

    run: str
    grade: str
    why: str
    verdict: Verdict | None  # None: the bundle has no record to compare with
    compared: Compared
    console: str


# The environment --------------------------------------------------------------------------------


def here(top: Path) -> Environment:
    """That of this process, and how much of what the bundle asks for it has."""
    pins = read_pins((top / "requirements.txt").read_text(encoding="utf-8", errors="replace"))
    versions = packages()["versions"]
    same = sum(versions.get(normalised(pin.name)) == pin.version for pin in pins)
    said = f"the environment that is here: {same} of {len(pins)} packages as required"
    return Environment(sys.executable, (str(Path(sys.executable).parent),), said)


def rebuilt(release: Release, top: Path) -> Environment:
    """One with what `requirements.txt` says, and nothing else; CannotRebuild with all reasons."""
    pins = read_pins((top / "requirements.txt").read_text(encoding="utf-8", errors="replace"))
    versions = {normalised(pin.name): pin.version for pin in pins if not pin.address}
    facts = {
        "packages": {"versions": versions, "origins": {}, "installers": {}, "broken": []},
        "interpreter": {"version": release.python, "abi": release.abi},
    }
    recipe = make_recipe(facts, top, (), packages()["versions"])
    direct = [Pin(pin.name, pin.version, pin.line) for pin in pins if pin.address]
    recipe = replace(recipe, pins=(*recipe.pins, *direct))
    uv, cache = find_uv(os.environ), places.cache_folder()
    choice = environments.choose(recipe, {}, uv, os.environ)
    found = environments.reuse(cache, choice)
    if found is None:
        names: set[str] = set()
        screen = Screen.of(sys.stderr)
        with ProgressLine(screen, len(recipe.pins), "making the environment") as progress:

            def begun(name: str) -> None:
                if normalised(name) not in names:
                    names.add(normalised(name))
                    progress.advance()

            found = environments.build(cache, choice, uv, begun)
    return _of(found)


def _of(found: Rebuilt) -> Environment:
    bin_folder = str(found.folder / "bin")
    said = f"requirements.txt installed: {len(found.recipe.pins)} packages, Python {found.python}"
    return Environment(found.executable, (bin_folder,), said, found)


# Running ----------------------------------------------------------------------------------------


def try_run(
    release: Release,
    stated: ReleasedRun,
    top: Path,
    folder: Path,
    environment: Environment,
    *,
    allow_writes: bool,
) -> Tried:
    """Do what the README says for one run, in a new folder, and compare.

    Raises:
        CannotStart: writes cannot be held back here, and `allow_writes` was not given.
    """
    if not landlock.available() and not allow_writes:
        raise CannotStart(
            "writes of the bundle's code cannot be held back here: this system has no Landlock",
            hint="--allow-writes runs it all the same; a container or another user is safer",
        )
    recorded = _recorded(release, stated, top, folder / "record")
    code = folder / "release" / stated.code
    _lay_out(release, stated, top, folder / "release")
    temporary = folder / "tmp"
    temporary.mkdir()
    environ = _environ(stated, environment, code / stated.command.cwd, temporary, folder)
    store = places.make_store(folder / _STORE)
    console = folder / "console.log"
    with open(console, "ab") as output, ProgressLine(Screen.of(sys.stderr), 0, f"run {stated.id}"):
        request = _request(
            stated,
            recorded,
            environment,
            environ,
            code,
            store,
            folder,
            output.fileno(),
            allow_writes,
        )
        try:
            launched = launch(request)
        except (CannotStart, OSError) as error:  # no such script, program or folder
            return Tried(stated.id, "unknown", in_a_line(error), None, Compared(), "")
    printed = console.read_text(encoding="utf-8", errors="replace")[-_CONSOLE_TAIL:]
    if launched.folder is None:
        raise SamebitError("the command left no record")
    found = read_run(launched.folder)
    compared = compare(stated, top, found, code)
    verdict = None
    grade, why = compared.grade, "; ".join(compared.other or compared.absent)
    if recorded is not None:
        verdict = judge(
            recorded,
            found,
            differences=environment_differences(recorded, found.facts),
            problems=list(_problems(recorded, found)),
        )
        grade, why = verdict.grade, verdict.cause
        if grade == "identical" and compared.grade == "different":
            grade, why = "different", "; ".join(compared.other)
    return Tried(stated.id, grade, why, verdict, compared, printed)


def replay_run(
    release: Release,
    stated: ReleasedRun,
    top: Path,
    folder: Path,
    environment: Environment,
    *,
    allow_writes: bool,
) -> Tried:
    """Run one again from its record in the bundle, as `verify` does: of a run that was resumed.

    Its commands are several, each of which goes on from what the one before has left.
    """
    recorded = _recorded(release, stated, top, folder / "record")
    if recorded is None:
        why = "it was stopped and resumed, which only its record can repeat, and that is not here"
        return Tried(stated.id, "unknown", why, None, Compared(), "")
    for name in ("data", "elsewhere"):
        if (top / name).is_dir():
            add(Store(folder / "record"), survey(top / name), f"released-{name}")
    plan = make_plan(recorded, os.environ, elsewhere=environment.rebuilt is not None)
    if plan.blockers:
        return Tried(stated.id, "unknown", "; ".join(plan.blockers), refuse(plan), Compared(), "")
    if environment.rebuilt is not None:
        plan = environments.in_environment(plan, environment.rebuilt)
    result = replay_and_judge(plan, execute, allow_writes=allow_writes)
    verdict = result.verdict
    return Tried(stated.id, verdict.grade, verdict.cause, verdict, Compared(), result.console)


def _recorded(release: Release, stated: ReleasedRun, top: Path, folder: Path) -> View | None:
    """The record that the bundle has of a run, in a place where it may be read; None without."""
    if not release.record:
        return None
    shutil.copytree(top / release.record, folder)
    places.make_store(folder)  # its empty folders did not travel
    return read_run(RunFolder(folder / "runs" / stated.id))


def _lay_out(release: Release, stated: ReleasedRun, top: Path, place: Path) -> None:
    """What the README's first commands do."""
    shutil.copytree(top / stated.code, place / stated.code, copy_function=_copy)
    for link in release.links:
        if link.path.startswith(f"{stated.code}/"):
            (place / link.path).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(link.target, place / link.path)
    for one in release.data:
        if one.place and one.is_inside and stated.id in one.runs:
            target = place / stated.code / Path(one.place).relative_to("data")
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(str(top / one.place), str(target))


def _copy(source: str, target: str) -> str:
    """Share the blocks where the file system can."""
    with open(source, "rb") as theirs, open(target, "xb") as ours:
        if disk.clone(theirs.fileno(), ours.fileno()):
            return target
        shutil.copyfileobj(theirs, ours, 1 << 20)
    shutil.copymode(source, target)
    return target


def _environ(
    stated: ReleasedRun, environment: Environment, cwd: Path, temporary: Path, folder: Path
) -> dict[str, str]:
    """The stranger's own variables, with those that the command sets."""
    own = {
        k: v for k, v in os.environ.items() if not k.startswith("SAMEBIT_") and k != "PYTHONPATH"
    }
    given: Mapping[str, str] = stated.command.variables
    environ, _ = for_replay(given, own)
    environ |= {"TMPDIR": str(temporary)}
    environ["PATH"] = os.pathsep.join([*environment.path, own.get("PATH", os.defpath)])
    search = [str(cwd / one) for one in given.get("PYTHONPATH", "").split(os.pathsep) if one]
    if environment.rebuilt is not None:
        environments.lay_beside(folder / "beside", environment.rebuilt.recipe)
        search.append(str(folder / "beside"))
        environ.pop("PYTHONHOME", None)
        environ["VIRTUAL_ENV"] = str(Path(environment.python).parent.parent)
    if search:
        environ["PYTHONPATH"] = os.pathsep.join(search)
    if (seed := given.get("PYTHONHASHSEED")) is not None:
        environ["PYTHONHASHSEED"] = seed
    return environ


def _request(
    stated: ReleasedRun,
    recorded: View | None,
    environment: Environment,
    environ: Mapping[str, str],
    code: Path,
    store: Path,
    folder: Path,
    output: int,
    allow_writes: bool,
) -> Request:
    seeds = folder / "seeds.json"
    seeds.write_text(json.dumps(_NOTHING_GIVEN), encoding="utf-8")

    def sandbox(run: RunFolder) -> landlock.Ruleset | None:
        return None if allow_writes else landlock.build([folder])

    command = stated.command
    return Request(
        how=command.how,
        words=command.words,
        cwd=code / command.cwd,
        environ=environ,
        seed=command.seed,
        deterministic=command.deterministic,
        store=store,
        python=environment.python,
        replay=Replay(
            of=stated.id,
            rates=recorded.rates if recorded is not None else {},
            sandbox=sandbox,
            output=output,
            tick=_never_ended,
            seeds=seeds,
            stop=folder / "stop",
        ),
    )


def _never_ended(run: RunFolder) -> bool:
    return False


def _problems(recorded: View, found: View) -> Iterator[str]:
    """Code of the author's own folder would prove nothing of what the bundle has."""
    root = recorded.code.root if recorded.code is not None else ""
    for name, file, _ in found.sources["modules"]:
        if root and Path(file).is_relative_to(root):
            yield f"it loaded {name or 'code'} from {file}, which is not in the bundle"


@contextmanager
def place_for(folder: Path | None) -> Generator[Path]:
    """An empty folder: a new one of that name that stays, or one that goes again."""
    if folder is not None:
        folder.mkdir(parents=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="samebit-release-test-") as made:
        yield Path(made).resolve()
