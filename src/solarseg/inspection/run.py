"""Inspect photographs, in processes or one after another, and make the files about all modules from what they wrote."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from solarseg.files import (
    folder_lock,
    remove_empty_folder,
    remove_temporary,
    remove_temporary_folders,
)
from solarseg.inference.model import Model
from solarseg.inspection.changes import FirstPhotograph
from solarseg.inspection.finished import FinishedModules
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.record import read_origin
from solarseg.inspection.records import Inspection
from solarseg.inspection.series_plots import digest_plots, plot_series
from solarseg.inspection.summary import write_summary
from solarseg.inspection.task import InspectionTask, PhotographTask, PlotTask, TaskResult, do_task
from solarseg.inspection.workers import do_tasks_in_processes
from solarseg.reports import FailedPhotograph
from solarseg.threads import count_cores

__all__ = ["InspectionRun"]

_FEW = 20  # modules, whose tables are written in a moment

Item = TypeVar("Item")


class InspectionRun:
    """A run of an inspection.

    Args:
        job: what is to be done.
        named: name of each photograph.
        failed: photographs that were left out, with the reason.
        model: the model of the job, if it is open already.
        processes: number of processes; by default one for each core, and none for a single photograph.
        progress: show progress on the terminal.
    """

    def __init__(
        self,
        job: InspectionJob,
        named: Mapping[Path, str],
        failed: Mapping[str, str],
        *,
        model: Model | None = None,
        processes: int | None = None,
        progress: bool = False,
    ) -> None:
        self._job, self._named = job, named
        self._model, self._processes, self._progress = model, processes, progress
        self._images = {file: job.image_name(file) for file in named}
        self._names = ModuleNames(named.values(), job.paths)
        self._plots: dict[str, str] = {}  # digests of those in the reports that previous calls wrote
        self._modules: dict[Path, tuple[str, ...]] = {}  # of each photograph that is done
        self._failures = dict(failed)
        self._skipped = 0  # photographs that previous calls inspected

    def finish(self) -> Inspection:
        """Inspect all photographs that are not done, and write what is known of all of them.

        Raises:
            OutputError: a file could not be written.
        """
        root = self._job.paths.root
        root.mkdir(parents=True, exist_ok=True)
        try:
            with folder_lock(root):
                try:
                    _remove_temporary(root)
                    return self._finish()
                finally:
                    _remove_temporary(root)  # of processes that were stopped
        finally:
            remove_empty_folder(root)

    def _finish(self) -> Inspection:
        self._check()
        firsts = self._job.firsts()
        self._inspect(
            [PhotographTask(file, name) for file, name in self._named.items() if file not in firsts]
        )
        self._inspect(
            [
                PhotographTask(file, name, self._first_photograph(firsts[file]))
                for file, name in self._named.items()
                if file in firsts
            ]
        )
        self._remove_outdated()
        self._write_plots()
        found = tuple(name for file in self._named for name in self._modules.get(file, ()))
        cells, defective = self._write_summary(found) if found else (0, 0)
        return Inspection(self._job.paths.root, found, cells, defective, self._failures, self._skipped)

    @cached_property
    def _finished(self) -> FinishedModules:
        """What previous calls finished, read when the folder is locked."""
        return FinishedModules(self._job.paths)

    def _check(self) -> None:
        """Check that everything can be written, before the work."""
        if not self._job.overwrite:
            self._finished.check(set(self._images.values()))
        for file, name in self._named.items():
            folder = self._names.of(name, 1)[0]
            self._finished.check_folder(folder, self._images[file], self._job.overwrite)

    def _inspect(self, tasks: Sequence[PhotographTask]) -> None:
        """Inspect the photographs that are not finished."""
        left = [task for task in tasks if not self._is_finished(task)]
        for result in self._do(left, "inspecting"):
            if result.failure is None:
                self._modules[result.file] = result.modules
            else:
                self._failures[str(result.file)] = result.failure

    def _is_finished(self, task: PhotographTask) -> bool:
        done = () if self._job.overwrite else self._finished.find_done(self._job, self._names, task)
        if done:
            self._modules[task.file] = done
            self._plots |= {name: self._finished.plots_of(name) for name in done}
            self._skipped += 1
        return bool(done)

    def _remove_outdated(self) -> None:
        """Remove what previous calls found and is not so any more; say what is left of photographs that failed."""
        for file, names in self._finished.remove_outdated(self._images, self._modules).items():
            self._failures[str(file)] += f"; what a previous run found in it stays: {', '.join(names)}"

    def _first_photograph(self, file: Path) -> FirstPhotograph:
        """Return the first photograph of a series, after it was inspected."""
        names, image = self._modules.get(file, ()), self._job.image_name(file)
        content = read_origin(self._job.paths.module(names[0]).root).digest if names else ""
        return FirstPhotograph(file, names, f"{image} {content}")

    def _write_plots(self) -> None:
        """Write the reports again in which the plots of the series are missing, or others than now."""
        plots = plot_series(self._job, self._modules)
        photographs = {
            self._job.paths.module(name).root: file for file, names in self._modules.items() for name in names
        }
        found = {folder: plots.get(folder.name, ()) for folder in photographs}
        tasks = [
            PlotTask(folder, each)
            for folder, each in found.items()
            if digest_plots(each) != self._plots.get(folder.name, "")
        ]
        for result in self._do(tasks, "writing plots"):
            if result.failure is not None:  # the module stays in the tables, with the report that it has
                reason = f"the plots in the report of {result.file.name} are not updated: {result.failure}"
                self._add_failure(photographs[result.file], reason)

    def _write_summary(self, names: Sequence[str]) -> tuple[int, int]:
        """Write the files about all modules, and return the number of cells and of those with defects."""
        reasons = [FailedPhotograph(file, reason) for file, reason in self._failures.items()]
        records = _track(names, len(names), "writing tables", self._progress and len(names) > _FEW)
        return write_summary(self._job.paths, records, reasons, self._job.model.classes, self._job.style)

    def _add_failure(self, file: Path, reason: str) -> None:
        """Add a reason to those of a photograph."""
        before = self._failures.get(str(file))
        self._failures[str(file)] = reason if before is None else f"{before}; {reason}"

    def _do(self, tasks: Sequence[InspectionTask], what: str) -> Iterator[TaskResult]:
        with closing(self._results(tasks)) as results:
            yield from _track(results, len(tasks), what, self._progress)

    def _results(self, tasks: Sequence[InspectionTask]) -> Generator[TaskResult, None, None]:
        """Yield what came of each task, in the order in which they are done."""
        cores = count_cores()
        count = min(self._processes or cores, len(tasks))
        if count > 1:
            threads = max(1, cores // count)
            yield from do_tasks_in_processes(self._job, self._names, tasks, count, threads)
        elif tasks:
            self._model = self._model or self._job.model.open()
            for task in tasks:
                yield do_task(self._job, self._model, self._names, task)


def _remove_temporary(root: Path) -> None:
    remove_temporary(root)
    remove_temporary_folders(root)


def _track(items: Iterable[Item], total: int, what: str, progress: bool) -> Iterable[Item]:
    if not progress or not total:
        return items
    from rich.progress import track  # takes a while to import

    return track(items, what, total=total)
