"""The exceptions that solarseg raises on purpose.

Every message is one line: the file or argument, what was found, what is allowed, and what to do. The command line
prints it and exits with code 2.

::

    SolarsegError
    ├── ArgumentError        (also a ValueError)   an argument cannot be used
    ├── DataError            a file or a download is not what it should be
    │   ├── ImageError       one image file
    │   ├── MaskError        one mask file
    │   └── DatasetError     a dataset folder, its split or its groups
    ├── ModelFileError       a model file or a file of weights cannot be used
    ├── RunError             a run folder contains no run, or not the one to resume
    ├── OutputError          (also an OSError)     a result could not be written
    │   └── ExistsError      it exists already, and may not be replaced
    ├── MissingExtraError    (also an ImportError) an extra is not installed
    └── MissingLibraryError  (also an ImportError) a library of the operating system is not installed
"""

from pathlib import Path
from reprlib import Repr

__all__ = [
    "ArgumentError",
    "DataError",
    "DatasetError",
    "ExistsError",
    "ImageError",
    "MaskError",
    "MissingExtraError",
    "MissingLibraryError",
    "ModelFileError",
    "OutputError",
    "RunError",
    "SolarsegError",
    "reason_of",
]

_LONGEST_REASON, _LONGEST_INPUT = 160, 40  # characters
_SHORT = Repr()  # looks only at the part that is shown
_SHORT.maxstring = _SHORT.maxother = _LONGEST_INPUT
_WITHOUT_INPUT = {"json_invalid", "missing", "value_error"}  # pydantic's errors whose input says no more


class SolarsegError(Exception):
    """Base class of all exceptions that solarseg raises on purpose."""


class ArgumentError(SolarsegError, ValueError):
    """An argument cannot be used."""


class DataError(SolarsegError):
    """A file or a download is not what it should be."""


class ImageError(DataError):
    """An image file cannot be used."""


class MaskError(DataError):
    """A mask file cannot be used."""


class DatasetError(DataError):
    """A dataset folder, its split or its groups cannot be used."""


class ModelFileError(SolarsegError):
    """A model file or a file of weights cannot be used."""


class RunError(SolarsegError):
    """A run folder contains no run, or not the one to resume."""


class OutputError(SolarsegError, OSError):
    """A result could not be written."""


class ExistsError(OutputError):
    """A result exists already, and may not be replaced.

    Examples:
        >>> str(ExistsError("found", "another `out`", "`overwrite=True` to replace it"))
        'found: exists already; give another `out`, or `overwrite=True` to replace it'
    """

    def __init__(self, path: object, *ways: str) -> None:
        super().__init__(f"{path}: exists already; give {', or '.join(ways)}")


class MissingExtraError(SolarsegError, ImportError):
    """An extra of solarseg is not installed."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'solarseg[{extra}]'")


class MissingLibraryError(SolarsegError, ImportError):
    """A library of the operating system is not installed."""

    def __init__(self, library: str, remedy: str) -> None:
        super().__init__(f"{library} is not installed on this system; {remedy}")


def reason_of(error: BaseException, file: Path | None = None) -> str:
    r"""Return what another library says of an error: one line, short, and without control characters.

    Of pydantic's errors, that is the first problem: where, what is allowed and what was found.

    Args:
        error: the error.
        file: what could not be read. If it is empty, that is the reason; libraries say it in words that do not help.

    Examples:
        >>> reason_of(ValueError("bad\n\x1b[31m value"))
        'bad ?[31m value'
        >>> reason_of(KeyError())
        'KeyError'
    """
    if file is not None and _is_empty_file(file):
        return "the file is empty"
    words = " ".join(_words_of(error).split())[:_LONGEST_REASON] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def _words_of(error: BaseException) -> str:
    from pydantic import ValidationError  # late, so that importing solarseg stays fast

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    said = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] in _WITHOUT_INPUT else f", found {_SHORT.repr(first['input'])}"
    return f"{place}: {said[:1].lower()}{said[1:]}{found}"


def _is_empty_file(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size == 0
    except OSError:
        return False
