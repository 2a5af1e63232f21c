"""The commands of ``solarseg data``."""

import typer

from solarseg.cli.data import catalogue, check, convert, download, export, split, stats

__all__ = ["app"]

app = typer.Typer(
    help="Download, convert, check, split, describe and export datasets.\n\nStart with: solarseg data list",
    rich_markup_mode=None,
    no_args_is_help=True,
)
for name, module in {
    "list": catalogue,
    "download": download,
    "convert": convert,
    "check": check,
    "stats": stats,
    "split": split,
    "export": export,
}.items():
    app.command(name)(module.command)
