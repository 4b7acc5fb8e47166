"""Configurations that OmegaConf and Hydra compose: plain values, and which file gave which.

An interpolation is resolved only where nothing but OmegaConf itself is asked: a resolver of the
script's own may draw a number or count, and `now` would fix a time before the script does.
"""

import os
import re
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from samebit.capture import parsing
from samebit.capture.parsing import CODE, COMMAND_LINE, DEFAULT

__all__ = [
    "first_folder",
    "hydra_callbacks",
    "hydra_config",
    "hydra_loader",
    "is_composed",
    "is_in_job",
    "of_job",
    "omegaconf",
    "options_of",
    "plain_container",
]

_INTERPOLATION = re.compile(r"\$\{([^{}]*)\}")
_RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")
_HARMLESS = frozenset({"oc.env", "oc.select", "oc.decode", "oc.dict.keys", "oc.dict.values"})
_MOST_KNOWN = 64
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*([\w.-]+)")


def is_composed(value: Any) -> bool:
    """Whether a value is a container of OmegaConf's."""
    module = sys.modules.get("omegaconf")
    return module is not None and isinstance(value, getattr(module, "Container", ()))


def plain_container(value: Any) -> Any:
    """Its dicts, lists and scalars; what cannot be resolved harmlessly stays as it is written."""
    library: Any = sys.modules["omegaconf"]
    raw = library.OmegaConf.to_container(value, resolve=False)
    texts = list(_texts(raw))
    if not any("${" in text for text in texts):
        return raw
    called = {name for text in texts for name in _RESOLVER.findall(text)}
    if called <= _HARMLESS | {"hydra"}:
        try:
            return library.OmegaConf.to_container(value, resolve=True)
        except Exception:
            pass  # one value that cannot be had must not cost the others
    return _partly(value, raw, library)


def _texts(raw: Any) -> Any:
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, Mapping):
        for item in raw.values():
            yield from _texts(item)
    elif isinstance(raw, list):
        for item in raw:
            yield from _texts(item)


def _partly(value: Any, raw: Any, library: Any) -> Any:
    """Resolve only what names variables, or entries that need no resolving themselves."""
    if isinstance(raw, Mapping):
        return {k: _child(value, k, item, library) for k, item in raw.items()}
    if isinstance(raw, list):
        return [_child(value, at, item, library) for at, item in enumerate(raw)]
    return raw


def _child(value: Any, key: Any, raw: Any, library: Any) -> Any:
    if isinstance(raw, str) and "${" in raw:
        if not all(_is_simple(value, inner, library) for inner in _INTERPOLATION.findall(raw)):
            return raw
        try:
            return value[key]
        except Exception:
            return raw
    if isinstance(raw, (Mapping, list)):
        return _partly(value._get_node(key), raw, library)
    return raw


def _is_simple(value: Any, inner: str, library: Any) -> bool:
    name, colon, _ = inner.partition(":")
    if colon:
        return name.strip() in _HARMLESS
    if inner.startswith("."):
        return False
    try:
        root = value._get_root()
        target = library.OmegaConf.to_container(root, resolve=False)
        for part in inner.strip().split("."):
            target = target[part]
    except Exception:
        return False
    return isinstance(target, (bool, int, float)) or (
        isinstance(target, str) and "${" not in target
    )


def _names(raw: Any, before: str = "") -> Any:
    """Dotted names of the leaves, with the raw values."""
    if isinstance(raw, Mapping) and raw:
        for key, item in raw.items():
            yield from _names(item, f"{before}.{key}" if before else str(key))
    else:
        yield before, raw


def _raw(container: Any) -> Any:
    library: Any = sys.modules["omegaconf"]
    return library.OmegaConf.to_container(container, resolve=False)


def _leaves(container: Any, source: str) -> dict[str, str]:
    """The source of each leaf: what was said, or the variable that it names."""
    found: dict[str, str] = {}
    for name, raw in _names(_raw(container)):
        variable = _VARIABLE.search(raw) if isinstance(raw, str) else None
        found[name] = f"environment:{variable[1]}" if variable else source
    return found


# OmegaConf --------------------------------------------------------------------------------------


class _Known:
    """What is known of a container: where its leaves came from."""

    def __init__(self, container: Any, sources: dict[str, str], *, is_own: bool) -> None:
        self.is_of = weakref.ref(container)
        self.sources = sources
        self.is_own = is_own


_known: dict[int, _Known] = {}


def _find(container: Any) -> _Known | None:
    known = _known.get(id(container))
    return known if known is not None and known.is_of() is container else None


def _note(
    container: Any, sources: dict[str, str], *, is_own: bool, replaces: tuple[int, ...] = ()
) -> None:
    for gone in [key for key, known in _known.items() if known.is_of() is None]:
        del _known[gone]
    if len(_known) >= _MOST_KNOWN:
        return  # a script that reads its data so
    _known[id(container)] = _Known(container, sources, is_own=is_own)
    parsing.tell(
        "OmegaConf",
        None,
        lambda: container,
        sources,
        own=is_own,
        is_of=id(container),
        replaces=replaces,
    )


def omegaconf(module: Any) -> None:
    """What the script reads from a file and the command line, and merges."""
    library = module.OmegaConf

    def from_cli(result: Any, args_list: Any = None) -> None:
        if parsing.current() is None:
            is_own = parsing.is_own_line(args_list)
            _note(result, _leaves(result, COMMAND_LINE if is_own else CODE), is_own=is_own)

    def load(result: Any, file_: Any = None, *_: Any) -> None:
        if parsing.current() is None and is_composed(result):
            path = file_ if isinstance(file_, str) else getattr(file_, "name", None) or str(file_)
            _note(result, _leaves(result, f"file:{path}"), is_own=False)

    def merged(result: Any, *parts: Any, **_: Any) -> None:
        if parsing.current() is not None or not any(_find(part) for part in parts):
            return
        sources: dict[str, str] = {}
        for part in parts:
            known = _find(part)
            if known is not None:
                sources.update(known.sources)
            elif is_composed(part):
                kind = getattr(getattr(part, "_metadata", None), "object_type", dict)
                structured = kind not in (dict, list, None)  # of a dataclass: its defaults
                sources.update(_leaves(part, DEFAULT if structured else CODE))
            elif isinstance(part, Mapping):
                sources.update({name: CODE for name, _ in _names(part)})
        names = {name for name, _ in _names(_raw(result))}
        sources = {name: sources.get(name, DEFAULT) for name in names}
        known = [found for found in map(_find, parts) if found is not None]
        replaces = tuple(map(id, parts))
        _note(result, sources, is_own=any(k.is_own for k in known), replaces=replaces)

    for name, then in (("from_cli", from_cli), ("load", load), ("merge", merged)):
        parsing.after(library, name, "OmegaConf", then)
    parsing.after(library, "unsafe_merge", "OmegaConf", merged)


# Hydra ------------------------------------------------------------------------------------------

_composed: dict[str, Any] = {"sources": {}, "files": ()}
# Options of Hydra's own command line that have a value, and those of a sweep.
_WITH_VALUE = frozenset(
    {"--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--package", "-p"}
)
_OF_SWEEPS = re.compile(r"[+~]*hydra[./](?:sweep|sweeper|launcher|mode|run\.dir)\b")


def hydra_loader(module: Any) -> None:
    """Which file gave which value, and which override changed it."""
    loader = module.ConfigLoaderImpl

    def loaded(result: Any, _: Any, default: Any = None, *__: Any, **___: Any) -> None:
        parse = parsing.current()
        if parse is None or result is None:
            return
        path = str(getattr(result, "path", "") or "")
        scheme, _, place = path.rpartition("://")
        name = str(getattr(default, "config_path", None) or "")
        file = f"{place or path}/{name}".removesuffix(".yaml") + ".yaml"
        parse.notes.setdefault("files", []).append(_on_disk(scheme, file))
        source = DEFAULT if scheme == "structured" else f"file:{file}"
        parse.given.update(_leaves(result.config, source))

    def composed(
        parse: parsing.Parse,
        result: Any,
        self: Any,
        config_name: Any = None,
        overrides: Any = (),
        run_mode: Any = None,
        from_shell: Any = True,
        *_: Any,
        **__: Any,
    ) -> None:
        sources = dict(parse.given)
        given = COMMAND_LINE if from_shell else CODE
        for word in _raw(result.hydra.overrides.task):
            name = re.match(r"[~+]*([^=@]+)", word)
            if name is not None and name[1] not in result.hydra.runtime.choices:
                key = name[1]
                for leaf in [n for n in sources if n.startswith(key + ".")]:
                    del sources[leaf]
                sources[key] = given
        sources = {
            n: s for n, s in sources.items() if n.partition(".")[0] not in ("hydra", "defaults")
        }
        files = tuple(filter(None, parse.notes.get("files", ())))
        _composed.update(sources=sources, files=files)
        if not from_shell:
            facts = {"choices": _choices(result), "overrides": list(overrides)}
            parsing.tell(
                "Hydra",
                None,
                lambda: _task_values(result),
                sources,
                own=False,
                facts=facts,
                files=files,
            )

    parsing.during(loader, "load_configuration", "Hydra", composed)
    parsing.after(loader, "_load_single_config", "Hydra", loaded)


def _on_disk(scheme: str, file: str) -> str:
    """The path of a file of the configuration; empty where it lies in no folder."""
    if scheme == "pkg":
        first, _, rest = file.partition(".")
        place, _, name = rest.partition("/")
        package = getattr(sys.modules.get(first.partition("/")[0]), "__file__", None)
        if package is None:
            return ""
        return os.path.join(os.path.dirname(package), *place.split("."), name)
    return os.path.abspath(file) if scheme in ("", "file") else ""


def _choices(config: Any) -> dict[str, Any]:
    choices = _raw(config.hydra.runtime.choices)
    return {str(k): v for k, v in choices.items() if str(k).partition("/")[0] != "hydra"}


def _task_values(config: Any) -> Any:
    """Only what the script's function gets; Hydra's own part may be of any size."""
    library: Any = sys.modules["omegaconf"]
    raw = {key: value for key, value in _raw(config).items() if key != "hydra"}
    return plain_container(library.OmegaConf.create(raw, flags={"allow_objects": True}))


def _of_job(config: Any) -> dict[str, Any]:
    overrides = _raw(config.hydra.overrides.task)
    facts: dict[str, Any] = {"choices": _choices(config), "overrides": overrides}
    # With several jobs in one process, whichever comes is another configuration.
    job = _job(config)
    return facts if job is None else {**facts, "job": job.number}


def _job(config: Any) -> parsing.Job | None:
    """Of a sweep, the job that is about to begin; with what the script would do it alone."""
    number = _raw(config.hydra.job).get("num")
    if getattr(config.hydra.mode, "name", "") != "MULTIRUN" or not isinstance(number, int):
        return None
    raw = _raw(config.hydra.overrides)
    arguments = list(raw["task"])
    arguments += [word for word in raw["hydra"] if not _OF_SWEEPS.match(word)]
    folder, above = str(config.hydra.runtime.output_dir), str(config.hydra.runtime.cwd)
    if not os.path.relpath(folder, above).startswith(os.pardir):
        folder = os.path.relpath(folder, above)
    quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
    arguments += [f"hydra.run.dir='{quoted}'", f"hydra.job.num={number}", f"hydra.job.id={number}"]
    sweep = os.path.relpath(str(config.hydra.sweep.dir), above)
    return parsing.Job(number + 1, tuple(arguments), sweep)


def options_of(words: Sequence[str]) -> list[str]:
    """Hydra's options among the words of a command, but for the one that asks for a sweep."""
    found: list[str] = []
    at = 0
    while at < len(words):
        takes = words[at] in _WITH_VALUE
        if words[at].startswith("-") and words[at] not in ("-m", "--multirun"):
            found += words[at : at + 1 + takes]
        at += 1 + takes
    return found


def first_folder() -> str:
    """Where the process was started: Hydra may have changed into the folder of its output."""
    module = sys.modules.get("hydra.core.hydra_config")
    current = module.HydraConfig.instance().cfg if module is not None else None
    try:
        return os.getcwd() if current is None else str(current.hydra.runtime.cwd)
    except Exception:
        return os.getcwd()


def is_in_job() -> bool:
    """Whether a job of a sweep goes on in this process, by what Hydra says."""
    module = sys.modules.get("hydra.core.hydra_config")
    current = module.HydraConfig.instance().cfg if module is not None else None
    return current is not None and _job(current) is not None


def of_job(
    container: Any,
) -> tuple[dict[str, Any], Any, parsing.Job | None, tuple[str, ...]] | None:
    """Facts, values, job and files of what Hydra is in, where this is its configuration.

    The files are those of the configuration's name and of its groups; what these name besides is
    not known any more.
    """
    module = sys.modules.get("hydra.core.hydra_config")
    current = module.HydraConfig.instance().cfg if module is not None else None
    if current is None or getattr(container, "_get_parent", lambda: 1)() is not None:
        return None
    return _of_job(current), plain_container(container), _job(current), tuple(_named(current))


def _named(config: Any) -> Iterator[str]:
    """The files of a configuration's name and groups that lie on the disk."""
    names = [str(config.hydra.job.config_name)]
    names += [f"{group}/{choice}" for group, choice in _choices(config).items()]
    for source in _raw(config.hydra.runtime.config_sources):
        for name in names if source.get("schema") == "file" else ():
            path = os.path.join(source["path"], name.removesuffix(".yaml") + ".yaml")
            if os.path.isfile(path):
                yield path


def hydra_config(module: Any) -> None:
    """Told at the beginning of a job, with the configuration that its function gets."""

    def begun(_: Any, self: Any, cfg: Any) -> None:
        if _raw(cfg.hydra.runtime).get("output_dir", "") == "???":
            return  # it comes again, with its folder
        values = _task_values(cfg)
        facts = _of_job(cfg)
        parsing.tell(
            "Hydra",
            None,
            lambda: values,
            _composed["sources"],
            own=True,
            facts=facts,
            is_of=-1,
            replaces=(-1,),
            files=_composed["files"],
            job=_job(cfg),
        )

    parsing.after(module.HydraConfig, "set_config", "Hydra", begun)


def hydra_callbacks(module: Any) -> None:
    """Told when a job's function has returned, or raised something, by whichever launcher."""

    def ended(_: Any, self: Any, config: Any, job_return: Any, **__: Any) -> None:
        job = _job(config)
        if job is not None:
            # Its property raises what the function did.
            value = vars(job_return).get("_return_value")
            has_failed = getattr(job_return.status, "name", "") == "FAILED"
            parsing.job_ends(job.number, value if has_failed else None)

    parsing.after(module.Callbacks, "on_job_end", "Hydra", ended)
