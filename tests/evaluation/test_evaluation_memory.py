"""An evaluation takes no more memory than one large image needs."""

import subprocess
import sys
from pathlib import Path

import pytest

MEMORY = (
    1_500  # MB: 400 for the libraries, 400 for the probabilities of an image and as much for resizing them
)

WORKER = """
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from solarseg import PredictOptions, evaluate
from solarseg.inference.model import Model, load_model

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
for kind in ("images", "masks"):
    (folder / kind).mkdir()
for name in "abcdef":
    Image.fromarray(rng.integers(0, 255, (640, 640), np.uint8)).save(folder / "images" / f"{name}.png")
    Image.fromarray(rng.integers(0, 255, (640, 640), np.uint8)).save(folder / "masks" / f"{name}.png")
names = tuple(f"c{number}" for number in range(255))
(folder / "dataset.yaml").write_text(f"classes: [{', '.join(names)}]")
colours = tuple((number, 0, 0) for number in range(255))
info = load_model("el-cell").info.model_copy(
    update={"class_names": names, "class_colours": colours, "trained_on": (), "image_size": 64, "bands": 1,
            "mean": (0.5,), "std": (1.0,), "mask_values": None, "temperature": 2.0}
)
compute = lambda inputs: rng.dirichlet(np.ones(255), (len(inputs), 64, 64)).astype(np.float32)
for options in (PredictOptions(tile=0), PredictOptions(tile=64, overlap=0)):
    evaluate(Model(Path("m.onnx"), info, "none", "cpu", options, compute), folder)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux states the peak of a process of its own")
def test_probabilities_of_255_classes_are_held_for_one_image_at_a_time(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) // 1000 < MEMORY
