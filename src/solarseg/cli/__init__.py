"""The command line: one file per command, which parses options, calls the library and prints the result."""

from solarseg.cli.main import main

__all__ = ["main"]
