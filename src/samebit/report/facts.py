"""What papers say of a run, as one flat row: beside its configuration and metrics the method.

Keys, each only where the record has it; `facts` adds them to the rows of `query.index`:

    first. min. max. points. step.NAME     of a metric; NaN is neither its lowest nor its highest
    optimizer.name, optimizer.lr, …        a scalar that changes is its schedule in words; those
                                           of a second optimizer are `optimizer1.…`
    training.parameters trainable batch micro_batch accumulation world epochs samples precision
             clipping
    command                                as it was started, in one line
    seeds.NAME                             what a library, or a role, was seeded with
    trial.seeds                            which roles a study gave their seeds: "init, order"
    data.NAME, data_rows.NAME              its fingerprint, and how many rows
    split.NAME.PART, split_digest.NAME     how many rows, and the name of the whole split
    source.CONFIG                          who set it: default, cli, file, environment
    machine.device devices cpu memory_bytes peak_memory_bytes
    device_hours                           devices held, times hours
    software.python, software.PACKAGE      of what trains and computes
    code.tree, code.dirty                  the digest of the working tree; whether commits lack some
    code.ran                               of the sources that ran, whatever lay beside them
    state.final, state.final_bytes         whether its bytes are kept, or its digests; of how many
    verified, replays_seen                 the grade of the last verdict on the whole run; how many
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samebit import digest
from samebit.capture.config import flat, source_of
from samebit.folders.series import Changes, Schedule
from samebit.folders.splits import splits_of
from samebit.folders.steps import last_counts
from samebit.folders.streams import LAUNCH
from samebit.folders.used import data_of
from samebit.query import index
from samebit.query.index import Table, of_each_run
from samebit.query.parsing import ROWS, parsed
from samebit.report import schedule as words_of
from samebit.report.table import shown

if TYPE_CHECKING:
    from samebit.folders.read import View
    from samebit.folders.summaries import Summary

__all__ = ["FACTS", "TABLES", "facts", "precision_of"]

Row = dict[str, object]

# Whose versions papers state; the whole list is the lock.
_PACKAGES = (
    *("torch", "jax", "jaxlib", "flax", "tensorflow", "keras", "numpy", "scipy", "pandas"),
    *("scikit-learn", "xgboost", "lightgbm", "catboost", "transformers", "datasets", "accelerate"),
    *("lightning", "pytorch-lightning", "torchvision", "timm", "peft", "trl", "stable-baselines3"),
)
_LOADED_AS = {"scikit-learn": "sklearn", "jaxlib": "jax"}
# Switches of an optimizer that papers leave out where they are off.
_SWITCHES = frozenset(
    {"amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused", "nesterov"}
)
# What a scheduler or an optimizer keeps beside the scalars that it uses.
_INTERNAL = frozenset(
    {"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", "decoupled_weight_decay"}
)
_MOST_OPTIMIZERS = 8
_MP_MAIN = "__mp_main__"  # the script once more, as its children call it
_HOUR_NS = 3600 * 10**9


def facts(store: Path, *, replays: bool = False) -> list[Row]:
    """Every run as `query.index.rows` has it, with what papers say of it; oldest first.

    A run that cannot be read is a row with id, state and `damage`, as there.
    """
    (rows, method), unreadable = of_each_run(store, *TABLES)
    found = [row | more for row, more in zip(rows, method, strict=True)]
    return index.in_order(found + unreadable, replays=replays)


def _describe(view: "View") -> str:
    parts = (
        _command(view),
        _metrics(view.summaries),
        _optimizers(view),
        _training(view.facts.get("training")),
        _seeds(view),
        _data(view),
        _sources(view),
        _machine(view),
        _software(view),
        _code(view),
        _final_state(view),
        _verdicts(view),
    )
    row: Row = {"id": view.id}
    for part in parts:
        row |= {key: value for key, value in part if value is not None}
    return json.dumps(row)


def _grown(metrics: Mapping[str, "Summary"], _: int | None) -> Row:
    return dict(_metrics(metrics))


FACTS = Table("facts", _describe, parsed, _grown)
TABLES = (ROWS, FACTS)  # what a row of `facts` is put together of


def _command(view: "View") -> Iterator[tuple[str, object]]:
    """The first execution's; those that went on from it were mostly started alike."""
    if view.start is not None:
        yield "command", shlex.join(view.start.argv)


def _metrics(metrics: Mapping[str, "Summary"]) -> Iterator[tuple[str, object]]:
    for name, one in metrics.items():
        yield f"points.{name}", one.points
        yield f"step.{name}", one.step
        if one.is_number:
            yield f"first.{name}", one.first
        if one.low is not None:
            yield f"min.{name}", one.low
            yield f"max.{name}", one.high


def _optimizers(view: "View") -> Iterator[tuple[str, object]]:
    """Of the run's face; its last execution has the whole schedule but for what came before."""
    face = [one for one in view.schedules if one.rank == view.schedules[0].rank]
    told = (view.facts.get("training") or {}).get("optimizers") or []
    last = last_counts(view.trace)
    for at in range(min(max(len(told), len(last)), _MOST_OPTIMIZERS)):
        prefix = f"optimizer{at or ''}."
        groups: list[dict[str, Any]] = told[at]["groups"] if at < len(told) else []
        if at < len(told):
            yield f"{prefix}name", str(told[at]["class"]).rpartition(".")[2]
        if len(groups) > 1:
            yield f"{prefix}groups", len(groups)
        hyper = groups[0].get("hyper") or {} if groups else {}
        for name, value in hyper.items():
            is_off = name in _SWITCHES and value in (None, False)
            if not is_off and name not in _INTERNAL:
                yield prefix + name, value
        for name, (changes, missed) in _scalars(face, at).items():
            if name not in _INTERNAL:
                yield (
                    prefix + name,
                    _in_words(changes.counts, changes.values, missed, last.get(at, 0)),
                )


def _scalars(schedules: Sequence[Schedule], optimizer: int) -> dict[str, tuple[Changes, list[int]]]:
    """Each scalar of the first group that changed, over all executions, with the steps skipped."""
    found: dict[str, tuple[Changes, list[int]]] = {}
    for schedule in schedules:
        skipped = schedule.scalars.get((optimizer, -1, "skipped"))
        for (of, group, name), changes in schedule.scalars.items():
            if of != optimizer or group != 0:
                continue
            before, missed = found.get(name, (Changes([], []), []))
            missed = missed + (skipped.counts if skipped is not None else [])
            found[name] = before.followed_by(changes), missed
    return {n: one for n, one in found.items() if len({repr(v) for v in one[0].values}) > 1}


def _in_words(counts: list[int], values: list[Any], skipped: list[int], last: int) -> str:
    lists = [value for value in values if isinstance(value, list)]
    if not lists:
        return words_of.words(counts, values, max(last, counts[-1]), skipped)
    if len({len(value) for value in lists}) > 1 or len(lists) < len(values):
        return f"{len(values) - 1} changes"
    parts = (
        words_of.words(counts, list(part), max(last, counts[-1]), skipped)
        for part in zip(*lists, strict=True)
    )
    return "(" + "; ".join(part.removeprefix("constant ") for part in parts) + ")"


def _training(fact: Any) -> Iterator[tuple[str, object]]:
    if not isinstance(fact, dict):
        return
    models = fact.get("models") or []
    if models:
        yield "training.parameters", sum(model["parameters"] for model in models)
        yield "training.trainable", sum(model["trainable"] for model in models)
    batch = fact.get("batch") or {}
    if batch.get("effective"):
        yield "training.batch", batch["effective"]
        yield "training.micro_batch", batch["micro"]
        yield "training.accumulation", batch["accumulation"]
        yield "training.world", batch["world"]
    yield "training.epochs", (fact.get("epochs") or {}).get("finished")
    yield "training.samples", fact.get("samples")
    yield "training.precision", precision_of(fact) or None
    clips = [f"{clip['kind']} {shown(clip.get('limit'))}" for clip in fact.get("clipping") or []]
    yield "training.clipping", ", ".join(dict.fromkeys(clips)) or None


def precision_of(fact: Mapping[str, Any]) -> str:
    """In which precision a training went, of its fact `training`; empty where that is not known."""
    precision = fact.get("precision") or {}
    kinds = list(precision.get("parameters") or [])
    kinds += [f"autocast {kind}" for kind in precision.get("autocast") or []]
    if precision.get("float32_matmul") not in (None, "highest"):
        kinds.append(f"matmul {precision['float32_matmul']}")
    return ", ".join(kinds)


def _seeds(view: "View") -> Iterator[tuple[str, object]]:
    """Those that we gave and those of the script; a library seeded several times has them all."""
    given: dict[str, list[object]] = {}
    told = (LAUNCH, *view.ranks[:1])  # every rank seeds alike
    for call in (value for rank, value in view.by_rank("seed_call") if rank in told):
        value = call["value"] if call["value"] is not None else "from the system"
        given.setdefault(call["library"], []).append(value)
    for library, values in given.items():
        distinct = list({repr(value): value for value in values}.values())
        yield f"seeds.{library}", distinct[0] if len(distinct) == 1 else distinct
    for role, root in ((view.facts.get("seeds") or {}).get("roles") or {}).items():
        yield f"seeds.{role}", root.get("seed")
    given_roles = dict(view.start.roles) if view.start is not None else {}
    given_roles.pop("*", None)  # every other one, which is `seed`
    for role, seed in given_roles.items():  # also to a script that does not ask for them
        yield f"seeds.{role}", seed
    yield "trial.seeds", ", ".join(given_roles) or None
    if view.start is not None and view.start.hash_seed:
        text = view.start.hash_seed
        yield "seeds.hash", int(text) if text.isdecimal() else text


def _data(view: "View") -> Iterator[tuple[str, object]]:
    for name, fact in data_of(view).items():
        yield f"data.{name}", fact["fingerprint"] or "no fingerprint"
        yield f"data_rows.{name}", fact.get("rows")
    for name, fact in splits_of(view).items():
        yield f"split_digest.{name}", fact["manifest"]
        for part in fact["parts"]:
            yield f"split.{name}.{part[0]}", part[1]


def _sources(view: "View") -> Iterator[tuple[str, object]]:
    config = view.facts.get("config")
    sources: Mapping[str, str] = (view.facts.get("config_sources") or {}).get("values") or {}
    for name in flat(config) if isinstance(config, dict) and sources else ():
        yield f"source.{name}", source_of(name, sources)


def _machine(view: "View") -> Iterator[tuple[str, object]]:
    """What was held. A run that could have used a GPU is taken to have done so."""
    machine = view.facts.get("machine") or {}
    settings = view.facts.get("settings") or {}
    cpu = (machine.get("cpu") or {}).get("model")
    gpus = machine.get("gpus") or []
    has_cuda = settings.get("torch.cuda_version") or settings.get("torch.hip_version")
    seen = _visible(gpus, view.facts.get("variables") or {}) if has_cuda or not settings else []
    hosts = len({start.host for start in view.starts}) or 1
    world = len(view.ranks)
    count = (world if world > 1 else len(seen)) if seen else hosts
    model = _model(seen[0]) if seen else cpu
    if model:
        yield "machine.device", f"{model} × {count}" if count > 1 else model
        yield "machine.devices", count
    yield "machine.cpu", cpu
    yield "machine.memory_bytes", machine.get("memory_bytes")
    uses = view.all_facts("use")
    peaks = [max(use.get("peak_rss_bytes") or 0, _with_children(use)) for use in uses]
    yield "machine.peak_memory_bytes", max(peaks, default=0) or None
    if (held := _held_ns(view)) is not None:
        yield "device_hours", held / _HOUR_NS * count


def _with_children(use: Mapping[str, Any]) -> int:
    return int(use.get("peak_with_children_bytes") or 0)


def _visible(gpus: Sequence[Any], variables: Mapping[str, str]) -> list[Any]:
    """The GPUs that the run was allowed to see."""
    said = variables.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return list(gpus)
    names = [word for word in said.split(",") if word.strip() not in ("", "-1", "NoDevFiles")]
    return list(gpus)[: len(names)]


def _model(gpu: Any) -> str:
    return str((gpu.get("model") if isinstance(gpu, dict) else None) or gpu)


def _held_ns(view: "View") -> int | None:
    """How long its executions took; one without an end, until its last sign of life."""
    signs = [at for column in view.machine.values() for at in column.times_ns[-1:]]
    signs += [one.at_ns for one in view.summaries.values()]
    total = 0
    for at, (start, end) in enumerate(zip(view.starts, view.ends, strict=True)):
        if end is not None:
            total += end.ended_ns - start.started_ns
            continue
        until = view.starts[at + 1].started_ns if at + 1 < len(view.starts) else None
        mine = [s for s in signs if s >= start.started_ns and (until is None or s <= until)]
        if not mine:
            return None
        total += max(mine) - start.started_ns
    return total if view.starts else None


def _software(view: "View") -> Iterator[tuple[str, object]]:
    """Of what is installed, what was loaded: a library that was has settings or a version there."""
    yield "software.python", (view.facts.get("interpreter") or {}).get("version")
    versions = (view.facts.get("packages") or {}).get("versions") or {}
    loaded = {name.partition(".")[0] for name in view.facts.get("settings") or {}}
    for name in _PACKAGES:
        if not loaded or _LOADED_AS.get(name, name.replace("-", "_")) in loaded:
            yield f"software.{name}", versions.get(name)


def _code(view: "View") -> Iterator[tuple[str, object]]:
    if view.code is not None:
        yield "code.tree", view.code.tree
        yield "code.ran", _ran(view)
        yield "code.dirty", bool(view.code.changed) or view.code.head is None


def _final_state(view: "View") -> Iterator[tuple[str, object]]:
    """Of a run with several optimizers, of all that they trained."""
    found = [state for name, state in view.states.items() if name.startswith("final")]
    if found:
        kept = all(state.get("kept", True) and not state.get("dropped") for state in found)
        yield "state.final", "kept" if kept else "digests only"
        yield "state.final_bytes", sum(state.get("size_bytes", 0) for state in found)


def _ran(view: "View") -> str:
    """A paper's text in the same repository makes another tree, and no other program."""
    ran = {(name, content) for name, _, content in view.sources["modules"] if name != _MP_MAIN}
    return (
        digest.of_bytes(digest.canonical_json(sorted(ran)))
        if ran
        else str(view.facts["code"]["tree"])
    )


def _verdicts(view: "View") -> Iterator[tuple[str, object]]:
    whole = index.whole_verdict_of(view.verdicts)
    yield "verified", whole.grade if whole is not None else None
    yield "replays_seen", len(view.verdicts)
