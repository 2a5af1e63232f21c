"""Tables of names with entries that are imported on first use."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from solarseg.errors import ArgumentError

__all__ = ["lookup"]


def lookup(argument: str, table: Mapping[str, str], name: str) -> Any:
    """Import the object with a name in a table.

    Args:
        argument: the argument that gives the name, for the error message, for example ``"loss"``.
        table: name -> ``"module:attribute"``.
        name: a name of the table.

    Raises:
        ArgumentError: the name is not in the table; the message lists all names.

    Examples:
        >>> lookup("function", {"sqrt": "math:sqrt"}, "sqrt")(9.0)
        3.0
        >>> lookup("function", {"sqrt": "math:sqrt"}, "root")
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `function='root'`: must be one of sqrt
    """
    if name not in table:
        raise ArgumentError(f"`{argument}={name!r}`: must be one of {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    return getattr(import_module(module), attribute)
