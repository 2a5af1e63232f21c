"""The documented command line is the one there is."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

from solarseg.losses import LOSSES
from solarseg.training.config import TrainConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"
MAKE = ("-m", "typer", "solarseg.cli.main", "utils", "docs", "--name", "solarseg", "--output")


def test_every_command_and_option_is_documented(tmp_path):
    subprocess.run([sys.executable, *MAKE, str(tmp_path / "commands.md")], check=True, capture_output=True)
    documented = (DOCS / "commands.md").read_text()
    assert (tmp_path / "commands.md").read_text() == documented, (
        f"make it anew: python {' '.join(MAKE)} docs/commands.md"
    )


def test_help_names_every_loss_and_augmentation():
    documented = (DOCS / "commands.md").read_text()
    kinds = get_args(TrainConfig.model_fields["augment"].annotation)
    assert [name for name in (*LOSSES, *kinds) if name not in documented] == []
