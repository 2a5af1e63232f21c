"""The documented command line is the one there is."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
MAKE = ("-m", "typer", "solarseg.cli.main", "utils", "docs", "--name", "solarseg", "--output")


def test_every_command_and_option_is_documented(tmp_path):
    subprocess.run([sys.executable, *MAKE, str(tmp_path / "commands.md")], check=True, capture_output=True)
    documented = (DOCS / "commands.md").read_text()
    assert (tmp_path / "commands.md").read_text() == documented, (
        f"make it anew: python {' '.join(MAKE)} docs/commands.md"
    )
