"""`wandb.config`: the hyper-parameters, changed as wandb allows them to be changed."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from samebit.compat.wandb.faults import ConfigError, Error

__all__ = ["Config", "parsed", "plain", "read_file"]

_DEFAULTS = "config-defaults.yaml"
Tell = Callable[[dict[str, Any]], None]


class Config:
    """Values by name, as items and as attributes; one that is there is changed on purpose only."""

    def __init__(self, tell: Tell | None = None) -> None:
        object.__setattr__(self, "_items", {})
        object.__setattr__(self, "_tell", tell)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._take({key: value}, allow=False)

    __setattr__ = __setitem__

    def __getattr__(self, key: str) -> Any:
        try:
            return self._items[key]
        except KeyError as error:
            raise AttributeError(f"{type(self)!r} object has no attribute {key!r}") from error

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> list[str]:
        """The names, but for those that begin with an underscore."""
        return [key for key in self._items if not key.startswith("_")]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values."""
        return [(key, self._items[key]) for key in self.keys()]

    def values(self) -> list[Any]:
        """The values."""
        return [value for _, value in self.items()]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or the default."""
        return self._items.get(key, default)

    def as_dict(self) -> dict[str, Any]:
        """All of it, as a dict."""
        return dict(self.items())

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Take several; ConfigError where one of them is there with another value."""
        self._take(parsed(d), allow=bool(allow_val_change))

    def setdefaults(self, d: Any) -> None:
        """Take those that are not there."""
        found = parsed(d)
        self._take({key: found[key] for key in found if key not in self._items}, allow=False)

    def update_locked(self, d: Any, user: Any = None, _allow_val_change: Any = None) -> None:
        """Take several; nobody locks anything here."""
        self._take(parsed(d), allow=True)

    merge_locked = update_locked

    def persist(self) -> None:
        """Write it once more."""
        if self._tell is not None:
            self._tell(self._items)

    def _take(self, values: Mapping[str, Any], *, allow: bool) -> None:
        taken: dict[str, Any] = {}
        for name, value in values.items():
            key = name.strip("-")  # raises AttributeError for what is no text, as wandb does
            found = plain(value)
            if not allow and key in self._items and not _is_equal(found, self._items[key]):
                raise ConfigError(
                    f'Attempted to change value of key "{key}" from {self._items[key]} to {found}\n'
                    "If you really want to do this, pass allow_val_change=True to config.update()"
                )
            taken[key] = found
        self._items.update(taken)
        if taken:
            self.persist()

    def __repr__(self) -> str:
        return str(self.as_dict())

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (dict(self._items),)


def _again(items: dict[str, Any]) -> Config:
    """A copy that tells nobody: of a run that was pickled."""
    found = Config()
    found.update(items)
    return found


def _is_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # arrays in a list, or an object with a mind of its own
        return one is other


def plain(value: Any) -> Any:
    """A value as wandb has it in a configuration: arrays are lists, functions their names."""
    from samebit.compat.wandb.media import WBValue  # noqa: PLC0415  (it knows charts and tables)

    if isinstance(value, WBValue):
        raise TypeError("WBValue objects cannot be added to the run config")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=repr)
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        return value.tolist()
    name = getattr(value, "__qualname__", None) if callable(value) else None
    return f"{value.__module__}.{name}" if name else value


def parsed(given: Any) -> dict[str, Any]:
    """What wandb takes as a configuration: a mapping, a namespace, flags, the name of a file.

    Raises:
        TypeError: it is none of these.
        ConfigError: there is no such file, or it cannot be read.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        return read_file(given)
    if isinstance(given, Config):
        return given.as_dict()
    if isinstance(given, Mapping):
        return dict(given)
    if hasattr(given, "flag_values_dict"):  # absl
        return given.flag_values_dict()
    if hasattr(given, "items") and hasattr(given, "keys"):
        return dict(given.items())
    if not hasattr(given, "__dict__"):
        raise TypeError("config must be a dict or have a __dict__ attribute.")
    return dict(vars(given))


def read_file(name: str, *, may_lack: bool = False) -> dict[str, Any]:
    """A configuration in YAML, in wandb's form: under each name `value`, beside it `desc`."""
    if not os.path.exists(name):
        if may_lack:
            return {}
        raise ConfigError(f"config file {name} doesn't exist")
    try:
        import yaml  # noqa: PLC0415  (whoever writes such a file has it)
    except ModuleNotFoundError as error:
        raise Error(f"{name} is YAML: pip install pyyaml") from error
    try:
        with open(name, encoding="utf-8") as stream:
            loaded = yaml.safe_load(stream) or {}
        loaded.pop("wandb_version", None)
        return {
            key: value["value"] if isinstance(value, dict) and "value" in value else value
            for key, value in loaded.items()
        }
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise ConfigError(f"{name} is no config file: {error}") from error


def defaults() -> dict[str, Any]:
    """Those of `config-defaults.yaml` in the working directory, which wandb reads by itself."""
    try:
        return read_file(_DEFAULTS, may_lack=True)
    except Error:
        return {}
