"""Inspect photographs, in processes or one after another, and make the files about all modules from what they wrote."""

from collections.abc import Generator, Iterable, Mapping, Sequence
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
from solarseg.inspection.earlier import EarlierModules
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.module_folder import check_module_folder
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.records import Inspection
from solarseg.inspection.series_changes import compare_series
from solarseg.inspection.summary import write_summary
from solarseg.inspection.task import PhotographTask, TaskResult, do_task
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
    names, earlier = ModuleNames(named.values(), job.paths), EarlierModules(job.paths)
    tasks = [PhotographTask(file, name) for file, name in named.items()]
    images = {task.file: job.image_name(task.file) for task in tasks}
    modules: dict[Path, tuple[str, ...]] = {}
    if not job.overwrite:
        earlier.check(set(images.values()))
        modules = {task.file: done for task in tasks if (done := earlier.find_done(job, names, task))}
    skipped = len(modules)
    left = [task for task in tasks if task.file not in modules]
    for task in left:
        check_module_folder(job.paths.module(names.of(task.name, 1)[0]), images[task.file], job.overwrite)
    failures = dict(failed)
    with closing(_do_tasks(job, names, left, model, processes)) as results:
        for result in _track(results, len(left), "inspecting", progress):
            if result.failure is None:
                modules[result.file] = result.modules
            else:
                failures[str(result.file)] = result.failure
    earlier.remove_replaced({images[file]: found for file, found in modules.items()})
    compare_series(job, modules)
    found = [module for file in named for module in modules.get(file, ())]
    if not found:
        return Inspection(job.paths.root, (), 0, 0, failures)
    reasons = [FailedPhotograph(file, reason) for file, reason in failures.items()]
    records = _track(found, len(found), "writing tables", progress and len(found) > _FEW)
    cells, defective = write_summary(job.paths, records, reasons, job.model.classes, job.style)
    return Inspection(job.paths.root, tuple(found), cells, defective, failures, skipped)


def _do_tasks(
    job: InspectionJob,
    names: ModuleNames,
    tasks: Sequence[PhotographTask],
    model: Model | None,
    processes: int | None,
) -> Generator[TaskResult, None, None]:
    """Yield what came of each photograph, in the order in which they are finished."""
    cores = count_cores()
    count = min(processes or cores, len(tasks))
    if count > 1:
        yield from do_tasks_in_processes(job, names, tasks, count, threads=max(1, cores // count))
    elif tasks:
        opened = model or job.model.open()
        for task in tasks:
            yield do_task(job, opened, names, task)


def _remove_temporary(root: Path) -> None:
    remove_temporary(root)
    remove_temporary_folders(root)


def _track(items: Iterable[Item], total: int, what: str, progress: bool) -> Iterable[Item]:
    if not progress or not total:
        return items
    from rich.progress import track  # takes a while to import

    return track(items, what, total=total)
