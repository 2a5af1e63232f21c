"""``solarseg data download``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown

__all__ = ["command"]


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the dataset, see 'solarseg data list'.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder.")],
    files: Annotated[
        str | None, typer.Option(help="Pattern of file names to download, such as '*us*'. Default: all.")
    ] = None,
    unpack: Annotated[bool, typer.Option(help="Unpack each archive into a folder with its name.")] = True,
    quiet: Quiet = False,
) -> None:
    """Download a public dataset and verify its files.

    Run the same command again to resume an interrupted download.

    Example: solarseg data download glosofarid --out glosofarid --files '*us*'
    """
    from solarseg.download.download import download

    done = download(name, out, files=files, unpack=unpack, progress=is_shown(quiet))
    for path in (*done.files, *done.unpacked):
        print(path)
    print(f"licence: {done.licence or 'none stated by the source'}\ncite: {done.entry.citation}")
