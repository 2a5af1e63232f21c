"""What grows over the quantity of a series: plots for the reports of its modules."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from solarseg.inspection.job import InspectionJob
from solarseg.inspection.record import read_record
from solarseg.modules import InspectedModule
from solarseg.reports import Line, Plot

__all__ = ["digest_plots", "plot_series"]

Step = tuple[float, InspectedModule]


def plot_series(job: InspectionJob, modules: Mapping[Path, Sequence[str]]) -> dict[str, tuple[Plot, ...]]:
    """Plot the modules of the series of a job; a module without its first photograph has no plots.

    Args:
        job: with a series.
        modules: photograph -> names of its modules, whose folders are written.

    Returns:
        Name of each module -> its plots, which all photographs of the module share.

    Raises:
        DataError: the record of a module was changed.
    """
    first: dict[str, int] = {}  # number of modules in the first photograph
    names: dict[tuple[str, int], list[tuple[float, str]]] = {}
    for file, entry in job.series.items():
        found = modules.get(file, ())
        if len(found) != first.setdefault(entry.module, len(found)):
            continue
        for number, name in enumerate(found):
            names.setdefault((entry.module, number), []).append((entry.value, name))
    plots: dict[str, tuple[Plot, ...]] = {}
    for group in names.values():
        records = [(value, read_record(job.paths.module(name).root)) for value, name in group]
        steps = [step for step in records if step is records[0] or step[1].earlier is not None]
        plots |= dict.fromkeys((name for _, name in group), _plots(steps, job.quantity))
    return plots


def digest_plots(plots: Sequence[Plot]) -> str:
    """Return a digest of plots; empty without plots."""
    if not plots:
        return ""
    return hashlib.blake2b(json.dumps([asdict(each) for each in plots]).encode(), digest_size=8).hexdigest()


def _plots(steps: Sequence[Step], quantity: str) -> tuple[Plot, ...]:
    """Plot inactive area, crack length and darker area of steps; the first is what the others were compared with."""
    (_, first), values = steps[0], [value for value, _ in steps]

    def line(name: str, value: Callable[[InspectedModule], float]) -> Line:
        return Line(name, values, [value(module) for _, module in steps])

    start, length = 100 * first.inactive_share, _crack_length(first)
    return (
        Plot(
            "Inactive area",
            quantity,
            "Share of the cell area (%)",
            (
                line("confirmed by the light", lambda one: start + 100 * _mean(one, "inactive_share")),
                line("found in each photograph", lambda one: 100 * one.inactive_share),
            ),
        ),
        Plot(
            "Length of all cracks",
            quantity,
            "Length (sides of a cell)",
            (
                line("confirmed by the light", lambda one: length + _total(one, "crack_length")),
                line("found in each photograph", _crack_length),
            ),
        ),
        Plot(
            "Area that is darker than in the first photograph",
            quantity,
            "Share of the cell area (%)",
            (line("darker area", lambda one: 100 * _mean(one, "darkened_share")),),
        ),
    )


def _crack_length(module: InspectedModule) -> float:
    measured = [cell.measurement for cell in module.cells]
    return sum(each.in_sides(each.crack_length) for each in measured)


def _total(module: InspectedModule, attribute: str) -> float:
    changes = [cell.change for cell in module.cells if cell.change is not None]
    return sum(float(getattr(each, attribute)) for each in changes)


def _mean(module: InspectedModule, attribute: str) -> float:
    return _total(module, attribute) / len(module.cells)
