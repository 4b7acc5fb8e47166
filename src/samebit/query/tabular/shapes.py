"""The tables of runs: which there are, what stands in them, of which type and unit.

`docs/export.md` is held to this by a test. Columns are added at the end and never change their
meaning; a change of one is another column.
"""

from samebit.query.tabular import recorded
from samebit.query.tabular.columns import Column, Shape

__all__ = ["METRIC_COLUMNS", "RUN", "RUN_COLUMNS", "SHAPES", "WIDE_COLUMNS"]

RUN = Column("run", "text", "the run's id")
_RANK = Column("rank", "text", "the process that recorded it; `0` where there was one")
_AT = Column("at", "text", "the line of the script")
_KEPT = Column("kept", "bool", "its bytes are in the store, and not only its digest")
_VALUE = (
    Column("value", "float", "the number; nothing where it is a text"),
    Column(
        "text",
        "text",
        "a text; of a bool `true` or `false`, of an integer that float64 rounds its digits",
    ),
)
_STEP = (
    Column("step", "int", "the step; nothing where it is no whole number of 64 bits"),
    Column("time", "time", "when it was logged"),
)
_ODD_STEP = Column("odd_step", "text", "the step where it is no whole number of 64 bits")

# What every row of `samebit ls` has. Behind these come `config.…` and `metric.…`, of the types that
# the values have.
RUN_COLUMNS = (
    Column("id", "text", "the run's id"),
    Column("name", "text", "given last"),
    Column(
        "state", "text", "running, finished, stopped early, failed, killed, broken off or unknown"
    ),
    Column("kind", "text", "run, replay or trial"),
    Column("of", "text", "the run that it repeats"),
    Column("group", "text", "runs that belong together"),
    Column("parent", "text", "the run inside which it began"),
    Column("user", "text", "who began it"),
    Column("host", "text", "on which machine"),
    Column("started", "time", "when it began"),
    Column("seconds", "float", "how long it ran; nothing while an execution has no known end"),
    Column("seed", "int", "given to Samebit"),
    Column("deterministic", "bool", "whether deterministic algorithms were asked for"),
    Column("commit", "text", "that the working tree stood on"),
    Column("verdict", "text", "the last grade, and up to which step, where it was run so far"),
    Column("missing", "text", "what the record lacks, in a word each"),
    Column("steps", "int", "of the main optimizer; else the last step that was logged"),
    Column("cause", "text", "why it failed or was killed"),
    Column("ranks", "int", "processes that trained together; nothing where there was one"),
    Column("executions", "int", "how many; nothing where there was one"),
    Column("job", "text", "of a batch system"),
    Column("tags", "text", "with commas between them"),
    Column("note", "text", "what somebody wrote about it"),
    Column("archived", "bool", "whether it was put away; nothing where it was not"),
    Column("imported", "text", "the tool that recorded it; nothing where it was Samebit"),
    Column("project", "text", "as wandb calls it, or its script did; an experiment of MLflow"),
    Column("study", "text", "the study that had it started"),
    Column("trial", "int", "which of that study's, from 0"),
    Column("job_type", "text", "as a script told it to wandb"),
)
METRIC_COLUMNS = (RUN, Column("name", "text", "the metric"), *_STEP, *_VALUE, _ODD_STEP)
WIDE_COLUMNS = (RUN, *_STEP, _ODD_STEP)

_SHAPES = (
    Shape("runs", "a row for each run, as `samebit ls --json` has it", ()),
    Shape("metrics", "a row for each logged value, by name and step", METRIC_COLUMNS),
    Shape(
        "metrics_wide",
        "a row for each step, and a column for each metric",
        WIDE_COLUMNS,
        is_large=True,
    ),
    Shape(
        "config",
        "a row for each setting",
        (
            RUN,
            Column("key", "text", "its dotted name"),
            Column("type", "text", "none, bool, int, float, text, list or dict"),
            Column("value", "any", "the value, exact"),
            Column("number", "float", "the same, where it is a number"),
            Column(
                "source", "text", "default, command line, file:…, environment:NAME, prompt, code"
            ),
        ),
        recorded.config,
    ),
    Shape(
        "schedule",
        "a row for each change of a scalar of an optimizer",
        (
            RUN,
            _RANK,
            Column("optimizer", "int", "which, from 0"),
            Column("group", "int", "of its parameters, from 0; -1 is the loss scaler"),
            Column("name", "text", "`lr`, `weight_decay`…"),
            Column("step", "int", "the optimizer's first that used it"),
            *_VALUE,
        ),
        recorded.schedule,
    ),
    Shape(
        "executions",
        "a row for each time that it was begun or gone on with",
        (
            RUN,
            Column("number", "int", "from 1"),
            Column("started", "time", "when it began"),
            Column("ended", "time", "when it ended; nothing where that is not known"),
            Column("status", "text", "finished, failed or killed"),
            Column("exit_code", "int", "of the process"),
            Column("signal", "text", "by which it was killed"),
            Column("exception", "text", "that ended it"),
            Column("how", "text", "script, module, command or init"),
            Column("argv", "json", "the command as a list, secrets masked"),
            Column("cwd", "text", "the folder that it was started in"),
            Column("python", "text", "the interpreter"),
            Column("user", "text", "who started it"),
            Column("host", "text", "on which machine"),
            Column("seed", "int", "that `samebit run` was given"),
            Column("deterministic", "bool", "whether `samebit run` was told so"),
        ),
        recorded.executions,
    ),
    Shape(
        "seeds",
        "a row for each seed that the script gave to a library itself",
        (
            RUN,
            Column("library", "text", "which"),
            Column("value", "text", "the seed; nothing where it came from the system"),
            _AT,
        ),
        recorded.seeds,
    ),
    Shape(
        "states",
        "a row for each state of models and optimizers",
        (
            RUN,
            Column("name", "text", "`step 0`, `checkpoint 400`, `final`"),
            _RANK,
            Column("step", "int", "of the run"),
            Column("optimizer", "int", "whose step it was taken at"),
            Column("manifest", "text", "the digest of what names all of its arrays"),
            Column("size_bytes", "int", "of its arrays"),
            _KEPT,
            Column("whole", "bool", "no: of a checkpoint only the modules are left"),
            Column("dropped", "bool", "it was let go of"),
        ),
        recorded.states,
    ),
    Shape(
        "splits",
        "a row for each part of a split",
        (
            RUN,
            Column("split", "text", "its name"),
            Column("method", "text", "how it was made"),
            Column("part", "text", "`train`, `test`…"),
            Column("rows", "int", "of the part"),
            Column("set", "text", "the digest of its row numbers, whatever their order"),
            Column("manifest", "text", "the digest of the split's manifest"),
        ),
        recorded.splits,
    ),
    Shape(
        "data",
        "a row for the data of each `run.data`",
        (
            RUN,
            Column("name", "text", "as it was named"),
            Column("what", "text", "its class"),
            Column("fingerprint", "text", "the name of its content"),
            Column("rows", "int", "how many"),
            Column("size_bytes", "int", "of what was kept"),
            Column("kept", "text", "the digest of what was kept"),
            Column("version", "text", "of `samebit data`, where it was kept as one"),
            Column("path", "text", "where it lay"),
            _AT,
        ),
        recorded.data,
    ),
    Shape(
        "files",
        "a row for each file or folder that it used",
        (
            RUN,
            Column("path", "text", "absolute"),
            Column("how", "text", "read, write, folder, list or many"),
            Column("digest", "text", "of its content"),
            Column("size_bytes", "int", "of it"),
            Column("modified", "time", "when it was last changed before it was used"),
            Column("written", "bool", "it was written to"),
            Column("changed", "bool", "somebody changed it while the run went on"),
            Column("saved", "text", "the object that it is kept as, or that lists its pieces"),
        ),
        recorded.files,
    ),
    Shape(
        "media",
        "a row for each thing that was logged beside numbers",
        (
            RUN,
            Column("name", "text", "as it was logged"),
            Column("step", "int", "the step"),
            Column("at", "int", "which of a list, from 0"),
            Column("kind", "text", "image, histogram, table, text, audio, video or figure"),
            Column("type", "text", "of its bytes, as `image/png`"),
            Column("caption", "text", "the text beside it"),
            Column("object", "text", "the digest of its bytes"),
            Column("size_bytes", "int", "of them"),
            _KEPT,
            Column("exact", "bool", "its bytes follow from what was logged"),
            Column("about", "json", "`width`, `height`, `seconds`, `rows`…"),
        ),
        recorded.media,
    ),
    Shape(
        "packages",
        "a row for each package of the environment",
        (RUN, Column("name", "text", "of the distribution"), Column("version", "text", "its own")),
        recorded.packages,
    ),
    Shape(
        "verdicts",
        "a row for each verdict",
        (
            RUN,
            Column("time", "time", "when it was given"),
            Column("grade", "text", "identical, close, compatible, different or unknown"),
            Column("replay", "text", "the id of the run that repeated it"),
            Column("cause", "text", "in a sentence; empty where it is identical"),
            Column("step", "int", "the first that differs"),
            Column("until", "int", "the step up to which alone it was run; nothing: to its end"),
            Column("kind", "text", "of a difference: environment or run-to-run"),
            Column("who", "text", "repeated, or reproduced (claimed)"),
            Column("by", "text", "the user who verified"),
            Column("host", "text", "on which machine"),
            Column("scope", "json", "what was compared, as a list of texts"),
            Column("differences", "json", "of environment and data, as a list of texts"),
            Column("remedies", "json", "what to do about it, as a list of texts"),
            Column("evidence", "json", "what the verdict rests on"),
        ),
        recorded.verdicts,
    ),
    Shape(
        "missing",
        "a row for each thing that a record lacks",
        (
            RUN,
            Column("key", "text", "in a word or two"),
            Column("what", "text", "what is not recorded, and what that means"),
            Column("fix", "text", "what gets it the next time"),
        ),
        recorded.missing,
    ),
    Shape(
        "machine",
        "a row for each sample of what the machine did",
        (
            RUN,
            Column(
                "name", "text", "`cpu_percent`…; of another rank than 0 with it in front: `1/…`"
            ),
            Column("sample", "int", "from 0"),
            Column("time", "time", "when it was taken"),
            Column("value", "float", "in the unit of its name"),
        ),
        recorded.machine,
        is_large=True,
    ),
    Shape(
        "traces",
        "a row for each fingerprint of a step",
        (
            RUN,
            _RANK,
            Column("optimizer", "int", "whose step, from 0"),
            Column("step", "int", "its count, from 1"),
            Column("group", "text", "`batch`, `rng.torch`, `loss`, `grads`, `params`…"),
            Column("fingerprint", "text", "8 bytes as 16 hexadecimal digits"),
        ),
        recorded.traces,
        is_large=True,
    ),
    Shape(
        "facts",
        "a row for everything that was learnt, in the words of docs/formats/journal.md",
        (
            RUN,
            Column("name", "text", "of the fact"),
            _RANK,
            Column("value", "json", "whole"),
        ),
        recorded.facts,
        is_large=True,
    ),
)
SHAPES = {shape.name: shape for shape in _SHAPES}
