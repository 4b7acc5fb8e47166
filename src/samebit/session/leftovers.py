"""A row that the journal did not take as it was given: what of it is recorded all the same."""

from collections.abc import Mapping
from typing import Any

from samebit.errors import SamebitError, UsageError
from samebit.journal.values import plain_number
from samebit.session.recording import Recording

__all__ = ["log_what_can_be", "without_media"]


def without_media(
    recording: Recording, values: Any, step: int | None, error: Exception
) -> dict[Any, Any] | None:
    """Record the media among the values; gives the others, or None where there were no media."""
    if not isinstance(error, UsageError) or not isinstance(values, Mapping):
        return None
    from samebit.media.given import apart  # noqa: PLC0415  (most rows are numbers alone)

    try:
        media, rest = apart(values)
    except Exception as again:
        recording.trouble("log", again)
        return {}
    if not media:
        return None
    try:
        recording.media.take(media, recording.progress.step if step is None else step)
    except Exception as again:
        recording.trouble("log of media", again)
    return rest


def log_what_can_be(recording: Recording, values: Any, step: int | None, error: Exception) -> None:
    """Lose only the values that cannot be recorded, and say so once for each name."""
    try:
        if not isinstance(values, Mapping):
            error = UsageError(f"log() takes a mapping, not a {type(values).__name__}")
        if not isinstance(error, UsageError) or not isinstance(values, Mapping):
            recording.trouble("log", error)
        if not isinstance(values, Mapping) or _is_of_the_disk(error):
            return
        kept: dict[str, Any] = {}
        _keep(recording, values, "", kept)
        if kept:
            recording.writer.row(kept, recording.progress.step if step is None else step)
    except Exception as again:
        recording.trouble("log", again)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the journal itself failed; another attempt would only fail again."""
    return isinstance(error, (SamebitError, OSError)) and not isinstance(error, UsageError)


def _keep(
    recording: Recording, values: Mapping[Any, Any], before: str, kept: dict[str, Any]
) -> None:
    for key, value in values.items():
        name = before + (key if isinstance(key, str) else repr(key))
        try:
            if isinstance(value, Mapping):
                _keep(recording, value, f"{name}.", kept)
                continue
            number = plain_number(value) if isinstance(key, str) else None
            if number is None:
                raise UsageError(_no_number(key, value))
            kept[name] = number
        except Exception as error:
            recording.trouble(f"log of {name!r}", error)


def _no_number(name: Any, value: Any) -> str:
    if not isinstance(name, str):
        return "names are texts"
    what = f"a {type(value).__name__} is no number"
    return f"{what}; samebit.Image, Histogram, Figure and Table are for what is none"
