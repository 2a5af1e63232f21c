"""Import the benchmarks as their own folder of scripts."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a script by name; its modules are forgotten at the end, since their names are short."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for file in FOLDER.glob("*.py"):
        if file.stem not in before:
            sys.modules.pop(file.stem, None)
