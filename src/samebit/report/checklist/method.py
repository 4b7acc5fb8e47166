"""Evidence of what was done: code, command, data, splits, settings, seeds, machines, models."""

from collections.abc import Sequence

from samebit.digest import short
from samebit.report.amounts import counted, size
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
)
from samebit.report.results import same, varied
from samebit.report.table import few, shown

__all__ = [
    "assets",
    "chosen",
    "code",
    "commands",
    "data",
    "environment",
    "evaluation",
    "hardware",
    "leaks",
    "licences",
    "models",
    "optimizer",
    "own_licence",
    "parameters",
    "readme",
    "requirements",
    "search",
    "seeds",
    "settings",
    "splits",
]

_MOST_SPLITS = 6
_MOST_TRIED = 8
_MOST_SEEDS = 12
_MOST_VALUES = 4
_LICENCES = ("license", "licence", "copying")
_SET_BY = {
    "command line": "the command line",
    "default": "a default",
    "environment": "the environment",
    "file": "a file",
}
_LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "conda-lock.yml")
_REQUIREMENTS = (*_LOCKS, "requirements.txt", "pyproject.toml", "environment.yml", "setup.py")


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
    said = [f"{_called(name)} {each(_with(rows, name), f'software.{name}')}" for name in names]
    if not said:
        return Evidence("software", (), "`samebit run` records it")
    lines = [", ".join(said)]
    recorded = [row for row in rows if row.get("software.python")]
    locked = [row for row in recorded if "lock" not in missing_of(row)]
    if not locked:
        return Evidence("software", tuple(lines), "no lock file: `uv lock` makes one")
    lines.append(f"the project has a lock file: {of(len(locked), len(rows))}")
    return Evidence("software", tuple(lines))


def _with(rows: Sequence[Row], package: str) -> list[Row]:
    """A package that only some of the runs need is not missing of the others."""
    return [row for row in rows if row.get(f"software.{package}") is not None]


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
        parts = ", ".join(_sized(*part) for part in split.parts) or "rows not listed"
        line = f"{split.name}: {parts}; {split.made}; {short(split.digest)}"
        if split.runs < len(project.runs):
            line += f", in {of(split.runs, len(project.runs))}"
        lines.append(line + (f"; labels {split.labels}" if split.labels else ""))
    if (more := len(project.splits) - _MOST_SPLITS) > 0:
        lines.append(f"and {more:,} more")
    return Evidence("splits", tuple(lines), "`samebit split export RUN` writes the row numbers")


def _sized(name: str, rows: int) -> str:
    """`test 30`; of parts that have numbers for names `1: 30`."""
    return f"{name}: {rows:,}" if name.isdecimal() else f"{name} {rows:,}"


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
        if not all(is_a_seed(key, row[key]) for row in every if key in row)
    ]
    if not names:
        known = names_under(every, "config.")
        lines = ("one value of each hyper-parameter was ever run",) if known else ()
        return Evidence("values tried", lines)
    tried = [f"{name}: {_range(every, name)}" for name in names[:_MOST_TRIED]]
    if (more := len(names) - _MOST_TRIED) > 0:
        tried.append(f"and {more:,} more")
    line = f"over {counted(len(every), 'run')} of the project: {'; '.join(tried)}"
    return Evidence("values tried", (line,), "say the space that you searched, and how")


def chosen(_: Project) -> Evidence:
    """How hyper-parameters were chosen: no record knows."""
    hint = "say by which rule and on which score the final values were chosen"
    return Evidence("how hyper-parameters were chosen", (), hint)


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
    return Evidence("hardware", tuple(lines), "say whose they are: your own, a cluster, a provider")


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


def models(project: Project) -> Evidence:
    """Which trained models could be given to others."""
    kept = [row for row in project.runs if row.get("state.final") == "kept"]
    if not kept:
        hint = "`samebit run` keeps what a PyTorch optimizer trains; `run.checkpoint` keeps others"
        return Evidence("trained models", (), hint)
    total = sum(numbers_under(kept, "state.final_bytes"))
    line = f"the final state of {of(len(kept), len(project.runs))} is kept, {size(int(total))}"
    return Evidence(
        "trained models", (line,), "`samebit state export RUN` writes a file of weights"
    )


def evaluation(project: Project) -> Evidence:
    """What computes the test scores."""
    tested = [
        row
        for row in project.runs
        if any(row.get(f"metric.{name}") is not None for name in project.tests)
    ]
    if not tested:
        hint = "log test scores in a recorded run: then its code and command are recorded"
        return Evidence("evaluation code", (), hint)
    trained = sum(1 for row in tested if row.get("optimizer.name") or row.get("training.batch"))
    line = f"{of(len(tested), len(project.runs))} logged test scores"
    if trained:
        line += f", {trained:,} of them in the command that also trained"
    return Evidence("evaluation code", (line,))


def readme(project: Project) -> Evidence:
    """Whether the code says how to use it."""
    found = [_named(names, "readme") for names in project.files]
    named = list(dict.fromkeys(name for names in found for name in names))
    hint = "`samebit release` writes one with the results and the exact command of each"
    if not named:
        return Evidence("README", (), hint)
    whole = sum(1 for names in found if names)
    line = f"{few(named)} in {of(whole, len(project.files), 'version')} of the code"
    return Evidence(
        "README", (line,), f"does it have a table of results and their commands? {hint}"
    )


def requirements(project: Project) -> Evidence:
    """Which file of the code names the packages that it needs."""
    named = list(
        dict.fromkeys(name for names in project.files for name in names if name in _REQUIREMENTS)
    )
    hint = "" if named else "`pip freeze > requirements.txt` is one; `samebit release` writes one"
    lines = (f"in the code: {few(named)}",) if named else ()
    return Evidence("list of dependencies", lines, hint)


def assets(project: Project) -> Evidence:
    """What of others was used: packages and data."""
    rows = project.runs
    lines: list[str] = []
    if packages := [name for name in names_under(rows, "software.") if name != "python"]:
        said = [f"{name} {each(_with(rows, name), f'software.{name}')}" for name in packages]
        lines.append(f"packages: {few(said, 12)}")
    if names := names_under(rows, "data."):
        lines.append(f"data: {few(names, 8)}")
    return Evidence("assets used", tuple(lines), "cite each with its version and address")


def licences(_: Project) -> Evidence:
    """Under which licence others gave what was used: no record knows."""
    hint = "name the licence of every package, data set and model that you used"
    return Evidence("licences of what was used", (), hint)


def own_licence(project: Project) -> Evidence:
    """Under which licence the code itself is given."""
    named = {
        name for names in project.files for start in _LICENCES for name in _named(names, start)
    }
    lines = (f"in the code: {few(sorted(named))}",) if named else ()
    hint = "" if named else "a file LICENSE in the project says what others may do with it"
    return Evidence("licence of the code", lines, hint)


def _named(names: Sequence[str], start: str) -> list[str]:
    return [name for name in names if "/" not in name and name.lower().startswith(start)]
