"""The commands of the tutorial about modules run, in an empty folder, and write the files that it names."""

import re
import shlex
from pathlib import Path

import pytest

from solarseg.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorials/module.md"
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_first_module_is_inspected_as_the_tutorial_says(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pvlib")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    ran = []
    for language, block in FENCE.findall(text):
        if language == "python":
            exec(compile(block, PAGE, "exec"), {"__name__": "__main__"})
            ran.append("python")
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["solarseg"] and "my-photos" not in words:
                assert main(words[1:]) == 0, line
                ran.append(words[1])
    assert ran == ["synth", "inspect", "python"]
    named = re.findall(r"`(inspected/[\w./-]+)`", text)
    assert len(named) >= 8
    assert [name for name in named if not Path(name).exists()] == []
    printed = capsys.readouterr().out
    assert "module: 6 x 10 cells" in printed
    assert "of power lost" in printed
