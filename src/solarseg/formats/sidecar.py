"""What a labelling tool's format cannot say and is written next to it: ``dataset.yaml`` and ``groups.csv``."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from solarseg.classes import ClassMap
from solarseg.datasets.description import FILE_NAME, Description, read_description
from solarseg.datasets.groups import GROUPS_NAME, find_original
from solarseg.datasets.sample import Sample
from solarseg.datasets.tables import read_table
from solarseg.datasets.yaml_file import read_yaml
from solarseg.formats.source import Entry, Part, Source

__all__ = ["apply_sidecar_files"]

logger = logging.getLogger(__name__)


def apply_sidecar_files(source: Source) -> Source:
    """Add bands, licence, citation, colours and groups that the format itself does not contain.

    Samples that ``groups.csv`` does not name, and that have no group of the format's own, are grouped by name: see
    `find_original`.

    Raises:
        DatasetError: one of the two files is damaged.
    """
    root = source.path if source.path.is_dir() else source.path.parent
    root = root.parent if root.name == "annotations" else root
    if source.description == Description() and not _is_of_yolo(root / FILE_NAME):
        description, classes = read_description(root)
        source = replace(source, description=description, classes=_coloured(source.classes, classes))
    table = root / GROUPS_NAME
    groups = read_table(table, "name", "group") if table.exists() else {}
    parts = [replace(part, entries=partial(_grouped, part, groups, table)) for part in source.parts]
    return replace(source, parts=parts)


def _is_of_yolo(file: Path) -> bool:
    """Whether this is what Ultralytics calls ``data.yaml``, which may have any name."""
    content = read_yaml(file) if file.exists() else None
    return isinstance(content, dict) and "names" in content


def _coloured(classes: ClassMap, stated: ClassMap | None) -> ClassMap:
    same = stated is not None and stated.names == classes.names
    return replace(classes, colours=stated.colours) if stated is not None and same else classes


def _grouped(part: Part, groups: Mapping[str, str], table: Path) -> Iterator[Entry]:
    without = 0
    for entry in part.entries():
        group = groups.get(entry.name) or entry.group or find_original(entry.name)
        without += group is None
        yield entry if group is None else replace(entry, group=group, load=partial(_load, entry, group))
    if groups and without:
        logger.warning("%s: names no group for %d samples of %s; each is its own", table, without, part.name)


def _load(entry: Entry, group: str) -> Sample:
    return replace(entry.load(), group=group)
