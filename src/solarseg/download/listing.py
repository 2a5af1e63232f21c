"""Which files a public set has, as its source says when asked."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, Field, ValidationError

from solarseg.download.catalogue import PublicSet
from solarseg.download.safe_names import objection
from solarseg.download.web import Web
from solarseg.errors import ArgumentError, DataError

__all__ = ["HOSTS", "Listing", "RemoteFile", "choose", "list_files"]

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=BaseModel)

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}  # hexadecimal, of each checksum


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public set.

    Attributes:
        name: it gets here; stays in its folder.
        url: where it is.
        size: in bytes; None where the source does not say.
        checksum: as in ``"md5:900150983cd24fb0d6963f7d28e17f72"``; None where the source does not say.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a source says of a set.

    Attributes:
        files: with names of which no two are equal, upper and lower case counted as equal.
        licence: as the source states it; None where it states none.
    """

    files: tuple[RemoteFile, ...]
    licence: str | None = None


def list_files(entry: PublicSet, web: Web) -> Listing:
    """Ask the source of a set for its files.

    Raises:
        DataError: the source cannot be asked, or its answer cannot be used.
    """
    listing = HOSTS[entry.host](entry, web)
    if not listing.files:
        raise DataError(f"{entry.name}: {_host(entry.address)} lists no files; look at {entry.page}")
    for file in listing.files:
        if problem := objection(file.name):
            raise DataError(
                f"{entry.name}: the file name {file.name!r} {problem}; fetch it by hand from {entry.page}"
            )
        if _split(file.url).scheme not in _safe(entry.address):
            raise DataError(
                f"{entry.name}: {file.name} is not at an https address; fetch it by hand from {entry.page}"
            )
    return replace(listing, files=_distinct(listing.files))


def choose(files: Sequence[RemoteFile], pattern: str | None) -> list[RemoteFile]:
    """Return the files whose names fit a pattern.

    Args:
        files: to choose from.
        pattern: as in ``"*us*"``, upper and lower case counted as equal; None for all.

    Raises:
        ArgumentError: none fits; the message lists them.
    """
    chosen = [file for file in files if pattern is None or fnmatch(file.name.lower(), pattern.lower())]
    if not chosen:
        names = ", ".join(file.name for file in files)
        raise ArgumentError(f"--files '{pattern}': fits none of: {names}")
    return chosen


class _Links(BaseModel):
    itself: str = Field(alias="self")


class _ZenodoFile(BaseModel):
    key: str
    size: int = Field(ge=0)
    checksum: str | None = None
    links: _Links


class _ZenodoRecord(BaseModel):
    files: list[_ZenodoFile]
    metadata: dict[str, Any] = {}


def _from_zenodo(entry: PublicSet, web: Web) -> Listing:
    record = _ask(entry, web, _ZenodoRecord)
    files = (
        RemoteFile(file.key, file.links.itself, file.size, _checksum(file.checksum)) for file in record.files
    )
    licence = record.metadata.get("license")
    return Listing(
        tuple(files), str(licence["id"]) if isinstance(licence, dict) and "id" in licence else None
    )


class _CkanResource(BaseModel):
    url: str
    size: object = None  # a number of bytes, or whatever somebody typed in
    hash: str | None = None
    url_type: str | None = None


class _CkanPackage(BaseModel):
    resources: list[_CkanResource]
    license_title: str | None = None


class _CkanAnswer(BaseModel):
    result: _CkanPackage


def _from_ckan(entry: PublicSet, web: Web) -> Listing:
    """What is uploaded to the catalogue itself; links to other places may be pages as well as files."""
    package = _ask(entry, web, _CkanAnswer).result
    own = [one for one in package.resources if _host(one.url) == _host(entry.address)]
    for other in package.resources:
        if other not in own:
            logger.info("%s: left out, since it is kept elsewhere: %s", entry.name, other.url)
    files = (RemoteFile(_last_part(one.url), one.url, _ckan_size(one), _checksum(one.hash)) for one in own)
    return Listing(tuple(files), package.license_title or None)


def _ckan_size(resource: _CkanResource) -> int | None:
    counted = resource.url_type == "upload" and isinstance(resource.size, int) and resource.size >= 0
    return resource.size if counted and isinstance(resource.size, int) else None


def _from_github(entry: PublicSet, web: Web) -> Listing:
    """One archive, made when asked for: its size is not known, and there is nothing to ask."""
    _, _, repository, *_ = _split(entry.address).path.split("/")
    return Listing((RemoteFile(f"{repository}-{_last_part(entry.address)}.zip", entry.address),))


HOSTS: Mapping[str, Callable[[PublicSet, Web], Listing]] = {
    "zenodo": _from_zenodo,
    "ckan": _from_ckan,
    "github": _from_github,
}


def _ask(entry: PublicSet, web: Web, form: type[Answer]) -> Answer:
    body = web.read(entry.address, f"{entry.name}: list of files from {_host(entry.address)}")
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise DataError(
            f"{entry.name}: {_host(entry.address)} gave no list of files that can be read ({where}: "
            f"{first['msg']}); try again later, or fetch the files by hand from {entry.page}"
        ) from error


def _checksum(stated: str | None) -> str | None:
    """A checksum with the name of its kind, where it is one of those known."""
    kind, _, digits = (stated or "").strip().lower().rpartition(":")
    known = [name for name, length in _DIGITS.items() if len(digits) == length and kind in ("", name)]
    return f"{known[0]}:{digits}" if known and re.fullmatch("[0-9a-f]+", digits) else None


def _distinct(files: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The same files under names that differ: ``a.zip``, ``a-2.zip``."""
    taken: set[str] = set()
    named = []
    for file in files:
        name, number = file.name, 2
        while name.lower() in taken:
            path = PurePosixPath(file.name)
            name, number = f"{path.stem}-{number}{path.suffix}", number + 1
        taken.add(name.lower())
        named.append(replace(file, name=name))
    return tuple(named)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # no address at all
        return urlsplit("")


def _host(url: str) -> str:
    return _split(url).hostname or ""


def _last_part(url: str) -> str:
    return unquote(_split(url).path.rpartition("/")[2])


def _safe(address: str) -> tuple[str, ...]:
    """Schemes that a file may have: not less safe than that of its list."""
    return ("https",) if _split(address).scheme == "https" else ("https", "http")
