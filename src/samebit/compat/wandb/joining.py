"""`wandb.init`: joins the run that is there, or begins one; which run is `wandb.run`."""

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.compat.wandb import configs
from samebit.compat.wandb.faults import UsageError
from samebit.compat.wandb.history import Definition, read_definition
from samebit.compat.wandb.recorded import Nothing, OfAnother, Ours, Recorded
from samebit.compat.wandb.runs import Run
from samebit.compat.wandb.saying import hint, lacks
from samebit.compat.wandb.settings import Settings, Told
from samebit.errors import NotFound, SamebitError
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder, user_name
from samebit.folders.read import read_run
from samebit.session import doors
from samebit.session.elsewhere import next_step
from samebit.session.ranks import find_around, is_worker
from samebit.session.recording import Recording

__all__ = ["attach", "attach_told", "finish", "here", "init", "on_change", "settle"]

_ID = "wandb id"  # the kind of the note by which a run is found that a script gave an id
_BAD = set(":;,#?/'")
_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")
_RESUMES = ("allow", "must", "never", "auto")
_REINITS = ("default", "return_previous", "finish_previous", "create_new")
# Arguments that are about a server, or that our record makes unnecessary.
_OF_NO_EFFECT = frozenset(
    {"force", "save_code", "tensorboard", "sync_tensorboard", "monitor_gym", "anonymous", "magic"}
)


class _Here:
    """What `wandb.run` is in this process."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.used: Recording | None = None  # that `init` has taken; the next one begins another
        self.step = 0  # to which the last one came that was finished, and its id
        self.id = ""
        self.change: Any = None
        self.registered = False


_here = _Here()


def on_change(tell: Any) -> None:
    """Have a function told which run `wandb.run` is now."""
    _here.change = tell


def here() -> Recorded | None:
    """The run that this process records, or that its `init` took and finished; None without."""
    recording = doors.current() or _here.used
    if recording is None:
        return None
    return Ours(doors.Joined(doors.handle(recording), recording), recording, first_step=0)


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: Any = None,
    config_exclude_keys: Sequence[str] | None = None,
    config_include_keys: Sequence[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: Any = None,
    resume: Any = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    settings: Any = None,
    **more: Any,
) -> Run:
    """Begin a run, or join the one that `samebit run` or `samebit.init` began.

    Arguments are those of wandb 0.31; what has no meaning here is taken, and said once.

    Returns:
        The run, which is `wandb.run` until it is finished. A second call returns the same one, or
        with `reinit="finish_previous"` finishes it first.

    Raises:
        UsageError: the id, or `resume`, `reinit` or `mode` cannot be meant so; `resume="must"` and
            there is no such run.
        TypeError, ConfigError: `config` is none.
    """
    given: dict[str, Any] = {
        "entity": entity,
        "project": project,
        "dir": os.fspath(dir) if dir is not None else None,
        "id": id,
        "name": name,
        "notes": notes,
        "tags": tags,
        "group": group,
        "job_type": job_type,
        "mode": mode,
        "reinit": reinit,
        "resume": resume,
    }
    held = Settings(**settings) if isinstance(settings, Mapping) else settings
    asked = _asked(given, held)
    _say_what_is_not(asked, {**more, "resume_from": resume_from, "fork_from": fork_from})
    if _here.run is not None:
        if _returns_previous(asked["reinit"]):
            _take_config(_here.run, config, None, None, allow=True)
            return _here.run
        _here.run.finish()
    told = Told(
        project=str(asked["project"] or "uncategorized"),
        entity=str(asked["entity"] or user_name()),
        group=str(asked["group"] or ""),
        job_type=str(asked["job_type"] or ""),
        name=str(asked["name"]) if asked["name"] is not None else None,
        notes=asked["notes"],
        tags=_tags(asked["tags"]),
        id=str(asked["id"]) if asked["id"] is not None else None,
        folder=asked["dir"],
        disabled=asked["mode"] == "disabled",
    )
    items = {**configs.defaults(), **configs.parsed(config)}  # raises before anything is begun
    recorded = Nothing("disabled") if told.disabled else _safely_recorded(told, asked["resume"])
    run = Run(recorded, told, _is_over, held)
    _set(run)
    _take_config(run, items, config_exclude_keys, config_include_keys, allow=True)
    return run


def _asked(given: dict[str, Any], settings: Any) -> dict[str, Any]:
    """What is asked for: by arguments, else settings, else variables."""
    named = dict(os.environ)
    variables: dict[str, Any] = {
        "entity": named.get("WANDB_ENTITY"),
        "project": named.get("WANDB_PROJECT"),
        "dir": named.get("WANDB_DIR"),
        "id": named.get("WANDB_RUN_ID"),
        "name": named.get("WANDB_NAME"),
        "notes": named.get("WANDB_NOTES"),
        "tags": named["WANDB_TAGS"].split(",") if named.get("WANDB_TAGS") else None,
        "group": named.get("WANDB_RUN_GROUP"),
        "job_type": named.get("WANDB_JOB_TYPE"),
        "mode": named.get("WANDB_MODE") or None,
        "resume": named.get("WANDB_RESUME"),
        "reinit": None,
    }
    if named.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        variables["mode"] = "disabled"
    by_settings = settings.arguments() if isinstance(settings, Settings) else {}
    asked = {
        name: next(
            (
                one
                for one in (given[name], by_settings.get(name), variables[name])
                if one is not None
            ),
            None,
        )
        for name in given
    }
    _check(asked)
    return asked


def _check(asked: dict[str, Any]) -> None:
    mode, resume, id = asked["mode"], asked["resume"], asked["id"]
    if mode is not None and mode not in _MODES:
        raise UsageError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    if isinstance(resume, bool):
        asked["resume"] = resume = "auto" if resume else None
    if resume is not None and resume not in _RESUMES:
        raise UsageError(f"resume is one of {', '.join(_RESUMES)}, not {resume!r}")
    if id is not None and (not str(id).strip() or _BAD & set(str(id))):
        raise UsageError(f"Run ID cannot contain the characters: {''.join(sorted(_BAD))}")


def _say_what_is_not(asked: dict[str, Any], more: dict[str, Any]) -> None:
    for name in ("resume_from", "fork_from"):
        if more.pop(name, None) is not None:
            hint(f"init({name}=) is not offered: the run begins anew")
    for name, value in more.items():
        if value is not None and name not in _OF_NO_EFFECT:
            hint(f"init() knows no {name}, and passes over it")
    if more.get("sync_tensorboard") or more.get("tensorboard"):
        hint("what a SummaryWriter takes is recorded by `samebit run` in any case")
    if asked["mode"] in ("online", "shared"):
        hint("nothing goes to a server; `samebit push` sends runs to places of your own")


def _returns_previous(reinit: Any) -> bool:
    if isinstance(reinit, bool) or reinit is None:
        return not reinit
    if reinit not in _REINITS:
        raise UsageError(f"reinit is one of {', '.join(_REINITS)}, not {reinit!r}")
    if reinit == "create_new":
        hint("one process records one run at a time: init(reinit='create_new') finishes the other")
    return reinit in ("default", "return_previous")


def _tags(given: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(tag) for tag in given or () if str(tag).strip()))


def _take_config(run: Run, config: Any, excluded: Any, included: Any, *, allow: bool) -> None:
    items = configs.parsed(config)
    if included:
        items = {key: value for key, value in items.items() if key in included}
    items = {key: value for key, value in items.items() if key not in (excluded or ())}
    if items:
        run.config.update(items, allow_val_change=allow)


# The run of ours.


def _safely_recorded(told: Told, resume: str | None) -> Recorded:
    try:
        return _recorded(told, resume)
    except UsageError:
        raise
    except Exception as error:
        doors.fail("wandb init", error)
        return Nothing("")


def _recorded(told: Told, resume: str | None) -> Recorded:
    """The run that is there, one that goes on, or a new one."""
    joined = doors.there(_here.used)
    is_new = joined is None
    if joined is None:
        goes_on = _goes_on(told.id, resume)
        if isinstance(goes_on, Recorded):
            return goes_on
        joined = _begin(told, goes_on)
    recording = joined.recording
    if recording is None or not recording.is_here:
        return _of_a_worker(recording)
    if is_new:
        _here.used = recording
    goes_on = is_new and recording.execution > 1
    first = next_step(read_run(recording.folder)) if goes_on else 0
    found = Ours(joined, recording, first_step=first)
    if found.id == _here.id:  # joined once more
        found.first_step = max(first, _here.step)
    _say_of(found, told, is_named=is_new)
    return _named(found, told)


def _goes_on(id: str | None, resume: str | None) -> str | Recorded | None:
    if resume in ("allow", "must", "auto") and id is not None:
        return _to_resume(id, resume)
    if resume == "must":
        raise UsageError("You provided an invalid value for the resume argument: it needs an id")
    if resume == "never" and id is not None and find_ours(places.choose_store(Path.cwd()), id):
        raise UsageError(f"there is a run {id!r} already: resume='never' goes on with none")
    if resume == "auto":
        hint("init(resume='auto') begins a new run: `samebit run --resume auto` goes on")
    return None


def _begin(told: Told, resume: str | None) -> doors.Joined:
    group = told.group or None
    try:
        return doors.begin(told.name, group, resume)
    except (SamebitError, ValueError) as error:
        what = error.what if isinstance(error, SamebitError) else str(error)
        hint(f"run {resume} cannot go on, and a new one is begun: {what}")
        return doors.begin(told.name, group)


def _of_a_worker(recording: Recording | None) -> Recorded:
    """Of a process that another one made: the first rank writes rows into the run around it.

    Args:
        recording: of the process of which this one is a fork.
    """
    if recording is None and not is_worker():
        return Nothing("")  # why nothing is recorded was said
    around = str(recording.folder.path) if recording is not None else os.environ.get("SAMEBIT_RUN")
    if around is None and (found := find_around(os.environ)) is not None:
        around = found[0]
    if around and _is_first_rank(sys.modules.get("torch.distributed")):
        hint("of a rank that was forked rows are kept, and no configuration")
        return OfAnother(Path(around))
    hint("this process was made by multiprocessing: its wandb run is not recorded")
    return Nothing("")


def _is_first_rank(distributed: Any) -> bool:
    if distributed is None or not distributed.is_available():
        return False
    return bool(distributed.is_initialized() and distributed.get_rank() == 0)


def _say_of(found: Ours, told: Told, *, is_named: bool = False) -> None:
    """What people say of a run, said by its script; a replay has it from its run."""
    if found.is_replay:
        return
    if told.name is not None and not is_named:
        found.say("name", told.name)
    if told.notes:
        found.say("text", str(told.notes))
    found.tag(told.tags)


def _named(found: Ours, told: Told) -> Ours:
    if told.id is not None and not found.is_replay and found.path is not None:
        try:
            RunFolder(found.path).add_note(_ID, told.id)
        except Exception as error:
            lacks("id", f"by {told.id!r} it will not be found: {error}")
    return found


def find_ours(store: Path, id: str) -> RunFolder | None:
    """The run that has this id, or the newest that a script gave it."""
    for recording in (_here.used, doors.current()):
        if recording is not None and recording.folder.record().of == id:
            return recording.folder  # a replay of it, whose script asks for itself
    exact = RunFolder(store / "runs" / id)
    if "/" not in id and exact.path.is_dir():
        return exact
    found: list[tuple[int, str]] = []
    for folder in list_runs(store):
        try:
            notes = [note for note in folder.notes() if note.kind == _ID and note.value == id]
            if notes and folder.record().kind == "run":
                found.append((notes[-1].at_ns, folder.id))
        except SamebitError:
            continue  # one that cannot be read is not the one
    return RunFolder(store / "runs" / max(found)[1]) if found else None


def _to_resume(id: str, resume: str) -> str | Recorded | None:
    """The run that goes on: its id, or the run itself where another process is at it."""
    store = places.choose_store(Path.cwd())
    found = find_ours(store, id)
    active = doors.current()
    if active is not None and found is not None:
        record = active.folder.record()
        is_itself = found.id in (active.folder.id, record.of)
        if is_itself and active.execution == 1:
            return None  # what began with this call, or a replay of that
    if found is None:
        if resume == "must":
            raise UsageError(f"there is no run {id!r} to resume: resume='must' begins none")
        return None
    alive = read_run(found).processes_alive()
    if alive and os.getpid() not in alive:
        return OfAnother(found.path)
    return found.id


# Which run `wandb.run` is.


def _set(run: Run | None) -> None:
    _here.run = run
    if _here.change is not None:
        _here.change(run)
    if run is not None and not _here.registered:
        _here.registered = True
        atexit.register(_at_exit)  # before what completes the record, which was registered earlier


def _is_over(run: Run) -> None:
    if _here.run is run:
        _here.id, _here.step = run.id, run.step
        _set(None)


def _at_exit() -> None:
    run = _here.run
    if run is None:
        return
    try:
        run._leave()  # pyright: ignore[reportPrivateUsage]
    except Exception as error:
        lacks("exit", f"{type(error).__name__}: {error}")


def settle() -> None:
    """What was written is durable, and no run is `wandb.run`; for `teardown`."""
    finish()


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End `wandb.run`, if there is one."""
    if _here.run is not None:
        _here.run.finish(exit_code)


def attach(attach_id: str | None = None, **more: Any) -> Run:
    """The run of another process, as it told it; `wandb.run` of this one from now on.

    Raises:
        UsageError: there is no such run.
    """
    return attach_told(attach_id, Told())


def attach_told(attach_id: str | None, told: Told) -> Run:
    """The same, with what it was told; also how a pickled run comes back."""
    if _here.run is not None:
        return _here.run
    path = Path(attach_id or "")
    recorded: Recorded
    active = doors.current()
    try:
        if not attach_id:
            recorded = Nothing("disabled")
        elif active is not None and active.folder.path == path:
            recorded = Ours(doors.Joined(doors.handle(active), active), active, first_step=0)
        else:
            recorded = OfAnother(path)
    except (NotFound, OSError) as error:
        raise UsageError(f"Unable to attach to run {attach_id}: {error}") from error
    said = recorded.told()
    if "project" in said:
        told = Told(
            project=str(said["project"]),
            entity=str(said.get("entity", "")),
            group=told.group,
            job_type=str(said.get("job_type", "")),
            id=said.get("id") or None,
        )
    run = Run(recorded, told, _is_over, definitions=_definitions(said))
    _set(run)
    return run


def _definitions(said: Mapping[str, Any]) -> list[Definition]:
    metrics = said.get("metrics")
    return [read_definition(one) for one in metrics] if isinstance(metrics, list) else []
