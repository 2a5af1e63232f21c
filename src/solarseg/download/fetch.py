"""Fetching one file: resumed where it was cut, checked, and put in place whole."""

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
from solarseg.download.web import PassingError, Web
from solarseg.errors import DataError, OutputError
from solarseg.files import check_space, write_json

if TYPE_CHECKING:
    import httpx

__all__ = ["fetch", "missing_bytes"]

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 64 * 2**20  # bytes after which free space is looked at again

# Called with the bytes that are here, and how many there will be, where that is known.
Report = Callable[[int, int | None], None]


class _WrongError(Exception):
    """What was sent is not the file that was promised."""


def fetch(remote: RemoteFile, folder: Path, web: Web, report: Report = lambda have, length: None) -> Path:
    """Fetch a file into a folder.

    It grows as ``NAME.part``, beside ``NAME.part.json``, which says of what; both stay where the download is
    cut, and the next call goes on from there. The finished file is checked and takes its name at once; where the
    source states no checksum, an archive is looked through instead. One that is there already is checked and kept.

    Args:
        remote: the file; its name must be without objection (`solarseg.download.safe_names`).
        folder: where to; it must be there, and nobody else fetch into it.
        web: how to ask for it.
        report: is told of progress.

    Returns:
        The file.

    Raises:
        DataError: it cannot be had, or twice had not the size or checksum that the source states.
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
        part.land()
        return target
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: could not be written ({error.strerror or error}); free space or choose another folder, "
            "and run the same command again: it goes on where it stopped"
        ) from error


def missing_bytes(remote: RemoteFile, folder: Path) -> int:
    """Bytes of a file that are still to be fetched; 0 where its size is not known."""
    target = folder / remote.name
    return 0 if target.exists() else max(0, (remote.size or 0) - _Part(target, remote).have())


def _check_finished(target: Path, remote: RemoteFile) -> None:
    if problem := _mismatch(target, remote):
        raise OutputError(f"{target}: is there already, but {problem}; remove it, or choose another folder")
    checked = " and right" if remote.checksum else "; the source states no checksum to check it by"
    logger.info("%s is there already%s", target, checked)


def _complete(part: "_Part", web: Web, report: Report) -> None:
    """Fetch all of a file, and once more from the start if it is not right."""
    what = f"{part.remote.name} from {urlsplit(part.remote.url).hostname}"
    for last in (False, True):
        try:
            web.persist(partial(_advance, part, web, what, report), what, part.have)
            if problem := _mismatch(part.path, part.remote) or _damage(part):
                raise _WrongError(problem)
        except _WrongError as error:
            part.discard()
            if last:
                raise DataError(
                    f"{what}: {error}, twice; it may have been changed at the source, or on the way; try again later"
                ) from error
            logger.warning("%s: %s; fetching it anew", what, error)
        else:
            return


def _damage(part: "_Part") -> str | None:
    """Say how an archive is damaged for which no checksum vouches."""
    name = part.remote.name
    return None if part.remote.checksum or not is_archive(Path(name)) else find_damage(part.path, name)


def _advance(part: "_Part", web: Web, what: str, report: Report) -> None:
    """Fetch what is missing of a file.

    Raises:
        PassingError: it was cut, or must be begun anew.
        _WrongError: it is longer or shorter than it should be.
        DataError: a web page is sent instead of it.
    """
    part.resume()
    have = part.have()
    if part.path.exists() and have == part.length:
        return
    with web.get(part.remote.url, what, part.headers(), (200, 206, 412, 416)) as response:
        _refuse_page(response, part.remote, what)
        have = part.begin(response)
        report(have, part.length)
        looked = have
        with part.path.open("ab") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                have += len(chunk)
                if part.length is not None and have > part.length:
                    raise _WrongError(f"holds more than the {part.length} bytes stated")
                if have - looked > _LOOK_AGAIN:
                    check_space(part.path.parent, 0)
                    looked = have
                report(have, part.length)
    if part.length is not None and have < part.length:
        reason = f"ended after {have} of {part.length} bytes"
        # A server may send less than was asked for, and then the rest.
        raise PassingError(reason, wait=0.0) if response.status_code == 206 else _WrongError(reason)


def _refuse_page(response: "httpx.Response", remote: RemoteFile, what: str) -> None:
    """Raise DataError where a page is sent instead of a file, as by networks that want a login first."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    page = kind in ("text/html", "application/xhtml+xml")
    if page and response.status_code == 200 and not remote.name.lower().endswith((".html", ".htm")):
        raise DataError(
            f"{what}: a web page was sent instead; see in a browser whether your network wants a login, then run the "
            "same command again: it goes on where it stopped"
        )


class _Part:
    """A file that is not finished yet, and the note beside it, which says of what it is a part.

    Attributes:
        remote: what it is a part of.
        path: where it grows.
        length: bytes it will have, as far as anybody says.
    """

    def __init__(self, target: Path, remote: RemoteFile) -> None:
        self.remote = remote
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._note_path = target.with_name(f"{target.name}.part.json")
        self._note: dict[str, object] = {}
        self.length = remote.size

    def have(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def resume(self) -> None:
        """Take up what was left of the same file, or discard it where it cannot be gone on with."""
        self._note = _read_note(self._note_path)
        length = self._note.get("length")
        self.length = length if isinstance(length, int) and self.remote.size is None else self.remote.size
        same = all(self._note.get(key) == value for key, value in self._origin().items())
        # Without either, parts of two versions could be joined and nobody would know.
        known = self.remote.checksum or self._note.get("validator")
        if not (same and known) or (self.length is not None and self.have() > self.length):
            self.discard()

    def headers(self) -> dict[str, str]:
        """Ask for what is missing, if the file is still the same (RFC 9110, 13.1.5 and 14.2)."""
        if not self.have():
            return {}
        validator = self._note.get("validator")
        return {"Range": f"bytes={self.have()}-", **({"If-Range": str(validator)} if validator else {})}

    def begin(self, response: "httpx.Response") -> int:
        """Make ready for what is sent, and return where it begins.

        Raises:
            PassingError: what is sent does not go on from what is here, which was discarded.
            _WrongError: the source states another length.
        """
        if response.status_code == 200:
            self.discard()
            self._note_down(_number(response.headers.get("content-length")), _validator(response.headers))
            return 0
        start, length = _range_sent(response)
        told = ((length, self.length), (_validator(response.headers), self._note.get("validator")))
        changed = any(None not in pair and pair[0] != pair[1] for pair in told)
        if start != self.have() or changed:
            self.discard()
            raise PassingError("the file has changed, or cannot be gone on with; begun anew", wait=0.0)
        self.length = length if self.length is None else self.length
        return self.have()

    def discard(self) -> None:
        """Remove what is here."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        self._note, self.length = {}, self.remote.size

    def land(self) -> None:
        """Give the finished file its name."""
        self.path.replace(self._target)
        self._note_path.unlink(missing_ok=True)

    def _origin(self) -> dict[str, object]:
        return {"url": self.remote.url, "size": self.remote.size, "checksum": self.remote.checksum}

    def _note_down(self, length: int | None, validator: str | None) -> None:
        if None not in (length, self.remote.size) and length != self.remote.size:
            raise _WrongError(f"holds {length} bytes where {self.remote.size} are stated")
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
    """What tells one version of a file from another; weak ETags do not."""
    tag = headers.get("etag", "")
    return (tag if tag.startswith('"') else None) or headers.get("last-modified")


def _range_sent(response: "httpx.Response") -> tuple[int | None, int | None]:
    """Where a part begins, and the length of the whole; None where the answer does not tell."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    return (_number(found[1]), _number(found[2])) if found and response.status_code == 206 else (None, None)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def _mismatch(file: Path, remote: RemoteFile) -> str | None:
    """Say how a file differs from what the source states of it."""
    size = file.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"holds {size} bytes ({decimal(size)}) where {remote.size} are stated"
    if remote.checksum is not None:
        kind, _, stated = remote.checksum.partition(":")
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
        if found != stated:
            return f"its {kind} is {found} where {stated} is stated"
    return None
