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


def spelled_out():
    """Every command line of the pages but that made from the commands themselves."""
    pages = [
        DOCS.parent / "README.md",
        *(page for page in sorted(DOCS.glob("*.md")) if page.name != "commands.md"),
    ]
    for page in pages:
        text = re.sub("```(?!sh).*?```", "", page.read_text(), flags=re.DOTALL)
        fenced = "".join(re.findall("```sh\n(.*?)```", text, re.DOTALL))
        indented = "".join(re.findall("^ {4}(.+\n)", text, re.MULTILINE))
        for line in re.findall("^solarseg .+$", fenced + indented, re.MULTILINE):
            yield pytest.param(shlex.split(line, comments=True)[1:], id=f"{page.name}: {line}")


@pytest.mark.parametrize("arguments", list(spelled_out()))
def test_the_commands_on_the_pages_are_understood(arguments):
    command = get_command(app)
    with command.make_context("solarseg", [*arguments], resilient_parsing=True) as context:
        while hasattr(command, "get_command"):
            name, *arguments = arguments
            command = command.get_command(context, name)
            assert command is not None, name
    command.make_context(name, arguments)  # raises where an option or an argument is not taken
