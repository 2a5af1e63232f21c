"""The notebooks of the docs run in an empty folder, and show what they showed when they were committed."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))


def shown(notebook):
    """Kinds of outputs of each cell, and the first word of each text."""
    return [
        [
            sorted(output.get("data", {})) or output.get("text", "").split()[:1]
            for output in cell.get("outputs", ())
        ]
        for cell in notebook.cells
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    committed = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert shown(notebook) == shown(committed)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_path_of_a_machine(path):
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|usr)/", path.read_text(encoding="utf-8"))


def test_there_are_notebooks():
    assert NOTEBOOKS
