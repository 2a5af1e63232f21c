"""Every script answers --help, and the table of benchmarks/README.md names every benchmark."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    file
    for folder in ("benchmarks", "scripts")
    for file in (ROOT / folder).glob("*.py")
    if "__main__" in file.read_text(encoding="utf-8")
)


DOCS = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "benchmarks/README.md"]


@pytest.fixture(scope="module")
def commands():
    """Every documented command of a script, by the name of the script."""
    found = {}
    for page in DOCS:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for folder, name, arguments in re.findall(r"python (benchmarks|scripts)/(\w+)\.py([^`\n]*)", text):
            found.setdefault(f"{folder}/{name}", set()).add(arguments.partition("  #")[0])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_says_how_to_run_the_script(script, load_benchmark, monkeypatch, capsys, commands):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(script), run_name="__main__")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"python {script.parent.name}/{script.name}" in shown
    for arguments in commands.get(f"{script.parent.name}/{script.stem}", ()):
        assert set(re.findall(r"--[\w-]+", arguments)) <= set(re.findall(r"--[\w-]+", shown)), arguments
    assert "shared" not in shown  # needs no data that a reader cannot get


def test_the_table_names_every_benchmark_once():
    table = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\) \|", table, re.MULTILINE)
    named = [name for name, link in rows if name == link]
    expected = [file.name for file in SCRIPTS if file.parent.name == "benchmarks"]
    assert sorted(named) == expected
