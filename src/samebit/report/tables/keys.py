"""Which keys of runs are settings of a method, and what each of them does over these runs.

A setting is constant, goes with the column, is a seed, was searched, varies beside all of these,
or is left out by a rule that can be read, and overruled, in `samebit.toml`. What the configuration
and the optimizer say alike is one setting; where they say otherwise it stays two, with a note.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from samebit.query.where import resolve
from samebit.report.numerals import numeral
from samebit.report.results import groups, is_seed, same
from samebit.report.tables.naming import last_part, matches, plain_name
from samebit.report.tables.settings import Settings
from samebit.report.tables.wording import in_words

__all__ = [
    "Key",
    "are_seeds",
    "folded",
    "is_setting",
    "sort_keys",
    "whole_keys",
    "why_left_out",
    "without_left_out",
]

Row = Mapping[str, object]

_PREFIXES = ("optimizer", "training.", "config.")
_ALSO = ("machine.device",)
_BATCH, _PARAMETERS = "training.batch", "training.parameters"
_COUNTED = frozenset({"training.samples"})  # what came of the settings, and is none

_PATHS = re.compile(
    r"(?:.*_)?(?:dirs?|paths?|files?|folders?|roots?)|(?:out|log|data|save|work|run|exp|ckpt)dir"
    r"|out|outputs?|output_.*|save(?:_.*)?|resume(?:_.*)?|(?:ckpt|checkpoint)(?:_.*)?|tmp|cache"
)
_LOGGING = re.compile(
    r"(?:log|logs|logging|logger|wandb|tensorboard|tb|mlflow|comet|neptune|print|progress|tqdm)"
    r"(?:_.*)?|verbose|verbosity|quiet|debug|report_to|project(?:_name)?|entity|tags?|notes?"
    r"|(?:run|exp|experiment)(?:_name|_id)?|.*_(?:every|interval|freq|frequency)"
)
_DEVICES = re.compile(
    r"devices?|gpus?|gpu_ids?|(?:no_|use_)?cuda|(?:local_|node_)?rank|world_size|n_?gpus?|num_gpus"
    r"|(?:num_|n_)?nodes|master_(?:addr|port)|dist_.*|backend|(?:num_|n_)?workers|pin_memory"
    r"|prefetch_factor|persistent_workers|(?:num_|n_)?threads|n_jobs|port|host(?:name)?"
)
_A_PATH = re.compile(r"(?:/|~/|\./|\.\./|[A-Za-z]:[\\/]).*")

# What configurations call what the optimizer, or the loop, was seen to use.
_MEANINGS = {
    "name": ("optimizer", "optim", "opt", "optimizer_name", "name", "type"),
    "lr": ("lr", "learning_rate", "learningrate", "base_lr", "initial_lr", "peak_lr", "max_lr"),
    "weight_decay": ("weight_decay", "wd", "weightdecay"),
    "momentum": ("momentum",),
    "betas": ("betas", "adam_betas"),
    "eps": ("eps", "adam_eps", "adam_epsilon"),
    "nesterov": ("nesterov",),
    "batch": ("batch_size", "batch", "bs", "batchsize", "train_batch_size"),
    "micro_batch": ("per_device_train_batch_size", "micro_batch_size", "batch_size"),
    "accumulation": ("gradient_accumulation_steps", "grad_accum", "accumulation_steps"),
    "epochs": ("epochs", "n_epochs", "num_epochs", "max_epochs", "num_train_epochs", "epoch"),
    "clipping": ("max_grad_norm", "grad_clip", "clip_norm", "clip_grad"),
}
# Below these names, and below none, they mean that; `norm.eps` and `env.batch_size` are others.
_OF_OPTIMIZERS = frozenset({"optimizer", "optim", "opt", "sgd", "adam", "adamw"})
_OF_TRAINING = _OF_OPTIMIZERS | frozenset(
    {"train", "training", "trainer", "solver", "params", "kwargs", "hparams", "hyper", "args"}
    | {"data", "loader", "dataloader", "data_loader"}
)
# Of these, another value than the one that was used is a contradiction.
_PLAIN = frozenset({"lr", "learning_rate", "weight_decay", "wd", "momentum", "betas", "nesterov"})
# A number in the words of a schedule that is a value of it: no factor, no number of steps.
_IN_WORDS = re.compile(r"(?<![×\w.])(?<!at )-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.]| steps| cycles)")


class Key(Struct, frozen=True):
    """What a key does over some runs, and by which rule."""

    key: str
    kind: str  # constant, column, seed, searched, varies, left out, same
    why: str = ""


def sort_keys(rows: Sequence[Row], across: Sequence[str], settings: Settings) -> list[Key]:
    """What each setting does, in the order of the runs' own.

    Args:
        rows: after `folded`.
        across: the whole keys that make the cells; a setting with one value in each of these
            groups goes with them.
        settings: of the project.
    """
    known = list(dict.fromkeys(key for row in rows for key in row))
    cells = [group for _, group in groups(rows, across)] if across else [list(rows)]
    return [_sorted(key, rows, cells, across, settings) for key in _ordered(known, settings.order)]


def _sorted(
    key: str,
    rows: Sequence[Row],
    cells: Sequence[Sequence[Row]],
    across: Sequence[str],
    settings: Settings,
) -> Key:
    if key in across:
        return Key(key, "column", "the columns are made by it")
    if why := why_left_out(key, rows, settings):
        return Key(key, "left out", why)
    is_kept = matches(key, settings.keep)
    if key.startswith("config.") and not is_kept and are_seeds(key, rows):
        return Key(key, "seed", "by its name")
    if matches(key, settings.search):
        return Key(key, "searched", "declared in [table.search]")
    values = {same(row.get(key)) for row in rows}
    if len(values) == 1:
        return Key(key, "constant", "one value in all runs")
    if all(len({same(row.get(key)) for row in cell}) == 1 for cell in cells):
        return Key(key, "column", "one value in each column")
    return Key(key, "varies", f"{len(values)} values, several of them in one cell")


def why_left_out(key: str, rows: Sequence[Row], settings: Settings) -> str:
    """By which rule a key is no setting of the method; empty where it is one."""
    if matches(key, settings.keep):
        return ""
    if matches(key, settings.ignore):
        return "ignore in [table]"
    if key in _COUNTED:
        return "counted, not set"
    if not key.startswith("config."):
        return ""
    last = last_part(key)
    for rule, names in (("a path", _PATHS), ("logging", _LOGGING), ("devices", _DEVICES)):
        if names.fullmatch(last):
            return f"{rule}, by its name"
    texts = [row[key] for row in rows if row.get(key) is not None]
    if texts and all(isinstance(text, str) and _A_PATH.fullmatch(text) for text in texts):
        return "a path, by its value"
    return ""


def without_left_out(
    rows: Sequence[Row], settings: Settings, across: Sequence[str] = ()
) -> list[Row]:
    """Runs without the entries that are no settings: in them they do not differ.

    `across` are keys that somebody groups by, which stay.
    """
    known = dict.fromkeys(key for row in rows for key in row if key.startswith("config."))
    left = {key for key in known if key not in across and why_left_out(key, rows, settings)}
    return [{key: value for key, value in row.items() if key not in left} for row in rows]


def are_seeds(key: str, rows: Sequence[Row]) -> bool:
    """Whether what runs have under a key are seeds."""
    is_one = key == "seed" or key.startswith("seeds.")
    return is_one or (key.startswith("config.") and all(is_seed(key, row.get(key)) for row in rows))


def is_setting(key: str) -> bool:
    """Whether a key is what somebody set, or what of that was seen to be used."""
    return key.startswith(_PREFIXES) or key in _ALSO


def _ordered(keys: Iterable[str], first: Sequence[str]) -> list[str]:
    """Settings, those of the optimizer first, and those that `order` names before all."""
    found = [key for key in keys if is_setting(key)]
    place = {prefix: at for at, prefix in enumerate(_PREFIXES)}

    def rank(key: str) -> tuple[int, int, int]:
        named = next((at for at, name in enumerate(first) if matches(key, [name])), len(first))
        group = next((at for prefix, at in place.items() if key.startswith(prefix)), len(place))
        leads = {"optimizer.name": 0, "optimizer.lr": 1, _BATCH: 0}.get(key, 2)
        return named, group, leads

    return sorted(found, key=rank)


def folded(
    rows: Sequence[Row], across: Sequence[str]
) -> tuple[list[Row], dict[str, str], list[str]]:
    """Runs in which a setting that configuration and optimizer agree on is there once.

    `across` are the keys that make columns, which stay as they are.

    Returns:
        The rows; which key of the configuration went into which other; a note for each on which
        configuration and optimizer do not agree.
    """
    known = dict.fromkeys(key for row in rows for key in row)
    merged: dict[str, str] = {}
    dropped = set(_trivial(rows))
    notes: list[str] = []
    for fact in known:
        for key in known if fact.startswith(("optimizer.", "training.")) else ():
            if key in merged or not _means(key, fact):
                continue
            if not all(_agree(row[key], row[fact]) for row in rows if key in row and fact in row):
                notes += [_contradiction(rows, key, fact)] if last_part(key) in _PLAIN else []
            elif key not in across:
                merged[key] = fact
            elif not any(isinstance(row.get(fact), str) for row in rows):
                dropped.add(fact)
    dropped |= merged.keys()
    found: list[Row] = [
        {key: value for key, value in row.items() if key not in dropped}
        | {fact: row.get(fact, row[key]) for key, fact in merged.items() if key in row}
        for row in rows
    ]
    return found, merged, notes


def _means(key: str, fact: str) -> bool:
    """Whether an entry of the configuration is what such a fact is about, by its name."""
    config, *above = key.split(".")[:-1] or [""]
    last = last_part(key)
    if config != "config" or last not in _MEANINGS.get(fact.partition(".")[2], ()):
        return False
    if last in ("name", "type"):
        return bool(above) and above[-1] in _OF_OPTIMIZERS
    return not above or above[-1].lower() in _OF_TRAINING


def _agree(said: object, seen: object) -> bool:
    if isinstance(said, str):
        return isinstance(seen, str) and said.lower().replace("_", "") == seen.lower()
    if isinstance(said, (list, tuple)) and isinstance(seen, (list, tuple)):
        return [same(one) for one in said] == [same(one) for one in seen]
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        return said == seen and type(said) is type(seen)
    if isinstance(seen, str):
        return numeral(said) in {numeral(float(found)) for found in _IN_WORDS.findall(seen)}
    return isinstance(seen, (int, float)) and numeral(said) == numeral(seen)


def _contradiction(rows: Sequence[Row], key: str, fact: str) -> str:
    row = next(
        row for row in rows if key in row and fact in row and not _agree(row[key], row[fact])
    )
    said = f"{plain_name(key)} is {in_words(row[key])} in the configuration"
    return f"{said}, and the optimizer used {in_words(row[fact])}"


def _trivial(rows: Sequence[Row]) -> list[str]:
    """What says nothing beside another: one process, no accumulation, all parameters trained."""
    tests: dict[str, Callable[[Row], bool]] = {
        "training.world": lambda row: row["training.world"] == 1,
        "training.accumulation": lambda row: row["training.accumulation"] == 1,
        "training.micro_batch": lambda row: row["training.micro_batch"] == row.get(_BATCH),
        "training.trainable": lambda row: row["training.trainable"] == row.get(_PARAMETERS),
    }
    return [key for key, test in tests.items() if all(test(row) for row in rows if key in row)]


def whole_keys(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The keys that names mean among some runs; names that mean none are left as they are."""
    known = set().union(*rows)
    return [resolve(name, known) or name for name in names]
