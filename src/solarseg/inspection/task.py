"""The work of one process at a time: inspect a photograph, or write a report again with its plots."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from solarseg.errors import ArgumentError, DataError, ExistsError, ImageError, SolarsegError, reason_of
from solarseg.files import atomic_folder, digest
from solarseg.inference.model import Model
from solarseg.inspection.changes import FirstPhotograph, compare_with_first, compare_with_folder, read_result
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.module import inspect_module
from solarseg.inspection.module_folder import check_module_folder, write_module
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.photograph import read_photograph
from solarseg.inspection.power import import_ahead
from solarseg.inspection.record import ModuleOrigin, read_origin
from solarseg.inspection.series_plots import digest_plots
from solarseg.inspection.summary import remove_summary
from solarseg.reports import Plot

__all__ = ["InspectionTask", "PhotographTask", "PlotTask", "TaskResult", "digest_photograph", "do_task"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotographTask:
    """A photograph to inspect.

    Attributes:
        file: its path.
        name: of the photograph, for the names of its modules.
        first: the first photograph of its series, to compare with; None without a series, and for the first itself.
    """

    file: Path
    name: str
    first: FirstPhotograph | None = None


@dataclass(frozen=True)
class PlotTask:
    """A report to write again, with other plots.

    Attributes:
        file: folder of the module.
        plots: over the quantity of its series; may be empty.
    """

    file: Path
    plots: tuple[Plot, ...] = field(repr=False)


InspectionTask = PhotographTask | PlotTask


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Attributes:
        file: that of the task.
        modules: names of the modules of a photograph, whose folders were written.
        failure: why it could not be done, in a sentence; None if it was.
    """

    file: Path
    modules: tuple[str, ...] = ()
    failure: str | None = None


def do_task(job: InspectionJob, model: Model, names: ModuleNames, task: InspectionTask) -> TaskResult:
    """Do a task; whatever is wrong with a photograph, the others can still be inspected.

    Args:
        job: what is to be done.
        model: the opened model of the job.
        names: of the modules.
        task: the photograph or report.

    Raises:
        SolarsegError: something else than the photograph or report is wrong: a result cannot be written, or the model
            fails.
    """
    try:
        if isinstance(task, PlotTask):
            return _write_plots(job, task)
        return TaskResult(task.file, _write_modules(job, model, names, task))
    except (
        DataError,
        ExistsError,
        ArgumentError,
    ) as error:  # corners may suit one photograph and not the next
        return TaskResult(task.file, failure=str(error).removeprefix(f"{task.file}: "))
    except SolarsegError:
        raise
    except MemoryError:
        return TaskResult(task.file, failure="needs more memory than there is; use fewer `processes`")
    except Exception as error:  # a fault of ours, which one photograph of a thousand shows
        logger.debug("%s", task.file, exc_info=True)
        reason = f"{type(error).__name__}: {reason_of(error)}"
        return TaskResult(task.file, failure=f"an error in solarseg ({reason}); please report it")


def _write_modules(
    job: InspectionJob, model: Model, names: ModuleNames, task: PhotographTask
) -> tuple[str, ...]:
    import_ahead()
    content = digest_photograph(task.file)
    photograph = read_photograph(task.file, job.cells, job.corners)
    found = names.of(task.name, len(photograph.modules))
    image, options = job.image_name(task.file), job.options(task.first.digest if task.first else "")
    for module in found:
        check_module_folder(job.paths.module(module), image, job.overwrite)
    with ExitStack() as folders:  # all get their names at its end, or none
        for number, (placement, module) in enumerate(zip(photograph.modules, found, strict=True), 1):
            result = inspect_module(
                photograph, placement, module, image, model, job.cell_mm, job.style.min_severity
            )
            origin = ModuleOrigin(image, content, number, len(found), options)
            if task.first is not None:
                result = compare_with_first(result, origin, task.first, job)
            elif job.compare is not None:
                result = compare_with_folder(result, origin, job.compare, job)
            folder = folders.enter_context(atomic_folder(job.paths.module(module).root, replace=True))
            write_module(folder, result, origin, model.classes, model.path.stem, job.style, job.pdf)
        remove_summary(job.paths)
    return tuple(found)


def _write_plots(job: InspectionJob, task: PlotTask) -> TaskResult:
    result = replace(read_result(job.paths.module(task.file.name)), plots=task.plots)
    origin = replace(read_origin(task.file), plots=digest_plots(task.plots))
    with atomic_folder(task.file, replace=True) as folder:
        write_module(folder, result, origin, job.model.classes, job.model.path.stem, job.style, job.pdf)
        remove_summary(job.paths)
    return TaskResult(task.file)


def digest_photograph(file: Path) -> str:
    """Return a digest of a photograph's file.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return digest(file)
    except OSError as error:
        raise ImageError(f"{file}: cannot be read ({error.strerror or error})") from error
