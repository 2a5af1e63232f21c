"""``solarseg data download``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown

__all__ = ["command"]


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the set, as 'solarseg data list' shows it.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to put its files in.")],
    files: Annotated[
        str | None, typer.Option(help="Pattern of the names of files to fetch, such as '*us*' (all).")
    ] = None,
    unpack: Annotated[bool, typer.Option(help="Unpack archives, each into a folder of its name.")] = True,
    quiet: Quiet = False,
) -> None:
    """Download a public data set, verified.

    Cut in the middle, the same command goes on where it stopped.

    Example: solarseg data download glosofarid --out glosofarid --files '*us*'
    """
    from solarseg.download.download import download

    done = download(name, out, files=files, unpack=unpack, progress=is_shown(quiet))
    for path in (*done.files, *done.unpacked):
        print(path)
    print(f"licence: {done.licence or 'none stated by the source'}\ncite: {done.entry.citation}")
