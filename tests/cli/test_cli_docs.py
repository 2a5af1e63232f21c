"""The documented command line is the one there is."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_command_and_option_is_documented(tmp_path):
    """docs/commands.md is made by: python -m typer solarseg.cli.main utils docs --name solarseg --output docs/commands.md"""
    command = ["-m", "typer", "solarseg.cli.main", "utils", "docs", "--name", "solarseg"]
    subprocess.run(
        [sys.executable, *command, "--output", str(tmp_path / "commands.md")], check=True, capture_output=True
    )
    assert (tmp_path / "commands.md").read_text() == (DOCS / "commands.md").read_text(), (
        test_every_command_and_option_is_documented.__doc__
    )
