"""What previous calls finished in the folder of an inspection, and what may not be replaced."""

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from solarseg.errors import DataError, ExistsError, OutputError
from solarseg.inspection.columns import MODULE_COLUMNS
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module_folder import check_module_folder
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.record import ModuleOrigin, read_origin
from solarseg.inspection.tables import read_table_rows
from solarseg.inspection.task import PhotographTask, digest_photograph

__all__ = ["FinishedModules"]

_IMAGE = [column for column in MODULE_COLUMNS if column.name == "image"]


class FinishedModules:
    """The modules that previous calls finished.

    Args:
        paths: of the inspection.

    Attributes:
        removed: whether folders were removed.
    """

    def __init__(self, paths: InspectionPaths) -> None:
        self.removed = False
        self._paths = paths
        self._origins = _read_origins(paths.root)
        self._of_image: dict[str, list[tuple[str, ModuleOrigin]]] = {}
        for name, origin in self._origins.items():
            self._of_image.setdefault(origin.image, []).append((name, origin))

    def check(self, images: Collection[str]) -> None:
        """Check that tables and index may be replaced: they are only about photographs of this call.

        Folders of modules of other photographs do not matter if tables and index are not about them.

        Args:
            images: names of the photographs of this call.

        Raises:
            OutputError: they are of other photographs, or no inspection wrote them.
        """
        other = next((image for image in self._listed(images) if image not in images), None)
        if other is not None:
            raise OutputError(
                f"{self._paths.root}: has modules of other photographs, such as {other}; give another `out`, or "
                "`overwrite=True` to replace its index and tables"
            )
        for file in self._paths.files:
            if file.exists() and not self._origins:
                raise ExistsError(file, "another `out`", "`overwrite=True` to replace it")

    def _listed(self, images: Collection[str]) -> Collection[str]:
        """Return the photographs that tables and index are about, or will be about if a call was interrupted."""
        if any(file.exists() for file in self._paths.files):
            with suppress(DataError):
                return [str(row["image"]) for row in read_table_rows(self._paths.modules, _IMAGE)]
        elif any(image in images for image in self._of_image):  # it was a call with photographs of this one
            return ()
        return self._of_image

    def remove_tables(self) -> None:
        """Remove tables and index before the folder has other modules than they say."""
        for file in self._paths.files:
            file.unlink(missing_ok=True)

    def check_folder(self, name: str, image: str, overwrite: bool) -> None:
        """Check that the folder of a module can be written; see `check_module_folder`."""
        known = self._origins.get(name)
        if known is None or known.image != image:
            check_module_folder(self._paths.module(name), image, overwrite)

    def plots_of(self, name: str) -> str:
        """Return the digest of the plots in the report of a module."""
        return self._origins[name].plots

    def find_done(self, job: InspectionJob, names: ModuleNames, task: PhotographTask) -> tuple[str, ...]:
        """Return the modules of a photograph if all are there, made from the same file with the same options."""
        found = sorted(self._of_image.get(job.image_name(task.file), []), key=lambda module: module[1].number)
        modules = tuple(name for name, _ in found)
        if not found or modules != tuple(names.of(task.name, len(found))):
            return ()
        origins, options = (
            [origin for _, origin in found],
            job.options(task.first.digest if task.first else ""),
        )
        whole = [(origin.number, origin.modules) for origin in origins] == [
            (number, len(found)) for number in range(1, len(found) + 1)
        ]
        if not whole or any(origin.options != options for origin in origins):
            return ()
        try:
            content = digest_photograph(task.file)
        except DataError:
            return ()
        return modules if all(origin.digest == content for origin in origins) else ()

    def remove_replaced(self, image: str, modules: Collection[str]) -> None:
        """Remove modules that a photograph no longer has, after it was inspected again.

        Args:
            image: name of the photograph.
            modules: names of its modules.
        """
        self._remove([name for name, _ in self._of_image.get(image, []) if name not in modules])

    def remove_outdated(self, image: str, file: Path) -> list[str]:
        """Remove the modules of a photograph that could not be inspected, if its file is another one now.

        Args:
            image: name of the photograph.
            file: its path.

        Returns:
            Names of its modules that stay: only the options were others when they were inspected.
        """
        try:
            content = digest_photograph(file)
        except DataError:
            content = None  # it may be there again later
        found = self._of_image.get(image, [])
        kept = [name for name, origin in found if content in (None, origin.digest)]
        self._remove([name for name, _ in found if name not in kept])
        return kept

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            shutil.rmtree(self._paths.module(name).root, ignore_errors=True)
            self.removed = True


def _read_origins(root: Path) -> dict[str, ModuleOrigin]:
    """Return what each module in a folder was made from; records that cannot be used are left out."""
    found = {}
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        with suppress(DataError):
            found[folder.name] = read_origin(folder)
    return found
