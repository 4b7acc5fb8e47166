"""Evidence of what was done: code, command, data, splits, settings, seeds, machines, models."""

from collections.abc import Sequence

from samebit.digest import short
from samebit.report.amounts import counted, size, sized
from samebit.report.anonymous import Wording
from samebit.report.checklist.project import (
    SEEDED,
    Evidence,
    Project,
    Row,
    each,
    is_a_seed,
    missing_of,
    names_under,
    numbers_under,
    of,
    spread,
    with_package,
)
from samebit.report.results import same, varied
from samebit.report.table import few, shown
from samebit.report.tables.naming import matches

__all__ = [
    "chosen",
    "code",
    "commands",
    "data",
    "environment",
    "hardware",
    "leaks",
    "optimizer",
    "parameters",
    "preprocessing",
    "search",
    "seeds",
    "settings",
    "splits",
]

_MOST_SPLITS = 6
_MOST_TRIED = 8
_MOST_SEEDS = 12
_MOST_VALUES = 4
_SET_BY = {
    "command line": "the command line",
    "default": "a default",
    "environment": "the environment",
    "file": "a file",
}


def code(project: Project) -> Evidence:
    """Where the code is, and whether a repository alone would do."""
    runs = project.runs
    kept = [row for row in runs if row.get("code.tree")]
    if not kept:
        return Evidence("code", (), "`samebit run` keeps it")
    trees = list(dict.fromkeys(str(row["code.tree"]) for row in kept))
    names = few([short(tree) for tree in trees], 2)
    lines = [f"recorded of {of(len(kept), len(runs))}: {counted(len(trees), 'version')} ({names})"]
    dirty = sum(1 for row in kept if row.get("code.dirty"))
    if dirty:
        lines.append(
            f"with changes that are in no commit, and in the record: {of(dirty, len(kept))}"
        )
    hint = "`samebit release` packs it with its environment, data and commands"
    return Evidence("code", tuple(lines), hint)


def commands(project: Project) -> Evidence:
    """The exact commands."""
    found = list(dict.fromkeys(str(row["command"]) for row in project.runs if row.get("command")))
    if not found:
        return Evidence("commands")
    # Folders and addresses tell whose paper it is.
    lines = [f"{counted(len(found), 'command')}, such as: {Wording(b'').text(found[0])}"]
    return Evidence("commands", tuple(lines), "`samebit show RUN` has each")


def environment(project: Project) -> Evidence:
    """Versions of software, and whether they are locked."""
    rows = project.runs
    names = names_under(rows, "software.")
    said = [
        f"{_called(name)} {each(with_package(rows, name), f'software.{name}')}" for name in names
    ]
    if not said:
        return Evidence("software", (), "`samebit run` records it")
    lines = [", ".join(said)]
    recorded = [row for row in rows if row.get("software.python")]
    locked = [row for row in recorded if "lock" not in missing_of(row)]
    if not locked:
        return Evidence("software", tuple(lines), "no lock file: `uv lock` makes one")
    lines.append(f"the project has a lock file: {of(len(locked), len(rows))}")
    return Evidence("software", tuple(lines))


def _called(name: str) -> str:
    return "Python" if name == "python" else name


def data(project: Project) -> Evidence:
    """Which data, by its content."""
    lines: list[str] = []
    for name in names_under(project.runs, "data."):
        using = [row for row in project.runs if row.get(f"data.{name}") is not None]
        rows = numbers_under(using, f"data_rows.{name}")
        many = f"{spread(rows, _whole)} rows, " if rows else ""
        lines.append(f"{name}: {many}{each(using, f'data.{name}', _short)}")
    hint = "`run.data(name, data)` records what it is by its content" if not lines else ""
    return Evidence("data", tuple(lines), hint)


def _short(fingerprint: object) -> str:
    kind, colon, digits = str(fingerprint).rpartition(":")
    return f"{kind}:{digits[:8]}" if colon else str(fingerprint)


def _whole(count: float) -> str:
    return f"{int(count):,}"


def splits(project: Project) -> Evidence:
    """The parts, how large they are, how they were made."""
    if not project.splits:
        hint = "`run.splits(train=…, test=…, of=data)` records which row is where"
        return Evidence("splits", (), hint)
    lines: list[str] = []
    for split in project.splits[:_MOST_SPLITS]:
        parts = ", ".join(sized(*part) for part in split.parts) or "rows not listed"
        line = f"{split.name}: {parts}; {split.made}; {short(split.digest)}"
        if split.runs < len(project.runs):
            line += f", in {of(split.runs, len(project.runs))}"
        lines.append(line + (f"; labels {split.labels}" if split.labels else ""))
    if (more := len(project.splits) - _MOST_SPLITS) > 0:
        lines.append(f"and {more:,} more")
    return Evidence("splits", tuple(lines), "`samebit split export RUN` writes the row numbers")


def leaks(project: Project) -> Evidence:
    """Rows that two parts share, as far as the record tells."""
    lines: list[str] = []
    for split in project.splits[:_MOST_SPLITS]:
        lines += [f"{split.name}: {found}" for found in split.shared]
        if split.unknown:
            lines.append(f"{split.name}: {split.unknown}")
        elif not split.shared and len(split.parts) > 1:
            lines.append(f"{split.name}: no row is in two parts, and none equals one of another")
    hint = "`samebit data leaks RUN --data FILE` looks for more: nearly equal rows, time, groups"
    return Evidence("leaks between splits", tuple(lines), hint)


def settings(project: Project) -> Evidence:
    """How many hyper-parameters are recorded, and which of them differ."""
    names = names_under(project.runs, "config.")
    if not names:
        hint = "`samebit run` records those of argparse and others; `samebit.init(config=…)` any"
        return Evidence("hyper-parameters", (), hint)
    differing = [key.removeprefix("config.") for key in varied(project.runs)]
    lines = [f"{counted(len(names), 'setting')} recorded of each run"]
    if differing:
        said = [f"{name} ({_range(project.runs, name)})" for name in differing]
        lines.append(f"in which the runs of the paper differ: {few(said, 6)}")
    sources: dict[str, int] = {}
    for name in names:
        for source in {_kind(row.get(f"source.{name}")) for row in project.runs} - {None}:
            sources[str(source)] = sources.get(str(source), 0) + 1
    if sources:
        said = [f"{count:,} from {kind}" for kind, count in sources.items()]
        lines.append(f"who set them: {', '.join(said)}")
    return Evidence("hyper-parameters", tuple(lines), "`samebit table` writes all of them")


def _kind(source: object) -> str | None:
    kind = str(source).partition(":")[0]
    return None if source is None else _SET_BY.get(kind, kind)


def _values(rows: Sequence[Row], name: str) -> list[object]:
    """Each value once; of a run that has no such setting, None."""
    found = (row.get(f"config.{name}") for row in rows)
    return list({same(value): value for value in found}.values())


def _range(rows: Sequence[Row], name: str) -> str:
    values = _values(rows, name)
    numbers = [value for value in values if isinstance(value, (int, float)) and value == value]
    if len(numbers) == len(values) and not any(isinstance(value, bool) for value in values):
        values = sorted(numbers)
        if len(values) > _MOST_VALUES:
            return f"{shown(values[0])} to {shown(values[-1])}, {len(values)} values"
    return few([shown(value) or "none" for value in values], _MOST_VALUES)


def optimizer(project: Project) -> Evidence:
    """The optimizer, with the learning rate that it really used."""
    rows = [row for row in project.runs if row.get("optimizer.name")]
    lines: list[str] = []
    if rows:
        lines.append(each(rows, "optimizer.name"))
        if any(row.get("optimizer.lr") is not None for row in rows):
            lines.append(f"learning rate as used: {each(rows, 'optimizer.lr')}")
    for key, text in (
        ("training.batch", "batch of {} samples"),
        ("training.epochs", "{} epochs"),
        ("training.precision", "precision {}"),
        ("training.clipping", "clipping by {}"),
    ):
        if any(row.get(key) is not None for row in project.runs):
            lines.append(text.format(each(project.runs, key)))
    hint = "of PyTorch it is recorded by itself; elsewhere state it in the text"
    return Evidence("optimizer and schedule", tuple(lines), hint if not lines else "")


def search(project: Project) -> Evidence:
    """Every value of a hyper-parameter that any run of the project tried."""
    every = project.every
    names = [
        key.removeprefix("config.")
        for key in varied(every)
        if not matches(key, project.ignored)
        and not all(is_a_seed(key, row[key]) for row in every if key in row)
    ]
    about, space = "values tried", [f"{name} in {where}" for name, where in project.searched]
    lines = [f"declared: {'; '.join(space)}"] if space else []
    if not names:
        if names_under(every, "config."):
            lines.append("one value of each hyper-parameter was ever run")
        return Evidence(about, tuple(lines))
    tried = [f"{name}: {_range(every, name)}" for name in names[:_MOST_TRIED]]
    if (more := len(names) - _MOST_TRIED) > 0:
        tried.append(f"and {more:,} more")
    lines.append(f"over {counted(len(every), 'run')} of the project: {'; '.join(tried)}")
    hint = "" if space else "[table.search] in samebit.toml says the space that you searched"
    return Evidence(about, tuple(lines), hint)


def chosen(project: Project) -> Evidence:
    """How hyper-parameters were chosen: of sweeps the record knows."""
    hint = 'chosen = "…" below [checklist] in samebit.toml says by which rule and on which score'
    if project.chosen_by and not project.declared.chosen:
        return Evidence("how hyper-parameters were chosen", project.chosen_by)
    return _declared("how hyper-parameters were chosen", project.declared.chosen, hint)


def preprocessing(project: Project) -> Evidence:
    """What was done to the data, and what was left out."""
    hint = 'preprocessing = "…" below [checklist] in samebit.toml says it'
    return _declared("preprocessing and what was left out", project.declared.preprocessing, hint)


def _declared(about: str, said: str, hint: str) -> Evidence:
    return Evidence(about, (f"declared: {said}",)) if said else Evidence(about, (), hint)


def seeds(project: Project) -> Evidence:
    """What was seeded with what."""
    rows = project.runs
    lines: list[str] = []
    if any(row.get("seed") is not None for row in rows):
        lines.append(f"given to samebit for every library: {_all(rows, 'seed')}")
    lines += [
        f"{SEEDED.get(name, name)}: {_all(rows, f'seeds.{name}')}"
        for name in names_under(rows, "seeds.")
    ]
    unseeded = [row for row in rows if {"seed", "randomness"} & {*missing_of(row)}]
    if unseeded:
        lines.append(f"something random was seeded by nobody in {of(len(unseeded), len(rows))}")
    forced = sum(1 for row in rows if row.get("deterministic"))
    if forced:
        lines.append(f"deterministic algorithms asked for: {of(forced, len(rows))}")
    return Evidence("seeds", tuple(lines), "" if lines else "`samebit run --seed N` seeds and says")


def _all(rows: Sequence[Row], key: str) -> str:
    """Every value that any run has, in order, and how many have none."""
    found = {repr(row[key]): row[key] for row in rows if row.get(key) is not None}
    numbers = [value for value in found.values() if type(value) is int]
    values = sorted(numbers) if len(numbers) == len(found) else list(found.values())
    without = sum(row.get(key) is None for row in rows)
    said = few([shown(value) for value in values], _MOST_SEEDS)
    return said + (f"; none in {of(without, len(rows))}" if without else "")


def hardware(project: Project) -> Evidence:
    """On what they ran."""
    rows = [row for row in project.runs if row.get("machine.device")]
    if not rows:
        return Evidence("hardware", (), "`samebit run` records it")
    lines = [f"{each(rows, 'machine.device')}"]
    if any(row.get("machine.cpu") not in (None, row.get("machine.device")) for row in rows):
        lines.append(f"processor: {each(rows, 'machine.cpu')}")
    if memory := numbers_under(rows, "machine.memory_bytes"):
        lines.append(f"memory of a machine: {spread(memory, lambda count: size(int(count)))}")
    whose = project.declared.machines
    lines += [f"declared: {whose}"] if whose else []
    hint = 'machines = "…" below [checklist] in samebit.toml says whose they are'
    return Evidence("hardware", tuple(lines), "" if whose else hint)


def parameters(project: Project) -> Evidence:
    """How large the models are."""
    rows = [row for row in project.runs if row.get("training.parameters") is not None]
    if not rows:
        hint = "`run.watch(model)` counts them; PyTorch's are counted by themselves"
        return Evidence("number of parameters", (), hint)
    lines = [f"{each(rows, 'training.parameters', _grouped)} parameters"]
    if any(row.get("training.trainable") != row["training.parameters"] for row in rows):
        lines.append(f"{each(rows, 'training.trainable', _grouped)} of them trained")
    return Evidence("number of parameters", tuple(lines))


def _grouped(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else shown(value)
