"""The command line: one file for each command; each parses, calls the library, and prints."""

from solarseg.cli.main import main

__all__ = ["main"]
