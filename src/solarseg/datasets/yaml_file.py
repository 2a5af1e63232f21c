"""YAML files of others: small, and data alone."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from solarseg.errors import DatasetError

__all__ = ["first_problem", "read_yaml"]

_MAX_BYTES = 2**20


class _Loader(yaml.SafeLoader):
    """Without aliases: a kilobyte of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds an alias (*name); write out what it stands for")
        return super().compose_node(parent, index)


def read_yaml(file: Path) -> Any:
    """Read a YAML file.

    Raises:
        DatasetError: the file cannot be read, has more than 1 MiB, or is no YAML.
    """
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise DatasetError(f"{file}: {size:,} bytes; YAML is read up to {_MAX_BYTES:,}; shorten it")
        return yaml.load(file.read_text(encoding="utf-8-sig"), _Loader)
    # Dates that are none raise ValueError.
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{file}: cannot be read as YAML ({reason}); correct it") from error


def first_problem(error: ValidationError) -> str:
    """Say in a few words what is wrong first, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    message = " ".join(str(first["msg"]).split())
    return f"{place}: {message[0].lower()}{message[1:]}"
