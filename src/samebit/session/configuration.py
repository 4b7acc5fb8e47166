"""A run's configuration: what was given, what parsers made, what the script assigned; merged.

What `config=` gives stands above all; under it what parsers made of the command line (which of them
count, capture/parsing.py says). Only where there is neither, the plain globals of the script count.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import disk
from samebit.capture import secrets
from samebit.capture.config import Plain, declared, flat, is_parsed, source_of
from samebit.capture.parsing import CODE, Parsed

__all__ = ["Configuration"]

_GIVEN = "config="
_GLOBALS = "module globals"
_MISSING = object()
_MOST_PARSES = 32


class _Layer(Struct, frozen=True):
    """Values of one origin, and where each came from."""

    values: dict[str, Any]
    sources: Mapping[str, str]
    made_by: dict[str, Any]


class Configuration:
    """What configures one process's run.

    Args:
        emit: takes the name and the value of a fact.
        problem: takes what the record lacks, and why.
    """

    def __init__(
        self, emit: Callable[[str, Any], None], problem: Callable[[str, str], None]
    ) -> None:
        self.given: Any = None
        self._emit = emit
        self._problem = problem
        # Each with its values as they were when they were parsed.
        self._parses: list[tuple[Parsed, dict[str, Any]]] = []
        self._globals: dict[str, Any] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._told_from: dict[str, dict[str, str]] = {}
        self._training = False
        self._of_init = False
        self._job: Any = None
        self._written: Any = _MISSING

    def give(self, value: Any) -> None:
        """Take what the user gave; it replaces what was given before."""
        self.given = value
        self.write()

    def tell(
        self, maker: str, values: Mapping[str, Any], sources: Mapping[str, str] | None = None
    ) -> None:
        """Take what somebody else knows of settings, beside what that one told before.

        They stand below all others, and displace nothing. What no source is given for is of the
        code.
        """
        _merge(self._told.setdefault(maker, {}), self._plain(values))
        self._told_from.setdefault(maker, {"": CODE}).update(sources or {})
        self.write()

    @property
    def has_parses(self) -> bool:
        """Whether a parser has told of something."""
        return bool(self._parses)

    def belongs_to_init(self) -> None:
        """An `init()` has taken the run: another job of a sweep in this process is not its own."""
        self._of_init = True

    def parsed(self, found: Parsed) -> None:
        """A parse that counts; held, because a script that changes it is read again at the end."""
        job = found.facts.get("job")
        if self._of_init and job is not None and self._job not in (None, job):
            return
        self._job = job if job is not None else self._job
        known = {parsed.is_of for parsed, _ in self._parses if parsed.is_of}
        is_new = known.isdisjoint((found.is_of, *found.replaces))
        is_late = self._training or len(self._parses) >= _MOST_PARSES
        if is_new and is_late and found.rank:
            return  # what is read while it trains is data
        sources = found.sources
        kept: list[tuple[Parsed, dict[str, Any]]] = []
        for earlier, first in self._parses:
            again = found.is_of and earlier.is_of == found.is_of and earlier.under == found.under
            if again and earlier.parser == found.parser:
                sources = {**earlier.sources, **sources}  # it filled the same object further
            elif earlier.is_of not in found.replaces or not earlier.is_of:
                kept.append((earlier, first))
        found = replace(found, sources=sources)
        self._parses = [*kept, (found, flat(self._plain(found.read())))]
        self.write()

    def training_begins(self) -> None:
        """The first optimizer is about to step: assignments count as they are now."""
        self._training = True
        if self.given is None and not self._parses:
            # Reads the script's text; only for a script that has nothing else.
            from samebit.capture.main_globals import main_globals  # noqa: PLC0415

            self._globals = self._globals or main_globals()
            self.write()

    def finish(self) -> None:
        """Write what has changed since."""
        self.training_begins()
        self.write()

    def write(self) -> None:
        """Write the configuration, if it is another than the one written last."""
        disk.fault("capture.config")
        config, sources = self._merged()
        if config is None or (config, sources) == self._written:
            return
        self._written = (config, sources)
        self._emit("config", config)
        self._emit("config_sources", sources)

    def _merged(self) -> tuple[Any, dict[str, Any]]:
        given = self._plain(self.given) if self.given is not None else None
        layers = self._layers(given if isinstance(given, dict) else {})
        told = [
            _Layer(values, self._told_from[maker], {"parser": maker})
            for maker, values in self._told.items()
        ]
        if self.given is not None:
            if not isinstance(given, dict):
                return secrets.mask_values(given), {"made_by": [{"parser": _GIVEN}], "values": {}}
            layers = [*_without_those_inside(layers, given), self._given_layer(given, layers)]
        layers = [*told, *layers]
        if not layers:
            return None, {}
        merged: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for layer in layers:
            _merge(merged, layer.values)
            for name in flat(layer.values):
                said = source_of(name, layer.sources)
                if said is not None:
                    sources[name] = said
        names = flat(merged)
        known = {name: sources[name] for name in names if name in sources}
        # Not as values under these names: where a password came from is no secret.
        said = {n: secrets.mask_text(source) for n, source in _shortest(known, merged).items()}
        made_by = secrets.mask_values([layer.made_by for layer in layers])
        return secrets.mask_values(merged), {"made_by": made_by, "values": said}

    def _layers(self, given: Mapping[str, Any]) -> list[_Layer]:
        rank = min((parsed.rank for parsed, _ in self._parses if parsed.rank), default=0)
        # The best count, and beside the command line what stands below it: the files that the
        # script's own code loaded, and what a framework was set to.
        chosen = [p for p in self._parses if p[0].rank in (0, rank) or p[0].parser == "OmegaConf"]
        chosen.sort(key=lambda chosen: chosen[0].rank != rank, reverse=True)
        layers = [
            self._layer(parsed, first, given if not parsed.rank else {}) for parsed, first in chosen
        ]
        if not layers and self._globals:
            values = self._plain(self._globals)
            layers = [_Layer(values, {"": CODE}, {"parser": _GLOBALS})]
        return layers

    def _layer(self, parsed: Parsed, first: Mapping[str, Any], given: Mapping[str, Any]) -> _Layer:
        values = self._plain(parsed.read())
        values = values if isinstance(values, dict) else {"value": values}
        values = {name: one for name, one in values.items() if not _is_given_flat(one, given)}
        sources = dict(parsed.sources)
        for name, value in flat(values).items():
            if name not in first or not _same(first[name], value):
                sources[name] = CODE  # the script changed it after parsing
        for name in reversed(parsed.under):
            values = {name: values}
        before = ".".join(parsed.under)
        if before:
            sources = {f"{before}.{name}" if name else before: s for name, s in sources.items()}
        made_by = {"parser": parsed.parser, "at": parsed.at, **parsed.facts}
        if parsed.under:
            made_by["command"] = list(parsed.under)
        return _Layer(values, sources, made_by)

    def _given_layer(self, given: dict[str, Any], layers: list[_Layer]) -> _Layer:
        # Arguments that were parsed before anybody listened: nothing is known of them.
        unseen = not layers and is_parsed(self.given)
        own = {} if unseen else {"": CODE, **declared(self.given)}
        made = [(flat(layer.values), layer.sources) for layer in layers]
        sources: dict[str, str] = {}
        for name, value in flat(given).items():
            said = source_of(name, own)
            for values, known in made:  # what a parser made keeps its source, wherever it was put
                if (end := _end_inside(name, value, values)) is not None:
                    said = source_of(end, known)
            if said is not None:
                sources[name] = said
        return _Layer(given, sources, {"parser": _GIVEN})

    def _plain(self, value: Any) -> Any:
        maker = Plain()
        found = maker.of(value)
        if maker.cut:
            self._problem(
                "config", f"{maker.cut} values lie too deep or are too many and are left out"
            )
        return found


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        held = into.get(name)
        if isinstance(held, dict) and isinstance(value, dict) and set(value) != {"text"}:
            _merge(held, value)
        else:
            into[name] = dict(value) if isinstance(value, dict) else value


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))


def _without_those_inside(layers: list[_Layer], given: dict[str, Any]) -> list[_Layer]:
    """Layers that are not given whole at some place, as in `config={"args": vars(args)}`."""
    below = [value for value in given.values() if isinstance(value, dict)]
    return [
        layer
        for layer in layers
        if not any(value and set(layer.values) <= set(value) for value in below)
    ]


def _is_given_flat(below: Any, given: Mapping[str, Any]) -> bool:
    """Whether all that a framework tells below a name was given beside the rest, as trackers do."""
    return (
        isinstance(below, dict)
        and bool(below)
        and all(name in given and _same(given[name], value) for name, value in below.items())
    )


def _end_inside(name: str, value: Any, made: Mapping[str, Any]) -> str | None:
    """Under which name, this one or its end, a parser made the value that was given."""
    for end in (name, name.partition(".")[2]):
        if end and end in made and _same(made[end], value):
            return end
    return None


def _shortest(sources: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    """The same, with one entry for all below a first name that share their source."""
    found: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for name in sources:
        names.setdefault(name.partition(".")[0], []).append(name)
    for first, below in names.items():
        said = {sources[name] for name in below}
        whole = len(said) == 1 and len(below) == len(flat(config.get(first), first))
        if whole and len(below) > 1:
            found[first] = said.pop()
        else:
            found.update({name: sources[name] for name in below})
    return found
