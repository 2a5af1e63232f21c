"""The exceptions solarseg raises on purpose.

Every message is one line that names the file or argument, what was found, what is allowed and the
remedy. The command line prints it and leaves with exit code 2.

::

    SolarsegError
    ├── ArgumentError        (also a ValueError)   an argument or option that cannot be used
    ├── DataError            something on disk, or fetched, is not what it should be
    │   ├── ImageError       one image file
    │   ├── MaskError        one mask file
    │   └── DatasetError     a dataset folder, its split or its groups
    ├── ModelFileError       a model file or weights that cannot be used
    ├── RunError             a run folder that is in the way, or that holds no run
    ├── OutputError          (also an OSError)     a result that could not be written
    └── MissingExtraError    (also an ImportError) an extra that is not installed
"""

__all__ = [
    "ArgumentError",
    "DataError",
    "DatasetError",
    "ImageError",
    "MaskError",
    "MissingExtraError",
    "ModelFileError",
    "OutputError",
    "RunError",
    "SolarsegError",
]


class SolarsegError(Exception):
    """Anything that solarseg raises on purpose."""


class ArgumentError(SolarsegError, ValueError):
    """An argument or option cannot be used."""


class DataError(SolarsegError):
    """Something on disk, or fetched, is not what it should be."""


class ImageError(DataError):
    """An image file cannot be used."""


class MaskError(DataError):
    """A mask file cannot be used."""


class DatasetError(DataError):
    """A dataset folder, its split or its groups cannot be used."""


class ModelFileError(SolarsegError):
    """A model file or a file of weights cannot be used."""


class RunError(SolarsegError):
    """A run folder is in the way, or holds no run."""


class OutputError(SolarsegError, OSError):
    """A result could not be written."""


class MissingExtraError(SolarsegError, ImportError):
    """An optional part of solarseg is not installed."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'solarseg[{extra}]'")
