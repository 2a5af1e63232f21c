"""A classification report from a confusion matrix.

Numbers and layout equal those of scikit-learn's ``classification_report`` (tested), with pixels as samples.
scikit-learn is not used because it would, with SciPy, be a quarter of the size of the core installation.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from solarseg.evaluation.scores import Counts, dice, ratio

__all__ = ["classification_report", "classification_text"]

_COLUMNS = ("precision", "recall", "f1-score", "support")


def classification_report(counts: Counts, names: Sequence[str]) -> dict[str, Any]:
    """Return precision, recall, F1 score and support of each class, and their averages.

    Args:
        counts: ``(K, K)`` confusion matrix, rows = truth.
        names: the K class names.

    Returns:
        Class name, ``"macro avg"`` and ``"weighted avg"`` -> column -> number, and ``"accuracy"`` -> number. A class in
        neither truth nor prediction has NaN scores and is left out of the averages; other undefined scores are 0.

    Examples:
        >>> report = classification_report(np.array([[3, 1], [0, 4]]), ["cell", "crack"])
        >>> report["crack"]
        {'precision': 0.8, 'recall': 1.0, 'f1-score': 0.8888888888888888, 'support': 4}
        >>> report["accuracy"]
        0.875
    """
    correct, predicted, support = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    present = predicted + support > 0
    scores = np.nan_to_num(
        np.stack([ratio(correct, predicted), ratio(correct, support), dice(counts)], axis=-1)
    )
    scores[~present] = np.nan
    total = int(support.sum())
    return {
        **{name: _row(*values) for name, *values in zip(names, scores, support, strict=True)},
        "accuracy": float(correct.sum() / total),
        "macro avg": _row(scores[present].mean(axis=0), total),
        "weighted avg": _row(np.average(scores[present], axis=0, weights=support[present]), total),
    }


def _row(scores: Iterable[float], support: int) -> dict[str, Any]:
    return dict(zip(_COLUMNS, (*map(float, scores), int(support)), strict=True))


def classification_text(report: dict[str, Any]) -> str:
    """Format a `classification_report` as a text table, without classes that do not occur."""
    rows = {name: row for name, row in report.items() if name == "accuracy" or not np.isnan(row["precision"])}
    width = max(map(len, rows))
    lines = [" " * width + " " + "".join(f" {name:>9}" for name in _COLUMNS), ""]
    for name, row in rows.items():
        if name == "accuracy":
            lines.append("")
            cells = ["", "", f"{row:.2f}", report["macro avg"]["support"]]
        else:
            cells = [*(f"{row[column]:.2f}" for column in _COLUMNS[:-1]), row["support"]]
        lines.append(f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells))
    return "\n".join(lines) + "\n"
