"""Every backend gives what ONNX Runtime gives, in any shape, and says what it cannot do."""

import subprocess
import sys

import numpy as np
import pytest

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.inference.backends import BACKENDS
from solarseg.inference.model import load_model

backends = pytest.mark.parametrize("backend", BACKENDS)


@backends
@pytest.mark.parametrize("shape", [(1, 64, 64, 3), (5, 64, 64, 3), (2, 96, 160, 3)])
def test_backends_agree(trained, backend, shape):
    run, _ = trained
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = load_model(run.path, backend=backend, threads=1).probabilities(images)
    expected = load_model(run.path, backend="onnxruntime", threads=1).probabilities(images)
    assert found.dtype == np.float32
    assert found.shape == (*shape[:3], 2)
    assert np.allclose(found, expected, atol=1e-4)
    assert np.allclose(found.sum(axis=-1), 1, atol=1e-5)


@backends
def test_results_are_the_callers_own(trained, backend):
    """What was returned must not change with the next call."""
    run, _ = trained
    model = load_model(run.path, backend=backend)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    first = model.probabilities(images[:1])
    kept = first.copy()
    model.probabilities(images[1:])
    assert np.array_equal(first, kept)


@backends
def test_damaged_files_are_named(trained, tmp_path, backend):
    """The metadata is whole, the graph is not."""
    run, _ = trained
    content = bytearray(run.model.read_bytes())
    middle = len(content) // 2
    at = content.index(b"images")
    content[at : at + 400] = bytes(400)
    assert middle > at + 400
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.onnx|best\.ckpt"):
        load_model(tmp_path / "m.onnx", backend=backend)


@backends
def test_a_gpu_that_is_not_there_is_said(trained, backend):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run, _ = trained
    with pytest.raises(ArgumentError, match="`device='cuda'`: "):
        load_model(run.path, backend=backend, device="cuda")


def test_unknown_names_list_the_choices(trained):
    run, _ = trained
    with pytest.raises(
        ArgumentError, match="`backend='tensorrt'`: must be one of auto, onnxruntime, openvino, torch"
    ):
        load_model(run.path, backend="tensorrt")
    with pytest.raises(ArgumentError, match="`device='tpu'`: must be one of cpu, cuda"):
        load_model(run.path, device="tpu")


def test_torch_needs_the_run_folder(trained, tmp_path):
    run, _ = trained
    (tmp_path / "m.onnx").write_bytes(run.model.read_bytes())
    with pytest.raises(
        ModelFileError, match=r"m\.onnx: torch needs .*best\.ckpt, which is missing; give the run"
    ):
        load_model(tmp_path / "m.onnx", backend="torch")


@backends
def test_nothing_is_sent_home(trained, backend):
    """OpenVINO would, by a thread, as soon as it is imported."""
    run, _ = trained
    script = f"""
import sys, threading
import numpy as np
from solarseg.inference.model import load_model
load_model({str(run.path)!r}, backend={backend!r}).probabilities(np.zeros((1, 64, 64, 3), np.uint8))
assert "openvino_telemetry" not in sys.modules
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
