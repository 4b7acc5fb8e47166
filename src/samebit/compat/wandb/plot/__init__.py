"""`wandb.plot`: charts, of which the table is kept."""

from collections.abc import Iterable, Sequence
from typing import Any

from samebit.compat.wandb.tables import CustomChart, Table, rows_of

__all__ = [
    "CustomChart",
    "bar",
    "confusion_matrix",
    "histogram",
    "line",
    "line_series",
    "plot_table",
    "pr_curve",
    "roc_curve",
    "scatter",
    "visualize",
]

_MOST_POINTS = 10_000


def line(
    table: Table, x: str, y: str, stroke: str | None = None, title: str = "", **more: Any
) -> CustomChart:
    """A line of two columns."""
    return CustomChart(table, title, "line")


def scatter(table: Table, x: str, y: str, title: str = "", **more: Any) -> CustomChart:
    """Points of two columns."""
    return CustomChart(table, title, "scatter")


def bar(table: Table, label: str, value: str, title: str = "", **more: Any) -> CustomChart:
    """Bars of two columns."""
    return CustomChart(table, title, "bar")


def histogram(table: Table, value: str, title: str = "", **more: Any) -> CustomChart:
    """How often the values of a column are how large."""
    return CustomChart(table, title, "histogram")


def plot_table(
    vega_spec_name: str = "",
    data_table: Table | None = None,
    fields: Any = None,
    string_fields: Any = None,
    split_table: bool | None = False,
) -> CustomChart:
    """A chart of somebody's own: its table is kept, its drawing is not."""
    if data_table is None:
        raise TypeError("plot_table() is made of a table")
    return CustomChart(data_table, str((string_fields or {}).get("title", "")), vega_spec_name)


def visualize(id: str, value: Table) -> CustomChart:
    """The same, by an older name."""
    return CustomChart(value, "", id)


def line_series(
    xs: Iterable[Any],
    ys: Iterable[Iterable[Any]],
    keys: Sequence[Any] | None = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,
) -> CustomChart:
    """Several lines: of one list of places for all, or one for each."""
    lines = [list(one) for one in ys]
    given = list(xs)
    is_each = bool(given) and hasattr(given[0], "__iter__")
    places = [list(one) for one in given] if is_each else [given] * len(lines)
    if len(places) != len(lines):
        raise ValueError(f"{len(places)} lists of x, and {len(lines)} of y")
    names = list(keys) if keys is not None else [f"line_{at}" for at in range(len(lines))]
    data: list[list[Any]] = []
    for name, x, y in zip(names, places, lines, strict=True):
        data += [[at, name, value] for at, value in zip(x, y, strict=False)]
    return CustomChart(Table(columns=["step", "lineKey", "lineVal"], data=data), title, "lines")


def roc_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    title: str = "ROC",
    split_table: bool = False,
) -> CustomChart:
    """The rate of true positives over that of false ones, for each class.

    Args:
        y_true: of each sample its class.
        y_probas: shape (samples, classes), in the order of the classes that occur, sorted.
        labels: names of the classes.
        classes_to_plot: only these.
        title: a text beside it.
        split_table: of no effect.
    """
    from sklearn.metrics import roc_curve as curve  # noqa: PLC0415  (as wandb needs it)

    data: list[list[Any]] = []
    for truth, scores, one, name in _by_class(y_true, y_probas, labels, classes_to_plot):
        false, true, _ = curve(truth, scores, pos_label=one)
        data += [[name, x, y] for x, y in _thinned(rows_of(false.tolist(), true.tolist()))]
    return CustomChart(Table(columns=["class", "fpr", "tpr"], data=data), title, "roc")


def pr_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    interp_size: int = 21,
    title: str = "Precision-Recall Curve",
    split_table: bool = False,
) -> CustomChart:
    """Precision over recall at `interp_size` equal steps from 1 to 0, for each class."""
    import numpy as np  # noqa: PLC0415
    from sklearn.metrics import precision_recall_curve as curve  # noqa: PLC0415

    data: list[list[Any]] = []
    steps = np.linspace(1, 0, interp_size)
    for truth, scores, one, name in _by_class(y_true, y_probas, labels, classes_to_plot):
        precision, recall, _ = curve(truth, scores, pos_label=one)
        best = np.maximum.accumulate(precision)  # recall falls: the best with at least that recall
        last = np.searchsorted(-recall, -steps, side="right") - 1
        data += [[name, y, x] for x, y in rows_of(steps.tolist(), best[last].tolist())]
    return CustomChart(Table(columns=["class", "precision", "recall"], data=data), title, "pr")


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Sequence[str] | None = None,
    title: str = "Confusion Matrix Curve",
    split_table: bool = False,
) -> CustomChart:
    """How many samples of each class were taken for which.

    Args:
        probs: shape (samples, classes), of which the largest is the prediction; or `preds`.
        y_true: of each sample the number of its class.
        preds: of each sample the class it was taken for.
        class_names: in the order of the numbers.
        title: a text beside it.
        split_table: of no effect.
    """
    import numpy as np  # noqa: PLC0415

    if (probs is None) == (preds is None):
        raise ValueError("a confusion matrix is made of probs, or of preds")
    guessed = np.argmax(np.asarray(probs), axis=1) if preds is None else np.asarray(preds)
    truth = np.asarray(y_true)
    if len(truth) != len(guessed):
        raise ValueError("Number of predictions and label indices do not match.")
    used = sorted({*truth.tolist(), *guessed.tolist()})
    if class_names is None:
        names = {one: f"Class_{at}" for at, one in enumerate(used, 1)}
    else:
        if used and max(used) >= len(class_names):
            raise ValueError("Higher predicted index than number of classes.")
        used = list(range(len(class_names)))
        names = dict(enumerate(class_names))
    counts = {(a, b): 0 for a in used for b in used}
    for pair in zip(truth.tolist(), guessed.tolist(), strict=True):
        counts[pair] += 1
    data = [[names[a], names[b], count] for (a, b), count in counts.items()]
    return CustomChart(
        Table(columns=["Actual", "Predicted", "nPredictions"], data=data), title, "confusion"
    )


def _by_class(
    y_true: Any, y_probas: Any, labels: Sequence[str] | None, wanted: Sequence[Any] | None
) -> Iterable[tuple[Any, Any, Any, Any]]:
    import numpy as np  # noqa: PLC0415

    truth, scores = np.asarray(y_true), np.asarray(y_probas)
    if truth.ndim != 1 or scores.ndim != 2 or len(truth) != len(scores):
        raise ValueError("y_true has a class and y_probas a row of probabilities for each sample")
    for at, one in enumerate(np.unique(truth).tolist()):
        if wanted is None or one in wanted:
            yield truth, scores[:, at], one, labels[at] if labels is not None else one


def _thinned(rows: list[list[Any]]) -> list[list[Any]]:
    if len(rows) <= _MOST_POINTS:
        return rows
    return [rows[at * len(rows) // _MOST_POINTS] for at in range(_MOST_POINTS)]
