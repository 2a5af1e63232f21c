"""Compare the photographs of a series with the first of their module, and plot what grows over their quantity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from solarseg.inspection.changes import compare_module, note_no_comparison, read_result, without_comparison
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.layout import ModulePaths
from solarseg.inspection.module import ModuleChanges, ModuleResult
from solarseg.inspection.module_folder import write_module
from solarseg.inspection.record import read_origin
from solarseg.modules import InspectedModule
from solarseg.reports import Line, Plot

__all__ = ["compare_series"]


@dataclass(frozen=True)
class _Step:
    """A photograph of a module: the folder of its results, and the value of the quantity."""

    paths: ModulePaths
    value: float


def compare_series(job: InspectionJob, modules: Mapping[Path, Sequence[str]]) -> None:
    """Compare all photographs of the series of a job, and write their folders again.

    What an earlier call compared is replaced. Without the first photograph of a module nothing is compared.

    Args:
        job: with a series.
        modules: photograph -> names of its modules, whose folders are written.

    Raises:
        DataError: the folder of a module was changed.
        OutputError: a file could not be written.
    """
    first: dict[str, Path] = {}
    steps: dict[tuple[str, int], list[_Step]] = {}
    for file, entry in job.series.items():
        first.setdefault(entry.module, file)
        for number, name in enumerate(modules.get(file, ())):
            steps.setdefault((entry.module, number), []).append(_Step(job.paths.module(name), entry.value))
    for (module, number), group in steps.items():
        file = first[module]
        if number < len(modules.get(file, ())):
            _compare_steps(job, group)
        else:
            fault = "shows fewer modules" if file in modules else "could not be inspected"
            reason = f"the first photograph of the series, {file.name}, {fault}"
            for step in group:
                _write(job, step, note_no_comparison(_read(step), reason))


def _compare_steps(job: InspectionJob, steps: Sequence[_Step]) -> None:
    """Compare the steps of a module with the first; pictures take 8 MB of memory a step."""
    first = _read(steps[0])
    found: list[tuple[InspectedModule, ModuleChanges | None]] = [(first.module, None)]
    for step in steps[1:]:
        result = compare_module(_read(step), first, job.model.classes)
        found.append((result.module, result.changes))
    plots = _plots(steps, [module for module, _ in found], job.quantity)
    for step, (module, changes) in zip(steps, found, strict=True):
        pictures = replace(changes or ModuleChanges(), plots=plots)
        _write(job, step, replace(_read(step), module=module, changes=pictures))


def _read(step: _Step) -> ModuleResult:
    return without_comparison(read_result(step.paths))


def _write(job: InspectionJob, step: _Step, result: ModuleResult) -> None:
    root = step.paths.root
    origin = read_origin(root)
    write_module(root, result, origin, job.model.classes, job.model.path.stem, job.style, job.pdf)


def _plots(steps: Sequence[_Step], modules: Sequence[InspectedModule], quantity: str) -> tuple[Plot, ...]:
    """Plot inactive area, crack length and darker area of the steps that could be compared."""
    first = modules[0]
    used = [
        (step.value, module)
        for number, (step, module) in enumerate(zip(steps, modules, strict=True))
        if number == 0 or module.earlier is not None
    ]
    values = [value for value, _ in used]

    def line(name: str, value: Callable[[InspectedModule], float]) -> Line:
        return Line(name, values, [value(module) for _, module in used])

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
    return sum(each.crack_length / max(each.cell_side, 1) for each in measured)


def _total(module: InspectedModule, attribute: str) -> float:
    changes = [cell.change for cell in module.cells if cell.change is not None]
    return sum(float(getattr(each, attribute)) for each in changes)


def _mean(module: InspectedModule, attribute: str) -> float:
    return _total(module, attribute) / len(module.cells)
