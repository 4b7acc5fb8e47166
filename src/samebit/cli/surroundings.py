"""A run's surroundings in words: its files, what it used of the machine, and its environment.

Each function gives lines of name and value, as `samebit show` prints them.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from samebit.capture import locks
from samebit.capture.callers import short_place
from samebit.cli.words import duration, few, number, shown, size, visible
from samebit.data import versions
from samebit.data.linking import Link, find_links, kept_files
from samebit.data.versions import short_name
from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.folders.used import data_of
from samebit.objects.store import Store
from samebit.query.used import short_fingerprint

__all__ = [
    "data_links",
    "environment_lines",
    "file_lines",
    "link_lines",
    "machine_lines",
    "use_lines",
    "used_lines",
]

_MOST_USED = 8
_BLAS = {
    "torch": ("torch.blas", "torch.cpu_capability"),
    "numpy": ("numpy.blas", "openblas.numpy.libs.cpu"),
}


def file_lines(view: View) -> Iterator[tuple[str, object]]:
    """What it read and wrote; its own sources are left to its code."""
    facts = {fact["path"]: fact for fact in view.files}
    root = f"{view.code.root}/" if view.code is not None else ""
    groups: dict[str, list[str]] = {"read": [], "read and written": [], "written": []}
    for path, fact in facts.items():
        how = "written" if fact["how"] == "write" else fact["how"]
        how = "read and written" if how == "read" and fact.get("written") else how
        if how in groups and not path.endswith(".py"):
            groups[how].append(path.removeprefix(root))
    for how, names in groups.items():
        if names:
            yield how, few(names, 3)
    if saved := kept_files(view.files):
        total = sum(int(fact.get("size_bytes", 0)) for fact in saved.values())
        yield "kept", f"{len(saved):,} of those read, {size(total)}; samebit data restore {view.id}"
    by_call: dict[str, list[str]] = {"saved": [], "logged": [], "used": []}
    for fact in view.all_facts("artifact"):  # versions of data that its script named
        by_call.setdefault(fact["how"], []).append(_version(fact))
    for how, names in by_call.items():
        if names:
            yield f"{how} as data", few(list(dict.fromkeys(names)), 3)


def _version(fact: Mapping[str, str]) -> str:
    return f"{fact['name']}@{fact['fingerprint'].rpartition(':')[2][:8]}"


def data_links(view: View) -> list[Link]:
    """The versions of data that hold what it read."""
    if not versions.list_names(view.folder.store):
        return []
    read = {
        str(fact["path"]): name
        for fact in view.files
        if fact["how"] == "read" and (name := fact.get("digest")) is not None
    }
    return find_links(Store(view.folder.store), read)


def link_lines(view: View) -> Iterator[tuple[str, object]]:
    """Of each version how many of its files it read."""
    for link in data_links(view):
        whole = link.version.files
        count = f"all {whole:,}" if link.files == whole else f"{link.files:,} of {whole:,}"
        if whole == 1:
            yield "data", short_name(link.version)
        else:
            yield "data", f"{short_name(link.version)}, {count} files"


def used_lines(
    view: View, name_of: Callable[[str | None], str] = short_fingerprint
) -> Iterator[tuple[str, object]]:
    """The data that it said it uses: its fingerprint, how much it is, and whether it is kept."""
    found = data_of(view)
    for name, fact in list(found.items())[:_MOST_USED]:
        text = name_of(fact["fingerprint"])
        if (rows := fact.get("rows")) is not None:
            text += f", {rows:,} rows"
        text += f", {fact['what']}"
        if (taken := fact.get("counts", {}).get("taken")) is not None:
            text += f", by {taken:,} of them"
        if (version := fact.get("version")) is not None:
            text += f", kept as {version}"
        elif "kept" in fact:
            text += f", kept, {size(fact.get('size_bytes', 0))}"
        yield name, f"{text} ({short_place(at)})" if (at := fact.get("at")) else text
        if fact["fingerprint"] is None and (notes := fact.get("notes")):
            yield "", notes[0]
    if len(found) > _MOST_USED:
        yield "", f"and {len(found) - _MOST_USED} more"


def use_lines(view: View) -> Iterator[tuple[str, object]]:
    """What it took; of several ranks, each says its own."""
    found = view.all_facts("use")
    for told in found:
        rank = f" of rank {told.get('rank')}" if len(found) > 1 else ""
        used: dict[str, Any] = {
            name: value for name, value in told.items() if isinstance(value, (int, float))
        }
        memory = size(used.get("peak_rss_bytes") or 0)
        text = f"{duration(used.get('cpu_s') or 0)} of processor in {duration(used['wall_s'])}"
        yield f"used{rank}", f"{text}, {memory} of memory at most"
        moved = [("read", "read_bytes"), ("written", "written_bytes")]
        words = [f"{size(used[name])} {word}" for word, name in moved if used.get(name)]
        if words:
            yield f"disk{rank}", ", ".join(words)
        for name in sorted(name for name in used if name.endswith("joules") and used[name]):
            yield f"energy{rank}", f"{number(used[name])} J, {name.removesuffix('_joules')}"
        for name in sorted(name for name in used if name.startswith("peak_gpu")):
            card, what = name.removeprefix("peak_").split("_", 1)
            if what == "memory_bytes":
                busy = used.get(f"peak_{card}_percent")
                share = f"{number(busy)} % busy and " if busy else ""
                yield f"{card}{rank}", f"{share}{size(used[name])} of memory in use at most"


def environment_lines(view: View) -> Iterator[tuple[str, object]]:
    """Interpreter, packages and machine, and what of them changed or was edited."""
    interpreter = view.facts.get("interpreter") or {}
    packages = (view.facts.get("packages") or {}).get("versions") or {}
    machine = view.facts.get("machine") or {}
    if interpreter:
        python = f"{interpreter.get('implementation')} {interpreter.get('version')}"
        yield "python", f"{python}, {len(packages)} packages"
    main = [
        f"{n} {packages[n]}" for n in ("torch", "jax", "numpy", "scikit-learn") if n in packages
    ]
    if main:
        yield "with", ", ".join(main)
    cpu = machine.get("cpu") or {}
    if cpu:
        # Of an imported run not all of it is known.
        told = [
            cpu.get("model"),
            (many := cpu.get("allowed") or cpu.get("logical")) and f"{many} processors",
            (memory := machine.get("memory_bytes")) and f"{size(memory)} of memory",
        ]
        host = f"{machine['host']}: " if machine.get("host") else ""
        yield "machine", host + ", ".join(shown(one) for one in told if one)
    kernel = machine.get("system") or {}
    system = [
        interpreter.get("system"),
        " ".join(str(kernel[part]) for part in ("name", "release") if kernel.get(part)),
        interpreter.get("libc"),
    ]
    if any(system):
        yield "system", ", ".join(visible(str(part)) for part in system if part)
    settings = view.facts.get("settings") or {}
    blas = [
        f"{library} {' '.join(str(settings[part]) for part in parts if settings.get(part))}"
        for library, parts in _BLAS.items()
        if settings.get(parts[0])
    ]
    if blas:
        yield "blas", visible(", ".join(blas))
    driver = machine.get("gpu_driver")
    for gpu in machine.get("gpus") or []:
        words = shown((gpu.get("model") if isinstance(gpu, dict) else None) or gpu)
        yield "gpu", f"{words}, driver {shown(driver)}" if driver else words
    for name, (then, now) in (view.facts.get("settings_changed") or {}).items():
        yield "changed", f"{name} from {shown(then)} to {shown(now)} while the run went on"
    yield from _installed(view)


def machine_lines(view: View) -> Iterator[tuple[str, object]]:
    """What it ran on, in full: processor, memory, graphics cards, threads and libraries."""
    machine, settings = view.facts.get("machine") or {}, view.facts.get("settings") or {}
    cpu = machine.get("cpu") or {}
    yield "host", machine.get("host")
    yield "container", machine.get("container")
    yield "processor", " ".join(str(cpu[p]) for p in ("model", "architecture") if cpu.get(p))
    cores = {"physical": "cores", "logical": "processors", "allowed": "that it may use"}
    counted = [f"{cpu[part]} {word}" for part, word in cores.items() if cpu.get(part)]
    if (quota := cpu.get("quota")) is not None:
        counted.append(f"the time of {number(quota)} at most")
    yield "cores", ", ".join(counted)
    yield "instructions", " ".join(map(str, cpu.get("flags") or []))
    if memory := machine.get("memory_bytes"):
        yield "memory", size(memory)
    for gpu in machine.get("gpus") or []:
        told = gpu if isinstance(gpu, dict) else {"model": gpu}
        yield "GPU", ", ".join(shown(value) for value in told.values() if value)
    yield "GPU driver", machine.get("gpu_driver")
    yield "kernel", " ".join(str(one) for one in (machine.get("system") or {}).values() if one)
    for library, parts in _BLAS.items():
        yield f"BLAS of {library}", " ".join(str(settings[p]) for p in parts if settings.get(p))
    for name, value in sorted(settings.items()):
        if name.endswith("threads") and type(value) is int and value > 0:
            yield "threads", f"{name} {value}"


def _installed(view: View) -> Iterator[tuple[str, object]]:
    """What of the environment is not as its installers and its lock have it."""
    packages = view.facts.get("packages") or {}
    for lock in (view.facts.get("lock") or [])[:1]:
        name = Path(lock["path"]).name
        try:
            content = Store(view.folder.store).read(lock.get("kept") or lock["digest"])
        except SamebitError:
            continue
        pins = locks.read(name, content)
        found = ["cannot be read"] if pins is None else locks.differences(pins, packages)
        for line in found[:6] or ["the environment is as it says"]:
            yield "lock", f"{name}: {line}"
    installed = view.facts.get("installed") or {}
    for path in list(installed.get("edited") or {})[:4]:
        yield "edited", f"{path} since its distribution was installed"
    for path in list(installed.get("added") or {})[:4]:
        yield "added", f"{path}, which no installer put among the distributions"
