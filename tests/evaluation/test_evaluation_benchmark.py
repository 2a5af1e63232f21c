import pandas
import pytest
from tiny_model import write_tiny

import solarseg
from solarseg.errors import ArgumentError
from solarseg.evaluation import benchmark as module
from solarseg.inference.model import load_model
from solarseg.inference.preferred_backend import settings_file

TAKEN = {"onnxruntime": {1: 4.0, 8: 2.5}, "openvino": {1: 2.0, 8: 3.0}}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model that two backends compute, as long as `TAKEN` says."""
    monkeypatch.setenv("SOLARSEG_SETTINGS", str(tmp_path / "settings"))
    path = write_tiny(tmp_path / "m.onnx")
    models = {name: load_model(path, backend=name) for name in TAKEN}
    failed = {"torch": "`backend='torch'`: needs the `run` folder"}
    monkeypatch.setattr(module, "open_backends", lambda *_: (models, failed))
    monkeypatch.setattr(module, "time_models", lambda *_: TAKEN)
    return path


def test_rows_are_a_table_of_backends_and_batches(model):
    found = solarseg.benchmark(model)
    table = pandas.DataFrame(found.rows()).set_index(["backend", "batch"])
    assert {name: dict(table.milliseconds[name]) for name in TAKEN} == TAKEN
    assert list(table.images_per_second) == [250, 400, 500, 1000 / 3]
    assert table.passes.all()
    assert table.largest_difference["onnxruntime"].max() == table.points_lost["onnxruntime"].max() == 0
    assert table.largest_difference.max() < 1e-5


def test_the_record_says_what_is_fastest_for_one_image_and_what_failed(model):
    found = solarseg.benchmark(str(model))
    assert repr(found) == (
        f"<Benchmark {model}, milliseconds for an image: onnxruntime 4.0, openvino 2.0; fastest: openvino>"
    )
    assert found.failed == {"torch": "needs the run folder"}
    assert (found.folder, found.stored) == (None, None)
    assert not settings_file().exists()


def test_a_loaded_model_is_measured_on_its_device(model):
    loaded = load_model(model)
    assert solarseg.benchmark(loaded, save=True).stored == settings_file()
    assert load_model(model).backend == "openvino"
    with pytest.raises(ArgumentError, match="not allowed with a loaded model"):
        solarseg.benchmark(loaded, device="cpu")


def test_the_rate_of_a_folder_is_a_share_of_that_of_the_network(model, squares, monkeypatch):
    now = [0.0]

    def predict(model, sources, out, **options):
        now[0] += 0.25
        return done

    done = solarseg.predict(model, squares, model.parent / "out", overlays=False)
    monkeypatch.setattr(module, "predict", predict)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    found = solarseg.benchmark(model, images=squares).folder
    count = len(done.pixels)
    assert found == module.FolderRate(count, count / 0.25, pytest.approx(count / 0.25 / 500))
