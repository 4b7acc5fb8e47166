"""What a sweep searches: each setting with where it may lie; as TOML says it, and as a grid.

lr = {log = [1e-5, 1e-1]}                     # a real number, evenly by its logarithm
dropout = {float = [0, 0.5], step = 0.1}
layers = {int = [1, 8]}                       # also `log_int`
optimizer = ["sgd", "adam"]                   # one of these
momentum = {float = [0, 1], when = {optimizer = "sgd"}}
"""

import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from samebit.errors import UsageError

__all__ = [
    "Parameter",
    "Value",
    "check_words",
    "grid",
    "option_of",
    "present",
    "read_line",
    "read_space",
    "rounded",
    "words",
]

Value = bool | int | float | str
_KINDS = ("float", "log", "int", "log_int")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TAKEN = ("seed", "all")  # the seed of a run
_LARGEST_GRID = 100_000


class Parameter(Struct, frozen=True):
    """A setting, and where it may lie: among its choices, or from `low` to `high` inclusive."""

    name: str
    kind: str  # choice | float | log | int | log_int
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    choices: tuple[Value, ...] = ()
    when: dict[str, tuple[Value, ...]] = field(default_factory=dict[str, tuple[Value, ...]])

    def is_active(self, values: Mapping[str, object]) -> bool:
        """Whether it is a setting at all beside those that were chosen before it."""
        return all(
            name in values and any(_same(values[name], one) for one in allowed)
            for name, allowed in self.when.items()
        )


def read_line(text: str) -> dict[str, Any]:
    """A line of a space as `--space` gives it; UsageError where it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"--space cannot be read: {error}",
            given=text,
            hint="as in --space 'lr = {log = [1e-5, 1e-1]}' --space 'batch = [16, 32]'",
        ) from error


def read_space(table: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The settings of a space, in its order; UsageError where one cannot be meant."""
    if not table:
        raise UsageError(
            "nothing is searched: the space is empty",
            hint="[space] lr = {log = [1e-5, 1e-1]}; or --space 'lr = {log = [1e-5, 1e-1]}'",
        )
    found: list[Parameter] = []
    for name, said in table.items():
        if not _NAME.fullmatch(name) or name in _TAKEN:
            why = "the seed of a run" if name in _TAKEN else "no name"
            raise UsageError(f"{name!r} cannot be searched: it is {why}")
        found.append(_parameter(name, said, {one.name: one for one in found}))
    return tuple(found)


def _parameter(name: str, said: object, before: Mapping[str, Parameter]) -> Parameter:
    if isinstance(said, list):
        said = {"choices": said}
    if not isinstance(said, dict):
        raise _wrong(name, said, "a list of choices, or where it lies")
    table: dict[str, Any] = dict(said)  # pyright: ignore[reportUnknownArgumentType]
    when = _when(name, table.pop("when", {}), before)
    if set(table) == {"choices"}:
        return Parameter(name, "choice", choices=_choices(name, table["choices"]), when=when)
    step = table.pop("step", None)
    if len(table) != 1 or (kind := next(iter(table))) not in _KINDS:
        raise _wrong(name, said, f"one of {', '.join(_KINDS)}, or a list of choices")
    low, high = _range(name, kind, table[kind])
    if step is not None:
        is_whole = isinstance(step, int) or kind == "float"
        if kind.startswith("log") or not _is_number(step) or not step > 0 or not is_whole:
            raise _wrong(name, said, "a step above 0, of float or of int")
        count = math.floor((high - low) / step + 1e-9)
        high = low + count * step  # what can be reached
        step = step if kind == "int" else float(step)
    return Parameter(name, kind, low, high, step, when=when)


def _range(name: str, kind: str, said: object) -> tuple[int | float, int | float]:
    ends: list[Any] = list(said) if isinstance(said, list) else []  # pyright: ignore[reportUnknownArgumentType]
    if len(ends) != 2 or not all(map(_is_number, ends)):
        raise _wrong(name, said, f"{kind} = [from, to]")
    low, high = ends
    if kind.endswith("int") and not (isinstance(low, int) and isinstance(high, int)):
        raise _wrong(name, said, "whole numbers")
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise _wrong(name, said, "[from, to] with the smaller number first")
    if kind.startswith("log") and low <= 0:
        raise _wrong(name, said, "numbers above 0, for logarithms")
    return (low, high) if kind.endswith("int") else (float(low), float(high))


def _choices(name: str, said: object) -> tuple[Value, ...]:
    found: list[Any] = list(said) if isinstance(said, list) else []  # pyright: ignore[reportUnknownArgumentType]
    if not found or not all(isinstance(one, (bool, int, float, str)) for one in found):
        raise _wrong(name, said, "choices, each a number, a text, true or false")
    for first, second in itertools.combinations(found, 2):
        if first == second:
            raise UsageError(f"a choice of {name} is there twice", choice=second)
    if any(isinstance(one, float) and not math.isfinite(one) for one in found):
        raise _wrong(name, said, "finite numbers")
    return tuple(found)


def _when(name: str, said: object, before: Mapping[str, Parameter]) -> dict[str, tuple[Value, ...]]:
    if not isinstance(said, dict):
        raise _wrong(name, said, 'when = {optimizer = "sgd"}')
    found: dict[str, tuple[Value, ...]] = {}
    table: dict[str, Any] = dict(said)  # pyright: ignore[reportUnknownArgumentType]
    for other, values in table.items():
        if other not in before:
            raise UsageError(f"{name} depends on {other!r}, which does not stand before it")
        allowed = tuple(values) if isinstance(values, list) else (values,)  # pyright: ignore[reportUnknownArgumentType]
        known = before[other].choices
        if not all(any(_same(one, choice) for choice in known) for one in allowed):
            raise UsageError(
                f"{name} depends on a value that {other} never has",
                given=", ".join(map(str, allowed)),
                choices=", ".join(map(str, known)) or "none: only a list of choices can decide",
            )
        found[other] = allowed
    return found


def grid(space: Sequence[Parameter]) -> list[dict[str, Value]]:
    """All there is in a space, the last setting changing first.

    Raises UsageError for a range of real numbers without a step, and for a grid too large.
    """
    found = list(itertools.islice(_cells(space, {}), _LARGEST_GRID + 1))
    if len(found) > _LARGEST_GRID:
        raise UsageError("the grid is too large", at_most=_LARGEST_GRID)
    return found


def _cells(space: Sequence[Parameter], chosen: dict[str, Value]) -> Iterator[dict[str, Value]]:
    if not space:
        yield chosen
        return
    first, rest = space[0], space[1:]
    if not first.is_active(chosen):
        yield from _cells(rest, chosen)
        return
    for value in _points(first):
        yield from _cells(rest, {**chosen, first.name: value})


def _points(one: Parameter) -> Sequence[Value]:
    if one.choices:
        return one.choices
    assert one.low is not None
    assert one.high is not None
    if one.kind == "int":
        return range(int(one.low), int(one.high) + 1, int(one.step or 1))
    if one.step is None:
        raise UsageError(
            f"a grid needs to know which values of {one.name}",
            given=f"{one.kind} from {one.low} to {one.high}",
            hint=f"a list: {one.name} = [0.1, 0.01]; or a step, of float",
        )
    count = round((one.high - one.low) / one.step)
    return [rounded(one.low + at * one.step) for at in range(count + 1)]


def rounded(value: float) -> float:
    """A value of a range with steps as people write it: 0.3, and not 0.30000000000000004."""
    return float(f"{value:.12g}")


def words(one: Parameter) -> str:
    """Where a setting was searched, for people and papers."""
    if one.choices:
        said = "{" + ", ".join(map(str, one.choices)) + "}"
    else:
        name = {"float": "Uniform", "log": "LogUniform", "int": "Int", "log_int": "LogInt"}
        step = f", step {one.step}" if one.step is not None and one.step != 1 else ""
        said = f"{name[one.kind]}[{one.low}, {one.high}{step}]"
    where = " and ".join(
        f"{name} is {' or '.join(map(str, allowed))}" for name, allowed in one.when.items()
    )
    return said + (f" where {where}" if where else "")


def present(
    given: Sequence[str], space: Sequence[Parameter], values: Mapping[str, object]
) -> list[str]:
    """Words without those of settings that are none beside the others.

    The option before such a word goes, too, where the word is nothing but its place.
    """
    found: list[str] = []
    for word in given:
        absent = [f"{{{one.name}}}" for one in space if one.name not in values]
        if not any(place in word for place in absent):
            found.append(word)
        elif word in absent and found and found[-1].startswith("-"):
            found.pop()
    return found


def check_words(given: Sequence[str], space: Sequence[Parameter]) -> None:
    """Refuse, with UsageError, what would be searched without the script ever knowing of it."""
    for one in space:
        if not any(f"{{{one.name}}}" in word for word in given):
            raise UsageError(
                f"{one.name} is searched, but no argument of the script has {{{one.name}}}",
                arguments=" ".join(given[1:]) or "none",
                hint=f"as in -- --{one.name} {{{one.name}}}",
            )


def option_of(given: Sequence[str], name: str) -> str:
    """How the script names a setting: of `--learning-rate {lr}` `learning_rate`; else as we do."""
    place = f"{{{name}}}"
    for before, word in itertools.pairwise(["", *given]):
        found = before if word == place and before.startswith("-") else ""
        if word.endswith("=" + place):
            found = word.removesuffix("=" + place)
        option = found.lstrip("-").replace("-", "_")
        if _NAME.fullmatch(option):
            return option
    return name


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _wrong(name: str, said: object, wanted: str) -> UsageError:
    return UsageError(f"where {name} is searched cannot be meant", given=said, wanted=wanted)
