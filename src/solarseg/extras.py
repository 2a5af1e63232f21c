"""Import packages that only an extra installs."""

from importlib import import_module
from typing import Any

from solarseg.errors import MissingExtraError

__all__ = ["require"]


def require(package: str, extra: str) -> Any:
    """Import a package that only an extra installs.

    Args:
        package: name to import, for example ``"pycocotools.mask"``.
        extra: the extra that installs it.

    Raises:
        MissingExtraError: the package is not installed; the message has the command that installs it.

    Examples:
        >>> require("math", "data").sqrt(9.0)
        3.0
        >>> require("no_such_package", "data")
        Traceback (most recent call last):
        solarseg.errors.MissingExtraError: no_such_package is not installed; install it with: pip install 'solarseg[data]'
    """  # noqa: E501
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra, str(error.name)) from error
