"""YAML files that people and other tools write: small, and nothing but text, lists and mappings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from solarseg.errors import DatasetError

__all__ = ["read_yaml"]

_MAX_BYTES = 2**20
_MAX_DEPTH = 20
_NULL = {"", "~", "null", "Null", "NULL"}
# libyaml, which is in PyYAML's wheels, takes a second for what takes Python half a minute.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_yaml(file: Path) -> Any:
    """Read a YAML file, all scalars as text.

    A class called ``no`` or ``007`` is what the file says, not a boolean or a number. Aliases are refused, as a
    kilobyte of them can stand for gigabytes.

    Returns:
        Dictionaries, lists, text, and None for an empty value or file.

    Raises:
        DatasetError: the file cannot be read, is larger than 1 MiB, or is not YAML.
    """
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise DatasetError(f"{file}: {size:,} bytes; YAML is read up to {_MAX_BYTES:,}; shorten it")
        return _build(yaml.parse(file.read_text(encoding="utf-8-sig"), Loader=_Loader))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{file}: cannot be read as YAML ({reason}); correct it") from error


def _build(events: Iterator[yaml.Event]) -> Any:
    """Make of events what they describe, without recursion."""
    top: list[Any] = []
    stack: list[_Node] = [_Node(top)]
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*name); write out what it stands for")
        if isinstance(event, yaml.DocumentStartEvent) and top:
            raise yaml.YAMLError("it has more than one document")
        if isinstance(event, yaml.ScalarEvent):
            is_null = event.value in _NULL and not event.style
            stack[-1].add(None if is_null else event.value)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(stack) > _MAX_DEPTH:
                raise yaml.YAMLError(f"it is nested more than {_MAX_DEPTH} deep")
            content: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            stack[-1].add(content)
            stack.append(_Node(content))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
    return top[0] if top else None


class _Node:
    """A list or mapping that is being read."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._keys: list[str] = []  # none, or the one whose value follows

    def add(self, value: Any) -> None:
        if isinstance(self._content, list):
            self._content.append(value)
        elif self._keys:
            self._content[self._keys.pop()] = value
        else:
            key = "" if value is None else value
            if not isinstance(key, str):
                raise yaml.YAMLError("a key is a list or a mapping; write text before each colon")
            if key in self._content:
                raise yaml.YAMLError(f"'{key[:40]}' is there twice; remove one")
            self._keys.append(key)
