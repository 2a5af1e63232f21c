"""Messages of the library, which name Python arguments in backticks, as the command line says them."""

import ast
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["RENAMED", "OptionFormatter", "as_options", "find_command"]

_ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")
RENAMED: Mapping[str, str] = {
    "thresholds": "threshold",
    "depth": "bits",
}  # Python's argument -> the command's


def find_command(app: Any, words: Sequence[str]) -> Any:
    """Find the command that some words call, as far as they go.

    Args:
        app: the whole program, a group of click as Typer makes it.
        words: its arguments.
    """
    command = app
    for word in words:
        found = getattr(command, "commands", {}).get(word)
        if found is None:
            break
        command = found
    return command


def as_options(message: str, command: Any) -> str:
    """Say Python arguments as options.

    Args:
        message: with arguments in backticks, as in "`tile=0`: must be 1 or more".
        command: click's, whose options they become. What is no option of it stays an argument.

    Examples:
        >>> import typer
        >>> def predict(images: str, tile: int = 0, cell_mm: float = 1, overwrite: bool = False, threshold: str = ""):
        ...     pass
        >>> app = typer.Typer(add_completion=False)
        >>> _ = app.command()(predict)
        >>> command = typer.main.get_command(app)
        >>> as_options("`tile=0`: must be 1 or more", command)
        '--tile 0: must be 1 or more'
        >>> as_options("give another `out`, or `overwrite=True` to replace it", command)
        'give another out, or --overwrite to replace it'
        >>> as_options("`thresholds={'crack': 4}`, `cell_mm`, `images`", command)
        '--threshold crack=4, --cell-mm, IMAGES'
    """
    parameters = {parameter.name: parameter for parameter in command.params}

    def translate(found: re.Match[str]) -> str:
        name, value = found.groups()
        parameter = parameters.get(RENAMED.get(name, name))
        if parameter is None:
            return found[0].strip("`")
        if parameter.param_type_name == "argument":
            return (parameter.metavar or name.upper()) if value is None else _spell(value)
        return _spell_option(parameter, value)

    return _ARGUMENT.sub(translate, message)


def _spell_option(parameter: Any, value: str | None) -> str:
    option: str = max(parameter.opts, key=len)
    if value is None or value == "True":
        return option
    if value == "False" and parameter.secondary_opts:
        return str(max(parameter.secondary_opts, key=len))
    return f"{option} {_spell(value)}"


def _spell(value: str) -> str:
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    if isinstance(found, dict):
        return " ".join(f"{key}={each}" for key, each in found.items())
    return " ".join(map(str, found)) if isinstance(found, (list, tuple)) else str(found)


class OptionFormatter(logging.Formatter):
    """Formats what the library logs as `as_options` does."""

    def __init__(self, find: Callable[[], Any]) -> None:
        super().__init__("%(message)s")
        self._find = find

    def format(self, record: logging.LogRecord) -> str:
        """Give the message of a record."""
        message = super().format(record)
        return as_options(message, self._find()) if "`" in message else message
