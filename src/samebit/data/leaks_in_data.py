"""Leaks between the parts of a split that its data tells: a file, and what its columns mean."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.data import leak_columns, leaks, near_rows, near_texts, reading
from samebit.data.leak_columns import Columns
from samebit.data.leaks import DEPENDENCE, DUPLICATES, TEMPORAL, Leak, Leaks
from samebit.data.members import numpy
from samebit.data.reading import Content
from samebit.data.recorded import RecordedSplit
from samebit.errors import UsageError

__all__ = ["EARLY", "Data", "Meaning", "of_data", "open_data"]

EARLY = "time"  # the kind of what times tell


class Meaning(Struct, frozen=True):
    """Which columns are what, by name; all others are features. Empty where there is none."""

    label: str = ""
    group: str = ""
    time: str = ""
    text: str = ""  # stays a feature
    ignored: tuple[str, ...] = ()

    @property
    def no_features(self) -> list[str]:
        """The columns that are none."""
        named = [self.label, self.group, self.time, *self.ignored]
        return list(dict.fromkeys(name for name in named if name))


class Data(Struct, frozen=True):
    """A file that was read: its columns, codes of its rows, and its ids, or why it has none."""

    columns: Columns
    meaning: Meaning
    features: Columns
    exact: Any  # a code for each row of features
    ids: Any


def open_data(path: Path, meaning: Meaning) -> Data:
    """Read a file; NotFound, UsageError or Damaged where it is none, or lacks a column."""
    with reading.open_content(path) as content:
        columns = leak_columns.read(content)
        features = columns.without(meaning.no_features)
        exact = leak_columns.feature_codes(features)
        return Data(columns, meaning, features, exact, _ids(content))


def _ids(content: Content) -> Any:
    try:
        return content.ids()
    except UsageError as error:
        return error.what


def of_data(split: RecordedSplit, data: Data) -> tuple[Leaks, str]:
    """What the data tells of a split, and how its rows were found.

    Raises:
        UsageError: it cannot be told which rows of the file are those of the split.
        NotFound: rows of the split are not in the file.
        Damaged: a list of the split is not what its fingerprint says.
    """
    if len(split.parts) < 2:
        return Leaks((), ("there are no two parts to compare",)), ""
    parts, how = _placed(split, data)
    found = list(leaks.same_numbers(parts))
    found += _exact(data, parts)
    near = near_rows.find(data.features, data.exact, parts)
    unknown = [near] if isinstance(near, str) else []
    if not isinstance(near, str):
        what = "nearly equal to rows of {}: all features within 0.0001 of their spread"
        found += [leaks.leak_of(one, parts, DUPLICATES, "near_features", what) for one in near]
    found += _texts(data, parts)
    if data.meaning.time:
        found += _early(data, parts)
    if name := data.meaning.group:
        codes = leak_columns.codes_of_key(data.columns, name, missing=False)
        what = f"of a {name} that is in {{}}, too"
        counts = f"values of {name} in both"
        found += leaks.shared(codes, parts, DEPENDENCE, "group", what, counts=counts)
    return Leaks(tuple(found), tuple(unknown)), how


def _placed(split: RecordedSplit, data: Data) -> tuple[Mapping[str, Any], str]:
    """The row numbers in the file of each part, and how they were found."""
    if split.row_ids() is None:
        why = "the split has no ids of rows"
    elif split.has_given_ids:
        why = "the split knows its rows by the ids that the script gave"
    elif isinstance(data.ids, str):
        why = data.ids
    else:
        try:
            return split.placed(data.ids), "found by their ids"
        except UsageError:
            why = "the file has other columns than what was split"
    rows = data.columns.rows
    if split.begins() is None and split.manifest.data.rows == rows:
        return split.numbers(), f"taken by their numbers: {why}"
    known = split.manifest.data.rows
    raise UsageError(
        f"which rows of this file are those of {split.run}:{split.name} is not known",
        why=why,
        rows=f"{rows:,} in the file, {known if known is not None else 'unknown'} in what was split",
        hint="name the file that was split, with the same columns or the same rows",
    )


def _exact(data: Data, parts: Mapping[str, Any]) -> Iterator[Leak]:
    exact = data.exact
    what = "features equal to rows of {}"
    yield from leaks.shared(exact, parts, DUPLICATES, "features", what)
    if not data.meaning.label:
        return
    labels = leak_columns.codes_of_key(data.columns, data.meaning.label, missing=True)
    _, both = numpy().unique(exact * (int(labels.max(initial=0)) + 1) + labels, return_inverse=True)
    what = "features and label equal to rows of {}"
    yield from leaks.shared(both, parts, DUPLICATES, "features_and_label", what)
    what = "features equal to rows of {} that have another label"
    yield from leaks.shared(exact, parts, DUPLICATES, "conflicting_labels", what, but=labels)


def _texts(data: Data, parts: Mapping[str, Any]) -> Iterator[Leak]:
    """Texts that are alike but for case, spaces and punctuation; then nearly."""
    if not data.meaning.text:
        return
    np = numpy()
    texts = leak_columns.texts_of(data.columns, data.meaning.text)
    raw: dict[str, int] = {}
    plain: dict[str, int] = {}
    as_read = np.array([raw.setdefault(text, len(raw)) for text in texts], "i8")
    said = [near_texts.normalized(text) for text in texts]
    codes = np.array([plain.setdefault(one, len(plain)) if one else -1 for one in said], "i8")
    what = "the text of a row of {} but for case, spaces and punctuation"
    yield from leaks.shared(codes, parts, DUPLICATES, "same_words", what, but=as_read)
    what = f"nearly the text of a row of {{}}: {near_texts.LEAST:.0%} of all runs of five words"
    for match in near_texts.find(list(plain), codes, parts):
        yield leaks.leak_of(match, parts, DUPLICATES, "near_text", what)


def _early(data: Data, parts: Mapping[str, Any]) -> Iterator[Leak]:
    """Rows that come before the last that was learned from."""
    np = numpy()
    times = leak_columns.times_of(data.columns, data.meaning.time)
    known = {name: rows[times.known[rows]] for name, rows in parts.items()}
    for first, second in leaks.pairs_of(list(parts)):
        if not len(known[first]) or not len(known[second]):
            continue
        last = int(known[first][np.argmax(times.values[known[first]])])
        rows = parts[second]
        at = np.flatnonzero(times.known[rows] & (times.values[rows] < times.values[last]))
        if not len(at):
            continue
        at = at[np.argsort(times.values[rows[at]], kind="stable")]
        begin = times.said(int(rows[at[0]]))
        note = f"{first} ends {times.said(last)} in row {last}, {second} begins {begin}"
        match = leaks.Match(first, second, at, np.full(len(at), last, "i8"))
        what = "earlier than the last row of {}"
        yield leaks.leak_of(match, parts, TEMPORAL, EARLY, what, note=note, by_row=False)
