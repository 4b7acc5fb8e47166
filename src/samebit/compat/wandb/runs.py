"""`wandb.Run`: what `wandb.init` gives back, over a run of ours or, disabled, over none."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from samebit.compat.wandb import making, saved
from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.configs import Config
from samebit.compat.wandb.faults import UsageError
from samebit.compat.wandb.history import Definition, History, Metric, make_definition
from samebit.compat.wandb.recorded import Recorded
from samebit.compat.wandb.saying import hint, termlog, termwarn
from samebit.compat.wandb.settings import Settings, Told, named
from samebit.compat.wandb.summaries import Summary

__all__ = ["Run"]

_LEVELS = ("INFO", "WARN", "ERROR")


class Run:
    """A run as wandb has it. What belongs to a server (`url`) is None.

    Args:
        recorded: the run that is recorded.
        told: of it.
        over: is called when it is finished.
        settings: as they were given; what the run is called is put beside.
        definitions: of metrics, by the process that it is of.
    """

    def __init__(
        self,
        recorded: Recorded,
        told: Told,
        over: "Callable[[Run], None]",
        settings: Settings | None = None,
        definitions: Iterable[Definition] = (),
    ) -> None:
        self._recorded = recorded
        self._told = told
        self._over = over
        self._began_s = time.time()
        self._is_over = False
        self._files = saved.Saved(recorded)
        self._dir: str | None = None
        self.settings = named(settings, told, recorded.id, recorded.name)
        self._history = History(recorded.log, recorded.first_step, self._met)
        self.summary = Summary(
            self._history,
            self._say,
            recorded.latest,
            recorded.values,
            self._tell,
            self._since,
        )
        self.config = Config(recorded.set_config)
        for definition in definitions:
            self._history.define(definition)
        if not definitions:
            self._tell()

    # What it is called.

    @property
    def id(self) -> str:
        """The run's id; in a replay that of the run that is replayed."""
        return self._recorded.id

    @property
    def name(self) -> str:
        """Its name; its id where it has none."""
        return self._recorded.name or self._told.name or self.id

    @name.setter
    def name(self, name: str) -> None:
        self._recorded.say("name", str(name))

    @property
    def notes(self) -> str | None:
        """What is said about it."""
        return self._told.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._change(notes=notes)
        self._recorded.say("text", str(notes))

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self._told.tags

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        given = tuple(map(str, tags))
        self._recorded.tag(given, before=self._told.tags)
        self._change(tags=given)

    @property
    def project(self) -> str:
        """As it was told."""
        return self._told.project

    @property
    def entity(self) -> str:
        """As it was told."""
        return self._told.entity

    @property
    def group(self) -> str:
        """The runs that it belongs to."""
        return self._told.group

    @property
    def job_type(self) -> str:
        """As it was told."""
        return self._told.job_type

    @property
    def path(self) -> str:
        """`entity/project/id`."""
        return "/".join(filter(None, [self.entity, self.project, self.id]))

    @property
    def url(self) -> None:
        """None: there is no server; `samebit ui` is the page."""
        return None

    project_url = sweep_url = sweep_id = url

    def get_url(self) -> None:
        """None, too."""

    get_project_url = get_sweep_url = get_url

    @property
    def dir(self) -> str:
        """A folder, made when it is asked for; what lies in it at the end is saved."""
        if self._dir is None:
            below = self._told.folder or os.environ.get("WANDB_DIR") or "."
            self._dir = saved.make_folder(below, self.id)
        return self._dir

    @property
    def sync_dir(self) -> str:
        """The folder around it."""
        return os.path.dirname(self.dir)

    @property
    def step(self) -> int:
        """The number of the row that comes next."""
        return self._history.step

    @property
    def starting_step(self) -> int:
        """The number of its first row, which is not 0 where it goes on."""
        return self._recorded.first_step

    @property
    def resumed(self) -> bool:
        """Whether it goes on."""
        return self._recorded.resumed

    @property
    def start_time(self) -> float:
        """When it began, in seconds since 1970."""
        return self._began_s

    @property
    def offline(self) -> bool:
        """True: nothing goes to a server."""
        return True

    @property
    def disabled(self) -> bool:
        """Whether it takes every call and keeps nothing."""
        return self._told.disabled

    @property
    def config_static(self) -> Config:
        """The configuration."""
        return self.config

    # Its rows.

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,
    ) -> None:
        """Record a row; with `commit=False` the next one has the same number.

        Raises:
            TypeError: `data` is no dict, a name no text, `step` no whole number.
            UsageError: the run is finished.
        """
        if self._is_over:
            raise self._finished("log")
        self._history.add(data, step, commit)

    def define_metric(
        self,
        name: str,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> Metric:
        """Have a metric counted by another one, or summed up otherwise than by its last value.

        Raises Error for what wandb refuses.
        """
        definition = make_definition(name, step_metric, step_sync, hidden, summary, goal)
        self._history.define(definition)
        self._tell()
        return Metric(name)

    def _met(self, names: Any) -> None:
        self.summary.replaced_by(names)

    def _say(self, row: dict[str, Any]) -> None:
        if self._is_over:
            raise self._finished("summary")
        self._history.say(row)

    def _since(self) -> dict[str, Any]:
        if not self._history.step:
            return {}
        now_s = time.time()
        runtime = {"_runtime": now_s - self._began_s, "_timestamp": now_s}
        return {"_step": self._history.step - 1, **runtime}

    def _change(self, **said: Any) -> None:
        from msgspec.structs import replace  # noqa: PLC0415

        self._told = replace(self._told, **said)

    def _tell(self) -> None:
        """Have the record know what has no word of ours."""
        told = self._told
        self._recorded.tell(
            {
                "project": told.project,
                "entity": told.entity,
                "job_type": told.job_type,
                "id": told.id or "",
                "said": self.summary.said_names,
                "metrics": [one.plain() for one in self._history.definitions.values()],
            }
        )

    # What is trained.

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Name a model; its gradients and parameters are in the trace in any case.

        Raises ValueError or TypeError where wandb does.
        """
        if log not in ("gradients", "parameters", "all", None):
            raise ValueError("log must be one of 'gradients', 'parameters', 'all', or None")
        several = models if isinstance(models, (list, tuple)) else [models]
        for model in several:
            if not hasattr(model, "named_parameters"):
                raise TypeError(
                    f"Expected a pytorch model (torch.nn.Module). Received {type(model)}"
                )
        self._recorded.watch(*several)

    def unwatch(self, models: Any = None) -> None:
        """Taken, and of no effect."""

    # Files.

    def save(
        self,
        glob_str: str | os.PathLike[str] | bytes,
        base_path: str | os.PathLike[str] | None = None,
        policy: str = "live",
    ) -> list[str]:
        """Keep copies of files, now; with `live` and `end` once more at the end if they changed.

        Args:
            glob_str: a path, or a pattern of them; what begins with `s3://` or `gs://` is passed
                over.
            base_path: the folder from which on their names count.
            policy: `live`, `end` or `now`; ValueError for others.

        Returns:
            The paths of the files; in wandb those of links to them.
        """
        if self._is_over:
            raise self._finished("save")
        return self._files.save(glob_str, base_path, policy, self._dir)

    def restore(
        self,
        name: str,
        run_path: str | None = None,
        replace: bool = False,
        root: str | None = None,
    ) -> Any:
        """Open a file that a run saved, written below a folder; ValueError where it has none."""
        return saved.restore(self.id, name, run_path, replace=replace, root=root or self.dir)

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> Artifact:
        """Keep an artifact, or what lies at a path, as a version of data."""
        return making.log_artifact(
            self._recorded, artifact_or_path, name, type, aliases, run_id=self.id
        )

    def upsert_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        distributed_id: str | None = None,
    ) -> Artifact:
        """The same."""
        return self.log_artifact(artifact_or_path, name, type, aliases)

    finish_artifact = upsert_artifact

    def use_artifact(
        self,
        artifact_or_name: Any,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        use_as: str | None = None,
    ) -> Artifact:
        """A version of data by its name; a replay has the one that its run had.

        Raises CommError where there is none, or one of another type.
        """
        return making.use_artifact(self._recorded, artifact_or_name, type)

    def log_model(
        self, path: Any, name: str | None = None, aliases: Sequence[str] | None = None
    ) -> Artifact:
        """`log_artifact` of the type `model`."""
        return self.log_artifact(path, name, "model", aliases)

    def use_model(self, name: str) -> str:
        """The path of a model that was logged: its file, or the folder of several."""
        artifact = self.use_artifact(name)
        folder = artifact.download()
        files = [os.path.join(folder, one.path) for one in artifact.files() if not one.ref]
        return files[0] if len(files) == 1 else folder

    def link_model(self, path: Any, registered_model_name: str, *more: Any, **others: Any) -> None:
        """`log_model` under the name in the registry, of which there is none."""
        hint("there is no registry: link_model keeps the model under its name there")
        self.log_model(path, registered_model_name)

    def link_artifact(
        self, artifact: Artifact, target_path: str, *more: Any, **others: Any
    ) -> None:
        """The same of an artifact."""
        hint("there is no registry: link_artifact keeps the artifact under its own name")
        if artifact.is_draft():
            self.log_artifact(artifact)

    def log_code(self, root: str | None = ".", *more: Any, **others: Any) -> None:
        """Of no effect: the code of each run is recorded, all of it."""

    # The rest.

    def alert(self, title: str, text: str, level: Any = None, wait_duration: Any = None) -> None:
        """Print it; nobody is told elsewhere."""
        wanted = str(getattr(level, "value", level or "INFO"))
        if wanted not in _LEVELS:
            raise ValueError("level must be one of 'INFO', 'WARN', or 'ERROR'")
        (termlog if wanted == "INFO" else termwarn)(f"{title}: {text}")

    def mark_preempting(self) -> None:
        """Of no effect: how a run ended is seen."""

    def status(self) -> Any:
        """Nothing waits to be sent."""
        return _Status()

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """False: there is nothing to show here; `samebit ui` is the page."""
        return False

    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        """A line of text."""
        return f"<code>samebit show {self.id}</code>"

    def write_logs(self, text: str) -> None:
        """Print it, which is recorded."""
        termlog(text)

    def pin_config_keys(self, keys: Sequence[str] = ()) -> None:
        """Of no effect."""

    def _label(self, *given: Any, **more: Any) -> None:
        """Of no effect: libraries say by it that they are used."""

    # The end.

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End it: the recorded run too, if `wandb.init` began that."""
        if self._is_over:
            return
        self._leave()
        self._recorded.finish(exit_code or 0)

    def _leave(self) -> None:
        if not self._recorded.is_here:
            return
        self._files.finish(self._dir)
        self._is_over = True
        self._over(self)

    def _finished(self, what: str) -> UsageError:
        return UsageError(
            f"Run ({self.id}) is finished. The call to `{what}` will be ignored. "
            "Please make sure that you are using an active run."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_over:
            self._leave()
            self._recorded.leave(kind, error, trace)

    @property
    def _attach_id(self) -> str | None:
        """By which another process finds it."""
        return str(self._recorded.path) if self._recorded.path is not None else None

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        from samebit.compat.wandb import joining  # noqa: PLC0415  (it makes runs)

        return joining.attach_told, (self._attach_id, self._told)

    def __repr__(self) -> str:
        return f"<wandb run {self.id}>"


class _Status(Struct, frozen=True):
    sync_items_total: int = 0
    sync_items_pending: int = 0
    sync_time: None = None
