"""Request the list of files of a public dataset from its source."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, Field, ValidationError

from solarseg.download.catalogue import PublicDataset
from solarseg.download.safe_names import unsafe_name_reason
from solarseg.download.web import WebClient
from solarseg.errors import ArgumentError, DataError, reason_of

__all__ = ["HOSTS", "Listing", "RemoteFile", "list_remote_files", "select_files"]

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=BaseModel)

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}  # number of hexadecimal digits


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public dataset.

    Attributes:
        name: name of the local file, without folders.
        url: address of the file.
        size: bytes; ``None`` if the source does not state it.
        checksum: for example ``"md5:900150983cd24fb0d6963f7d28e17f72"``; ``None`` if the source does not state it.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Listing:
    """The answer of a source.

    Attributes:
        files: files with unique names, ignoring case.
        licence: licence that the source states, ``None`` if it states none.
    """

    files: tuple[RemoteFile, ...]
    licence: str | None = None


def list_remote_files(entry: PublicDataset, web: WebClient) -> Listing:
    """Request the files of a dataset from its source.

    Raises:
        DataError: the source cannot be reached, or its answer is invalid.
    """
    listing = HOSTS[entry.host](entry, web)
    if not listing.files:
        raise DataError(f"{entry.name}: {_host(entry.address)} lists no files; see {entry.page}")
    for file in listing.files:
        if problem := unsafe_name_reason(file.name):
            raise DataError(
                f"{entry.name}: the file name {file.name!r} {problem}; download it by hand from {entry.page}"
            )
        if _split(file.url).scheme not in _allowed_schemes(entry.address):
            raise DataError(
                f"{entry.name}: {file.name} is not at an https address; download it by hand from {entry.page}"
            )
    return replace(listing, files=_with_unique_names(listing.files))


def select_files(files: Sequence[RemoteFile], pattern: str | None) -> list[RemoteFile]:
    """Return the files with names that match a pattern.

    Args:
        files: all files.
        pattern: for example ``"*us*"``, ignoring case; ``None`` for all files.

    Raises:
        ArgumentError: no name matches; the message lists the names.
    """
    selected = [file for file in files if pattern is None or fnmatch(file.name.lower(), pattern.lower())]
    if not selected:
        names = ", ".join(file.name for file in files)
        raise ArgumentError(f"`files={pattern!r}`: matches none of: {names}")
    return selected


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


def _from_zenodo(entry: PublicDataset, web: WebClient) -> Listing:
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
    size: object = None  # a number of bytes, or free text
    hash: str | None = None
    url_type: str | None = None


class _CkanPackage(BaseModel):
    resources: list[_CkanResource]
    license_title: str | None = None


class _CkanAnswer(BaseModel):
    result: _CkanPackage


def _from_ckan(entry: PublicDataset, web: WebClient) -> Listing:
    """Return the files that are stored at the source itself; links to other sites may be pages."""
    package = _ask(entry, web, _CkanAnswer).result
    own = [one for one in package.resources if _host(one.url) == _host(entry.address)]
    for other in package.resources:
        if other not in own:
            logger.info("%s: left out a file at another site: %s", entry.name, other.url)
    files = (RemoteFile(_last_part(one.url), one.url, _ckan_size(one), _checksum(one.hash)) for one in own)
    return Listing(tuple(files), package.license_title or None)


def _ckan_size(resource: _CkanResource) -> int | None:
    # Sizes of other types are free text.
    valid = resource.url_type == "upload" and isinstance(resource.size, int) and resource.size >= 0
    return resource.size if valid and isinstance(resource.size, int) else None


def _from_github(entry: PublicDataset, web: WebClient) -> Listing:
    """Return the archive of the repository, which is created on request and has no known size."""
    _, _, repository, *_ = _split(entry.address).path.split("/")
    return Listing((RemoteFile(f"{repository}-{_last_part(entry.address)}.zip", entry.address),))


HOSTS: Mapping[str, Callable[[PublicDataset, WebClient], Listing]] = {
    "zenodo": _from_zenodo,
    "ckan": _from_ckan,
    "github": _from_github,
}


def _ask(entry: PublicDataset, web: WebClient, form: type[Answer]) -> Answer:
    body = web.read(entry.address, f"{entry.name}: list of files from {_host(entry.address)}")
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise DataError(
            f"{entry.name}: {_host(entry.address)} gave an invalid list of files ("
            f"{reason_of(error)}); try again later, or download the files by hand from {entry.page}"
        ) from error


def _checksum(stated: str | None) -> str | None:
    """Return a checksum with the name of its algorithm, or ``None`` if the algorithm is unknown."""
    kind, _, digits = (stated or "").strip().lower().rpartition(":")
    known = [name for name, length in _DIGITS.items() if len(digits) == length and kind in ("", name)]
    return f"{known[0]}:{digits}" if known and re.fullmatch("[0-9a-f]+", digits) else None


def _with_unique_names(files: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Return the files with unique names: ``a.zip``, ``a-2.zip``."""
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
    except ValueError:  # not a URL
        return urlsplit("")


def _host(url: str) -> str:
    return _split(url).hostname or ""


def _last_part(url: str) -> str:
    return unquote(_split(url).path.rpartition("/")[2])


def _allowed_schemes(address: str) -> tuple[str, ...]:
    """Return the allowed schemes of files: if the list was requested by https, only https."""
    return ("https",) if _split(address).scheme == "https" else ("https", "http")
