"""``solarseg data list``."""

import shutil
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solarseg.download.catalogue import PublicDataset

__all__ = ["command"]

_LABEL = 10
_WIDEST = 110


def command() -> None:
    """List the public datasets that can be downloaded.

    Shows the content, classes, samples, size, licence, citation and source of each dataset.

    Example: solarseg data list
    """
    from solarseg.download.catalogue import CATALOGUE, NOT_COVERED

    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for entry in CATALOGUE:
        print(entry.name)
        for label, value in _facts(entry).items():
            indent = " " * (_LABEL + 2)
            lines = textwrap.wrap(
                value,
                width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            print(f"  {label:{_LABEL}}" + "\n".join(lines).removeprefix(indent))
        print()
    print(textwrap.fill(NOT_COVERED, width, break_on_hyphens=False))


def _facts(entry: "PublicDataset") -> dict[str, str]:
    return {
        "title": entry.title,
        "shows": entry.shows,
        "classes": ", ".join(entry.classes) if entry.classes else f"none: {entry.task} labels, no masks",
        "samples": f"{entry.samples:,}" if entry.samples else "unknown",
        "size": entry.size,
        "licence": entry.licence,
        "cite": entry.citation,
        "from": entry.page,
        "note": entry.note,
    }
