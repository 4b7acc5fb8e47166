"""The object that users hold: `log`, `watch`, `finish`."""

import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from samebit import disk
from samebit.capture.callers import caller
from samebit.errors import UsageError
from samebit.journal.values import OnADevice, plain_number
from samebit.session import exiting
from samebit.session.leftovers import log_what_can_be, without_media
from samebit.session.members import kind_of
from samebit.session.recording import Recording

if TYPE_CHECKING:
    from samebit.data.recorded import RecordedSplit
    from samebit.session.continuing import Resumed

__all__ = ["Run"]


class Run:
    """A run that is being recorded.

    Nothing here raises into training: what goes wrong is said once on stderr and marks the run.
    A handle in a process that does not record (a spawned loader worker) takes every call and does
    nothing; one that came there by pickle writes rows of numbers and texts into the run.
    """

    def __init__(self, recording: Recording | None, end: Callable[..., None]) -> None:
        self._recording = recording
        self._end = end

    @property
    def id(self) -> str:
        """The run's id; empty where this process does not record."""
        return self._recording.folder.id if self._recording else ""

    @property
    def path(self) -> Path | None:
        """The run's folder; None where this process does not record."""
        return self._recording.folder.path if self._recording else None

    @property
    def step(self) -> int:
        """The run's step: the count of the optimizer that stepped first, 0 before it."""
        return self._recording.progress.step if self._recording else 0

    @property
    def config(self) -> Any:
        """The configuration as it was given."""
        return self._recording.configuration.given if self._recording else None

    @config.setter
    def config(self, value: Any) -> None:
        if self._recording:
            self._recording.set_config(value)

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Record some metrics; when this returns, `kill -9` cannot lose them.

        A value on a GPU is not waited for: its row is written when it has been computed, and a kill
        can lose it until then. Pictures and the like are copied before this returns and written
        beside the training; what a kill takes of them is said.

        Args:
            values: names to bool, int, float, text or 0-d arrays; nested mappings get dotted names.
                A float32 is stored exactly. Or to samebit.Image, Histogram, Table, Text, Audio,
                Video, Figure, or a list of one of them. A value that is none of these is left out
                and said once; the others are recorded.
            step: kept as given; the run's own step where left out. Of two rows with the same name
                and step, the later one counts.
        """
        recording = self._recording
        if recording is None:
            return
        try:
            if step is None:
                step = recording.progress.step or recording.progress.next_step(values)
            elif type(step) is not int:
                step = _whole(recording, step)
            if disk.FAULTS is not None:
                disk.fault("run.log")
            try:
                recording.writer.row(values, step)
            except OnADevice:
                recording.arriving.take(values, step)
            recording.arriving.look()
        except Exception as error:
            rest = without_media(recording, values, step, error)
            if rest is None:
                log_what_can_be(recording, values, step, error)
            elif rest:
                self.log(rest, step)

    def trace(
        self,
        step: int | None = None,
        *,
        batch: Any = None,
        input: Any = None,
        output: Any = None,
        loss: Any = None,
        grads: Any = None,
        params: Any = None,
        state: Any = None,
        hyper: Mapping[str, Any] | None = None,
    ) -> None:
        """Give one row of the trace: a step of a loop in which no optimizer of PyTorch steps.

        What is given counts for `verify` and `diff`, and nothing else. Called once per step, behind
        it; JAX, Keras, scikit-learn, NumPy. `params` alone, before any other call, is the state at
        step 0; what `params` and `state` were given last is the final state, read when the run
        ends. What JAX still computes is waited for, and so is a hyper-parameter on a GPU.

        Args:
            step: its number; the next one, from 1, where left out. The same as before adds to that
                row; a smaller one is counted as the next, and said once.
            batch: what this step was trained on.
            input: what the model was called with, where that is another than the batch.
            output: what it returned.
            loss: the loss.
            grads: its gradients.
            params: the parameters behind the step; an estimator, a booster or a model of Keras.
            state: what else goes on from step to step: of an optimizer, batch statistics, keys.
            hyper: scalars by name, as the learning rate of this step: the schedule.

        Values are scalars and arrays of any library that has `__array__`, nested in dicts, lists,
        tuples and dataclasses; an array without bytes to read (on a device, or given back to JAX)
        is left out and said once. `output`, `grads`, `params` and `state` are read in full rows
        only, which get rarer until they cost less than 1 % of the time.

        Raises:
            UsageError: nothing was given, or `step` is no whole number from 0 on.
        """
        groups: dict[str, Any] = {
            "batch": batch,
            "input": input,
            "output": output,
            "loss": loss,
            "grad": grads,
            "param": params,
            "state": state,
        }
        groups = {name: value for name, value in groups.items() if value is not None}
        if not groups and hyper is None:
            raise UsageError(
                "run.trace() was given nothing", hint="name what belongs to the step: loss=…"
            )
        count = None if step is None else _count(step)
        recording = self._recording
        if recording is None or not recording.is_here:
            return
        try:
            if disk.FAULTS is not None:
                disk.fault("run.trace")
            recording.tracing.row(count, groups, hyper)
        except Exception as error:
            recording.trouble("trace", error)

    def watch(self, *objects: Any, main: bool = False) -> None:
        """Name what is trained: models, optimizers, schedulers, in any order.

        Models and optimizers are found without it; a scheduler's state is at the beginning and the
        end kept only with it, and what no optimizer steps (an average of weights, a loss scaler,
        whatever else has a `state_dict`) at the end.

        Args:
            objects: modules (the first is `model`), optimizers, learning-rate schedulers, whatever
                else has a `state_dict`, and for checkpoints data loaders and generators.
            main: the optimizer among them counts the run's step.
        """
        if self._recording is None:
            return
        try:
            for thing in objects:
                self._watch_one(self._recording, thing, main=main)
        except Exception as error:
            self._recording.trouble("watch", error)

    def _watch_one(self, recording: Recording, thing: Any, *, main: bool) -> None:
        kind = kind_of(thing)
        if kind == "module":
            recording.training.models.watch(thing)
            return
        recording.training.members.name(kind, thing)
        if kind == "optimizer" and main:
            recording.progress.main = recording.recorder.index(thing)
            recording.fact("main", recording.progress.main)

    def checkpoint(
        self,
        step: int | None = None,
        *,
        keep: Mapping[str, Any] | None = None,
        extra: Any = None,
    ) -> None:
        """Keep everything that the training needs to go on from here; see `resume_state`.

        The training waits while it is copied; it is written beside it. The place for it is after a
        step, inside of the loop over a data loader or behind it.

        Args:
            step: what it is called by; the run's own step where left out.
            keep: which checkpoints stay from now on, any of: `last` (how many; 1), `best` (a metric
                that is logged before: `acc`, `val.loss:min`), `every` (whose step is a multiple of
                it), `weights_every` (the same, its modules alone). The setting states.checkpoints
                is what is without it.
            extra: plain values and arrays of your own, given back by `resume_state`.
        """
        recording = self._recording
        if recording is None or not recording.is_here:
            return
        try:
            recording.checkpoint(step, keep, extra)
        except Exception as error:
            recording.trouble("checkpoint", error)

    def resume_state(self, *objects: Any, main: bool = False) -> "Resumed | None":
        """Go on exactly where the last whole checkpoint was taken, if this run goes on.

        Objects are named as by `watch`, and given their state in place, all or none; generators,
        too. The next epoch of a data loader that was interrupted goes on behind the batches that it
        had given. Call it last before the training loop: what is drawn in between is lost.

        Args:
            objects: as `watch` takes them, in the same order in every execution.
            main: as with `watch`.

        Returns:
            Where the training goes on: `step`, `epoch`, `batch`, `extra`; None where it begins, in
            a run that does not go on, or one that has no checkpoint.

        Raises:
            UsageError: an object is another than the checkpoint is of; nothing was changed.
            Damaged: the checkpoints cannot be read.
        """
        recording = self._recording
        if recording is None or not recording.is_here:
            return None
        from samebit.session.continuing import go_on  # noqa: PLC0415  (most runs do not go on)

        for thing in objects:
            self._watch_one(recording, thing, main=main)
        return go_on(recording)

    def splits(
        self,
        parts: "Mapping[str, Any] | RecordedSplit | None" = None,
        /,
        *,
        of: Any = None,
        labels: Any = None,
        groups: Any = None,
        name: str | None = None,
        **named: Any,
    ) -> None:
        """Record which rows are in which part: `run.splits(train=…, val=…, test=…, of=data)`.

        Row numbers are copied before this returns, and lists put together beside the training.
        Calls of `random_split`, `Subset`, `train_test_split` and others are recorded by themselves.

        Args:
            parts: parts by name, as the keywords; or a split that a run recorded, as
                `samebit.open_run(RUN).split()` gives it.
            of: the data that they are parts of: its rows get ids, by which the split is found again
                in data of another order. A frame, an array, a data set, a list of ids, or a tuple
                of frames and arrays that belong together row by row.
            labels: a value for each row of the data, or a dict of those of each part: counted.
            groups: the same: whether a group is in two parts is said.
            name: by which it is asked for; `splits` where left out.
            named: of each part, in the order in which they are used, the numbers of its rows (a
                list, a range, an array), a mask, a `Subset` of torch; or a frame, array or data set
                of the rows themselves; or a list of texts, their ids.

        Raises:
            UsageError: a part is none of these, or has rows that the data lacks.
        """
        recording = self._recording
        if recording is None or not recording.is_here:
            return
        given: Any = parts if parts is not None else named
        if parts is not None and named:
            if not isinstance(parts, Mapping):
                raise UsageError("run.splits() takes a recorded split, or parts, not both")
            given = {**parts, **named}
        try:
            if disk.FAULTS is not None:
                disk.fault("run.splits")
            recording.splits.give(given, name, caller().at, of=of, labels=labels, groups=groups)
        except UsageError:
            raise
        except Exception as error:
            recording.trouble("splits", error)

    def data(
        self, name: str, data: Any, *, save: bool | None = None, sample: int | None = 2_000
    ) -> None:
        """Record what the training uses, preprocessed as it is: `run.data("train", dataset)`.

        Its fingerprint is taken before this returns, and no generator moves; `diff` and `verify`
        compare it. What has none is said, and the training goes on.

        Args:
            name: what it is called.
            data: an array or tensor; a frame, series or table; a data set of torch or of Hugging
                Face; a list of items; a dict or tuple of these; a path, of which the digest is
                kept.
            save: whether its content is kept, for `samebit.open_run(RUN).data(name)`; of a path a
                version of data. The setting `data.save` (`--save-data`) where left out.
            sample: of a data set whose items are asked for one by one at most so many are hashed;
                None for all. Of what is saved all are.

        Raises:
            UsageError: `name` is no text, or `sample` no number of items.
        """
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise UsageError(f"data is named by a text, not {name!r}")
        if sample is not None and (type(sample) is not int or sample < 1):
            raise UsageError(f"a sample has at least one item, not {sample!r}")
        recording = self._recording
        if recording is None or not recording.is_here:
            return
        try:
            if disk.FAULTS is not None:
                disk.fault("run.data")
            recording.used.give(name, data, caller().at, save=save, sample=sample)
        except Exception as error:
            recording.trouble("data", error)

    def finish(self) -> None:
        """End the run: the final state, the last facts. At exit this happens by itself."""
        if self._recording is not None:
            self._end(self._recording, "finished")

    def __reduce__(self) -> Any:
        from samebit.session.elsewhere import reopened  # noqa: PLC0415  (most are never pickled)

        return reopened, (self.path,)

    def __copy__(self) -> Self:
        return self  # of one run there is one handle

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._recording is None:
            return
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self._end(self._recording, "finished")
        elif isinstance(error, SystemExit):
            code = exiting.as_seen_from_outside(error.code)
            self._end(self._recording, "failed", exit_code=code)
        elif isinstance(error, KeyboardInterrupt):
            self._end(self._recording, "killed", signal="SIGINT")
        else:
            self._end(self._recording, "failed", exception=f"{type(error).__name__}: {error}")

    def __repr__(self) -> str:
        return f"<samebit run {self.id or 'of another process'}>"


def _whole(recording: Recording, step: Any) -> int:
    """A step as a plain whole number; the run's own where it is none, which is said once."""
    number = plain_number(step)
    if isinstance(number, (int, float)) and number == number // 1:
        return int(number)
    error = UsageError(f"a step is a whole number, not {step!r}; the run's own is taken")
    recording.trouble("step", error)
    return recording.progress.step


def _count(step: Any) -> int:
    """The step of a row of the trace; UsageError where it is no whole number from 0 on."""
    try:
        number = -1 if isinstance(step, bool) else operator.index(step)
    except Exception:
        number = -1
    if number < 0:
        raise UsageError(f"a step of run.trace() is a whole number from 0 on, not {step!r}")
    return number
