"""What a script sees of wandb, in answers that can be compared: run with the real one and ours.

python parity.py wandb|samebit.compat.wandb
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
wandb: Any = importlib.import_module(sys.argv[1])
answers: dict[str, Any] = {}


def plain(value: Any) -> Any:
    if hasattr(value, "keys") and not isinstance(value, dict):
        value = {key: value[key] for key in value.keys()}  # noqa: SIM118
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items() if not str(key).startswith("_")}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    known = value is None or isinstance(value, (bool, int, float, str))
    return value if known else f"a {type(value).__name__}"


def ask(name: str, question: Callable[[], Any]) -> None:
    try:
        answers[name] = plain(question())
    except Exception as error:
        answers[name] = f"raises {type(error).__name__}"


def before_init() -> None:
    for name, question in {
        "run": lambda: wandb.run,
        "config.x": lambda: wandb.config.x,
        "config.x = 1": lambda: setattr(wandb.config, "x", 1),
        "config['x']": lambda: wandb.config["x"],
        "config.update": lambda: wandb.config.update({}),
        "summary['x']": lambda: wandb.summary["x"],
        "dict(summary)": lambda: dict(wandb.summary),
        "log": lambda: wandb.log({}),
        "save": lambda: wandb.save("x"),
        "watch": lambda: wandb.watch(None),
        "define_metric": lambda: wandb.define_metric("x"),
        "finish": lambda: wandb.finish(),
        "nothing": lambda: wandb.nothing,
    }.items():
        ask(f"before init, {name}", question)


def the_run(run: Any) -> None:
    names = "project entity group job_type tags notes name url resumed step starting_step offline"
    for name in [*names.split(), "disabled", "sweep_id", "project_url"]:
        ask(f"run.{name}", lambda name=name: getattr(run, name))
    ask("run is", lambda: wandb.run is run)
    ask("path", lambda: run.path.rpartition("/")[0])
    ask("tags +", lambda: (setattr(run, "tags", (*run.tags, "c")), run.tags))
    ask("init again", lambda: wandb.init(project="q") is run)
    for wrong in ({"resume": "foo"}, {"reinit": "foo"}, {"mode": "foo"}):
        ask(f"init({wrong}) is refused", lambda wrong=wrong: refused(lambda: wandb.init(**wrong)))


def refused(question: Callable[[], Any]) -> bool:
    try:
        question()
    except Exception:
        return True
    return False


def the_config() -> None:
    config = wandb.config
    ask("config", lambda: dict(config))
    ask("config.lr", lambda: config.lr)
    ask("config.n.a", lambda: config.n.a)
    ask("config.zz", lambda: config.zz)
    ask("config['zz']", lambda: config["zz"])
    ask("config.get", lambda: config.get("zz", 4))
    ask("config.lr = 2", lambda: setattr(config, "lr", 2))
    ask("config['lr'] = 2", lambda: config.__setitem__("lr", 2))
    ask("config['lr'] = same", lambda: config.__setitem__("lr", 0.1))
    ask("config.update", lambda: config.update({"lr": 2}))
    ask("config.update, allowed", lambda: config.update({"lr": 0.2}, allow_val_change=True))
    ask("config.setdefaults", lambda: config.setdefaults({"lr": 5, "q": 1}))
    ask("config.update(namespace)", lambda: config.update(argparse.Namespace(b=3)))
    values = {"np": np.float32(0.1), "arr": np.arange(3), "fn": print, "none": None, "t": (1, 2)}
    ask("config.update(values)", lambda: config.update(values))
    ask("config.update(list)", lambda: config.update([1]))
    ask("config.update({1: 2})", lambda: config.update({1: 2}))
    ask("config.update(media)", lambda: config.update({"h": wandb.Histogram([1, 2])}))
    ask("config now", lambda: [dict(config), config.keys(), config.items(), config.as_dict()])
    ask("in config", lambda: ["b" in config, "zz" in config])


def the_rows(run: Any) -> None:
    log = wandb.log
    for name, question in {
        "log": lambda: log({"a": 1, "n": {"x": 2, "y": {"z": 3}}}),
        "log, not committed": lambda: log({"c": 1}, commit=False),
        "log after it": lambda: log({"d": 1}),
        "log at 10": lambda: log({"d": 2}, step=10),
        "log at 10 again": lambda: log({"e": 2}, step=10),
        "log without a step": lambda: log({"f": 3}),
        "log at 11, committed": lambda: log({"f": 4}, step=11, commit=True),
        "log of a list": lambda: log([1]),
        "log of a number's name": lambda: log({1: 2}),
        "log of None": lambda: log(None),
        "log of nothing": lambda: log({}),
        "log at a text": lambda: log({"z": 1}, step="40"),
        "log at a float": lambda: log({"z": 1}, step=50.0),
    }.items():
        ask(name, question)
        ask(f"step after {name}", lambda: run.step)
    ask("summary", lambda: {key: wandb.summary[key] for key in ("a", "c", "d", "e", "f")})
    ask("summary, inside", lambda: [wandb.summary["n"]["y"]["z"], wandb.summary.n.x])
    ask("summary['zz']", lambda: wandb.summary["zz"])
    ask("summary.get", lambda: wandb.summary.get("zz"))


def the_definitions() -> None:
    for name, words in {
        "loss": {"summary": "min"},
        "acc": {"summary": "max,last,mean"},
        "val/*": {"summary": "max"},
        "none": {"summary": "none"},
        "first": {"summary": "first"},
        "both": {"summary": "min,max"},
        "v*l": {"summary": "max"},
        "wrong": {"summary": "x"},
        "hidden": {"hidden": True},
    }.items():
        ask(f"define {name}", lambda n=name, w=words: type(wandb.define_metric(n, **w)).__name__)
    ask("define 1", lambda: wandb.define_metric(1))
    for at in range(5):
        values = {"loss": [3, 1, 2, 5, 4], "acc": [1, 5, 3, 2, 2], "val/x": [1, 9, 3, 2, 1]}
        values |= {"none": [1] * 5, "first": [3, 4, 5, 6, 7], "both": [1, 5, 3, 0, 2]}
        wandb.log({name: several[at] for name, several in values.items()})
    for name in ("loss", "acc", "val/x", "none", "first", "both"):
        ask(f"summary of {name}", lambda name=name: wandb.summary[name])
    ask("summary said", lambda: wandb.summary.update({"best": 5, "deep": {"x": 1}}))
    ask("summary.b2", lambda: (setattr(wandb.summary, "b2", 6), wandb.summary.b2))
    ask("summary deep", lambda: wandb.summary["deep"]["x"])
    ask(
        "del summary",
        lambda: (wandb.summary.__delitem__("best"), "best" in list(wandb.summary.keys())),
    )


def the_rest(run: Any) -> None:
    os.makedirs("sub/d", exist_ok=True)
    for name in ("f.txt", "sub/d/g.txt"):
        with open(name, "w") as stream:
            stream.write("x")
    for name, words in {
        "file": ("f.txt",),
        "pattern": ("sub/*/*.txt",),
        "below": ("sub/d/g.txt", "sub"),
        "nothing": ("nope*",),
        "folder": ("sub",),
        "policy": ("f.txt", None, "foo"),
        "outside": ("/etc/hostname", "/usr"),
        "elsewhere": ("s3://x/y",),
    }.items():
        ask(f"save {name}", lambda words=words: len(wandb.save(*words)))
    ask("alert", lambda: wandb.alert("t", "x", level="foo"))
    ask("artifact name", lambda: wandb.Artifact("a/b", "t"))
    artifact = wandb.Artifact("n", "t", metadata={"a": 1})
    ask("artifact", lambda: [artifact.name, artifact.type, artifact.metadata, artifact.is_draft()])
    ask("artifact.version", lambda: artifact.version)
    ask("add_file", lambda: artifact.add_file("nope"))
    ask("add_dir", lambda: artifact.add_dir("nope"))
    ask("added", lambda: artifact.add_file("f.txt", name="q/g.txt").path)
    ask("entries", lambda: sorted(artifact.manifest.entries))
    ask("aliases", lambda: run.log_artifact(artifact, aliases=["a/b"]))
    ask("log_artifact", lambda: run.log_artifact("zz"))
    ask("table", lambda: wandb.Table(columns=["a", "b"], data=[[1, 2]]).data)
    ask("table, wrong", lambda: wandb.Table(columns=["a", "b"], data=[[1]]))
    ask("table, default", lambda: wandb.Table().columns)
    ask("histogram", lambda: len(wandb.Histogram(list(range(10))).bins))
    ask("histogram, wrong", lambda: wandb.Histogram([1], num_bins=600))
    ask("histogram of numpy", lambda: wandb.Histogram(np_histogram=(1, 2, 3)))
    ask("audio", lambda: wandb.Audio(np.zeros(10)))
    ask("image", lambda: wandb.Image(np.zeros((2, 2, 5))))
    ask("image of a path", lambda: wandb.Image("nope.png"))
    chart = wandb.plot.line_series([1, 2], [[1, 2], [3, 4]], keys=["a", "b"])
    ask("line_series", lambda: [chart.table.columns, chart.table.data])
    truth, scores = [0, 1, 1, 0], [[0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.3, 0.7]]
    ask("roc", lambda: wandb.plot.roc_curve(truth, scores, labels=["a", "b"]).table.data)
    curve = wandb.plot.pr_curve(truth, scores).table.data
    ask("pr", lambda: [[name, round(y, 3), round(x, 3)] for name, y, x in plain(curve)])
    matrix = wandb.plot.confusion_matrix(y_true=[0, 1], preds=[0, 0], class_names=["a", "b"])
    ask("confusion", lambda: [matrix.table.columns, matrix.table.data])
    model = importlib.import_module("torch").nn.Linear(2, 2)
    ask("watch", lambda: wandb.watch(model, log="foo"))
    ask("watch a number", lambda: wandb.watch(3))
    run.finish()
    ask("after finish", lambda: wandb.run)
    ask("log after finish", lambda: run.log({"a": 1}))
    ask("wandb.log after finish", lambda: wandb.log({"a": 1}))
    ask("config after finish", lambda: run.config.lr)
    ask("finish again", lambda: wandb.finish())


before_init()
first = wandb.init(
    project="p",
    entity="e",
    group="g",
    job_type="j",
    tags=["a", "b"],
    notes="n",
    name="nm",
    config={"lr": 0.1, "n": {"a": 1}, "-x-": 3},
)
the_run(first)
the_config()
the_rows(first)
the_definitions()
the_rest(first)
print(json.dumps(answers))
