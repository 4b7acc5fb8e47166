"""Of which trial a run is, and what its study knows of it that the run itself cannot."""

from collections.abc import Iterator

from msgspec import Struct

from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.studies.declared import declared_in, folder_of
from samebit.studies.trials import by_run, read_history

__all__ = ["TrialOf", "trial_lines", "trial_of"]


class TrialOf(Struct, frozen=True):
    """A run as its study has it."""

    study: str  # its id
    name: str | None  # of the study; None where that is not here, or damaged: so is what follows
    number: int  # of the trial, from 0
    start: int | None = None  # which of its starts came to this run, from 1
    starts: int | None = None
    lost: str | None = None  # why it ended, as the place said where it ran; None: nothing was said


def trial_of(view: View) -> TrialOf | None:
    """What is known of a run's trial; None where no study had it started."""
    study, number = view.record.study, view.record.trial
    if study is None or number is None:
        return None
    folder = folder_of(view.folder.store, study)
    try:
        name = declared_in(folder).name
        trial = by_run(read_history(folder, study).trials).get(view.id)
    except SamebitError:
        return TrialOf(study, None, number)
    if trial is None:
        return TrialOf(study, name, number)
    start = [one for one in trial.starts if one.run == view.id][-1]
    return TrialOf(study, name, number, start.attempt, len(trial.starts), start.lost or None)


def trial_lines(view: View) -> Iterator[tuple[str, str]]:
    """The same, for people."""
    found = trial_of(view)
    if found is None:
        return
    name = found.name or f"{found.study} (it is not here)"
    which = f", start {found.start} of {found.starts}" if (found.starts or 0) > 1 else ""
    yield "study", f"{name}, trial {found.number + 1}{which}"
    if found.lost:
        yield "ended by", found.lost
