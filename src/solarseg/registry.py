"""Tables of names whose entries are imported when they are first used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from solarseg.errors import ArgumentError

__all__ = ["lookup"]


def lookup(kind: str, table: Mapping[str, str], name: str) -> Any:
    """Import the object that a table lists under a name.

    Args:
        kind: what the table holds, for the error message, as in ``"loss"``.
        table: name -> ``"module:attribute"``.
        name: the name asked for.

    Raises:
        ArgumentError: the table has no such name; the message lists the names it has.

    Examples:
        >>> lookup("function", {"sqrt": "math:sqrt"}, "sqrt")(9.0)
        3.0
        >>> lookup("function", {"sqrt": "math:sqrt"}, "root")
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: unknown function 'root'; choose one of: sqrt
    """
    if name not in table:
        raise ArgumentError(f"unknown {kind} '{name}'; choose one of: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    return getattr(import_module(module), attribute)
