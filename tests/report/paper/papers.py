"""A paper and its runs as values, without a store."""

from pathlib import Path
from typing import Any

from samebit.report.paper.lock import Lock
from samebit.report.paper.making import Made
from samebit.report.paper.settings import Paper, read_paper
from samebit.report.paper.values import Selected, derive, select

__all__ = ["ACCURACIES", "made_of", "paper_of", "run", "runs"]

ACCURACIES = [0.91, 0.89, 0.93, 0.90, 0.92]


def run(at: int, acc: Any = 0.9, group: str = "ours", **more: Any) -> dict[str, Any]:
    row = {"id": f"{group}{at}", "state": "finished", "seed": at, "group": group}
    return row | {"metric.acc": acc, "config.lr": 0.1, "config.opt": "a_b", "verified": None} | more


def runs(values: list[float] = ACCURACIES, group: str = "ours") -> list[dict[str, Any]]:
    return [run(at, acc, group) for at, acc in enumerate(values)]


def paper_of(folder: Path, text: str) -> Paper:
    (folder / "samebit.toml").write_text(text)
    return read_paper(folder)


def made_of(paper: Paper, rows: list[dict[str, Any]]) -> Made:
    selected: dict[str, Selected] = select(paper.folder, rows, paper.selections)
    values, problems = derive(paper, selected)
    return Made({}, Lock(values), selected, {}, tuple(problems))
