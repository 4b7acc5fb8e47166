"""The filter of `--where`, the order of `--sort`, and what a short name means in a row.

    acc > 0.9 and config.lr < 0.01          == = != < <= > >=   and or not ( )
    state in [finished, failed]             in, not in
    name ~ 'brave-*' and host !~ gpu0?      glob patterns, upper and lower case told apart
    has(val/acc) and not archived           a name alone: there, and neither false, 0 nor empty

On the left stands a name, quoted (`` `a b` ``, "a b") where a sign or a space is in it; on the
right a value. A bare word on the right is a text, and where it reads as one also a number, true,
false or null: a run id may be all digits. A comparison is false where the name is missing, where
the kinds differ (a bool is no number) and where a NaN is met, also with `!=`.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

from samebit.errors import UsageError

__all__ = ["Filter", "Sort", "parse", "parse_sort", "resolve", "sort_rows", "value_of"]

Row = Mapping[str, object]
AnyRow = TypeVar("AnyRow", bound=Row)
_Meaning = Callable[[str], str | None]  # the key that a name means
_Condition = Callable[[Row, _Meaning], bool]
_Test = Callable[[object], bool]  # of a value that is there

_MAX_DEPTH = 50  # parentheses inside each other; each costs several frames of Python's stack
_SHOWN = 72  # characters of the text in an error

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*")
      | (?P<name>`(?:[^`\\]|\\.)*`)
      | (?P<sign>==|!=|<=|>=|!~|[=<>~()\[\],])
      | (?P<word>[^\s'"`()\[\],=<>!~]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"""\\(["'`\\])""")
_KEYWORDS = frozenset({"and", "or", "not", "in"})
_CONSTANTS = {"true": True, "false": False, "null": None} | {
    str(constant): constant
    for constant in (True, False, None)  # as Python spells them
}
_NAME = 'a name, like acc, config.lr, val/acc or "odd name"'
_VALUE = "a number, a word, a 'text', true, false or null"
_COMPARISON = "== != < <= > >= ~ !~ in, not in"
_END = "and, or, or the end"

_ORDERS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


@dataclass(frozen=True)
class Filter:
    """A condition on rows, as it was written."""

    text: str
    _names: frozenset[str] = field(repr=False, compare=False)
    _holds: _Condition = field(repr=False, compare=False)

    def matches(self, row: Row, row_keys: Container[str] | None = None) -> bool:
        """Whether the condition holds for a row; never raises for any plain values.

        Names mean what they mean among `row_keys`, or where these are left out in this row alone.
        """
        keys = row if row_keys is None else row_keys
        return self._holds(row, lambda name: resolve(name, keys))

    def among(self, rows: Iterable[AnyRow], row_keys: Container[str]) -> list[AnyRow]:
        """The rows for which it holds; one name means one key in all of them."""
        meant = {name: resolve(name, row_keys) for name in self._names}
        return [row for row in rows if self._holds(row, meant.get)]

    def names(self) -> frozenset[str]:
        """The names that the condition asks for, as they were written."""
        return self._names


@dataclass(frozen=True)
class Sort:
    """One name to order rows by."""

    name: str
    descending: bool = False


def resolve(name: str, row_keys: Container[str]) -> str | None:
    """The key that a name means: itself, else the metric, else the config entry; else None."""
    for key in (name, "metric." + name, "config." + name):
        if key in row_keys:
            return key
    return None


def value_of(row: Row, name: str) -> object:
    """What a row holds under a name, short or in full; None where there is nothing."""
    key = resolve(name, row)
    return None if key is None else row[key]


def parse(text: str) -> Filter:
    """Read a condition; UsageError points at the first place that cannot be read."""
    reader = _Reader(text, "filter")
    holds = reader.either()
    reader.end(_END)
    return Filter(text, frozenset(reader.names), holds)


def parse_sort(text: str) -> tuple[Sort, ...]:
    """Read an order like `acc:desc,seed`; ascending unless it says otherwise."""
    reader = _Reader(text, "order")
    sorts = [reader.sort()]
    while reader.take(","):
        sorts.append(reader.sort())
    reader.end("a comma or the end")
    return tuple(sorts)


def sort_rows(
    rows: Iterable[AnyRow], sorts: Sequence[Sort], row_keys: Container[str] | None = None
) -> list[AnyRow]:
    """The rows in order: the first of the sorts decides, equal rows stay as they were.

    In either direction NaN comes after every other value, and rows without a value come last.
    Where kinds are mixed, bools come before numbers, numbers before texts, texts before lists.
    """
    ordered = list(rows)
    keys = {key for row in ordered for key in row} if row_keys is None else row_keys
    for sort in reversed(sorts):
        # One name means one key in all rows, or metrics would be sorted among settings.
        key = resolve(sort.name, keys) or sort.name
        places = [(_place(row.get(key)), row) for row in ordered]
        present = [pair for pair in places if pair[0][0] < _NAN]
        present.sort(key=lambda pair: pair[0], reverse=sort.descending)
        absent = sorted((pair for pair in places if pair[0][0] >= _NAN), key=lambda pair: pair[0])
        ordered = [row for _, row in present + absent]
    return ordered


_BOOL, _NUMBER, _TEXT, _OTHER, _NAN, _MISSING = range(6)


def _place(value: object) -> tuple[int, bool | int | float | str]:
    if isinstance(value, bool):
        return _BOOL, value
    if isinstance(value, (int, float)):
        return (_NAN, 0) if value != value else (_NUMBER, value)
    if isinstance(value, str):
        return _TEXT, value
    return (_MISSING, 0) if value is None else (_OTHER, str(value))


@dataclass(frozen=True)
class _Token:
    kind: str  # text | name | word, or sign (keywords too), or end
    text: str  # without its quotes
    at: int

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs


@dataclass(frozen=True)
class _Value:
    """What stands on the right of a comparison."""

    text: str  # as it was spelled
    plain: object  # the same text, or the number, bool or null that a bare word reads as


class _Reader:
    """Reads a text from left to right, and points at the place where it must stop."""

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._tokens = self._split()
        self._at = 0
        self._depth = 0
        self.names: set[str] = set()

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                raise self._bad_character(end - len(self._text[at:end].lstrip()))
            kind = match.lastgroup
            text = match[kind]
            if kind in ("text", "name"):
                text = _ESCAPED.sub(r"\1", text[1:-1])
            elif text in _KEYWORDS:
                kind = "sign"
            tokens.append(_Token(kind, text, match.start(match.lastgroup)))
            at = match.end()
        return [*tokens, _Token("end", "", end)]

    def _bad_character(self, at: int) -> UsageError:
        if self._text[at] == "!":
            return self._error(at, "a lone !", "!= or !~, or the word not")
        quote = self._text[at]
        return self._error(at, "a quote that does not end", f"any text, and then {quote}")

    def _error(self, at: int, found: str, allowed: str) -> UsageError:
        # One mark for each character that cannot be shown keeps the caret under its place.
        text = "".join(c if c.isprintable() else "\ufffd" for c in self._text)
        start = max(0, at - _SHOWN // 2)
        shown = text[start : start + _SHOWN]
        return UsageError(
            f"cannot read this {self._what}: {found}\n    {shown}\n    {' ' * (at - start)}^",
            allowed_here=allowed,
        )

    def _unexpected(self, allowed: str) -> UsageError:
        token = self._next
        found = "it ends here" if token.kind == "end" else f"{token.text!r} cannot stand here"
        return self._error(token.at, found, allowed)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, *signs: str) -> str:
        """Go past the next signs if they are these; the last of them, or an empty text."""
        ahead = self._tokens[self._at : self._at + len(signs)]
        if [token.text for token in ahead if token.kind == "sign"] != list(signs):
            return ""
        self._at += len(signs)
        return signs[-1]

    def _take_one_of(self, signs: Iterable[str]) -> str:
        return next((sign for sign in signs if self.take(sign)), "")

    def end(self, allowed: str) -> None:
        """Refuse whatever is left."""
        if self._next.kind != "end":
            raise self._unexpected(allowed)

    def either(self) -> _Condition:
        """Conditions joined by `or`."""
        parts = [self._every()]
        while self.take("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else lambda *row: any(part(*row) for part in parts)

    def _every(self) -> _Condition:
        parts = [self._one()]
        while self.take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda *row: all(part(*row) for part in parts)

    def _one(self) -> _Condition:
        negated = False
        while self.take("not"):  # a loop, so that a long chain of them costs no stack
            negated = not negated
        holds = self._group() if self._next.is_sign("(") else self._test_of_a_name()
        return (lambda *row: not holds(*row)) if negated else holds

    def _group(self) -> _Condition:
        if self._depth == _MAX_DEPTH:
            what = f"more than {_MAX_DEPTH} ( inside each other"
            raise self._error(self._next.at, what, _NAME)
        self._depth += 1
        self._at += 1
        holds = self.either()
        if not self.take(")"):
            raise self._unexpected("and, or, or )")
        self._depth -= 1
        return holds

    def _test_of_a_name(self) -> _Condition:
        token = self._next
        # Without a parenthesis, `has` is a name like any other.
        if (token.kind, token.text) == ("word", "has") and self._tokens[self._at + 1].is_sign("("):
            self._at += 2
            name = self._name()
            if not self.take(")"):
                raise self._unexpected(")")
            return lambda row, meaning: meaning(name) in row
        name = self._name()
        test = self._test()

        def holds(row: Row, meaning: _Meaning) -> bool:
            key = meaning(name)
            return key is not None and key in row and test(row[key])

        return holds

    def _name(self) -> str:
        token = self._next
        if token.kind not in ("text", "name", "word"):
            raise self._unexpected(_NAME)
        if token.kind == "word" and not isinstance(_read_word(token.text), str):
            raise self._error(token.at, f"a comparison begins with a name, not {token.text}", _NAME)
        self._at += 1
        self.names.add(token.text)
        return token.text

    def _test(self) -> _Test:
        if self.take("not", "in"):
            values = self._values()
            return lambda found: all(_same(found, value) is False for value in values)
        if self.take("in"):
            values = self._values()
            return lambda found: any(_same(found, value) for value in values)
        if sign := self._take_one_of(("~", "!~")):
            pattern, wanted = self._value().text, sign == "~"
            return lambda found: isinstance(found, str) and fnmatchcase(found, pattern) is wanted
        if sign := self._take_one_of(("==", "=", "!=")):
            value, wanted = self._value(), sign != "!="
            return lambda found: _same(found, value) is wanted
        if sign := self._take_one_of(_ORDERS):
            return self._order_test(_ORDERS[sign])
        if self._next.kind == "end" or self._next.is_sign("and", "or", ")"):
            return bool
        raise self._unexpected(f"{_COMPARISON}, {_END}")

    def _order_test(self, fits: Callable[[int], bool]) -> _Test:
        at, plain = self._next.at, self._value().plain
        if plain is None:
            raise self._error(at, "null is neither more nor less than anything", "== or != null")

        def test(found: object) -> bool:
            order = _order(found, plain)
            return order is not None and fits(order)

        return test

    def _value(self) -> _Value:
        token = self._next
        if token.kind not in ("text", "word"):
            raise self._unexpected(_VALUE)
        self._at += 1
        return _Value(token.text, _read_word(token.text) if token.kind == "word" else token.text)

    def _values(self) -> list[_Value]:
        if not self.take("["):
            raise self._unexpected("a list, like [1, 2] or [finished, failed]")
        values = [self._value()]
        while self.take(","):
            values.append(self._value())
        if not self.take("]"):
            raise self._unexpected("a comma or ]")
        return values

    def sort(self) -> Sort:
        """One name of an order, with `:asc` or `:desc` behind it or not."""
        token = self._next
        if token.kind == "word" and ":" in token.text:
            name, _, direction = token.text.rpartition(":")
            at = token.at + len(name) + 1
        elif token.kind in ("text", "name", "word"):
            name, direction, at = token.text, "asc", token.at
            behind = self._tokens[self._at + 1]
            if behind.kind == "word" and behind.text.startswith(":"):
                self._at += 1
                direction, at = behind.text[1:], behind.at + 1
        else:
            raise self._unexpected(_NAME)
        if not name:
            raise self._error(token.at, "a direction without a name", _NAME)
        if direction not in ("asc", "desc"):
            raise self._error(
                at, f"{direction!r} is no direction", "asc or desc; a name with a : in quotes"
            )
        self._at += 1
        return Sort(name, descending=direction == "desc")


def _read_word(word: str) -> object:
    """What a bare word means: true, false, null, a number, or itself."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    for kind in (int, float):  # an int stays one, so that it is compared exactly
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _same(found: object, value: _Value) -> bool | None:
    """Whether a row's value is the one written; None where they cannot be compared."""
    if value.plain is None:
        return found is None
    if isinstance(found, str):
        return found == value.text
    order = _order(found, value.plain)
    return None if order is None else order == 0


def _order(found: object, wanted: object) -> int | None:
    """-1, 0 or 1 as for less, equal, more; None for unlike kinds and for NaN."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        if not (isinstance(found, bool) and isinstance(wanted, bool)):
            return None
        return found - wanted
    if isinstance(found, (int, float)) and isinstance(wanted, (int, float)):
        if found != found or wanted != wanted:
            return None
        return (found > wanted) - (found < wanted)
    if isinstance(found, str) and isinstance(wanted, str):
        return (found > wanted) - (found < wanted)
    return None
