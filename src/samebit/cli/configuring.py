"""How `samebit show` says a configuration and what the training showed of itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from samebit.capture.config import flat, source_of
from samebit.cli.words import Screen, number, shorten, shown, visible, width
from samebit.folders.read import View
from samebit.report.facts import precision_of

__all__ = ["config_entries", "config_lines", "config_title", "training_facts", "whole_config"]

_MOST = 40  # settings in the summary
_NAME = 36  # columns of a name there, at most
_LEAST_VALUE = 12
_GAP = "  "


def config_title(view: View) -> str:
    """Which parsers made it, and for whom: `argparse in train.py:12`."""
    made_by = (view.facts.get("config_sources") or {}).get("made_by") or []
    said: list[str] = []
    for made in made_by:
        at = str(made.get("at") or "")
        text = str(made.get("parser"))
        if at:
            text += f" in {at.rpartition('/')[2]}"
        if made.get("command"):
            text += f" for {' '.join(made['command'])}"
        said.append(text)
    return visible(", ".join(dict.fromkeys(said)))


def config_lines(view: View, screen: Screen) -> Iterator[str]:
    """Name, value and source of each setting; those that nobody set come last."""
    entries = config_entries(view)
    entries.sort(key=lambda entry: entry[2] == "default")
    yield from _columns(entries[:_MOST], screen, shorten_values=True)
    if (left := len(entries) - _MOST) > 0:
        yield screen.paint.dim(f"  and {left} more: samebit show {view.id} --config")


def whole_config(view: View, screen: Screen) -> Iterator[str]:
    """Every setting in its own order, nothing cut."""
    title = config_title(view)
    if title:
        yield screen.paint.dim(title)
    for made in (view.facts.get("config_sources") or {}).get("made_by") or []:
        for name, choice in (made.get("choices") or {}).items():
            yield screen.paint.dim(visible(f"{name} is {choice}"))
    yield from _columns(config_entries(view), screen, shorten_values=False)


def config_entries(view: View) -> list[tuple[str, str, str]]:
    """Name, value and source of each setting, in words."""
    config = view.facts.get("config")
    if config is None:
        return []
    if not isinstance(config, dict):
        return [("config", shown(config), "")]
    sources = (view.facts.get("config_sources") or {}).get("values") or {}
    return [
        (visible(name), _value(value), _source(source_of(name, sources)))
        for name, value in flat(config).items()
    ]


def _value(value: Any) -> str:
    return "none" if value is None else '""' if value == "" else shown(value)


def _source(source: str | None) -> str:
    """`file:/long/way/conf/config.yaml` as `conf/config.yaml`, `environment:HOME` as `$HOME`."""
    if source is None:
        return ""
    kind, _, of = source.partition(":")
    if kind == "file" and of:
        return visible("/".join(of.split("/")[-2:]))
    return visible(f"${of}" if kind == "environment" and of else source)


def _columns(
    entries: list[tuple[str, str, str]], screen: Screen, *, shorten_values: bool
) -> Iterator[str]:
    names = max((width(name) for name, _, _ in entries), default=0)
    if shorten_values:
        names = min(names, _NAME)
    sources = max((width(source) for _, _, source in entries), default=0)
    room = None
    if screen.width is not None:
        room = max(screen.width - 2 - names - sources - 2 * len(_GAP), _LEAST_VALUE)
    values = max((width(value) for _, value, _ in entries), default=0)
    values = values if room is None else min(values, room)
    for name, value, source in entries:
        if shorten_values:
            name = shorten(name, names)
            value = value if room is None else shorten(value, room)
        line = "  " + screen.paint.dim(name) + " " * (names - width(name)) + _GAP + value
        if source:
            line += " " * max(values - width(value), 0) + _GAP + screen.paint.dim(source)
        yield line


def training_facts(fact: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the fact `training` says, in a few lines."""
    for model in fact.get("models") or []:
        total, trainable = model["parameters"], model["trainable"]
        text = f"{total:,} parameters"
        if trainable != total:
            text += f", {trainable:,} of them trained"
        kind = str(model["class"]).rpartition(".")[2]
        yield str(model["name"]), f"{kind}, {text}" if kind else text
    for optimizer in fact.get("optimizers") or []:
        groups = optimizer["groups"]
        text = str(optimizer["class"]).rpartition(".")[2]
        if len(groups) > 1:
            text += f", {len(groups)} parameter groups"
        yield "optimizer", text
        for at, group in enumerate(groups[:4]):
            yield (f"group {at}" if len(groups) > 1 else "with"), _hyper(group["hyper"])
    batch = fact.get("batch") or {}
    if batch.get("effective"):
        parts = [f"{batch['micro']} samples"]
        if (batch["accumulation"] or 1) > 1:
            parts.append(f"{batch['accumulation']} accumulated")
        if batch["world"] > 1:
            parts.append(f"{batch['world']} processes")
        text = " × ".join(parts)
        yield "batch", text if len(parts) == 1 else f"{batch['effective']} = {text}"
    epochs, samples = fact.get("epochs"), fact.get("samples")
    if epochs:
        unfinished = epochs["begun"] - epochs["finished"]
        text = f"{epochs['finished']} finished" + (", one more begun" if unfinished else "")
        yield "epochs", text
    if samples:
        yield "samples", f"{samples:,}"
    if precision := precision_of(fact):
        yield "precision", precision
    for clip in fact.get("clipping") or []:
        yield "clipping", f"{clip['kind']} {shown(clip.get('limit'))}, {clip['calls']} times"
    scaling = fact.get("loss_scaling")
    if scaling and scaling.get("enabled"):
        scale = scaling.get("scale")
        text = f"scale {number(scale)}" if scale is not None else "scale unknown"
        yield "loss scaling", f"{text}, {scaling['skipped']} of {scaling['steps']} steps skipped"


_USUAL = {"amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused"}


def _hyper(hyper: Mapping[str, Any]) -> str:
    """Scalars of a group, without switches that are off."""
    return ", ".join(
        f"{name} {shown(value)}"
        for name, value in hyper.items()
        if not (name in _USUAL and value in (None, False)) and name != "decoupled_weight_decay"
    )
