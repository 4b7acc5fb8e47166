"""The JSON Schema (2020-12) of what each command prints with `--json`.

They are open: a later version may add keys, and takes none away. What JSON cannot hold is wrapped,
as everywhere in Samebit: a text, an integer and a number are each themselves or an object of one
key.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from samebit.cli.schemas import kept, papers, runs, stores
from samebit.cli.sweep_found import Found
from samebit.errors import NotFound
from samebit.query.tabular.shapes import RUN_COLUMNS, SHAPES
from samebit.records import LATER, Verdict
from samebit.remotes.checking import Checked
from samebit.report.versus import Versus

__all__ = ["OUTPUTS", "Output", "make_schema"]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VERSION = 1  # of the promise: another number where a key goes or means something else
_ESCAPED = ("$escaped", "a text that is no UTF-8, its lone surrogates as \\udcff")
_LARGE = ("$int", "an integer beyond 2^53, in digits")
_ODD = ("$float", "nan, inf or -inf")
_WRAPPED = {
    "string": ("Text", [_ESCAPED]),
    "integer": ("Integer", [_LARGE]),
    "number": ("ExactNumber", [_LARGE, _ODD]),
}
_OF_A_RUN: dict[str, Any] = {"patternProperties": {r"^(config|metric)\.": {}}}
# Keys that no declaration can list.
_OTHER_KEYS: dict[str, dict[str, Any]] = {
    "Row": _OF_A_RUN,
    "Fingerprint": {"additionalProperties": {"type": "integer"}},  # what was counted: files, rows
}


class Output(Struct, frozen=True):
    """What a command prints: one of these, on one line."""

    types: tuple[Any, ...]
    note: str = ""


OUTPUTS: dict[str, Output] = {
    "ls": Output((list[runs.Row],), "With --columns the keys are those that were asked for."),
    "show": Output((runs.Show, runs.Schedules)),
    "metrics": Output((dict[str, runs.Points],), "By the name of the metric."),
    "media ls": Output((list[runs.MediaItem],)),
    # A reader more is a line here, as in `cli/imports.py`.
    "import tensorboard": Output((kept.Import,), "A line for each run."),
    "import wandb": Output((kept.Import,), "A line for each run."),
    "import mlflow": Output((kept.Import,), "A line for each run."),
    "diff": Output((runs.Diff, runs.DiffOp)),
    "verify": Output((Verdict, runs.Plan)),
    "doctor": Output((runs.Doctor,)),
    "lineage": Output((runs.Lineage,)),
    "env ls": Output((kept.Environments,)),
    "state ls": Output((kept.States,)),
    "state show": Output((kept.State,)),
    "state diff": Output((kept.StateDiff,)),
    "split show": Output((kept.Split, kept.SplitList)),
    "identify": Output((kept.Model, kept.Models)),
    "fingerprint": Output((kept.Fingerprints,)),
    "data add": Output((kept.DataAdd,)),
    "data import": Output((kept.DataImport,)),
    "data ls": Output((kept.DataList,)),
    "data log": Output((kept.DataLog,)),
    "data diff": Output((kept.DataDiff,)),
    "data checkout": Output((kept.DataCheckout,)),
    "data rm": Output((kept.DataRemove,)),
    "data restore": Output((kept.DataRestore,)),
    "data leaks": Output((kept.Leaks,)),
    "remote add": Output((stores.Remote,)),
    "remote ls": Output((stores.Remotes,)),
    "remote show": Output((stores.RemoteShow,)),
    "remote test": Output((stores.Remote,)),
    "remote check": Output((Checked,)),
    "remote repair": Output((stores.RemoteRepair,)),
    "remote gc": Output((stores.Swept,)),
    "remote drop": Output((stores.RemoteDrop,)),
    "remote rm": Output((stores.Remote,)),
    "push": Output((stores.Pushed,)),
    "pull": Output((stores.Pulled,), "A second line where data came with the runs."),
    "sync": Output((stores.Pulled, stores.Pushed), "A line for each of the two."),
    "clone": Output((stores.Pulled,)),
    "publish": Output((stores.Published, stores.Pages, stores.Unpublished)),
    "check": Output((stores.Check,)),
    "repair": Output((stores.Repair,)),
    "du": Output((stores.Usage,)),
    "gc": Output((stores.Swept,)),
    "tags ls": Output((stores.Tags,)),
    "seeds": Output((papers.Seeds,), "Of `samebit seeds show GROUP`."),
    "sweep": Output((Found,), "Of `samebit sweep show NAME`."),
    "versus": Output((Versus,)),
    "table": Output((papers.Table,)),
    "checklist": Output((papers.Checklist,)),
    "paper init": Output((papers.PaperInit,)),
    "paper build": Output((papers.PaperBuild,)),
    "paper check": Output((papers.PaperCheck,)),
    "paper log": Output((papers.PaperLog, papers.PaperPdf)),
    "certificate make": Output((papers.CertificateMake,)),
    "certificate check": Output((papers.CertificateCheck,)),
    "release": Output((papers.ReleaseMake, papers.ReleaseCheck, papers.ReleaseTest)),
}
_NAMED = ("properties", "patternProperties")  # of a schema: schemas by name
_VALUES = ("enum", "const", "required")  # of a schema: no schemas
_EXPORTED = {  # of a cell of a table that is exported as JSON
    **{"text": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}},
    **{"bool": {"type": "boolean"}, "time": {"type": "string"}, "json": {}, "any": {}},
}


def make_schema(command: str) -> dict[str, Any]:
    """What a command prints with `--json`; NotFound where it has none.

    A command is called by all of its words: `state ls`, `export metrics`.
    """
    table = command.removeprefix("export ")
    if table != command and table in SHAPES:
        return _finished(command, _of_table(table), {}, SHAPES[table].what + ".")
    if command not in OUTPUTS:
        raise NotFound(f"{command!r} prints no JSON", hint="`samebit schema` lists those that do")
    output = OUTPUTS[command]
    found, defs = msgspec.json.schema_components(output.types, ref_template="#/$defs/{name}")
    for name in defs.keys() & _OTHER_KEYS:
        defs[name] |= _OTHER_KEYS[name]
    defs = {name: _all_required(name, one) for name, one in defs.items()}
    several = [*found]
    one: dict[str, Any] = {"anyOf": several} if len(several) > 1 else several[0]
    return _finished(command, one, defs, output.note)


def _finished(
    command: str, one: dict[str, Any], defs: Mapping[str, Any], note: str
) -> dict[str, Any]:
    used: set[str] = set()
    made = _with_wrapped(one, used)
    every = {name: _with_wrapped(one, used) for name, one in defs.items()}
    for kind, (name, forms) in _WRAPPED.items():
        if name in used:
            wrapped = [_wrapped(key, what) for key, what in forms]
            every[name] = {"anyOf": [{"type": kind}, *wrapped]}
    head: dict[str, Any] = {
        "$schema": _DRAFT,
        "$id": f"urn:samebit:json:{_VERSION}:{command.replace(' ', ':')}",
        "title": f"samebit {command} --json",
    }
    return {**head, **({"description": note} if note else {}), **made, "$defs": every}


def _wrapped(key: str, what: str) -> dict[str, Any]:
    told = {key: {"type": "string", "description": what}}
    return {"type": "object", "properties": told, "required": [key]}


def _all_required(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a record has by default is written, too, but for what came later."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    defaulted = {key for key, one in properties.items() if "default" in one}
    if not defaulted:
        return schema
    may_lack = next((fields for kind, fields in LATER.items() if kind.__name__ == name), {})
    without = {
        key: {k: v for k, v in one.items() if k != "default"} for key, one in properties.items()
    }
    required = [key for key in properties if key not in may_lack]
    return {**schema, "properties": without, "required": required}


def _with_wrapped(schema: Any, used: set[str]) -> Any:
    """The same, with what may be wrapped as a reference; each that is used is noted."""
    if isinstance(schema, list):
        return [_with_wrapped(one, used) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind in _WRAPPED and not schema.keys() - {"type", "description"}:
        name = _WRAPPED[kind][0]
        used.add(name)
        rest = {key: value for key, value in schema.items() if key != "type"}
        return {"$ref": f"#/$defs/{name}", **rest}
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED:
            value = {name: _with_wrapped(one, used) for name, one in value.items()}
        elif key not in _VALUES:
            value = _with_wrapped(value, used)
        found[key] = value
    return found


def _of_table(table: str) -> dict[str, Any]:
    columns = RUN_COLUMNS if table == "runs" else SHAPES[table].columns
    properties: dict[str, Any] = {
        column.name: {
            "anyOf": [_EXPORTED[column.type], {"type": "null"}],
            "description": column.what,
        }
        for column in columns
    }
    row: dict[str, Any] = {"type": "object", "properties": properties}
    if table in ("runs", "metrics_wide"):
        row |= _OF_A_RUN
    else:
        row["required"] = list(properties)
    return {"type": "array", "items": row}
