"""Damaged image files: each is read or refused in one line, at little cost."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource")  # limits of a process, which Windows lacks

SCRIPT = Path(__file__).with_name("hostile_images.py")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_images_are_read_or_refused_in_one_line(seed):
    done = subprocess.run(
        [sys.executable, SCRIPT, str(seed), "500"], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.stdout == "done\n", f"{done.stdout}\n{done.stderr[-3000:]}"
    assert done.returncode == 0
