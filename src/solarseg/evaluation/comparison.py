"""Compare runs that were scored on the same images."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from solarseg.csv_files import CsvWriter
from solarseg.errors import ArgumentError
from solarseg.evaluation.intervals import (
    Difference,
    Interval,
    Statistic,
    bootstrap_intervals,
    paired_differences,
)
from solarseg.evaluation.report import ONLY_EXACT, REPORT_NAME, Report, show_options
from solarseg.evaluation.scores import Counts, dice, iou, mean_defined, support
from solarseg.files import check_folder, write_figure, write_text
from solarseg.inference.model import Model, load_model
from solarseg.inference.model_file import find_model_file
from solarseg.inference.timing import show_measuring, time_models
from solarseg.runs import RunFolder

__all__ = ["Comparison", "Row", "compare"]

_SECONDS = 0.5  # of measuring each network, at least


def _foreground_iou(matrices: Counts) -> np.ndarray:
    return mean_defined(iou(matrices)[..., 1:])


def _foreground_f1(matrices: Counts) -> np.ndarray:
    return mean_defined(dice(matrices)[..., 1:])


_IOU, _F1 = Statistic(_foreground_iou), Statistic(_foreground_f1)


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        run: name of the run folder.
        encoder: name of the encoder.
        parameters: millions of weights.
        gmacs: multiply-accumulates for one image, in units of 1e9.
        iou: pooled, mean over the classes but the background; NaN if no image shows one of them.
        low: lower end of its 95% interval; NaN for images of one group.
        high: upper end of its 95% interval; NaN for images of one group.
        accuracy: share of pixels that are right.
        f1: pooled, mean over the classes but the background.
        seconds: for one image on this machine, the network alone.
        megabytes: size of the model file, in units of 1e6 bytes.
    """

    run: str
    encoder: str
    parameters: float
    gmacs: float
    iou: float
    low: float
    high: float
    accuracy: float
    f1: float
    seconds: float
    megabytes: float


@dataclass(frozen=True, repr=False)
class Comparison:
    """Rows from the best IoU to the worst, and how each differs from the best.

    Attributes:
        runs: one row a run.
        differences: IoU of the best run minus that of each other, paired over groups.
        n_images: images scored.
        n_groups: groups they come from.
        n_informative: groups with more than background in their masks or predictions, which intervals rest on.
        reliable: whether there are enough groups for the intervals to be trusted.
        n_trained_on: images among them that one of the runs was trained on, or on a copy of.
        searched: whether near copies of images trained on were looked for, too, for each of the runs.
    """

    runs: tuple[Row, ...]
    differences: tuple[Difference, ...]
    n_images: int
    n_groups: int
    n_informative: int
    reliable: bool
    n_trained_on: int = 0
    searched: bool = True

    def __repr__(self) -> str:
        runs = ", ".join(f"{row.run} {row.iou:.3f}" for row in self.runs[:4])
        more = f" and {len(self.runs) - 4} more" if len(self.runs) > 4 else ""
        return f"<Comparison on {self.n_images} images of {self.n_groups} groups, IoU: {runs}{more}>"

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a run, as ``pandas.DataFrame`` takes them: the attributes of `Row`."""
        return [asdict(row) for row in self.runs]

    def markdown(self) -> str:
        """A table, and below it a sentence for each difference."""
        lines = [
            "| run | encoder | parameters (M) | GMACs | IoU (95% interval) | accuracy | F1 | s/image | MB |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {row.run} | {row.encoder} | {row.parameters:.1f} | {row.gmacs:.1f} | "
            f"{_number(row.iou)} ({_range(row.low, row.high)}) | {row.accuracy:.3f} | {_number(row.f1)} | "
            f"{row.seconds:.3f} | {row.megabytes:.0f} |"
            for row in self.runs
        ]
        lines += [
            "",
            f"{self.n_images} images of {self.n_groups} groups. IoU and F1: pooled over all images, mean over "
            "the classes but the background. s/image: the network alone, on this machine.",
        ]
        if self.n_trained_on:
            lines.append(
                f"{self.n_trained_on} of these images were trained on, themselves or as copies: the scores are too "
                "good; score images no run has seen."
            )
        if not self.searched:
            lines.append(ONLY_EXACT)
        if not self.reliable:
            lines.append(
                f"Intervals rest on {self.n_informative} group(s) that hold a defect: unreliable; score more."
            )
        lines += [
            "",
            *(self._sentence(row, gap) for row, gap in zip(self.runs[1:], self.differences, strict=True)),
        ]
        return "\n".join(lines)

    def _sentence(self, row: Row, gap: Difference) -> str:
        interval = gap.interval
        if isnan(interval.low) or isnan(gap.value):
            difference = "no IoU" if isnan(gap.value) else f"{gap.value:+.3f} IoU"
            return f"- {self.runs[0].run} over {row.run}: {difference}, too few groups to distinguish it from noise."
        larger = interval.low > 0 or interval.high < 0
        verdict = "larger than the noise" if larger else "within the noise"
        if not self.reliable:
            verdict = "too few groups to distinguish it from noise"
        return (
            f"- {self.runs[0].run} over {row.run}: {gap.value:+.3f} IoU "
            f"(95% interval {interval.low:+.3f} to {interval.high:+.3f}, p = {gap.p_value:.3f}), {verdict}."
        )

    def csv(self) -> str:
        """The table as CSV."""
        text = io.StringIO()
        writer = CsvWriter(text)
        writer.add(Row.__annotations__)
        for row in self.runs:
            values = asdict(row).values()
            writer.add("" if isinstance(value, float) and isnan(value) else value for value in values)
        return text.getvalue()

    def save(self, folder: Path) -> None:
        """Write ``compare.md``, ``compare.csv`` and ``compare.png``."""
        write_text(folder / "compare.md", self.markdown() + "\n")
        write_text(folder / "compare.csv", self.csv())
        seen = f", {self.n_trained_on} of them trained on" if self.n_trained_on else ""
        _draw(self.runs, folder / "compare.png", f"IoU on {self.n_images} images{seen}, with 95% interval")


def compare(
    runs: Sequence[Path | str], out: Path | str | None = None, *, progress: bool = False
) -> Comparison:
    """Compare runs: scores with intervals, cost, and whether a difference is larger than the noise.

    Args:
        runs: run folders, model files, or names of shipped models, whose reports score the same images.
        out: folder for table and picture; by default none is written.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: fewer than two runs, ``out`` is a file, a run without evaluation, or runs scored on different
            images.
        ModelFileError: a run has no usable model.
    """
    if out is not None:
        check_folder(Path(out))
    paths = [Path(run) for run in runs]
    if len(paths) < 2:
        raise ArgumentError(f"`runs`: needs two or more, found {len(paths)}")
    for path in paths:
        find_model_file(path)
    reports = [_load_report(path) for path in paths]
    _check_same(paths, reports)
    models = [load_model(path) for path in paths]
    with show_measuring(progress):
        seconds = _time(models)
    rows = [_row(*one) for one in zip(_names(paths), models, reports, seconds, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: (isnan(rows[i].iou), -rows[i].iou))
    best = reports[order[0]]
    result = Comparison(
        tuple(rows[i] for i in order),
        tuple(_gap(best, reports[i]) for i in order[1:]),
        best.n_images,
        best.n_groups,
        _interval(best).groups,
        _interval(best).reliable,
        len({name for report in reports for name in (*report.trained_on, *(report.related or ()))}),
        all(report.related is not None for report in reports),
    )
    if out is not None:
        result.save(Path(out))
    return result


def _report_folder(model: Path) -> Path:
    """Return the folder where `evaluate` writes the report of a run folder, a model file or a shipped model."""
    return RunFolder(model.parent).evaluation(model) if model.is_file() else RunFolder(model).evaluation()


def _load_report(run: Path) -> Report:
    file = _report_folder(run) / REPORT_NAME
    if not file.exists():
        raise ArgumentError(
            f"{file}: no such report; make it with: "
            f"solarseg evaluate {quote(str(run))} DATASET --out {quote(str(file.parent))}"
        )
    return Report.load(file)


def _check_same(paths: list[Path], reports: list[Report]) -> None:
    for path, report in zip(paths, reports, strict=True):
        if report.names != reports[0].names or report.class_names != reports[0].class_names:
            raise ArgumentError(
                f"{path}: was scored on other images than {paths[0]}; "
                "evaluate both on the same dataset and split"
            )
        differ = (support(report.matrices) != support(reports[0].matrices)).any(axis=-1)
        if differ.any():
            raise ArgumentError(
                f"{path}: was scored on another mask of {report.names[int(differ.argmax())]} than {paths[0]}; "
                "evaluate both again"
            )
        if report.options != reports[0].options:
            said = [show_options(one.options) or "the default options" for one in (report, reports[0])]
            raise ArgumentError(
                f"{path}: was scored with {said[0]}, {paths[0]} with {said[1]}; evaluate both with the same "
                f"options, and `out={str(_report_folder(path))!r}`"
            )
        if report.groups != reports[0].groups:
            raise ArgumentError(
                f"{path}: was scored over other groups than {paths[0]}; evaluate both with the same groups"
            )


def _number(score: float) -> str:
    return "-" if isnan(score) else f"{score:.3f}"


def _range(low: float, high: float) -> str:
    return "no interval" if isnan(low) else f"{low:.3f} to {high:.3f}"


def _names(paths: list[Path]) -> list[str]:
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _interval(report: Report) -> Interval:
    return bootstrap_intervals(report.matrices, report.groups, {"iou": _IOU})["iou"][0]


def _gap(best: Report, other: Report) -> Difference:
    return paired_differences(best.matrices, other.matrices, best.groups, {"iou": _IOU})["iou"][0]


def _row(name: str, model: Model, report: Report, seconds: float) -> Row:
    interval = _interval(report)
    return Row(
        run=name,
        encoder=model.info.encoder,
        parameters=model.info.parameters / 1e6,
        gmacs=model.info.gmacs,
        iou=float(_IOU(report.matrices)),
        low=interval.low,
        high=interval.high,
        accuracy=report.accuracy,
        f1=float(_F1(report.matrices)),
        seconds=seconds,
        megabytes=find_model_file(model.path).stat().st_size / 1e6,
    )


def _time(models: Sequence[Model]) -> list[float]:
    """Return the median seconds for one image."""
    taken = time_models({str(number): model for number, model in enumerate(models)}, (1,), _SECONDS)
    return [milliseconds[1] / 1000 for milliseconds in taken.values()]


def _draw(rows: Sequence[Row], path: Path, label: str) -> None:
    figure = Figure(figsize=(9, 1.4 + 0.5 * len(rows)), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = np.arange(len(rows))[::-1]
    values = np.array([row.iou for row in rows])
    spread = np.array([[row.iou - row.low for row in rows], [row.high - row.iou for row in rows]])
    left.errorbar(values, places, xerr=np.maximum(spread, 0), fmt="o", color="#004488", capsize=4)
    for value, place in zip(values, places, strict=True):
        if isnan(value):
            continue
        left.annotate(
            f"{value:.3f}", (value, place), (0, 7), textcoords="offset points", ha="center", fontsize=9
        )
    left.set(xlabel=label, xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    labels = [row.run if row.run == row.encoder else f"{row.run} ({row.encoder})" for row in rows]
    left.set_yticks(places, labels, parse_math=False)  # names may hold $
    left.grid(axis="x", color="0.9")
    right.barh(places, [row.seconds * 1000 for row in rows], height=0.5, color="#BBBBBB", edgecolor="0.3")
    for row, place in zip(rows, places, strict=True):
        right.annotate(f"{row.seconds * 1000:.0f}", (row.seconds * 1000, place), (4, 0),
                       textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    right.set(xlabel="milliseconds per image")
    right.margins(x=0.15)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    write_figure(path, figure)
