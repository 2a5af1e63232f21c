import json

import numpy as np
import onnx
import pytest

from solarseg.errors import ImageError, ModelFileError
from solarseg.inference.model import load_model
from solarseg.inference.model_file import FORMAT_VERSION, METADATA_KEY


def rewrite(source, target, change):
    """Copy a model file with its metadata changed."""
    model = onnx.load(source)
    props = {prop.key: prop.value for prop in model.metadata_props}
    change(props)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, props)
    onnx.save(model, target)


def test_plain_onnxruntime_gives_the_same_answer(trained):
    """What the design promises to every other runtime: raw images in, probabilities out."""
    import onnxruntime

    run, _ = trained
    session = onnxruntime.InferenceSession(str(run.model), providers=["CPUExecutionProvider"])
    described = json.loads(session.get_modelmeta().custom_metadata_map["solarseg"])
    assert described["class_names"] == ["background", "foreground"]
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type) == ("images", "tensor(uint8)")
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    (probabilities,) = session.run(None, {"images": images})
    assert probabilities.shape == (3, 64, 64, 2)
    assert np.allclose(probabilities.sum(axis=-1), 1, atol=1e-6)
    assert np.allclose(probabilities, load_model(run.path).probabilities(images), atol=1e-6)


def test_batch_and_size_are_open(trained):
    run, _ = trained
    model = load_model(run.model)
    for shape in ((1, 64, 64, 3), (5, 96, 160, 3)):
        assert model.probabilities(np.zeros(shape, np.uint8)).shape == (*shape[:3], 2)


def test_batches_do_not_change_probabilities(trained):
    run, _ = trained
    model = load_model(run.path)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    alone = np.concatenate([model.probabilities(image[None]) for image in images])
    assert np.allclose(model.probabilities(images), alone, atol=1e-5)


def test_arrays_of_any_usual_kind_are_predicted(trained):
    run, _ = trained
    model = load_model(run.path)
    grey = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)
    expected = model.predict(np.repeat(grey[..., None], 3, axis=-1))
    assert expected.shape == (50, 70)
    assert np.array_equal(model.predict(grey), expected)
    assert np.array_equal(model.predict(grey.astype(np.uint16) * 257), expected)
    assert np.array_equal(model.predict(grey / 255), expected)
    with pytest.raises(ImageError, match="image: contains int64 numbers; allowed are uint8"):
        model.predict(grey.astype(np.int64))
    with pytest.raises(ImageError, match="NaN"):
        model.predict(np.full((8, 8), np.nan))
    with pytest.raises(ImageError, match=r"shape \(0, 8\)"):
        model.predict(np.zeros((0, 8), np.uint8))


def test_a_newer_format_is_refused(trained, tmp_path):
    run, _ = trained

    def newer(props):
        props[METADATA_KEY] = json.dumps(
            {**json.loads(props[METADATA_KEY]), "format_version": FORMAT_VERSION + 1}
        )

    rewrite(run.model, tmp_path / "m.onnx", newer)
    with pytest.raises(ModelFileError, match=r"m\.onnx: written in format 2.*upgrade solarseg"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "without solarseg's metadata"),
        ("not json", "damaged metadata"),
        ("{}", "damaged metadata"),
        ('{"format_version": 1, "class_names": 3}', "damaged metadata"),
    ],
)
def test_bad_metadata_is_named(trained, tmp_path, text, match):
    run, _ = trained

    def change(props):
        props.pop(METADATA_KEY)
        if text is not None:
            props[METADATA_KEY] = text

    rewrite(run.model, tmp_path / "m.onnx", change)
    with pytest.raises(ModelFileError, match=match):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("kept", [0, 10, 5000])
def test_truncated_files_are_named(trained, tmp_path, kept):
    run, _ = trained
    (tmp_path / "m.onnx").write_bytes(run.model.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"m\.onnx"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_byte_of_the_weights_that_differs_is_noticed(trained, tmp_path, share):
    run, _ = trained
    content = bytearray(run.model.read_bytes())
    content[int(len(content) * share)] ^= 1
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(
        ModelFileError, match=r"m\.onnx: damaged: its weights are not those that were written"
    ):
        load_model(tmp_path / "m.onnx")


def test_a_folder_without_model_says_what_to_do(tmp_path):
    with pytest.raises(ModelFileError, match="no such model file; let its training end"):
        load_model(tmp_path)
