"""What previous calls finished in the folder of an inspection, and what may not be replaced."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from solarseg.errors import DataError, ExistsError, OutputError
from solarseg.files import remove_folder
from solarseg.inspection.columns import MODULE_COLUMNS
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module_folder import check_module_folder
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.record import ModuleOrigin, read_full_record, read_origin
from solarseg.inspection.summary import remove_summary
from solarseg.inspection.tables import read_table_rows
from solarseg.inspection.task import PhotographTask, digest_photograph

__all__ = ["FinishedModules"]

_IMAGE = [column for column in MODULE_COLUMNS if column.name == "image"]


class FinishedModules:
    """The modules that previous calls finished.

    Args:
        paths: of the inspection.
    """

    def __init__(self, paths: InspectionPaths) -> None:
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
        content = _digest_if_readable(task.file)
        if any(origin.digest != content for origin in origins):
            return ()
        return modules if all(self._has_whole_record(name) for name in modules) else ()

    def _has_whole_record(self, name: str) -> bool:
        """Return whether tables can be made of a module; so far only the origin of its record was read."""
        with suppress(DataError):
            read_full_record(self._paths.module(name).root)
            return True
        return False

    def remove_outdated(
        self, images: Mapping[Path, str], done: Mapping[Path, Sequence[str]]
    ) -> dict[Path, list[str]]:
        """Remove the modules that photographs had before and do not have now.

        Folders that this call wrote or kept are never removed, whatever was in them before it. Tables and index are
        removed first, since they link the others.

        Args:
            images: name of each photograph of this call.
            done: names of the modules of each photograph that was inspected.

        Returns:
            Names of the earlier modules that stay, of photographs that could not be inspected: the file is the same as
            then, or cannot be read and may be there again later.
        """
        own = {name.casefold() for names in done.values() for name in names}
        outdated: list[str] = []
        kept: dict[Path, list[str]] = {}
        for file, image in images.items():
            found = {
                name: origin.digest
                for name, origin in self._of_image.get(image, [])
                if name.casefold() not in own
            }
            if found and file not in done:
                content = _digest_if_readable(file)
                kept[file] = [name for name, digest in found.items() if content in (None, digest)]
            outdated += [name for name in found if name not in kept.get(file, ())]
        if outdated:
            remove_summary(self._paths)
        for name in outdated:
            remove_folder(self._paths.module(name).root)
        return {file: names for file, names in kept.items() if names}


def _digest_if_readable(file: Path) -> str | None:
    with suppress(DataError):
        return digest_photograph(file)
    return None


def _read_origins(root: Path) -> dict[str, ModuleOrigin]:
    """Return what each module in a folder was made from; records that cannot be used are left out."""
    found = {}
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        with suppress(DataError):
            found[folder.name] = read_origin(folder)
    return found
