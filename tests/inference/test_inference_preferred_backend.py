import pytest

from solarseg.inference.model import load_model
from solarseg.inference.preferred_backend import (
    read_preferred_backend,
    settings_file,
    store_preferred_backend,
)


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SOLARSEG_SETTINGS", str(tmp_path / "settings"))


def test_each_model_and_device_has_its_own():
    assert read_preferred_backend("m1", "cpu") is None
    store_preferred_backend("m1", "cpu", "openvino")
    store_preferred_backend("m2", "cpu", "onnxruntime")
    store_preferred_backend("m1", "cuda", "torch")
    assert [
        read_preferred_backend(*key) for key in (("m1", "cpu"), ("m2", "cpu"), ("m1", "cuda"), ("m2", "cuda"))
    ] == [
        "openvino",
        "onnxruntime",
        "torch",
        None,
    ]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}'])
def test_damaged_settings_are_as_none(text):
    settings_file().parent.mkdir()
    settings_file().write_text(text)
    assert read_preferred_backend("m1", "cpu") is None
    store_preferred_backend("m1", "cpu", "openvino")
    assert read_preferred_backend("m1", "cpu") == "openvino"


def test_what_is_remembered_is_used_unless_another_is_asked_for(trained):
    run, _ = trained
    model = load_model(run.path)
    assert model.backend == "onnxruntime"
    store_preferred_backend(model.info.fingerprint, "cpu", "openvino")
    assert load_model(run.path).backend == "openvino"
    assert load_model(run.path, backend="onnxruntime").backend == "onnxruntime"
    store_preferred_backend(model.info.fingerprint, "cpu", "a backend of later days")
    assert load_model(run.path).backend == "onnxruntime"
