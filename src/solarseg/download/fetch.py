"""Download one file: resume an interrupted download, check the file, and only then give it its name."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.filesize import decimal

from solarseg.download.archives import find_damage, is_archive
from solarseg.download.listing import RemoteFile
from solarseg.download.web import TemporaryError, WebClient
from solarseg.errors import DataError, OutputError
from solarseg.files import check_space, write_json

if TYPE_CHECKING:
    import httpx

__all__ = ["fetch", "missing_bytes"]

logger = logging.getLogger(__name__)

_SPACE_CHECK_BYTES = 64 * 2**20  # between two checks of free space

# Called with the number of downloaded bytes, and the total if it is known.
ProgressCallback = Callable[[int, int | None], None]


class _MismatchError(Exception):
    """The downloaded file is not the one that the source states."""


def fetch(
    remote: RemoteFile,
    folder: Path,
    web: WebClient,
    report: ProgressCallback = lambda have, length: None,
) -> Path:
    """Download a file into a folder.

    The data is written to ``NAME.part``, and its origin to ``NAME.part.json``. Both stay if the download is
    interrupted, and the next call resumes it. The complete file is checked before it gets its name; if the source
    states no checksum, archives are read instead. An existing file is checked and kept.

    Args:
        remote: the file; its name must be safe (`solarseg.download.safe_names`).
        folder: existing folder, which no other process downloads to.
        web: client to download with.
        report: called with the progress.

    Returns:
        The file.

    Raises:
        DataError: the file cannot be downloaded, or differs twice from the size or checksum that the source states.
        OutputError: another file has its name, or it could not be written.
    """
    target = folder / remote.name
    try:
        if target.exists():
            _check_finished(target, remote)
            report(target.stat().st_size, remote.size)
            return target
        part = _Part(target, remote)
        _complete(part, web, report)
        part.rename()
        return target
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: could not be written ({error.strerror or error}); free space or give another folder, "
            "and run the same command again to resume"
        ) from error


def missing_bytes(remote: RemoteFile, folder: Path) -> int:
    """Return the number of bytes of a file that are missing; 0 if its size is unknown."""
    target = folder / remote.name
    return 0 if target.exists() else max(0, (remote.size or 0) - _Part(target, remote).have())


def _check_finished(target: Path, remote: RemoteFile) -> None:
    if problem := _mismatch(target, remote):
        raise OutputError(f"{target}: exists already, but {problem}; remove it, or give another folder")
    checked = "and is right" if remote.checksum else "; the source states no checksum to check it with"
    logger.info("%s: exists already %s", target, checked)


def _complete(part: "_Part", web: WebClient, report: ProgressCallback) -> None:
    """Download a complete file, and once more from the start if it is wrong."""
    what = f"{part.remote.name} from {urlsplit(part.remote.url).hostname}"
    for last in (False, True):
        try:
            web.retry(partial(_advance, part, web, what, report), what, part.have)
            if problem := _mismatch(part.path, part.remote) or _damage(part):
                raise _MismatchError(problem)
        except _MismatchError as error:
            part.discard()
            if last:
                raise DataError(
                    f"{what}: {error}, twice; it may have changed at the source or during transfer; try again later"
                ) from error
            logger.warning("%s: %s; downloading it again", what, error)
        else:
            return


def _damage(part: "_Part") -> str | None:
    """Return how an archive without a checksum is damaged, or ``None``."""
    name = part.remote.name
    return None if part.remote.checksum or not is_archive(Path(name)) else find_damage(part.path, name)


def _advance(part: "_Part", web: WebClient, what: str, report: ProgressCallback) -> None:
    """Download the missing part of a file.

    Raises:
        TemporaryError: the transfer was interrupted, or must start again.
        _MismatchError: the file is longer or shorter than stated.
        DataError: the server sent a web page instead.
    """
    part.resume()
    have = part.have()
    if part.path.exists() and have == part.length:
        return
    with web.get(part.remote.url, what, part.headers(), (200, 206, 412, 416)) as response:
        _refuse_page(response, part.remote, what)
        have = part.start(response)
        report(have, part.length)
        checked = have
        with part.path.open("ab") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                have += len(chunk)
                if part.length is not None and have > part.length:
                    raise _MismatchError(f"is longer than the stated {part.length} bytes")
                if have - checked > _SPACE_CHECK_BYTES:
                    check_space(part.path.parent, 0)
                    checked = have
                report(have, part.length)
    if part.length is not None and have < part.length:
        reason = f"ended after {have} of {part.length} bytes"
        # A server may send less than requested, and the rest on the next request.
        raise TemporaryError(reason, wait=0.0) if response.status_code == 206 else _MismatchError(reason)


def _refuse_page(response: "httpx.Response", remote: RemoteFile, what: str) -> None:
    """Raise `DataError` if the response is a web page instead of a file, as in networks that require a login."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    page = kind in ("text/html", "application/xhtml+xml")
    if page and response.status_code == 200 and not remote.name.lower().endswith((".html", ".htm")):
        raise DataError(
            f"{what}: the server sent a web page; check in a browser whether your network requires a login, then run "
            "the same command again to resume"
        )


class _Part:
    """An incomplete file, and a note file with its origin.

    Attributes:
        remote: the complete file.
        path: the incomplete file.
        length: number of bytes of the complete file, if known.
    """

    def __init__(self, target: Path, remote: RemoteFile) -> None:
        self.remote = remote
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._note_path = target.with_name(f"{target.name}.part.json")
        self._note: dict[str, object] = {}
        self.length = remote.size

    def have(self) -> int:
        """Return the number of downloaded bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def resume(self) -> None:
        """Read the note of an interrupted download, and discard the part if it cannot be resumed."""
        self._note = _read_note(self._note_path)
        length = self._note.get("length")
        self.length = length if isinstance(length, int) and self.remote.size is None else self.remote.size
        same = all(self._note.get(key) == value for key, value in self._origin().items())
        # Without either, parts of two versions could be joined unnoticed.
        known = self.remote.checksum or self._note.get("validator")
        if not (same and known) or (self.length is not None and self.have() > self.length):
            self.discard()

    def headers(self) -> dict[str, str]:
        """Return headers that request the missing bytes if the file has not changed (RFC 9110, 13.1.5 and 14.2)."""
        if not self.have():
            return {}
        validator = self._note.get("validator")
        return {"Range": f"bytes={self.have()}-", **({"If-Range": str(validator)} if validator else {})}

    def start(self, response: "httpx.Response") -> int:
        """Prepare the part for a response, and return the offset that the response starts at.

        Raises:
            TemporaryError: the response does not continue the part, which was discarded.
            _MismatchError: the response states another length.
        """
        if response.status_code == 200:
            self.discard()
            self._write_note(_number(response.headers.get("content-length")), _validator(response.headers))
            return 0
        start, length = _range_sent(response)
        pairs = ((length, self.length), (_validator(response.headers), self._note.get("validator")))
        changed = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        if start != self.have() or changed:
            self.discard()
            raise TemporaryError("the file has changed, or cannot be resumed; starting again", wait=0.0)
        self.length = length if self.length is None else self.length
        return self.have()

    def discard(self) -> None:
        """Remove the part and its note."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        self._note, self.length = {}, self.remote.size

    def rename(self) -> None:
        """Give the complete file its name."""
        self.path.replace(self._target)
        self._note_path.unlink(missing_ok=True)

    def _origin(self) -> dict[str, object]:
        return {"url": self.remote.url, "size": self.remote.size, "checksum": self.remote.checksum}

    def _write_note(self, length: int | None, validator: str | None) -> None:
        if None not in (length, self.remote.size) and length != self.remote.size:
            raise _MismatchError(f"has {length} bytes where {self.remote.size} are stated")
        self.length = self.remote.size if length is None else length
        self._note = {**self._origin(), "length": self.length, "validator": validator}
        write_json(self._note_path, self._note)


def _read_note(path: Path) -> dict[str, object]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what identifies the version of a file; weak ETags do not."""
    tag = headers.get("etag", "")
    return (tag if tag.startswith('"') else None) or headers.get("last-modified")


def _range_sent(response: "httpx.Response") -> tuple[int | None, int | None]:
    """Return the start of the sent range and the total length; ``None`` for what the response does not state."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    return (_number(found[1]), _number(found[2])) if found and response.status_code == 206 else (None, None)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def _mismatch(file: Path, remote: RemoteFile) -> str | None:
    """Return how a file differs from the size and checksum that the source states, or ``None``."""
    size = file.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"has {size} bytes ({decimal(size)}) where {remote.size} are stated"
    if remote.checksum is not None:
        kind, _, stated = remote.checksum.partition(":")
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
        if found != stated:
            return f"its {kind} is {found} where {stated} is stated"
    return None
