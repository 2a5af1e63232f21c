"""Inspect photographs, in processes or one after another, and make the files about all modules from what they wrote."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
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

__all__ = ["run"]

_FEW = 20  # modules, whose tables are written in a moment

Item = TypeVar("Item")


def run(
    job: InspectionJob,
    named: Mapping[Path, str],
    failed: Mapping[str, str],
    *,
    model: Model | None = None,
    processes: int | None = None,
    progress: bool = False,
) -> Inspection:
    """Inspect all photographs that are not done, and write what is known of all of them.

    Args:
        job: what is to be done.
        named: name of each photograph.
        failed: photographs that were left out, with the reason.
        model: the model of the job, if it is open already.
        processes: number of processes; by default one for each core, and none for a single photograph.
        progress: show progress on the terminal.

    Raises:
        OutputError: a file could not be written.
    """
    root = job.paths.root
    root.mkdir(parents=True, exist_ok=True)
    try:
        with folder_lock(root):
            try:
                return _run(job, named, failed, model, processes, progress)
            finally:
                _remove_temporary(root)  # of processes that were stopped
    finally:
        remove_empty_folder(root)


def _run(
    job: InspectionJob,
    named: Mapping[Path, str],
    failed: Mapping[str, str],
    model: Model | None,
    processes: int | None,
    progress: bool,
) -> Inspection:
    _remove_temporary(job.paths.root)
    work = _Work(job, named, failed, model, processes, progress)
    work.check(named)
    firsts = job.firsts()
    work.inspect([PhotographTask(file, name) for file, name in named.items() if file not in firsts])
    work.inspect(
        [
            PhotographTask(file, name, work.first_photograph(firsts[file]))
            for file, name in named.items()
            if file in firsts
        ]
    )
    work.remove_outdated(named)
    work.write_plots()
    found = [module for file in named for module in work.modules.get(file, ())]
    if not found:
        return Inspection(job.paths.root, (), 0, 0, work.failures)
    reasons = [FailedPhotograph(file, reason) for file, reason in work.failures.items()]
    records = _track(found, len(found), "writing tables", progress and len(found) > _FEW)
    cells, defective = write_summary(job.paths, records, reasons, job.model.classes, job.style)
    return Inspection(job.paths.root, tuple(found), cells, defective, work.failures, work.skipped)


class _Work:
    """What is done of a job.

    Attributes:
        finished: what previous calls finished.
        modules: names of the modules of each photograph that is done.
        failures: photographs that could not be inspected, or whose report could not be written again, with the reason.
        skipped: number of photographs that previous calls inspected.
    """

    def __init__(
        self,
        job: InspectionJob,
        named: Mapping[Path, str],
        failed: Mapping[str, str],
        model: Model | None,
        processes: int | None,
        progress: bool,
    ) -> None:
        self._job, self._model, self._processes, self._progress = job, model, processes, progress
        self._names = ModuleNames(named.values(), job.paths)
        self._plots: dict[str, str] = {}  # digests of those in the reports that previous calls wrote
        self.finished = FinishedModules(job.paths)
        self.modules: dict[Path, tuple[str, ...]] = {}
        self.failures = dict(failed)
        self.skipped = 0

    def check(self, named: Mapping[Path, str]) -> None:
        """Check that everything can be written, before the work."""
        images = {file: self._job.image_name(file) for file in named}
        if not self._job.overwrite:
            self.finished.check(set(images.values()))
        for file, name in named.items():
            self.finished.check_folder(self._names.of(name, 1)[0], images[file], self._job.overwrite)

    def inspect(self, tasks: Sequence[PhotographTask]) -> None:
        """Inspect the photographs that are not finished."""
        left = [task for task in tasks if not self._is_finished(task)]
        for result in self._do(left, "inspecting"):
            if result.failure is None:
                self.modules[result.file] = result.modules
                if self._job.overwrite:
                    self.finished.remove_tables()  # so that this call can be resumed if it is interrupted
            else:
                self.failures[str(result.file)] = result.failure

    def _is_finished(self, task: PhotographTask) -> bool:
        done = () if self._job.overwrite else self.finished.find_done(self._job, self._names, task)
        if done:
            self.modules[task.file] = done
            self._plots |= {name: self.finished.plots_of(name) for name in done}
            self.skipped += 1
        return bool(done)

    def remove_outdated(self, files: Iterable[Path]) -> None:
        """Remove what previous calls found and is not so any more; say what is left of photographs that failed."""
        images = {file: self._job.image_name(file) for file in files}
        for file, names in self.finished.remove_outdated(images, self.modules).items():
            self.failures[str(file)] += f"; what a previous run found in it stays: {', '.join(names)}"

    def first_photograph(self, file: Path) -> FirstPhotograph:
        """Return the first photograph of a series, after it was inspected."""
        names, image = self.modules.get(file, ()), self._job.image_name(file)
        content = read_origin(self._job.paths.module(names[0]).root).digest if names else ""
        return FirstPhotograph(file, names, f"{image} {content}")

    def write_plots(self) -> None:
        """Write the reports again in which the plots of the series are missing, or others than now."""
        plots = plot_series(self._job, self.modules)
        photographs = {
            self._job.paths.module(name).root: file for file, names in self.modules.items() for name in names
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

    def _add_failure(self, file: Path, reason: str) -> None:
        """Add a reason to those of a photograph."""
        before = self.failures.get(str(file))
        self.failures[str(file)] = reason if before is None else f"{before}; {reason}"

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
