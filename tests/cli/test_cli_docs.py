"""The documented command line is the one there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from solarseg.cli.main import app
from solarseg.losses import LOSSES
from solarseg.training.config import TrainConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = DOCS / "reference" / "commands.md"
MAKE = ("-m", "typer", "solarseg.cli.main", "utils", "docs", "--name", "solarseg", "--output")


def test_every_command_and_option_is_documented(tmp_path):
    subprocess.run([sys.executable, *MAKE, str(tmp_path / "commands.md")], check=True, capture_output=True)
    documented = COMMANDS.read_text()
    assert (tmp_path / "commands.md").read_text() == documented, (
        f"make it again: python {' '.join(MAKE)} docs/reference/commands.md"
    )


def test_help_names_every_loss_and_augmentation():
    documented = COMMANDS.read_text()
    kinds = get_args(TrainConfig.model_fields["augment"].annotation)
    assert [name for name in (*LOSSES, *kinds) if name not in documented] == []


def commands():
    """Every command line of the pages, except the page that is made from the commands."""
    for page in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]:
        fenced = re.findall("^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        for line in re.findall("^ *solarseg .+$", "".join(fenced), re.MULTILINE):
            yield pytest.param(shlex.split(line, comments=True)[1:], id=f"{page.name}: {line.strip()}")


@pytest.mark.parametrize("arguments", list(commands()))
def test_the_commands_on_the_pages_are_understood(arguments):
    command = get_command(app)
    with command.make_context("solarseg", [*arguments], resilient_parsing=True) as context:
        while hasattr(command, "get_command"):
            name, *arguments = arguments
            command = command.get_command(context, name)
            assert command is not None, name
    command.make_context(name, arguments)  # raises where an option or an argument is not taken
