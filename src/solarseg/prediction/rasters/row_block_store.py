"""The row blocks of a raster that are done, so that an interrupted prediction can be resumed."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from solarseg.errors import OutputError
from solarseg.files import atomic_path, remove_temporary, write_json

__all__ = ["BLOCK", "RowBlockStore"]

logger = logging.getLogger(__name__)

BLOCK = 256  # rows handled at a time, and the side of a block in the files that are written

Planes = NDArray[np.uint8]


@dataclass(frozen=True)
class RowBlockStore:
    """A hidden folder next to the outputs, with a file for each row block and one that says how they were made.

    Attributes:
        folder: where.
        state: what must be equal for them to be reused; JSON values.
        planes: P, numbers that a pixel has.
        width: W, pixels.
    """

    folder: Path
    state: dict[str, Any]
    planes: int
    width: int

    def can_resume(self) -> bool:
        """Whether an earlier call with the same state was interrupted."""
        try:
            return bool(json.loads(self._state_file.read_text(encoding="utf-8")) == self.state)
        except (OSError, ValueError):
            return False

    def begin(self) -> int:
        """Say how many row blocks are done; remove those of another state.

        Raises:
            OutputError: the folder could not be written.
        """
        if not self.can_resume():
            if self.folder.exists():
                logger.warning("%s: is of another image, model or options; starting again", self.folder)
                self.remove()
            write_json(self._state_file, self.state)
        remove_temporary(self.folder)
        done = 0
        while self._file(done).exists():
            done += 1
        return done

    def write(self, number: int, planes: Planes) -> None:
        """Write a row block, ``(P, rows, W) uint8``, whole or not at all.

        Raises:
            OutputError: it could not be written.
        """
        with atomic_path(self._file(number)) as temporary:
            tifffile.imwrite(
                temporary,
                planes,
                photometric="minisblack",
                compression="zstd",
                rowsperstrip=64,
                metadata=None,
            )

    def blocks(self, count: int) -> Iterator[tuple[int, Planes]]:
        """Give the rows of all blocks, 256 at a time: the number of the first, and ``(P, 256 or less, W) uint8``.

        Raises:
            OutputError: a file is damaged.
        """
        top, held = 0, self._read(0)
        for number in range(1, count + 1):
            while held.shape[1] >= BLOCK:
                yield top, held[:, :BLOCK]
                top, held = top + BLOCK, held[:, BLOCK:]
            if number < count:
                held = np.concatenate([held, self._read(number)], axis=1)
        if held.shape[1]:
            yield top, held

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.tif"

    def _read(self, number: int) -> Planes:
        file = self._file(number)
        try:
            return np.asarray(tifffile.imread(file), np.uint8).reshape(self.planes, -1, self.width)
        except Exception as error:  # decoders raise whatever they like on a damaged file
            raise OutputError(f"{file}: is damaged; remove {self.folder} to start again") from error
