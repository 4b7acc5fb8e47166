"""One run of a study on a machine that does not see the study's folder, as a place has it made.

Called as `python -m samebit.cli.node ERRAND -- words of samebit run` (design 048); without words
it says by its exit code whether the run, as the remote has it, can go on in another job.
The code is fetched and laid out in a folder of its own, `samebit run` records there into a store of
its own, and what comes of it is sent while it goes on and at its end. Only then does this process
end, and as the run did. Where it cannot begin it ends with 125, and says why.
"""

import fcntl
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from samebit import places, records
from samebit.cli.words import Screen, say_wrapped
from samebit.errors import CannotStart, Exit, SamebitError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.launch import here, sending
from samebit.launch.here import Child, Outcome
from samebit.objects.mirror import mirrored, mirrored_word
from samebit.objects.store import Store
from samebit.objects.tree import lay_out, read_tree
from samebit.query import index
from samebit.records import CodeSent
from samebit.remotes import named, pulling
from samebit.remotes.place import Place
from samebit.session import goes_on, jobs
from samebit.session.resuming import can_go_on, to_go_on_from
from samebit.session.studied import CODE
from samebit.studies.sent import Errand, claim, release

__all__ = ["main"]

_COMMAND = (sys.executable, "-m", "samebit.cli.main")
_LOCK, _CODE = "lock", "code.json"
_FIRST_S = 2.0  # a run that began so long ago is sent for the first time
_EVERY_MIN = "SAMEBIT_PUSH_EVERY_MIN"
_AGAIN_S = (1.0, 5.0, 15.0, 60.0)  # between tries to send what came of it; the last from then on
_PATIENCE_S = 3600.0  # for a remote that does not answer, once the run is over


def main() -> NoReturn:
    """Do an errand, and end as its run ended."""
    try:
        errand = msgspec.json.decode(sys.argv[1], type=Errand)
        if not sys.argv[2:]:
            sys.exit(_goes_on(errand))
        outcome = _make(errand, sys.argv[3:])
    except (SamebitError, OSError) as error:
        _say(str(error) if isinstance(error, SamebitError) else in_a_line(error))
        sys.exit(Exit.CANNOT_START)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    here.end_like(outcome)


def _make(errand: Errand, words: Sequence[str]) -> Outcome:
    """Make the run, and send it; CannotStart where nothing of it ran."""
    signal.signal(signal.SIGTERM, _stopped)
    place = named.open_place(errand.remote)
    nodes = places.cache_folder() / "nodes"
    folder = nodes / errand.run
    store = mirrored(folder / "fs", errand.project) / ".samebit"
    job = jobs.requeued(os.environ)
    again = job is not None and job.restart > 0
    is_begun = claim(place, errand.run, job.key if job is not None else "", again=again)
    try:
        if is_begun:
            _clear(folder, errand.run)
        with _new(folder, store):
            sent = _prepare(errand, folder, store)
            if is_begun:
                _fetch(errand, Store(store), place)
            argv, environ, cwd = _command(errand, words, folder, store, sent)
    except BaseException:
        with suppress(SamebitError):
            release(place, errand.run)
        raise
    with here.start(argv, env=environ, cwd=cwd) as child:
        outcome = _wait(child, store, errand.run)
    try:
        if _sent(store, errand.run):
            release(place, errand.run)
            _remove(folder, store)
            _take_up(nodes)
            return outcome
        why = "the remote did not take it"
    except (SamebitError, OSError) as error:
        why = in_a_line(error)
    except KeyboardInterrupt:
        why = "stopped"
    _say(f"run {errand.run} may not be sent whole: {why}; it lies in {store}")
    return outcome


def _stopped(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _say(text: str) -> None:
    say_wrapped(Screen.of(sys.stderr), f"samebit: {text}".split("\n"))


@contextmanager
def _new(folder: Path, store: Path) -> Generator[None]:
    """A folder, which goes where nothing can be begun in it; for as long as we live it is ours."""
    try:
        folder.mkdir(parents=True)
        fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, os.fsencode(store))
    except OSError as error:
        raise CannotStart(
            f"no folder can be made for the run: {error.strerror}",
            path=folder,
            hint="SAMEBIT_CACHE names another place",
        ) from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _clear(folder: Path, run: str) -> None:
    """What the process before left here of the same run: have it sent, and take it away."""
    try:
        with open(folder / _LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            store = Path(os.fsdecode(lock.read()))
            going = _record(store, run).exists() and read_run(RunFolder(store / "runs" / run))
            if going and going.processes_alive():
                raise _cannot_go_on(run, "it still goes on here", store)
            push = sending.push_now(store, os.environ) if sending.waiting(store) else None
            if push is not None and push.wait():
                why = sending.log_of(store).read_text(errors="replace").strip()
                raise _cannot_go_on(run, f"what lies here of it cannot be sent: {why}", store)
            _remove(folder, store)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise _cannot_go_on(run, "the process before still sends it", folder) from None


def _fetch(errand: Errand, store: Store, place: Place) -> None:
    """Have here of a run that goes on its journal, and the newest checkpoint that is whole."""
    run = RunFolder(store.path / "runs" / errand.run)
    pulling.pull(store, place, [run.id], [], kinds=())
    if not can_go_on(run):
        why = "it has finished, still goes on, or has no checkpoint that all ranks have"
        raise _cannot_go_on(run.id, why, place.url)
    for manifests in to_go_on_from(run):
        done = pulling.pull(store, place, [], [], roots=manifests)
        if not done.failed and not done.incomplete:
            _say(f"run {run.id} goes on from what the remote has of it")
            return
    raise _cannot_go_on(run.id, "no checkpoint of it is whole there", place.url)


def _cannot_go_on(run: str, why: str, where: object) -> CannotStart:
    return CannotStart(
        f"run {run} cannot go on in this job: {why}",
        where=where,
        hint="the study starts another run of the trial where that is right",
    )


def _goes_on(errand: Errand) -> int | str:
    """Whether the run can go on elsewhere, by what is at the remote; if not, why."""
    with tempfile.TemporaryDirectory(prefix="samebit-") as folder:
        store = Store(places.make_store(Path(folder) / ".samebit"))
        pulling.pull(store, named.open_place(errand.remote), [errand.run], [], kinds=())
        return goes_on.main(RunFolder(store.path / "runs" / errand.run))


def _take_up(nodes: Path) -> None:
    """Of those who were killed here: have sent what they left, or take away what was sent."""
    for folder in nodes.iterdir():
        with suppress(OSError), open(folder / _LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            store = Path(os.fsdecode(lock.read()))
            if sending.waiting(store):
                sending.push_now(store, os.environ)
            elif store.name:
                _remove(folder, store)


def _remove(folder: Path, store: Path) -> None:
    with suppress(SamebitError):
        index.forget(store)
    shutil.rmtree(folder, ignore_errors=True)


def _prepare(errand: Errand, folder: Path, store: Path) -> CodeSent:
    """A store that knows the remote, and the code where it lay at home; which it is, and where."""
    places.make_store(store)
    named.save(store, errand.remote)
    with open(store / "local.toml", "a", encoding="utf-8") as settings:
        settings.write(f'\n[push]\nauto = "during"\nremote = "{errand.remote.name}"\n')
    objects = Store(store)
    done = pulling.pull(objects, named.open_place(errand.remote), [], [], roots=[errand.code])
    for why in (*done.failed.values(), *done.incomplete.values()):
        raise CannotStart(
            f"the code of the study cannot be had: {why}",
            remote=errand.remote.url,
            hint="the same command at home sends it again",
        )
    sent = records.decode(objects.read(errand.code), CodeSent, where=errand.code)
    root = mirrored(folder / "fs", sent.code.root)
    lay_out(objects, read_tree(objects, sent.code.tree), root)
    laid_out = replace(sent, code=replace(sent.code, root=str(root)))
    (folder / _CODE).write_bytes(records.encode(laid_out))
    return sent


def _command(
    errand: Errand, words: Sequence[str], folder: Path, store: Path, sent: CodeSent
) -> tuple[list[str], dict[str, str], Path]:
    """What is started, with which variables, and where: as at home, but for where things lie."""
    files = folder / "fs"
    tree = read_tree(Store(store), sent.code.tree)
    known = {os.path.join(sent.code.root, entry.path) for entry in tree.entries}
    cwd = mirrored(files, errand.cwd)
    cwd.mkdir(parents=True, exist_ok=True)
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SAMEBIT_PUSH_") or name == _EVERY_MIN
    }
    environ |= {"SAMEBIT_DIR": str(store), CODE: str(folder / _CODE), "PWD": str(cwd)}
    environ.setdefault(_EVERY_MIN, "1")
    if path := environ.get("PYTHONPATH"):
        top = Path(sent.code.root)
        parts = [
            str(mirrored(files, one)) if Path(one).is_relative_to(top) else one
            for one in path.split(os.pathsep)
        ]
        environ["PYTHONPATH"] = os.pathsep.join(parts)
    return [*_COMMAND, *(mirrored_word(word, known, files) for word in words)], environ, cwd


def _wait(child: Child, store: Path, run: str) -> Outcome:
    """Wait for the end; soon after the beginning have it known at the remote."""
    began: float | None = None
    while began is None or time.monotonic() - began < _FIRST_S:
        try:
            return child.wait(_FIRST_S / 4)
        except TimeoutError:
            if began is None and _record(store, run).exists():
                began = time.monotonic()
    sending.push_now(store, os.environ)
    return child.wait()


def _record(store: Path, run: str) -> Path:
    return store / "runs" / run / "run.json"


def _sent(store: Path, run: str) -> bool:
    """Send all of a run; False where the remote did not take it for an hour."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who does not want to wait for that may kill
    if not _record(store, run).exists():
        return True  # it never began
    sending.wait_for(store, run)
    until = time.monotonic() + _PATIENCE_S
    told = ""
    for pause_s in itertools.chain(_AGAIN_S, itertools.repeat(_AGAIN_S[-1])):
        push = sending.push_now(store, os.environ)
        if push is not None:
            push.wait()
        if not sending.waiting(store):
            return True
        if time.monotonic() > until:
            return False
        before, told = told, sending.log_of(store).read_text(errors="replace").strip()
        if told not in ("", before):
            _say(told)
        time.sleep(pause_s)
    raise AssertionError


if __name__ == "__main__":
    main()
